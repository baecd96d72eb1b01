"""Make the slides: slides/NN.html from slides/NN.txt and the figures of notebook NN.

    python teaching/make_slides.py            # needs the extra "teaching"

Slides are separated by lines `---`. `{{figure: words}}` takes the figure of the notebook whose
alternative text begins with these words. What follows a line `Notes:` are the teacher's notes, with
what to write on the board. The page needs no network.
"""

import re
from pathlib import Path

from pages import STYLE, figures, page_of, picture, to_html

HERE = Path(__file__).resolve().parent
FIGURE = re.compile(r"\{\{figure: (.+?)\}\}")

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}
html, body {{ height: 100%; }}
section {{ display: none; box-sizing: border-box; min-height: 100vh; padding: 4vh 6vw 8vh;
  font-size: clamp(18px, 2.5vw, 34px); line-height: 1.4; }}
section.now {{ display: flex; flex-direction: column; }}
section h1 {{ font-size: 1.7em; line-height: 1.2; margin: 24vh 0 0.5em; }}
section h2 {{ font-size: 1.35em; line-height: 1.2; color: var(--blue); margin: 0 0 0.7em; }}
section img {{ flex: 1 1 0; min-height: 40vh; max-height: 72vh; max-width: 100%; width: 82vw;
  margin: 0.4em auto; object-fit: contain; }}
section > * {{ flex-shrink: 0; }}
section .formula, section table.aligned {{ font-size: 1.2em; }}
section .formula {{ margin: 0; }}
section li {{ margin: 0.35em 0; }}
aside {{ display: none; margin-top: 1.2em; padding: 0.8em 1em; background: #f3f6f9;
  font-size: 0.72em; border-left: 4px solid var(--blue); }}
body.notes aside {{ display: block; }}
footer {{ position: fixed; right: 2vw; bottom: 1.5vh; color: #5b6875; font-size: 14px; }}
footer button {{ font: inherit; color: inherit; background: #fff; border: 1px solid #c8d0d8;
  border-radius: 4px; padding: 0.3em 0.8em; cursor: pointer; }}
@media print {{ footer {{ display: none; }} @page {{ size: 32cm 18cm; margin: 0; }}
  section {{ display: block; page-break-after: always; min-height: 0; font-size: 29px;
    padding: 1cm 2cm; }} section img {{ max-height: 12cm; min-height: 0; }} }}
</style>
<noscript><style>section {{ display: block; border-bottom: 1px solid #c8d0d8; }}</style></noscript>
</head>
<body>
<main>
{slides}
</main>
<footer><button id="back" aria-label="previous slide">←</button>
<span id="place" aria-live="polite"></span>
<button id="next" aria-label="next slide">→</button>
<button id="notes" aria-label="show or hide the notes">notes</button></footer>
<script>
const slides = [...document.querySelectorAll("section")];
let now = 0;
function show(number) {{
  now = Math.max(0, Math.min(slides.length - 1, number));
  slides.forEach((slide, index) => slide.classList.toggle("now", index === now));
  document.getElementById("place").textContent = (now + 1) + " / " + slides.length;
  history.replaceState(null, "", "#" + (now + 1));
  scrollTo(0, 0);
}}
const toggle = () => document.body.classList.toggle("notes");
document.getElementById("back").onclick = () => show(now - 1);
document.getElementById("next").onclick = () => show(now + 1);
document.getElementById("notes").onclick = toggle;
addEventListener("keydown", event => {{
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key;
  if (["ArrowRight", "ArrowDown", "PageDown", " "].includes(key)) show(now + 1);
  else if (["ArrowLeft", "ArrowUp", "PageUp"].includes(key)) show(now - 1);
  else if (key === "Home") show(0);
  else if (key === "End") show(slides.length - 1);
  else if (key === "n") toggle();
  else if (key === "p") print();
  else return;
  event.preventDefault();
}});
addEventListener("hashchange", () => show(parseInt(location.hash.slice(1)) - 1 || 0));
show(parseInt(location.hash.slice(1)) - 1 || 0);
</script>
</body>
</html>
"""


def slide(text: str, known: list[tuple[str, str]]) -> str:
    """One slide as HTML; the first words of a figure's alternative text name it."""
    pictures: list[str] = []

    def take(found: re.Match) -> str:
        fitting = [pair for pair in known if pair[0].startswith(found[1])]
        if len(fitting) != 1:
            raise SystemExit(f"{len(fitting)} figures begin with {found[1]!r}; there should be one")
        pictures.append(picture(*fitting[0]))
        return f"\n\nFIGURE{len(pictures) - 1}FIGURE\n\n"

    body, _, notes = text.partition("\nNotes:\n")
    page = to_html(FIGURE.sub(take, body))
    for number, image in enumerate(pictures):
        page = page.replace(f"<p>FIGURE{number}FIGURE</p>", image)
    aside = f"<aside>{to_html(notes)}</aside>" if notes.strip() else ""
    return f"<section>\n{page}{aside}</section>"


def deck(path: Path) -> str:
    """The page with all slides of slides/NN.txt."""
    known = figures(page_of(path.stem))
    parts = [part.strip() for part in re.split(r"^---$", path.read_text("utf-8"), flags=re.M)]
    title = parts[0].splitlines()[0].lstrip("# ")
    return PAGE.format(title=title, style=STYLE,
                       slides="\n".join(slide(part, known) for part in parts))


def main() -> None:
    for path in sorted(HERE.glob("slides/*.txt")):
        path.with_suffix(".html").write_text(deck(path), "utf-8")
        print(f"slides/{path.stem}.html")


if __name__ == "__main__":
    main()
