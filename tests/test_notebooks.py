"""The course: notebooks that run, keep their outputs, and tell right answers from wrong ones."""

import importlib.util
import json
import runpy
import sys
from pathlib import Path

import matplotlib
import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
CHAPTERS = sorted(NOTEBOOKS.glob("*.ipynb"))
SOLUTIONS = sorted(NOTEBOOKS.glob("solutions/*.ipynb"))
EXERCISES = sorted(NOTEBOOKS.glob("exercises/*.ipynb"))
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"

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


@every_notebook
def test_first_cell_works_anywhere(path):
    first = source(code_cells(path)[0])
    assert "%pip install" in first and 'sys.path[:0] = ["..", "../.."]' in first


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


@every_solution
def test_nbgrader_marks(path):
    """What nbgrader needs; each solution is followed by its check, and blanks sit in functions."""
    cells = [cell for cell in code_cells(path) if marks(cell)]
    for cell in read(path)["cells"]:                # nbgrader looks for its markers in prose, too
        assert cell["cell_type"] == "code" or "SOLUTION" not in source(cell)
    ids = [marks(cell)["grade_id"] for cell in cells]
    assert len(set(ids)) == len(ids) >= 6
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
        assert "teaching.check(" in source(check)


@every_solution
@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")      # some divide by 0
def test_wrong_answers_are_refused(path, monkeypatch, capsys):
    """Right answers pass, however they are written, and each wrong one of tests/wrong_answers/ is
    told what is wrong."""
    pytest.importorskip("autograd")
    matplotlib.use("Agg")
    monkeypatch.setenv("MINIBN_NOTEBOOK_STATIC", "1")
    from minibn import teaching

    monkeypatch.setattr(teaching, "FULL", False)
    monkeypatch.setattr(teaching, "STATIC", True)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    answers = runpy.run_path(str(ROOT / "tests" / "wrong_answers" / f"{path.stem}.py"))
    wrong, also_right = answers["WRONG"], answers.get("ALSO_RIGHT", {})
    cells = code_cells(path)
    exercises = [marks(cell)["grade_id"] for cell in cells if marks(cell).get("solution")]
    assert sorted(wrong) == sorted(exercises) and set(also_right) <= set(exercises)
    assert all(len(tries) >= 2 for tries in wrong.values())

    names = {"__name__": "notebook"}
    for cell, following in zip(cells, cells[1:] + [None], strict=True):
        for old, new, hint in wrong.get(marks(cell).get("grade_id"), ()):
            answer = replace_in_solution(source(cell), old, new)
            attempt = dict(names)
            run(answer, attempt)
            with pytest.raises(teaching.Wrong) as refusal:
                run(source(following), attempt)
            assert hint in str(refusal.value), f"{old!r} -> {new!r}"
        for old, new in also_right.get(marks(cell).get("grade_id"), ()):
            attempt = dict(names)
            run(replace_in_solution(source(cell), old, new), attempt)
            run(source(following), attempt)            # raises nothing
            assert "right." in capsys.readouterr().out
        run(source(cell), names)
        if marks(cell).get("grade"):
            assert "right." in capsys.readouterr().out


def replace_in_solution(text, old, new):
    start, stop = text.index(BEGIN), text.index(END)
    solution = text[start:stop]
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
        checks = [cell for cell in notebook.cells if marks(cell).get("grade")]
        assert said.count("not done yet.\\n") == len(checks)
        assert not any("right." in json.dumps(cell.get("outputs", [])) for cell in checks)
