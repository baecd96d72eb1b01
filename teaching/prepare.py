"""Make a course's folder for nbgrader: its settings, and the exercises with their solutions.

    python teaching/prepare.py ~/my-course                # all eleven notebooks
    python teaching/prepare.py ~/my-course --only 01 04   # those whose names begin so

The folder then holds nbgrader_config.py and source/NAME/NAME.ipynb, from which
`nbgrader generate_assignment NAME` makes the students' version. What is there is not overwritten,
except the notebooks in source/ with --again. `grading.md` has the steps that follow.
"""

import argparse
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOLUTIONS = HERE.parent / "notebooks" / "solutions"


def prepare(course: Path, only: list[str], again: bool) -> list[str]:
    """The names of the assignments that were put into the course's folder."""
    course.mkdir(parents=True, exist_ok=True)
    if not (course / "nbgrader_config.py").exists():
        shutil.copy(HERE / "nbgrader_config.py", course)
    names = []
    for notebook in sorted(SOLUTIONS.glob("*.ipynb")):
        if only and not notebook.name.startswith(tuple(only)):
            continue
        target = course / "source" / notebook.stem / notebook.name
        if again or not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(notebook, target)
        names.append(notebook.stem)
    return names


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("course", type=Path, help="the course's folder; made where it is missing")
    parser.add_argument("--only", nargs="+", default=[], metavar="NN",
                        help="notebooks whose names begin so, for example 01")
    parser.add_argument("--again", action="store_true", help="overwrite the notebooks in source/")
    options = parser.parse_args()
    try:
        names = prepare(options.course, options.only, options.again)
    except OSError as error:
        print(f"{options.course}: {error.strerror}", file=sys.stderr)
        return 1
    if not names:
        print(f"No notebook begins with {' or '.join(options.only)}.", file=sys.stderr)
        return 1
    print(f"{options.course}: {', '.join(names)}\nNext:\n    cd {options.course}\n"
          f"    nbgrader generate_assignment {names[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
