"""The page "From equation to code": README's table, each name a link to its lines of source."""

import importlib
import re

import sources
from project import ROOT

HEADING = "## From equation to code"
FILE_OR_NAME = re.compile(r"\[([^\]]+)\]\((minibn/[^)]+)\)|`(\w+)`")


def section(readme: str) -> str:
    """README's section with the table, without its heading."""
    found = re.search(rf"^{HEADING}\n(.*?)(?=^## |\Z)", readme, re.DOTALL | re.MULTILINE)
    if found is None:
        raise SystemExit(f'README.md has no section "{HEADING}", which is a page of the site')
    return found[1].strip()


def page() -> str:
    """The page as Markdown: what README says before the table, and the table."""
    before, rows = [], []
    for line in section((ROOT / "README.md").read_text("utf-8")).splitlines():
        if line.startswith("|"):
            rows.append(link_row(line))
        elif not rows:
            before.append(re.sub(r"\[([^\]]+)\]\(minibn/[^)]*\)", r"`\1`", line))
    return "\n".join([
        "# From equation to code", "", *before, "", *rows, "",
        "Every name leads to the lines that compute it. The derivations are in the docstrings of "
        "these files, which the [API reference](api/index.md) shows; chapters "
        "[01](chapters/01_batch_norm.ipynb) to [05](chapters/05_renorm_debias.ipynb) derive them "
        "step by step.", ""])


def link_row(row: str) -> str:
    """A row of the table: file names lead to the source, names to their lines in it."""
    module = None

    def link(found: re.Match) -> str:
        nonlocal module
        words, path, name = found.groups()
        if path:
            path = path.rstrip("/")
            module = path.removesuffix(".py").replace("/", ".")
            place = sources.targets().get(path, "").replace(".md", ".html")
        else:
            words, place = name, lines_of(module, name) if module else ""
        return f'<a href="{place}"><code>{words}</code></a>' if place else f"`{words}`"

    return FILE_OR_NAME.sub(link, row)


def lines_of(module: str, name: str) -> str:
    """Where the site lists the source of a name that a module has, or ""."""
    value = getattr(importlib.import_module(module), name, None)
    home = getattr(value, "__module__", None) or ""
    place = sources.targets().get(home.replace(".", "/") + ".py", "")
    return f"{place}#{name}" if place.startswith("_modules/") else ""
