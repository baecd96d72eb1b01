"""Markdown with mathematics to HTML that needs no network: formulas as MathML, figures inside.

Shared by make_slides.py and make_handouts.py. Browsers draw MathML by themselves.
"""

import base64
import html
import json
import re
from pathlib import Path

import latex2mathml.converter
import mistune

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
MATH = re.compile(r"\$\$(?P<block>.+?)\$\$|\$(?P<line>[^$\n]+?)\$", re.DOTALL)
CODE = re.compile(r"(```.*?```|`[^`\n]+`)", re.DOTALL)
# What the converter or the browsers do not know, in terms of what they know.
PLAIN = [(re.compile(pattern, re.DOTALL), by) for pattern, by in (
    (r"\\tag\{(.*?)\}", r"\\qquad(\\text{\1})"),
    (r"\\textbf\{(.*?)\}", r"\\text{\1}"),
    (r"\\textstyle|\\displaystyle", ""),
    (r"\\(?:Bigl|Bigr|bigl|bigr|Big|big)\b", ""),
    (r"\\bar\s*(\\?[a-zA-Z]+)(?![a-zA-Z])", r"\\overline{\1}"),
    (r"\\vdots", "⋮"),
)]
BOX = re.compile(r"\\boxed\{(.*)\}\s*$", re.DOTALL)


def page_of(number: str) -> Path:
    """The notebook 01, 02, …"""
    return next(NOTEBOOKS.glob(f"{number}_*.ipynb"))


def cells(path: Path) -> list[dict]:
    return json.loads(path.read_text("utf-8"))["cells"]


def source(cell: dict) -> str:
    return "".join(cell["source"])


def figures(path: Path) -> list[tuple[str, str]]:
    """The pictures of a notebook's outputs: alternative text, PNG as base64."""
    return [(output["metadata"]["image/png"]["alt"], output["data"]["image/png"].replace("\n", ""))
            for cell in cells(path) for output in cell.get("outputs", [])
            if "image/png" in output.get("data", {})]


def picture(alt: str, png: str) -> str:
    """The image; one that moves has its last frame beside it, for paper."""
    shown = [("", png)]
    if still(png) != png:
        shown = [(' class="moving"', png), (' class="still"', still(png))]
    return "".join(f'<img{kind} alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'
                   for kind, data in shown)


def still(png: str) -> str:
    """A PNG (base64) without the chunks that make it move: its default image, the last frame."""
    data = base64.b64decode(png)
    parts, place = [data[:8]], 8
    while place < len(data):                     # a chunk: length, name, content, check sum
        end = place + 12 + int.from_bytes(data[place:place + 4], "big")
        if data[place + 4:place + 8] not in (b"acTL", b"fcTL", b"fdAT"):
            parts.append(data[place:end])
        place = end
    return base64.b64encode(b"".join(parts)).decode("ascii")


def formula(tex: str, block: bool) -> str:
    """A formula as MathML; lines of an aligned formula become the rows of a table."""
    tex = tex.strip()
    boxed = BOX.search(tex)
    if boxed:
        return f'<div class="box">{formula(boxed[1], block)}</div>'
    for pattern, by in PLAIN:
        tex = pattern.sub(by, tex)
    aligned = re.search(r"\\begin\{aligned\}(.*?)\\end\{aligned\}", tex, re.DOTALL)
    if aligned:
        rows = [row.replace("&&", "& \\quad") for row in re.split(r"\\\\", aligned[1])
                if row.strip()]
        cells_of = ["".join(f"<td>{convert(cell)}</td>" for cell in re.split(r"(?<!\\)&", row))
                    for row in rows]
        return ('<div class="wide"><table class="aligned">'
                + "".join(f"<tr>{row}</tr>" for row in cells_of) + "</table></div>")
    return f'<div class="formula">{convert(tex, True)}</div>' if block else convert(tex)


def convert(tex: str, block: bool = False) -> str:
    """MathML of one formula without alignment."""
    if not tex.strip():
        return ""
    return latex2mathml.converter.convert(tex, display="block" if block else "inline")


def to_html(text: str) -> str:
    """Markdown with $…$ and $$…$$ to HTML."""
    kept: list[str] = []

    def keep(found: re.Match) -> str:
        block = found["block"] is not None
        kept.append(formula(found["block"] if block else found["line"], block))
        return f"\n\nKEPT{len(kept) - 1}KEPT\n\n" if block else f"KEPT{len(kept) - 1}KEPT"

    parts = CODE.split(text)                     # a dollar in code is a dollar
    parts[::2] = [MATH.sub(keep, part) for part in parts[::2]]
    page = str(mistune.create_markdown(plugins=["table"], escape=False)("".join(parts)))
    for number, mathml in enumerate(kept):
        if mathml.startswith("<div"):            # a formula in a line of its own is no paragraph
            page = page.replace(f"<p>KEPT{number}KEPT</p>", mathml)
        page = page.replace(f"KEPT{number}KEPT", mathml)
    return page


STYLE = """
:root { color-scheme: light; --ink: #1d2733; --blue: #0072B2; }
body { font: 1rem/1.5 "Noto Sans", "Segoe UI", "Helvetica Neue", Arial, sans-serif;
  color: var(--ink); background: #fff; margin: 0; }
math { font-size: 1.08em; }
.formula { margin: 0.3em 0; padding: 0.4em 0; text-align: center; }
.formula, .wide { overflow-x: auto; overflow-y: hidden; }
.box { border: 2px solid var(--blue); border-radius: 6px; padding: 0 0.8em; margin: 0.8em auto;
  width: fit-content; max-width: 95%; }
table.aligned { border: 0; margin: 0.6em auto; border-collapse: collapse; }
table.aligned td { border: 0; padding: 0.12em 0.15em; text-align: left; vertical-align: baseline; }
table.aligned td:first-child { text-align: right; }
table { border-collapse: collapse; margin: 0.8em 0; }
th, td { border-bottom: 1px solid #c8d0d8; padding: 0.3em 0.7em; text-align: left; }
code { background: #f0f3f6; padding: 0.1em 0.3em; border-radius: 3px; font-size: 0.92em; }
pre code { display: block; padding: 0.7em; overflow-x: auto; }
img { max-width: 100%; height: auto; }
blockquote { border-left: 3px solid var(--blue); margin-left: 0; padding-left: 1em; }
a { color: var(--blue); }
.still { display: none; }
@media print { .formula, .wide { overflow: visible; } .wide { page-break-inside: avoid; }
  .moving { display: none; } .still { display: inline; } }
"""
