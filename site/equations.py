"""The page "From equation to code": README's table, each name a link to its lines of source."""

import importlib
import re

import sources
from project import ROOT

HEADING = "## From equation to code"
NAME = re.compile(r"`(\w+)`")
FILE = re.compile(r"\[([^\]]+)\]\((minibn/[^)]+)\)")


def section(readme: str) -> str:
    """README's section with the table, without its heading."""
    found = re.search(rf"^{HEADING}\n(.*?)(?=^## |\Z)", readme, re.DOTALL | re.MULTILINE)
    if found is None:
        raise SystemExit(f'README.md has no section "{HEADING}", which is a page of the site')
    return found[1].strip()


def page() -> str:
    """The page as Markdown."""
    lines = []
    for line in section((ROOT / "README.md").read_text("utf-8")).splitlines():
        lines.append(link_row(line) if line.startswith("|") else line)
    table = [i for i, line in enumerate(lines) if line.startswith("|")]
    text = "\n".join(lines[:table[-1] + 1]) if table else "\n".join(lines)
    return (f"# From equation to code\n\n{without_links(text, table)}\n\n"
            "Every name leads to the lines that compute it. The derivations are in the docstrings "
            "of these files, which are also the pages of the [API reference](api/index.md); "
            "notebooks [01](chapters/01_batch_norm.ipynb) to [05](chapters/05_renorm_debias.ipynb) "
            "derive them step by step.\n")


def without_links(text: str, table: list[int]) -> str:
    """Links to folders in the prose lead to nothing in the book; the words stay."""
    return re.sub(r"\[([^\]]+)\]\(minibn/[^)]*/\)", r"`\1`", text)


def link_row(row: str) -> str:
    """A row of the table: file names lead to the source, names to their lines in it."""
    module = None

    def link_file(found: re.Match) -> str:
        nonlocal module
        place = sources.targets().get(found[2].rstrip("/"))
        if place is None:
            place = sources.targets().get(found[2].rstrip("/") + "/__init__.py")
        if place is None:
            return f"`{found[1]}`"
        module = place
        return f'<a href="{place}"><code>{found[1]}</code></a>'

    def link_name(found: re.Match) -> str:
        if module is None or not has(module, found[1]):
            return found[0]
        return f'<a href="{module}#{dotted(module)}.{found[1]}"><code>{found[1]}</code></a>'

    def link(found: re.Match) -> str:
        file = FILE.match(found[0])
        return link_file(file) if file else link_name(NAME.match(found[0]))

    return re.sub(rf"{FILE.pattern}|{NAME.pattern}", link, row)


def dotted(place: str) -> str:
    """The module whose source the page `place` shows."""
    return place.removeprefix("_modules/").removesuffix(".html").replace("/", ".")


def has(place: str, name: str) -> bool:
    """Whether a module defines a public name itself."""
    value = getattr(importlib.import_module(dotted(place)), name, None)
    return getattr(value, "__module__", None) == dotted(place)
