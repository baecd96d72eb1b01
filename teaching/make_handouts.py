"""Make the hand-outs: notebooks as pages without code, to print or to read on a phone.

    python teaching/make_handouts.py             # 01 and 04; needs the extra "teaching"
    python teaching/make_handouts.py 02 05       # others

A hand-out has the text, the formulas, the figures with their captions, and the sentences with
computed numbers. It needs no network.
"""

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
@media print {{ body {{ font-size: 10.5pt; }} h2 {{ page-break-after: avoid; }}
  img {{ page-break-inside: avoid; max-height: 8cm; }} @page {{ margin: 2cm; }} }}
</style>
</head>
<body>
<main>
<p class="caption">Hand-out without code. "The next cell" is a cell of code in the notebook
<code>notebooks/{name}</code>, which computes every number and figure here.</p>
{body}
<hr>
<p class="caption">From the course of minibn, by the minibn authors, CC BY 4.0.</p>
</main>
</body>
</html>
"""


def handout(path: Path) -> str:
    """A notebook as a page without code."""
    parts = []
    for cell in cells(path):
        if cell["cell_type"] == "markdown":
            # A printed page has no links to other notebooks.
            parts.append(to_html(LINK.sub(r"\g<words>", source(cell))))
            continue
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "image/png" in data:
                alt = output["metadata"]["image/png"]["alt"]
                parts.append(picture(alt, data["image/png"].replace("\n", "")))
            elif "text/markdown" in data:
                text = to_html("".join(data["text/markdown"]))
                parts.append(f'<div class="caption">{text}</div>' if "Figure." in text else text)
    title = source(cells(path)[0]).splitlines()[0].lstrip("# ")
    return PAGE.format(title=title, style=STYLE, name=path.name, body="\n".join(parts))


def main() -> None:
    for number in sys.argv[1:] or ("01", "04"):
        path = page_of(number)
        (HERE / "handouts" / f"{number}.html").write_text(handout(path), "utf-8")
        print(f"handouts/{number}.html")


if __name__ == "__main__":
    main()
