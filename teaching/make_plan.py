"""Write plan.md from the notebooks: minutes, exercises, what needs what.

    python teaching/make_plan.py

Minutes stand in the table that opens each notebook, points in the marks of the exercises, and what
a notebook needs in its line "You need". Run this after changing any of them; a test compares.
"""

import json
import re
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
NOTEBOOKS = HERE.parent / "notebooks"
SECTION = re.compile(r"^\| (?P<name>.+?) \| (?P<minutes>\d+) \| ?(?P<place>.*?) ?\|$", re.MULTILINE)
CHECK = re.compile(r'teaching\.check\("(?P<key>\d+\.\d+)"')
HEADING = re.compile(r"^## (?P<title>.+)$", re.MULTILINE)
MINUTES_A_POINT = 5


class Exercise(NamedTuple):
    """One exercise as a teacher sees it."""

    title: str
    points: float
    place: str            # short ones in "class", the others at "home"
    graded: str           # "nbgrader" or "by hand"


def cells(path: Path) -> list[dict]:
    """The cells of a notebook."""
    return json.loads(path.read_text("utf-8"))["cells"]


def source(cell: dict) -> str:
    return "".join(cell["source"])


def marks(cell: dict) -> dict:
    return cell["metadata"].get("nbgrader", {})


def sections(page: Path) -> list[tuple[str, int, str]]:
    """Name, minutes and remark of each section, from the table in the notebook's first cell."""
    return [(row["name"], int(row["minutes"]), row["place"])
            for row in SECTION.finditer(source(cells(page)[0]))]


def needs(page: Path) -> list[str]:
    """The numbers of the notebooks that the line "You need" names."""
    line = re.search(r"\*\*You need\*\*(.*)", source(cells(page)[0]))
    text = line[1] if line else ""
    found = re.findall(r"\b(0[1-9]|1[01])(?=_|\b)", text)
    return sorted({number for number in found if number != page.name[:2]})


def exercises(solution: Path) -> list[Exercise]:
    """The exercises of a chapter, in order; a heading may have a check and a question."""
    found, heading = [], ""
    for cell in cells(solution):
        if cell["cell_type"] == "markdown":
            titles = HEADING.findall(source(cell))
            if titles and not marks(cell):
                heading = re.sub(r" \((?:.*points?.*|by hand)\)$", "", titles[-1].strip())
        if marks(cell).get("grade"):
            points, by_hand = marks(cell)["points"], marks(cell).get("solution", False)
            found.append(Exercise(heading, points, "class" if points <= 1 else "home",
                                  "by hand" if by_hand else "nbgrader"))
    return found


def title(page: Path) -> str:
    return source(cells(page)[0]).splitlines()[0].lstrip("# ").partition("·")[2].strip()


def number(points: float) -> str:
    return f"{points:g}"


def plan() -> str:
    """The text of plan.md."""
    pages = sorted(NOTEBOOKS.glob("*.ipynb"))
    chapters = {page.name[:2]: (page, exercises(NOTEBOOKS / "solutions" / page.name))
                for page in pages}
    lines = ["# The course in numbers", "",
             "This page is made by `python teaching/make_plan.py`. Reading times are for a student "
             "who reads English as a second language and redoes each derivation on paper. Count "
             f"{MINUTES_A_POINT} minutes for a point of an exercise. *Class*: exercises of one "
             "point, to be done in pairs; *home*: the others. This is a suggestion.", "",
             "| notebook | needs | reading, core | optional | exercises |", "|---|---|---|---|---|"]
    total = 0.0
    for key, (page, tasks) in chapters.items():
        core = sum(minutes for _, minutes, place in sections(page) if "optional" not in place[:8])
        extra = sum(minutes for _, minutes, place in sections(page) if "optional" in place[:8])
        points = sum(task.points for task in tasks)
        total += points
        lines.append(
            f"| [{key} {title(page)}](../notebooks/{page.name}) | {', '.join(needs(page)) or '–'} "
            f"| {f'{core} min' if core else '–'} | {f'{extra} min' if extra else '–'} "
            f"| {number(points)} points, {round(points * MINUTES_A_POINT)} min |")
    lines += ["", f"All exercises together have {number(total)} points.", "",
              "## What needs what", "", "```mermaid", "graph LR"]
    for key, (page, _) in chapters.items():
        lines += [f"  n{need}[{need}] --> n{key}[{key}]" for need in needs(page)]
    lines += ["```", "",
              "An arrow from 01 to 02 says: 02 needs 01. Notebooks without a path between them can "
              "be taught in any order.", ""]
    for key, (page, tasks) in chapters.items():
        lines += [f"## {key} {title(page)}", ""]
        if sections(page):
            lines += ["| section | minutes | |", "|---|---|---|"]
            lines += [f"| {name} | {minutes} | {place} |"
                      for name, minutes, place in sections(page)]
            lines.append("")
        lines += ["| exercise | points | place | graded |", "|---|---|---|---|"]
        lines += [f"| {task.title} | {number(task.points)} | {task.place} | {task.graded} |"
                  for task in tasks]
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    (HERE / "plan.md").write_text(plan(), "utf-8")
    print("plan.md")


if __name__ == "__main__":
    main()
