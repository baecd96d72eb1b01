"""Which files of the repository become which pages of the book.

Sources are read when the site is built; a file that is not there gives no page.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import api
from project import ROOT


@dataclass(frozen=True)
class Page:
    """A page: the file that it is made of and its place in the book, both without a leading /."""

    source: str       # from the repository's root: "results/REPORT.md"
    target: str       # from the book's root: "report.md"


@cache
def documents() -> tuple[Page, ...]:
    """The pages that are Markdown in the repository, in the order of the book."""
    fixed = [
        Page("README.md", "library.md"),
        Page("docs/own_layer.md", "own_layer.md"),
        Page("results/REPORT.md", "report.md"),
        Page("results/DETAILS.md", "report_details.md"),
        Page("results/medium/DESIGN.md", "report_design.md"),
        Page("results/APPENDIX.md", "report_appendix.md"),
        Page("notebooks/README.md", "teach/course.md"),
    ]
    kit = [Page(path.relative_to(ROOT).as_posix(), f"teach/kit/{flat_name(path)}")
           for path in sorted((ROOT / "teaching").rglob("*.md"))]
    return tuple(page for page in [*fixed, *kit] if (ROOT / page.source).exists())


@cache
def finished_pages() -> dict[str, str]:
    """What is a page as it is, the teacher's slides and hand-outs: its place, by its path."""
    return {path.relative_to(ROOT).as_posix(): f"teach/{folder}/{path.name}"
            for folder in ("slides", "handouts")
            for path in sorted((ROOT / "teaching" / folder).glob("*.html"))}


def flat_name(path: Path) -> str:
    """The name of a page of the teacher's kit: teaching/slides/01.md gives slides_01.md."""
    parts = path.relative_to(ROOT / "teaching").parts
    return "_".join(parts).replace("README", "index")


@cache
def chapters() -> tuple[str, ...]:
    """The names of the course's notebooks, "01_batch_norm" first."""
    return tuple(sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")))


@cache
def exercises() -> tuple[str, ...]:
    """The names of the notebooks with exercises."""
    return tuple(sorted(path.stem for path in (ROOT / "notebooks" / "exercises").glob("*.ipynb")))


@cache
def targets() -> dict[str, str]:
    """Where each file or folder of the repository is in the book, by its path.

    Paths that end in .html are pages that Sphinx makes and no source has.
    """
    found = {page.source: page.target for page in documents()} | finished_pages()
    for name in chapters():
        found[f"notebooks/{name}.ipynb"] = f"chapters/{name}.ipynb"
    for name in exercises():
        for folder in ("exercises", "solutions"):
            found[f"notebooks/{folder}/{name}.ipynb"] = f"exercises/{name}.ipynb"
    for room in api.rooms():
        found[f"minibn/{room}"] = found[f"minibn/{room}/__init__.py"] = f"api/{room}.md"
        for path in [ROOT / f"minibn/{room}.py", *(ROOT / f"minibn/{room}").rglob("*.py")]:
            source = path.relative_to(ROOT).as_posix()
            found.setdefault(source, f"_modules/{source.removesuffix('.py')}.html")
    found["notebooks"] = found["notebooks/exercises"] = "chapters/index.md"
    if "results/REPORT.md" in found:
        found["results"] = "report.md"
    if any(page.target == "teach/kit/index.md" for page in documents()):
        found["teaching"] = "teach/kit/index.md"
        found["teaching/slides"] = found["teaching/handouts"] = "teach/index.md"
        found["teaching/rubrics"] = "teach/kit/rubrics_index.md"
    return found
