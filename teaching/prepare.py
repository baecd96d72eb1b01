"""Make a course's folder for nbgrader: its settings, and the exercises with their solutions.

    python teaching/prepare.py ~/my-course                       # all eleven notebooks
    python teaching/prepare.py ~/my-course --only 01 04          # those whose names begin so
    python teaching/prepare.py ~/my-course --exercises 1.5 4.11  # only these two count

The folder then holds nbgrader_config.py and source/NAME/NAME.ipynb, from which
`nbgrader generate_assignment NAME` makes the students' version. What is there is not overwritten,
except the notebooks in source/ with --again. `grading.md` has the steps that follow.

With --exercises the other exercises stay in the notebook, with their checks, and have no points:
an exercise may need what an earlier one defines, and who wants to practice can.
"""

import argparse
import json
import re
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOLUTIONS = HERE.parent / "notebooks" / "solutions"
HEADING = re.compile(r"^## (?P<key>\d+\.\d+) .*?(?P<points> \([^()]*points?[^()]*\))?$",
                     re.MULTILINE)


def prepare(course: Path, only: list[str], again: bool, exercises: list[str]
            ) -> tuple[list[str], list[str]]:
    """The names of the course's assignments, and which of them were there and stay as they are.

    ValueError where a name or an exercise is not found; then nothing is written.
    """
    only = only or [chapter_of(key) for key in exercises]
    names, kept = [], []
    files = [path for path in sorted(SOLUTIONS.glob("*.ipynb"))
             if not only or path.name.startswith(tuple(only))]
    if not files:
        raise ValueError(f"No notebook begins with {' or '.join(only)}.")
    for key in exercises:
        if chapter_of(key) not in [path.name[:2] for path in files]:
            raise ValueError(f"Exercise {key} is not in {' or '.join(one.stem for one in files)}.")
    notebooks = {path.stem: text(path, exercises) for path in files}
    course.mkdir(parents=True, exist_ok=True)
    if not (course / "nbgrader_config.py").exists():
        shutil.copy(HERE / "nbgrader_config.py", course)
    for name, notebook in notebooks.items():
        target = course / "source" / name / f"{name}.ipynb"
        if again or not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(notebook, "utf-8")
        else:
            kept.append(name)
        names.append(name)
    return names, kept


def text(path: Path, exercises: list[str]) -> str:
    """The text of a notebook in source/; where some of its exercises are named, only they count."""
    written = path.read_text("utf-8")
    chosen = [key for key in exercises if chapter_of(key) == path.name[:2]]
    if not chosen:
        return written
    notebook = json.loads(written)
    points = count_only(notebook["cells"], chosen)
    opening = notebook["cells"][0]["source"]
    word = "exercise" if len(chosen) == 1 else "exercises"
    opening[1:1] = ["\n", f"**What counts**: {word} {', '.join(chosen)}; {points:g} points. The "
                    "others are for practice.\n"]
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def count_only(cells: list[dict], chosen: list[str]) -> float:
    """Take the points of all other exercises away; the points that are left.

    ValueError where a chosen exercise is not there.
    """
    key, points, found = "", 0.0, set()
    for cell in cells:
        marks = cell["metadata"].get("nbgrader", {})
        if cell["cell_type"] == "markdown" and not marks:
            words = "".join(cell["source"])
            for heading in HEADING.finditer(words):
                key = heading["key"]
                if key not in chosen and heading["points"]:
                    practice = heading[0].replace(heading["points"], " (practice)")
                    words = words.replace(heading[0], practice)
            cell["source"] = words.splitlines(keepends=True)
        if not marks.get("grade"):
            continue
        found.add(key)
        if key in chosen:
            points += marks["points"]
            continue
        marks["points"] = 0                # and still nbgrader's: a file from elsewhere has it too
        if cell["cell_type"] == "code":    # a result above 0 points would be an error
            cell["source"] = [f"display({''.join(cell['source'])})"]
    missing = [key for key in chosen if key not in found]
    if missing:
        raise ValueError(f"There is no exercise {' and no exercise '.join(missing)}.")
    return points


def chapter_of(key: str) -> str:
    """"04" for the exercise "4.11"."""
    return key.partition(".")[0].zfill(2)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("course", type=Path, help="the course's folder; made where it is missing")
    parser.add_argument("--only", nargs="+", default=[], metavar="NN",
                        help="notebooks whose names begin so, for example 01")
    parser.add_argument("--exercises", nargs="+", default=[], metavar="N.N",
                        help="in their notebooks only these exercises count, for example 1.5")
    parser.add_argument("--again", action="store_true", help="overwrite the notebooks in source/")
    options = parser.parse_args()
    try:
        names, kept = prepare(options.course, options.only, options.again, options.exercises)
    except OSError as error:
        print(f"{options.course}: {error.strerror}", file=sys.stderr)
        return 1
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{options.course}: {', '.join(names)}")
    if kept:
        print(f"Was there and stays as it is (--again overwrites): {', '.join(kept)}")
    print(f"Next:\n    cd {options.course}\n    nbgrader generate_assignment {names[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
