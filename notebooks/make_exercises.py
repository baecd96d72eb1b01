"""Make the students' notebooks from those with solutions.

    python notebooks/make_exercises.py

Each notebook in solutions/ has nbgrader's markers around its answers; an answer in words is a whole
cell of text. The student's version, in exercises/, is the same notebook with every answer replaced
by nbgrader's stub and every output taken away: what `nbgrader generate_assignment` would make of
it, with no need to install that.
"""

import json
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOLUTION = re.compile(r"^( *)### BEGIN SOLUTION\n.*?^ *### END SOLUTION$", re.DOTALL | re.MULTILINE)
STUB = r"\1# YOUR CODE HERE\n\1raise NotImplementedError()"
WORDS = "YOUR ANSWER HERE"


def exercise(solution: dict) -> dict:
    """The student's version of a notebook with solutions (both as JSON)."""
    student = json.loads(json.dumps(solution))
    for cell in student["cells"]:
        if cell["cell_type"] == "code":
            source = SOLUTION.sub(STUB, "".join(cell["source"]))
            cell.update(source=source.splitlines(keepends=True), outputs=[], execution_count=None)
        elif cell["metadata"].get("nbgrader", {}).get("solution"):
            cell["source"] = [WORDS]
    return student


def to_text(notebook: dict) -> str:
    """A notebook as it is written to its file."""
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main() -> None:
    for path in sorted(HERE.glob("solutions/*.ipynb")):
        text = to_text(exercise(json.loads(path.read_text("utf-8"))))
        (HERE / "exercises" / path.name).write_text(text, "utf-8")
        print(f"exercises/{path.name}")


if __name__ == "__main__":
    main()
