"""The teacher's kit: plan, slides and hand-outs agree with the notebooks and need no network."""

import base64
import html
import importlib.util
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
KIT = ROOT / "teaching"
DECKS = sorted(KIT.glob("slides/*.txt"))
HANDOUTS = sorted(KIT.glob("handouts/*.html"))
VOID = {"meta", "img", "br", "hr", "link", "input"}


def load(name, monkeypatch):
    """A script of teaching/, as a module."""
    monkeypatch.syspath_prepend(KIT)
    spec = importlib.util.spec_from_file_location(name, KIT / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Page(HTMLParser):
    """What the tests look for in a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.open, self.style = [], [], [], ""
        self.feed(text)
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "section":
            self.words.append([])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):          # <mspace /> and the like
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        if "style" in self.open:
            self.style += data
        elif self.words and "section" in self.open and not {"aside", "math"} & set(self.open):
            self.words[-1] += data.split()


def test_plan_is_made_from_the_notebooks(monkeypatch):
    plan = load("make_plan", monkeypatch)
    assert (KIT / "plan.md").read_text("utf-8") == plan.plan(), "run: python teaching/make_plan.py"


def test_sections_of_the_plan_are_those_of_the_page(monkeypatch):
    """The table of minutes that opens a notebook names its sections, in order."""
    plan = load("make_plan", monkeypatch)
    for page in sorted(plan.NOTEBOOKS.glob("*.ipynb")):
        headings = {int(number) for cell in plan.cells(page) if cell["cell_type"] == "markdown"
                    for number in re.findall(r"^## (\d+)", plan.source(cell), re.M)}
        found = [re.match(r"\d+", name) for name, _, _ in plan.sections(page)]
        rows = [int(number[0]) for number in found if number]
        if rows:                                          # not all pages have the table yet
            assert headings <= set(rows) and rows == sorted(rows), page


def test_exercises_state_their_points(monkeypatch):
    """The points that an exercise notebook names, in all and in each heading, are its marks."""
    plan = load("make_plan", monkeypatch)
    for path in sorted((plan.NOTEBOOKS / "solutions").glob("*.ipynb")):
        stated = re.search(r"(\d+(?:\.\d+)?) points", plan.source(plan.cells(path)[0]))
        assert float(stated[1]) == sum(task.points for task in plan.exercises(path)), path
        parts = {}
        for task in plan.exercises(path):
            by_hand = " graded by a person" if task.graded == "by hand" else ""
            parts.setdefault(task.title, []).append(f"{task.points:g}{by_hand}")
        text = "".join(plan.source(cell) + "\n" for cell in plan.cells(path))
        for title, points in parts.items():
            heading = re.search(rf"^## {re.escape(title)} \((.*)\)$", text, re.M)
            assert heading, f"{path.name}: {title} does not state its points"
            assert re.sub(r" points?,?", "", heading[1]) == " and ".join(points), heading[0]
            assert ("1 point" in heading[1].split(",")) == (points[0].split()[0] == "1")


@pytest.mark.parametrize("path", DECKS, ids=lambda path: path.stem)
def test_slides(path):
    page = Page(path.with_suffix(".html").read_text("utf-8"))
    count = len(re.findall(r"^---$", path.read_text("utf-8"), re.M)) + 1
    assert len(page.words) == count > 12
    for words in page.words:                              # one idea a slide
        assert len(words) <= 75, " ".join(words)
    assert sum(tag == "aside" for tag, _ in page.tags) == count      # notes for each
    needs_no_network(page)


@pytest.mark.parametrize("path", HANDOUTS, ids=lambda path: path.stem)
def test_handouts(path):
    text = path.read_text("utf-8")
    page = Page(text)
    needs_no_network(page)
    assert "<pre>" not in text and "import numpy" not in text and "KEPT" not in text
    notebook = next((ROOT / "notebooks").glob(f"{path.stem}_*.ipynb"))
    outputs = [output for cell in json.loads(notebook.read_text("utf-8"))["cells"]
               for output in cell.get("outputs", [])]
    images = [one for tag, one in page.tags if tag == "img"]
    assert sum(one.get("class") != "still" for one in images) == sum(
        "image/png" in output.get("data", {}) for output in outputs) > 2
    printed = ["".join(output["text"]) for output in outputs if output["output_type"] == "stream"]
    assert len(printed) > 5                                # a hand-out has what the cells print
    for one in printed[1:]:                                # the first says the mode
        assert html.escape(one.strip("\n")) in text
    for tag, attributes in page.tags:                      # on paper nothing folds out
        assert tag != "details" or "open" in attributes


def test_a_picture_that_moves_prints_as_its_last_frame(monkeypatch):
    pytest.importorskip("latex2mathml")
    pytest.importorskip("mistune")
    image = pytest.importorskip("PIL.Image")
    pages = load("pages", monkeypatch)
    shown = 0
    for _, png in pages.figures(pages.page_of("04")):
        quiet = pages.still(png)
        moving, still = (image.open(io.BytesIO(base64.b64decode(one))) for one in (png, quiet))
        assert getattr(still, "n_frames", 1) == 1
        if getattr(moving, "n_frames", 1) == 1:
            assert quiet == png and "still" not in pages.picture("words", png)
            continue
        shown += 1
        moving.seek(moving.n_frames - 1)
        assert moving.convert("RGB").tobytes() == still.convert("RGB").tobytes()
        assert 'class="moving"' in pages.picture("words", png) and quiet in pages.picture("", png)
    assert shown == 1


def needs_no_network(page):
    for tag, attributes in page.tags:
        if tag in ("img", "script", "link", "iframe", "source"):
            assert attributes.get("src", "data:").startswith("data:") and "href" not in attributes
        if tag == "img":
            assert len(attributes["alt"].split()) > 5
    assert "@import" not in page.style and "url(" not in page.style


def test_pages_are_up_to_date(monkeypatch):
    pytest.importorskip("latex2mathml")
    pytest.importorskip("mistune")
    slides, handouts = load("make_slides", monkeypatch), load("make_handouts", monkeypatch)
    for path in DECKS:
        assert path.with_suffix(".html").read_text("utf-8") == slides.deck(path), \
            "run: python teaching/make_slides.py"
    for path in HANDOUTS:
        assert path.read_text("utf-8") == handouts.handout(handouts.page_of(path.stem)), \
            "run: python teaching/make_handouts.py"


def test_links_lead_somewhere():
    for path in [*KIT.glob("*.md"), *KIT.glob("rubrics/*.md"), ROOT / "notebooks" / "README.md"]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text("utf-8")):
            assert target.startswith("https://") or (path.parent / target).exists(), (path, target)


def test_sessions_name_slides_that_exist():
    text = (KIT / "sessions.md").read_text("utf-8")
    counts = {path.stem: path.read_text("utf-8").count("\n---\n") + 1 for path in DECKS}
    found = re.findall(r"slides (0\d), (\d+)(?: to (\d+))?", text, re.IGNORECASE)
    assert len(found) > 10
    for number, first, last in found:
        assert 2 <= int(first) <= int(last or first) <= counts[number]


def test_sessions_name_the_points_of_their_homework(monkeypatch):
    plan = load("make_plan", monkeypatch)
    points = {}
    for path in (plan.NOTEBOOKS / "solutions").glob("*.ipynb"):
        for task in plan.exercises(path):
            key = task.title.split(" ")[0]
            points[key] = points.get(key, 0) + task.points
    text = (KIT / "sessions.md").read_text("utf-8")
    tasks = re.findall(r"^Homework: (exercises .*)$", text, re.M)
    assert len(tasks) >= 5
    for line in tasks:
        *parts, rest = re.split(r"(\d+) points", line)
        for keys, stated in zip(parts[::2], parts[1::2], strict=True):
            named = re.findall(r"\d+\.\d+", keys)
            assert named and sum(points[key] for key in named) == int(stated), keys
        assert all(key in points for key in re.findall(r"\d+\.\d+", rest))


def test_each_question_has_a_rubric(monkeypatch):
    """With the points that it has in the notebook, and three made-up answers."""
    plan = load("make_plan", monkeypatch)
    for path in sorted((plan.NOTEBOOKS / "solutions").glob("*.ipynb")):
        for task in plan.exercises(path):
            if task.graded == "by hand":
                rubric = (KIT / "rubrics" / f"{path.name[:2]}.md").read_text("utf-8")
                key = task.title.split(" ")[0]
                part = re.search(rf"^## {re.escape(key)} .*?(?=^## |\Z)", rubric, re.M | re.S)
                assert part, f"{path.name}: {task.title} has no rubric"
                assert f"{task.points:g} points" in part[0] or f"{task.points:g} point" in part[0]


def test_prepare_says_what_it_did(tmp_path):
    command = [sys.executable, str(KIT / "prepare.py"), str(tmp_path / "course")]
    wrong = subprocess.run([*command, "--only", "99"], capture_output=True, text=True)
    assert wrong.returncode == 1 and wrong.stderr == "No notebook begins with 99.\n"
    first = subprocess.run([*command, "--only", "01", "04"], capture_output=True, text=True)
    assert first.returncode == 0 and "nbgrader generate_assignment 01_batch_norm" in first.stdout
    source = tmp_path / "course" / "source" / "01_batch_norm" / "01_batch_norm.ipynb"
    source.write_text("a teacher's own", "utf-8")
    subprocess.run([*command, "--only", "01"], check=True, capture_output=True)
    assert source.read_text("utf-8") == "a teacher's own"              # kept
    subprocess.run([*command, "--only", "01", "--again"], check=True, capture_output=True)
    assert source.read_text("utf-8").startswith("{")
    again = subprocess.run([*command, "--only", "01"], capture_output=True, text=True)
    assert "stays as it is (--again overwrites): 01_batch_norm" in again.stdout
    (tmp_path / "file").write_text("")
    broken = subprocess.run([sys.executable, str(KIT / "prepare.py"), str(tmp_path / "file" / "x")],
                            capture_output=True, text=True)
    assert broken.returncode == 1 and "Traceback" not in broken.stderr


def test_prepare_lets_chosen_exercises_count(tmp_path):
    """The others keep their checks and lose their points; nothing is written for a wrong number."""
    course = tmp_path / "course"
    command = [sys.executable, str(KIT / "prepare.py"), str(course), "--exercises"]
    for keys, said in (("4.99", "There is no exercise 4.99."),
                       ("77.1", "No notebook begins with 77."),
                       ("4.2 77.1", "Exercise 77.1 is not in 04_moving_average_bias."),
                       ("4.2 --only 01", "Exercise 4.2 is not in 01_batch_norm.")):
        wrong = subprocess.run([*command, *keys.split()], capture_output=True, text=True)
        assert wrong.returncode == 1 and wrong.stderr == f"{said}\n"
    assert not course.exists()
    subprocess.run([*command, "1.5", "4.2", "4.11"], check=True, capture_output=True)
    assert sorted(path.name for path in (course / "source").iterdir()) == [
        "01_batch_norm", "04_moving_average_bias"]
    path = course / "source" / "04_moving_average_bias" / "04_moving_average_bias.ipynb"
    was = json.loads((ROOT / "notebooks" / "solutions" / path.name).read_text("utf-8"))["cells"]
    now = json.loads(path.read_text("utf-8"))["cells"]
    assert "exercises 4.2, 4.11; 8 points" in "".join(now[0]["source"])
    counted = 0
    for old, new in zip(was, now, strict=True):
        text, old_text = "".join(new["source"]), "".join(old["source"])
        for heading in re.findall(r"^## 4\.\d.*$", text, re.M):
            chosen = heading.startswith(("## 4.2 ", "## 4.11 "))
            assert ("(practice)" in heading) != chosen and ("point" in heading) == chosen
        marks = new["metadata"].get("nbgrader", {})
        if not marks.get("grade"):
            continue
        counted += marks["points"]
        assert marks["points"] in (0, old["metadata"]["nbgrader"]["points"])
        if new["cell_type"] == "code":
            assert text == (old_text if marks["points"] else f"display({old_text})")
    assert counted == 8


def test_collected_files_get_their_students(monkeypatch):
    """The pattern of nbgrader_config.py, on names as archives have them."""
    config = (KIT / "nbgrader_config.py").read_text("utf-8")
    found = re.search(r"named_regexp = \(\n(.*?)\)\n\n", config, re.S)
    pattern = "".join(re.findall(r'r"(.*)"', found[1]))
    for place, who in (
            ("a/Dora Doe_12_assignsubmission_file_/01_batch_norm.ipynb", "Dora Doe_12"),
            ("a/dora/01_batch_norm (1).ipynb", "dora"), ("a/dora/01_batch_norm-2.ipynb", "dora"),
            ("a/ada_l_01_batch_norm.ipynb", "ada_l"), ("a\\dora\\01_batch_norm.ipynb", "dora"),
            ("a/dora/.ipynb_checkpoints/01_batch_norm-checkpoint.ipynb", None),
            ("a/__MACOSX/dora/._01_batch_norm.ipynb", None), ("a/dora/notes.ipynb", None)):
        match = re.match(pattern, f"/course/downloaded/01_batch_norm/extracted/{place}")
        assert (match and match["student_id"]) == who, place
        assert not match or match["file_id"] == "01_batch_norm"
