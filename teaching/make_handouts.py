"""Make the hand-outs: notebooks as pages without code, to print or to read on a phone.

    python teaching/make_handouts.py             # 01 and 04; needs the extra "teaching"
    python teaching/make_handouts.py 02 05       # others

A hand-out has the text, the formulas, the figures with their captions, and what the cells print. It
needs no network.
"""

import html
import re
import sys
from pathlib import Path

from pages import STYLE, cells, page_of, picture, source, to_html

HERE = Path(__file__).resolve().parent
LINK = re.compile(r"\[(?P<words>[^\]]*)\]\([^)]*\.ipynb\)")

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}
main {{ max-width: 46rem; margin: 0 auto; padding: 1rem 1.2rem 4rem; }}
h1 {{ font-size: 1.6rem; line-height: 1.25; }}
h2 {{ font-size: 1.25rem; margin-top: 2em; border-top: 1px solid #c8d0d8; padding-top: 0.7em; }}
.caption {{ color: #46525e; font-size: 0.92rem; margin-top: 0; }}
.printed {{ font-size: 0.82rem; line-height: 1.35; white-space: pre-wrap; color: #46525e;
  border-left: 3px solid #c8d0d8; padding-left: 0.8em; overflow-wrap: anywhere; }}
@media print {{ body {{ font-size: 10.5pt; }} h2, h3 {{ page-break-after: avoid; }}
  .formula, .wide {{ font-size: 0.92em; }} .printed {{ font-size: 8.5pt; }}
  img {{ page-break-inside: avoid; max-height: 8cm; }} @page {{ margin: 1.8cm; }} }}
</style>
</head>
<body>
<main>
<p class="caption">Hand-out without code. "The next cell" is a cell of code in the notebook
<code>notebooks/{name}</code>, which computes every number and figure here. Lines beside a gray bar
are what a cell prints.{moving}</p>
{body}
<hr>
<p class="caption">From the course of minibn, by the minibn authors, CC BY 4.0.</p>
</main>
</body>
</html>
"""


def handout(path: Path) -> str:
    """A notebook as a page without code."""
    first, *others = cells(path)
    parts = [text_of(first)]
    for cell in others[1:]:                     # others[0] imports, and prints the mode
        if cell["cell_type"] == "markdown":
            parts.append(text_of(cell))
        else:
            results = [part for output in cell["outputs"] if (part := shown(output))]
            if not results and parts[-1].endswith(":</p>\n"):      # the text announces the code
                results = ['<p class="caption">(Code: see the notebook.)</p>']
            parts += results
    title = source(first).splitlines()[0].lstrip("# ")
    body = "\n".join(parts)
    moving = " On paper a picture that moves shows its end." if 'class="moving"' in body else ""
    return PAGE.format(title=title, style=STYLE, name=path.name, body=body, moving=moving)


def text_of(cell: dict) -> str:
    """A cell of text. Paper has no links to notebooks, and nothing on it folds out."""
    page = to_html(LINK.sub(r"\g<words>", source(cell)))
    return page.replace("<details>", "<details open>")


def shown(output: dict) -> str:
    """What one output of a cell of code shows."""
    data = output.get("data", {})
    if "image/png" in data:
        return picture(output["metadata"]["image/png"]["alt"],
                       data["image/png"].replace("\n", ""))
    if "text/markdown" in data:
        text = to_html("".join(data["text/markdown"]))
        return f'<div class="caption">{text}</div>' if "Figure." in text else text
    text = "".join(output.get("text", data.get("text/plain", ""))).strip("\n")
    return f'<pre class="printed">{html.escape(text)}</pre>' if text else ""


def main() -> None:
    for number in sys.argv[1:] or ("01", "04"):
        path = page_of(number)
        (HERE / "handouts" / f"{number}.html").write_text(handout(path), "utf-8")
        print(f"handouts/{number}.html")


if __name__ == "__main__":
    main()
