"""The page "From equation to code": each formula beside the line of the library that computes it,
read from the source when the site is built, and README's table with its names as links."""

import importlib
import inspect
import re
import tomllib
from pathlib import Path

import links
import sources
from project import ROOT

FORMULAS = Path(__file__).resolve().parent / "book" / "equations.toml"

HEADING = "## From equation to code"
FILE_OR_NAME = re.compile(r"\[([^\]]+)\]\((minibn/[^)]+)\)|`(\w+)`")


def section(readme: str) -> str:
    """README's section with the table, without its heading."""
    found = re.search(rf"^{HEADING}\n(.*?)(?=^## |\Z)", readme, re.DOTALL | re.MULTILINE)
    if found is None:
        raise SystemExit(f'README.md has no section "{HEADING}", which is a page of the site')
    return found[1].strip()


def page() -> str:
    """The page as Markdown: formulas and lines side by side, then README's table of the rest."""
    before, rows = [], []
    for line in section((ROOT / "README.md").read_text("utf-8")).splitlines():
        if line.startswith("|"):
            rows.append(link_row(line))
        elif not rows:
            before.append(re.sub(r"\[([^\]]+)\]\(minibn/[^)]*\)", r"`\1`", line))
    return "\n".join([
        "# From equation to code", "",
        "Each equation of the paper, and the line of the library that computes it. The lines are "
        "read from the source when this page is made, and each name leads to them.", "",
        *(part(about) for about in tomllib.loads(FORMULAS.read_text("utf-8"))["part"]),
        "## Everything else in the paper", "", *before, "", *rows, "",
        "The derivations are in the docstrings of these files, which the "
        "[API reference](api/index.md) shows.", ""])


def part(about: dict) -> str:
    """A heading with its rows: label, formula, line of code, and the function that holds it."""
    module, chapter = about["module"], about["chapter"]
    source = f"[Chapter {chapter[:2]}](chapters/{chapter}.ipynb)"
    found = [f"## {about['title']}", "",
             f"{links.subscripts(about['words'])} {source} derives the formulas step by step.", ""]
    for label, formula, name, start in about["rows"]:
        code = line_of(module, name, start)
        label = f"({label})" if label[:1].isdigit() else label
        found += ["````{container} equation", label, "", "```{math}", formula, "```", "",
                  "```python3", code, "```", "",
                  f'<a href="{lines_of(module, name)}">{name}</a>', "````", ""]
    return "\n".join(found)


def line_of(module: str, name: str, start: str) -> str:
    """The one line of a function that begins with `start`, without its comment."""
    function = inspect.unwrap(getattr(importlib.import_module(module), name))
    lines = [line.strip() for line in inspect.getsource(function).splitlines()]
    found = [line.partition("  #")[0].strip().rstrip(",")
             for line in lines if line.startswith(start)]
    if len(found) != 1:
        raise SystemExit(f"equations.toml: {len(found)} lines of {module}.{name} begin with "
                         f"{start!r}; there must be one")
    return found[0]


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
