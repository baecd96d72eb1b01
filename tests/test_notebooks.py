"""The course: notebooks that run, keep their outputs, and tell right answers from wrong ones."""

import importlib.util
import itertools
import json
import os
import re
import runpy
import subprocess
import sys
import warnings
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from minibn import teaching
from minibn.teaching import marking, registry, setting

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
CHAPTERS = sorted(NOTEBOOKS.glob("*.ipynb"))
SOLUTIONS = sorted(NOTEBOOKS.glob("solutions/*.ipynb"))
EXERCISES = sorted(NOTEBOOKS.glob("exercises/*.ipynb"))
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
CHECK = re.compile(r'teaching\.check\("(\d+\.\d+)", (\w+)\)')      # all that a check cell holds

# What each notebook begins with, after the comment with the line to install what it needs.
FIRST_CELL = (
    'import sys\nfrom pathlib import Path\n\n'
    'for folder in ("..", "../..", "minibn", "../minibn"):'
    '      # a clone around this notebook or beside it\n'
    '    if Path(folder, "minibn", "__init__.py").is_file():\n'
    '        sys.path.insert(0, str(Path(folder).resolve()))\n'
    '        break\n')

every_notebook = pytest.mark.parametrize(
    "path", CHAPTERS + SOLUTIONS + EXERCISES, ids=lambda path: str(path.relative_to(NOTEBOOKS)))
every_solution = pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)


def read(path):
    return json.loads(path.read_text("utf-8"))


def code_cells(path):
    return [cell for cell in read(path)["cells"] if cell["cell_type"] == "code"]


def source(cell):
    return "".join(cell["source"])


def marks(cell):
    return cell["metadata"].get("nbgrader", {})


def load(name):
    """A script of notebooks/, as a module."""
    spec = importlib.util.spec_from_file_location(name, NOTEBOOKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_chapter_has_exercises():
    assert CHAPTERS
    names = [path.name for path in CHAPTERS]
    assert [path.name for path in SOLUTIONS] == names
    assert [path.name for path in EXERCISES] == names


@every_notebook
def test_size(path):
    assert path.stat().st_size < 1_000_000


@pytest.mark.parametrize("path", CHAPTERS + SOLUTIONS, ids=lambda path: str(path.parent.name))
def test_outputs_are_kept(path):
    """Every cell has been run, in order, without an error, in full mode, and left something."""
    cells = code_cells(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert "full mode" in "".join(cells[0]["outputs"][0]["text"])
    if path in CHAPTERS:
        assert any("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize("path", CHAPTERS + SOLUTIONS, ids=lambda path: str(path.parent.name))
def test_images_have_alternative_texts(path):
    for cell in code_cells(path):
        for output in cell["outputs"]:
            if "image/png" in output.get("data", {}):
                assert len(output["metadata"]["image/png"]["alt"].split()) > 5, source(cell)


@every_notebook
def test_first_cell_is_the_same(path):
    comment, install, *rest = source(code_cells(path)[0]).splitlines(keepends=True)
    assert comment.startswith("# On a hosted notebook service") and "%pip install" in install
    assert "".join(rest).startswith(FIRST_CELL)
    for needed in ("autograd", "torch"):
        if any(f"import {needed}" in source(cell) for cell in code_cells(path)):
            assert needed in install


@pytest.mark.parametrize(("place", "files"), [
    ("clone/notebooks", ["clone/minibn/__init__.py"]),
    ("clone/notebooks/exercises", ["clone/minibn/__init__.py"]),
    ("home", ["home/minibn/minibn/__init__.py", "home/minibn/README.md"]),      # beside a clone
    ("home/course", ["home/minibn/minibn/__init__.py"]),
    ("installed", ["site/minibn/__init__.py"]),
    ("installed/beside", ["site/minibn/__init__.py", "installed/beside/minibn/notes.txt"]),
])
def test_first_cell_finds_the_package(place, files, tmp_path):
    """In a clone, beside one, and installed; a folder named minibn is not the package."""
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("found = True\n" if file.endswith(".py") else "")
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    said = subprocess.run(
        [sys.executable, "-S", "-c", FIRST_CELL + "\nimport minibn\nprint(minibn.found)"],
        cwd=tmp_path / place, env={"PYTHONPATH": str(tmp_path / "site")}, text=True,
        capture_output=True)
    assert said.stdout == "True\n", said.stderr


@every_solution
def test_student_version_is_generated(path):
    """exercises/ is what make_exercises.py makes of solutions/, and holds no answer."""
    make = load("make_exercises")
    student = NOTEBOOKS / "exercises" / path.name
    expected = make.to_text(make.exercise(read(path)))
    assert student.read_text("utf-8") == expected, "run: python notebooks/make_exercises.py"
    for cell in code_cells(student):
        assert not cell["outputs"] and END not in source(cell)
        if marks(cell).get("solution"):
            assert "raise NotImplementedError()" in source(cell)
    for cell in read(student)["cells"]:
        if marks(cell).get("solution") and cell["cell_type"] == "markdown":
            assert source(cell) == make.WORDS


@every_solution
def test_nbgrader_marks(path):
    """What nbgrader needs; each solution is followed by its check, and blanks sit in functions."""
    cells = [cell for cell in read(path)["cells"] if marks(cell)]
    for cell in read(path)["cells"]:                # nbgrader looks for its markers in prose, too
        assert cell["cell_type"] == "code" or "SOLUTION" not in source(cell)
    ids = [marks(cell)["grade_id"] for cell in cells]
    assert len(set(ids)) == len(ids) >= 6
    for cell in cells:                              # questions that a person grades
        if cell["cell_type"] == "markdown":
            assert marks(cell) == {
                "grade": True, "grade_id": marks(cell)["grade_id"], "locked": False,
                "points": marks(cell)["points"], "schema_version": 3, "solution": True,
                "task": False}
    cells = [cell for cell in cells if cell["cell_type"] == "code"]
    for solution, check in zip(cells[::2], cells[1::2], strict=True):
        assert marks(solution) == {
            "grade": False, "grade_id": marks(solution)["grade_id"], "locked": False,
            "schema_version": 3, "solution": True, "task": False}
        assert marks(check) == {
            "grade": True, "grade_id": marks(solution)["grade_id"] + "-check", "locked": True,
            "points": marks(check)["points"], "schema_version": 3, "solution": False,
            "task": False}
        assert source(solution).startswith(("def ", "class "))
        assert source(solution).count(BEGIN) == source(solution).count(END) == 1
        found = CHECK.fullmatch(source(check))        # one line, and no reference in sight
        exercise = registry.find(found[1])
        assert exercise.answer == found[2] and exercise.points == marks(check)["points"]
        assert f"def {found[2]}(" in source(solution) or f"class {found[2]}" in source(solution)


@pytest.fixture
def as_in_a_notebook(monkeypatch):
    """Cells run here in the short mode, as a notebook runs them.  A check draws other numbers each
    time; here they are the same each time, so that a failure comes again.  MINIBN_TEST_SEED=1 and
    so on draws others."""
    default_rng, draws = np.random.default_rng, itertools.count()
    first = int(os.environ.get("MINIBN_TEST_SEED", "0"))
    monkeypatch.setattr(np.random, "default_rng", lambda seed=None: default_rng(
        (first, next(draws)) if seed is None else seed))
    pytest.importorskip("autograd")
    matplotlib.use("Agg")
    monkeypatch.setenv("MINIBN_NOTEBOOK_STATIC", "1")
    monkeypatch.setattr(setting, "FULL", False)
    monkeypatch.setattr(setting, "STATIC", True)
    monkeypatch.setattr(teaching, "FULL", False)
    monkeypatch.setattr(teaching, "STATIC", True)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.chdir(NOTEBOOKS / "solutions")


@every_solution
@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")      # some divide by 0
def test_wrong_answers_are_refused(path, as_in_a_notebook, capsys, monkeypatch):
    """Right answers pass, however they are written, and each wrong one of tests/wrong_answers/ is
    told what is wrong."""
    answers = runpy.run_path(str(ROOT / "tests" / "wrong_answers" / f"{path.stem}.py"))
    wrong, also_right = answers["WRONG"], answers.get("ALSO_RIGHT", {})
    cells = code_cells(path)
    exercises = [marks(cell)["grade_id"] for cell in cells if marks(cell).get("solution")]
    assert sorted(wrong) == sorted(exercises) and set(also_right) <= set(exercises)
    assert all(len(tries) >= 12 for tries in wrong.values())

    names, missed = {"__name__": "notebook"}, []
    for cell, following in zip(cells, cells[1:] + [None], strict=True):
        for old, new, hint in wrong.get(marks(cell).get("grade_id"), ()):
            if hint == "was stopped":                   # an endless loop need not be waited for
                monkeypatch.setenv("MINIBN_CHECK_SECONDS", "0.5")
            said = verdict(cell, following, names, old, new)
            monkeypatch.delenv("MINIBN_CHECK_SECONDS", raising=False)
            if hint not in said:
                missed.append(f"{old!r} -> {new!r} should have {hint!r}:\n{said}")
        for old, new in also_right.get(marks(cell).get("grade_id"), ()):
            attempt = dict(names)
            run(replace_in_solution(source(cell), old, new), attempt)
            run(source(following), attempt)            # raises nothing
            said = capsys.readouterr().out
            assert ": right. " in said, f"{old!r} -> {new!r}: {said}"
        run(source(cell), names)
        if marks(cell).get("grade"):
            said = capsys.readouterr().out
            assert ": right." in said, said
    assert not missed, "\n\n".join(missed)


def verdict(cell, check, names, old, new):
    """What the check says of a solution in which `old` is replaced; it must not be full points."""
    attempt = dict(names)
    run(replace_in_solution(source(cell), old, new), attempt)
    found = CHECK.fullmatch(source(check))
    exercise = registry.find(found[1])
    credit = teaching.assess(exercise, attempt[found[2]])
    return credit.text if credit < exercise.points else "PASSED"


def raises(*args, **kwargs):
    raise ZeroDivisionError("as it happens")


def leaves(*args, **kwargs):
    sys.exit(1)


def endless(*args, **kwargs):
    while True:
        pass


KINDS = {
    "exception": raises, "exit": leaves, "endless": endless,
    "None": lambda *args, **kwargs: None, "text": lambda *args, **kwargs: "a text",
    "shape": lambda *args, **kwargs: np.ones((7, 1, 7, 7)),
    "strange": lambda *args, **kwargs: ({"a": object()}, [None, "b"], len),
    "no function": 3, "nothing": None,
}


@every_solution
def test_a_mistake_costs_its_exercise_alone(path, as_in_a_notebook, capsys, monkeypatch):
    """Whatever an answer is or does: its check says so, gives no points, and hands the library's
    version on, with which every later cell runs."""
    names = {"__name__": "notebook"}
    for cell in code_cells(NOTEBOOKS / "exercises" / path.name):
        found = CHECK.fullmatch(source(cell))
        if not found:
            run(source(cell), names)
            continue
        exercise = registry.find(found[1])
        for kind, answer in KINDS.items():
            monkeypatch.setenv("MINIBN_CHECK_SECONDS", "0.1" if kind == "endless" else "60")
            names[found[2]] = answer
            assert teaching.assess(exercise, answer) == 0, (exercise.key, kind)
            capsys.readouterr()
            run(source(cell), names)
            said = capsys.readouterr()
            assert f"{exercise.key} {exercise.title}: not right yet. 0 of" in said.out, kind
            assert not said.err and names[found[2]] is exercise.library, kind


@every_solution
@pytest.mark.filterwarnings("ignore:a warning:RuntimeWarning")
def test_warnings_cost_nothing(path, as_in_a_notebook, capsys):
    """A right answer that warns, prints and writes to stderr has all points, and stderr stays
    empty: nbgrader would take all points for a word in it."""
    names = {"__name__": "notebook"}
    for cell in code_cells(path):
        found = CHECK.fullmatch(source(cell))
        if found and not isinstance(names[found[2]], type):
            names[found[2]] = noisy(names[found[2]])
        run(source(cell), names)
        said = capsys.readouterr()
        assert not found or (": right." in said.out and not said.err), said


def noisy(answer):
    def noise(*args, **kwargs):
        warnings.warn("a warning", RuntimeWarning, stacklevel=1)
        print("a word", file=sys.stderr)
        return answer(*args, **kwargs)
    return noise


@every_solution
def test_the_library_is_no_answer(path, as_in_a_notebook):
    """The library's own answers are right, have all points in their parts, and are told apart."""
    exercises = registry.exercises_of(path.stem[:2])
    assert {exercise.key for exercise in exercises} == {
        CHECK.fullmatch(source(cell))[1] for cell in code_cells(path) if marks(cell).get("grade")}
    for exercise in exercises:
        def foreign(*args, library=exercise.library, **kwargs):
            return library(*args, **kwargs)

        assert teaching.assess(exercise, exercise.library) == 0
        refused = teaching.assess(exercise, foreign)
        assert refused == 0 and "Not an answer: it calls minibn." in refused.text, refused.text
        part = marking.Part()
        exercise.test(exercise.library, part)
        assert not part.hints, f"{exercise.key}: {part.hints}"
        assert part.earned in (0, exercise.points), exercise.key   # 0: the check has no parts


def replace_in_solution(text, old, new):
    """The cell with another solution; `old` is None where `new` takes the whole of its place."""
    start, stop = text.index(BEGIN), text.index(END)
    solution = text[start:stop]
    if old is None:
        indent = " " * (start - text.rindex("\n", 0, start) - 1)
        lines = "\n".join(indent + line for line in new.splitlines())
        return text[:start] + lines.lstrip() + "\n" + indent + text[stop:]
    assert old in solution, f"{old!r} is not in the solution:\n{solution}"
    return text[:start] + solution.replace(old, new) + text[stop:]


def run(text, names):
    lines = ["" if line.startswith("%") else line for line in text.splitlines()]
    exec(compile("\n".join(lines), "<cell>", "exec"), names)
    matplotlib.pyplot.close("all")


@every_notebook
def test_runs_in_short_mode(path, monkeypatch):
    """On a fresh kernel, top to bottom; exercises with every blank still empty."""
    pytest.importorskip("nbclient")
    monkeypatch.setenv("MINIBN_NOTEBOOK_MODE", "short")
    monkeypatch.setenv("MINIBN_NOTEBOOK_STATIC", "1")
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    notebook = load("run_all").run(path, "short", timeout=300)
    if path in EXERCISES:
        said = json.dumps(notebook.cells)
        checks = [cell for cell in notebook.cells
                  if cell.cell_type == "code" and marks(cell).get("grade")]
        assert said.count(": not done yet.") == len(checks)
        assert not any(": right." in json.dumps(cell.get("outputs", [])) for cell in checks)
