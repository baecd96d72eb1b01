"""The teacher's way, with nbgrader itself: release, collect, autograde, feedback, points.

Each student's answers of one notebook are of one kind. Whatever they do, the round goes through,
each exercise has the points that it deserves, and the feedback names it.
"""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from minibn.teaching import registry

pytest.importorskip("nbgrader")
ROOT = Path(__file__).resolve().parents[1]
CHECK = re.compile(r'teaching\.check\("(\d+\.\d+)", (\w+)\)')

# What a made-up student writes in the place of answer number i; {name} is the answer's name.
MIXED = [
    "def {name}(*args, **kwargs):\n    raise ZeroDivisionError",
    "def {name}(*args, **kwargs):\n    return None",
    "def {name}(*args, **kwargs):\n    return 'a text'",
    "def {name}(*args, **kwargs):\n    return np.ones((7, 7, 7))",
    "def {name}(*args, **kwargs):\n    while True:\n        pass",
    "def {name}(:\n    not Python",
    "raise SystemExit",
    "import sys\nprint('a word on stderr', file=sys.stderr)",
    "{name} = 3",
    "from minibn.teaching.exercises.chapter{chapter} import {library} as {name}",
    "import minibn.teaching.exercises.chapter{chapter} as own\n\n\n"
    "def {name}(*args, **kwargs):\n    return own.{library}(*args, **kwargs)",
]


def read(path):
    return json.loads(path.read_text("utf-8"))


def source(cell):
    return "".join(cell["source"])


def hand_in(course, student, name, change):
    """A student's file: the released notebook, with `change(i, exercise, cell)` for each answer."""
    notebook = read(course / "release" / name / f"{name}.ipynb")
    cells, count = notebook["cells"], 0
    for cell, following in zip(cells, cells[1:], strict=False):
        found = CHECK.fullmatch(source(following))
        if cell["metadata"].get("nbgrader", {}).get("solution") and found:
            text = change(count, registry.find(found[1]), cell)
            cell["source"] = source(cell) if text is None else text
            count += 1
    for cell in cells:                        # a question in words: all but one student answer it
        if cell["cell_type"] == "markdown" and student != "cleo" and \
                cell["metadata"].get("nbgrader", {}).get("solution"):
            cell["source"] = "Because the weights add up to one."
    path = course / "submitted" / student / name / f"{name}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(notebook), "utf-8")


def nbgrader(course, *words):
    run = subprocess.run([sys.executable, "-m", "nbgrader", *words], cwd=course, text=True,
                         capture_output=True)
    assert run.returncode == 0, run.stderr[-3000:]


def points(course, name, student):
    """The automatic points of each check, by its id."""
    from nbgrader.api import Gradebook
    with Gradebook(f"sqlite:///{course}/gradebook.db", "minibn") as book:
        submission = book.find_submission(name, student)
        return {grade.name: (grade.auto_score, grade.max_score)
                for notebook in submission.notebooks for grade in notebook.grades
                if grade.name.endswith("-check")}


# For each notebook: the kind of the mixed student's first answer; an answer that is half right (its
# id, what is replaced, by what) with the points that it deserves.
ROUNDS = {
    "01_batch_norm": (0, "batch_norm", "((x - mu_B) ** 2).mean(0)", "x.var(0, ddof=1)", 1.5),
    "04_moving_average_bias": (5, "average", "(1 - alpha**t)", "(1 - alpha)", 1),
    "11_does_it_replicate": (2, "interval", "t_quantile(0.975, S - 1) * s", "s", 0.5),
}


def waiting(course, name, student):
    """How many questions of a student wait for a person."""
    from nbgrader.api import Gradebook
    with Gradebook(f"sqlite:///{course}/gradebook.db", "minibn") as book:
        return sum(grade.needs_manual_grade
                   for notebook in book.find_submission(name, student).notebooks
                   for grade in notebook.grades)


@pytest.mark.parametrize("name", ROUNDS)
def test_a_round(name, tmp_path, monkeypatch):
    monkeypatch.setenv("MINIBN_CHECK_SECONDS", "10")
    first_kind, half, old, new, deserved = ROUNDS[name]
    course, chapter = tmp_path / "course", name[:2]
    subprocess.run([sys.executable, ROOT / "teaching" / "prepare.py", course, "--only", chapter],
                   check=True, capture_output=True)
    nbgrader(course, "generate_assignment", name)
    released = read(course / "release" / name / f"{name}.ipynb")
    exercise = read(ROOT / "notebooks" / "exercises" / f"{name}.ipynb")
    assert [source(cell) for cell in released["cells"]] == [
        source(cell) for cell in exercise["cells"]]            # make_exercises.py does the same

    answers = {cell["metadata"]["nbgrader"]["grade_id"]: source(cell)
               for cell in read(ROOT / "notebooks" / "solutions" / f"{name}.ipynb")["cells"]
               if cell["metadata"].get("nbgrader", {}).get("solution")
               and cell["cell_type"] == "code"}

    def right(number, exercise, cell):
        answer = answers[cell["metadata"]["nbgrader"]["grade_id"]]
        return f"import warnings\nwarnings.warn('a warning')\n{answer}"

    def mixed(number, exercise, cell):
        return MIXED[(number + first_kind) % len(MIXED)].format(
            name=exercise.answer, chapter=chapter, library=exercise.library.__name__)

    def half_right(number, exercise, cell):
        if cell["metadata"]["nbgrader"]["grade_id"] == half:
            assert old in answers[half]
            return answers[half].replace(old, new)
        return None if number % 2 else right(number, exercise, cell)

    students = {"ada": right, "ben": mixed, "cleo": half_right}
    for student, change in students.items():
        hand_in(course, student, name, change)
    nbgrader(course, "autograde", name)
    nbgrader(course, "generate_feedback", name)

    checks = registry.exercises_of(chapter)
    questions = sum(cell["cell_type"] == "markdown" and "nbgrader" in cell["metadata"]
                    for cell in released["cells"])
    ada = points(course, name, "ada")
    assert all(got == most for got, most in ada.values()) and len(ada) == len(checks)
    assert not any(got for got, _ in points(course, name, "ben").values())
    cleo = points(course, name, "cleo")
    assert cleo.pop(f"{half}-check")[0] == deserved
    for number, key in enumerate(answers):            # one mistake costs its exercise alone
        if key != half:
            got, most = cleo[f"{key}-check"]
            assert got == (0 if number % 2 else most), key
    for student in students:
        assert waiting(course, name, student) == (questions if student != "cleo" else 0)
        page = (course / "feedback" / student / name / f"{name}.html").read_text("utf-8")
        for check in checks:
            assert f"{check.key} {check.title}: " in page, (student, check.key)
        images = re.findall(r"<img[^>]*>", page)          # each with its alternative text
        assert len(re.findall(r'<img alt="\w+ [^"]{20,}"', page)) == len(images)
        assert name != "04_moving_average_bias" or len(images) >= 3
    shutil.rmtree(course)


def test_chosen_exercises_of_a_collected_archive(tmp_path):
    """`prepare.py --exercises`, and `zip_collect` of files as Moodle packs them: only what was
    chosen has points, also in a file that does not come from release/."""
    name, course = "01_batch_norm", tmp_path / "course"
    subprocess.run([sys.executable, ROOT / "teaching" / "prepare.py", course, "--exercises", "1.2",
                    "1.4"], check=True, capture_output=True)
    nbgrader(course, "generate_assignment", name)
    solved = (ROOT / "notebooks" / "solutions" / f"{name}.ipynb").read_text("utf-8")
    untouched = (course / "release" / name / f"{name}.ipynb").read_text("utf-8")
    archive = course / "downloaded" / name / "archive" / "all.zip"
    archive.parent.mkdir(parents=True)
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(f"Ada L_7_assignsubmission_file_/{name} (1).ipynb", solved)
        file.writestr(f"ben_{name}.ipynb", untouched)
    nbgrader(course, "zip_collect", name)
    nbgrader(course, "autograde", name)
    nbgrader(course, "generate_feedback", name)
    for student, right in (("Ada L_7", True), ("ben", False)):
        got = {key: pair for key, pair in points(course, name, student).items() if pair[1]}
        assert got == {key: (right, 1) for key in ("recover-check", "dsigma-check")}
        page = (course / "feedback" / student / name / f"{name}.html").read_text("utf-8")
        assert right or "exercises 1.2, 1.4; 2 points" in page
        assert ("1.5 dx: right. 4 of 4 points." in page) == right      # practice has its verdict
