"""How the site makes pages from the repository's files, without the site's own libraries."""

import importlib
import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

pytest.importorskip("tomllib", reason="the site needs Python 3.11")
ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "site"))

import api  # noqa: E402
import chapters  # noqa: E402
import equations  # noqa: E402
import glyphs  # noqa: E402
import graph  # noqa: E402
import landing  # noqa: E402
import links  # noqa: E402
import mathematics  # noqa: E402
import project  # noqa: E402
import pyodide_folder  # noqa: E402
import sources  # noqa: E402

ADDRESS = "https://github.com/someone/minibn"


def test_no_button_without_an_address():
    none = {"project": {}}
    assert project.repository(none) == ""
    assert project.hosted_notebook("notebooks/01.ipynb", address="") == ""
    assert project.file_address("README.md", address="") == ""
    assert "colab" not in chapters.box([("Open in Colab", "")], "a note")


def test_buttons_from_an_address():
    there = {"project": {"urls": {"Repository": ADDRESS + "/"}}}
    assert project.repository(there) == ADDRESS
    assert project.hosted_notebook("notebooks/01.ipynb", address=ADDRESS) == (
        "https://colab.research.google.com/github/someone/minibn/blob/main/notebooks/01.ipynb")
    assert project.file_address("LICENSE", address=ADDRESS) == f"{ADDRESS}/blob/main/LICENSE"
    elsewhere = "https://example.org/someone/minibn"
    assert project.hosted_notebook("notebooks/01.ipynb", address=elsewhere) == ""


@pytest.mark.parametrize(("text", "source", "target", "want"), [
    ("see [02](02_small_batches.ipynb#x)", "notebooks/01_batch_norm.ipynb",
     "chapters/01_batch_norm.ipynb", "see [02](02_small_batches.ipynb#x)"),
    ("[do](exercises/01_batch_norm.ipynb)", "notebooks/01_batch_norm.ipynb",
     "chapters/01_batch_norm.ipynb", "[do](../exercises/01_batch_norm.ipynb)"),
    ("[report](results/REPORT.md)", "README.md", "library.md", "[report](report.md)"),
    ("[course](notebooks/)", "README.md", "library.md", "[course](chapters/index.md)"),
    ("[f](minibn/losses.py)", "README.md", "library.md",
     '<a href="_modules/minibn/losses.html">f</a>'),
    ("[f](../minibn/norms/__init__.py)", "notebooks/README.md", "teach/course.md",
     "[f](../api/norms.md)"),
    ("[licence](LICENSE) and [gone](nothing.txt)", "README.md", "library.md",
     "licence and gone"),
    ("[out](https://example.org/a) [here](#there)", "README.md", "library.md",
     "[out](https://example.org/a) [here](#there)"),
    ("```\n[kept](LICENSE)\n```", "README.md", "library.md", "```\n[kept](LICENSE)\n```"),
])
def test_links_lead_into_the_book(text, source, target, want, tmp_path, monkeypatch):
    monkeypatch.setattr(links, "file_address", lambda path: "")
    assert links.rewrite(text, source, target, tmp_path) == want


def test_a_file_that_is_no_page_leads_to_the_code_host(tmp_path, monkeypatch):
    monkeypatch.setattr(links, "file_address",
                        lambda path: project.file_address(path, address=ADDRESS))
    assert links.rewrite("[l](LICENSE)", "README.md", "library.md", tmp_path) == (
        f"[l]({ADDRESS}/blob/main/LICENSE)")


def test_pictures_come_along(tmp_path):
    text = links.rewrite("![a](figures/fig1.png)", "results/REPORT.md", "report.md", tmp_path)
    assert text == "![a](pictures/results/figures/fig1.png)"
    assert (tmp_path / "pictures/results/figures/fig1.png").exists()


def test_equation_page_links_every_row_to_source():
    rows = [line for line in equations.page().splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 10
    for row in rows:
        assert re.search('href="(_modules/minibn|api)/', row), row
    assert 'href="_modules/minibn/norms/renorm_debias.html#RenormDebias"' in equations.page()


def test_equation_page_shows_formulas_beside_the_lines_that_compute_them():
    page = equations.page()
    for formula, line in [
            (r"\hat x = \bar x \cdot r + d", "x_hat = x_bar * r + d"),
            (r"\hat\mu_t = \frac{\mu_t}{1-\alpha^t}", "mu_hat = mu_t / total"),
            (r"\sigma \leftarrow \alpha\,\sigma + (1-\alpha)\,\sigma_B",
             "std=decay * averages.std + (1 - decay) * sigma_B")]:
        assert f"```{{math}}\n{formula}\n```\n\n```python3\n{line}\n```" in page
    labels = re.findall(r"\{container\} equation\n(.*)\n", page)
    numbers = set(re.findall(r"\d+", " ".join(x for x in labels if not x.startswith("line"))))
    assert numbers == {str(n) for n in range(1, 14)} - {"10"}     # 10 is a step of the proof
    assert {"(12, 13)", "line 8", "lines 10, 11"} <= set(labels)


def test_a_line_that_is_not_there_stops_the_build():
    with pytest.raises(SystemExit, match="0 lines of minibn.losses.*nothing ="):
        equations.line_of("minibn.losses", "softmax_cross_entropy", "nothing =")


@pytest.mark.parametrize("name", sources.chapters())
def test_chapter_page_has_its_buttons(name, tmp_path):
    chapters.chapter_page(name, tmp_path)
    top = chapters.read("", name)["cells"][0]["source"].splitlines()[0]
    page = (tmp_path / "chapters" / f"{name}.ipynb").read_text("utf-8")
    assert f"index.html?path={name}.ipynb" in page
    assert f"index.html?path=exercises/{name}.ipynb" in page
    assert top in page
    assert name[:2] in landing.ABOUT, "book/chapters.toml lacks a sentence about this chapter"


@pytest.mark.parametrize("name", sources.exercises())
def test_exercise_page_has_blanks_and_folded_solutions(name, tmp_path):
    chapters.exercise_page(name, tmp_path)
    cells = json.loads((tmp_path / "exercises" / f"{name}.ipynb").read_text("utf-8"))["cells"]
    blanks = [i for i, cell in enumerate(cells)
              if cell["cell_type"] == "code" and "YOUR CODE HERE" in cell["source"]]
    assert blanks
    for i in blanks:
        assert cells[i + 1]["source"].startswith('<details class="solution">'), cells[i]["source"]
    assert not any("BEGIN SOLUTION" in cell["source"] for cell in cells)
    solutions = [cell for cell in cells if cell["source"].startswith('<details class="solution">')]
    pairs = zip(*(chapters.read(folder, name)["cells"] for folder in ("exercises", "solutions")),
                strict=True)
    assert len(solutions) == sum(mine["source"] != theirs["source"] for mine, theirs in pairs)


def test_lite_notebooks_say_where_they_are(tmp_path):
    chapters.lite_files(tmp_path)
    for name in sources.chapters():
        text = (tmp_path / f"{name}.ipynb").read_text("utf-8")
        assert "You are in the browser, in short mode" in text
        assert "](../results" not in text
        assert "%pip install" not in text
    assert len(list(tmp_path.glob("exercises/*.ipynb"))) == len(sources.exercises())


def test_landing_leads_to_the_derivation_and_to_every_chapter():
    index = (ROOT / "site" / "book" / "index.md").read_text("utf-8")
    page = landing.pages(index)["index.md"]
    assert "@" not in page
    assert 'href="chapters/04_moving_average_bias.html"' in page
    for name in sources.chapters():
        assert f'href="chapters/{name}.html"' in page


@pytest.mark.parametrize("name", sources.chapters())
def test_every_card_has_a_drawing_that_lies_inside_its_frame(name):
    svg = ElementTree.fromstring(glyphs.glyph(name[:2]))
    assert svg.get("aria-hidden") == "true"
    assert len(svg) > 0
    for part in svg.iter():
        points = [tuple(map(float, point.split(","))) for point in part.get("points", "").split()]
        if part.tag == "rect":
            x, y = float(part.get("x")), float(part.get("y"))
            points += [(x, y), (x + float(part.get("width")), y + float(part.get("height")))]
        if part.tag == "circle":
            points.append((float(part.get("cx")), float(part.get("cy"))))
        for x, y in points:
            assert 0 <= x <= glyphs.WIDTH, (name, x)
            assert 0 <= y <= glyphs.HEIGHT, (name, y)


def test_cards_say_minutes_and_lead_to_the_exercises():
    cards = landing.cards("")
    for name in sources.chapters():
        assert f'href="exercises/{name}.html"' in cards
        assert f"<span>{chapters.minutes(name)} min</span>" in cards


def test_the_list_for_teachers_says_what_each_page_is():
    page = landing.pages("")["teach/index.md"]
    for document in sources.documents():
        target = document.target.removeprefix("teach/")
        if target != document.target and "rubrics_" not in target.replace("rubrics_index", ""):
            assert re.search(rf"^\[\]\({target}\)\n: \w.*\.$", page, re.MULTILINE), target


def test_captions_are_set_as_captions_with_their_indices():
    assert chapters.said("*Figure.* The share of E[μ_B].") == (
        "```{container} caption\n*Figure.* The share of E[μ<sub>B</sub>].\n```")
    assert chapters.said("At $x_1$ it is μ_t.") == "At $x_1$ it is μ<sub>t</sub>."


@pytest.mark.parametrize(("doc", "want"), [
    ("A line with `names` and a*b.", r"A line with :py:obj:`names` and a\*b."),
    ("Sum\n\n    y = x_1*2        (eq. 1)\n\nend", "   y = x_1*2        (eq. 1)"),
    ("params  gamma (C,)\nstate   step", "   gamma (C,)"),
    ("Options:\n    clip   has none\n           or one\n    order  of both", "   has none or one"),
    ("Backward.  dy is given, and it\nreaches x", "Backward.  dy is given, and it"),
    ("Sizes:\n    a   1     x\n    bb  22    y", "   a   1     x"),
    ("`a = b`: not a name", "``a = b``: not a name"),
    ("the word x_ ends", r"the word x\_ ends"),
])
def test_docstrings_become_restructured_text(doc, want):
    assert want in api.to_rst(doc.splitlines())


def test_layouts_keep_their_columns():
    block = ["    1 a    the first", "", "    2 cde  the second"]
    assert api.to_rst(block)[-4:-1] == ["   1 a    the first", "", "   2 cde  the second"]


def test_reference_knows_every_room_it_can():
    pages = api.pages()
    assert {"index", "functional", "norms", "layers", "losses", "training"} <= set(pages)
    assert "minibn.norms.renorm_debias" in pages["norms"]


def test_closure_of_a_lock_file():
    lock = {"a": {"depends": ["B_b"]}, "b-b": {"depends": []}, "c": {"depends": []}}
    assert set(pyodide_folder.closure(lock, ("a",))) == {"a", "b-b"}


@pytest.mark.parametrize(("seconds", "want"), [
    (3, "a few seconds"), (17, "about 20 seconds"), (71, "about 70 seconds"),
    (130, "about 2 minutes")])
def test_durations(seconds, want):
    assert chapters.duration(seconds) == want


def test_workflow_asks_for_targets_that_there_are():
    workflow = (ROOT / ".github" / "workflows" / "site.yml").read_text("utf-8")
    asked = re.findall(r"run: make ([\w-]+)", workflow)
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert asked == ["site", "test-site"]
    for target in asked:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    assert str(project.OUT.relative_to(ROOT)) in workflow


def test_what_belongs_together_is_pinned():
    tools = project.PYPROJECT["project"]["optional-dependencies"]["site"]
    loose = [tool for tool in tools if "==" not in tool and not tool.startswith("pytest")]
    assert not loose
    for name in ("pyodide", "mathjax", "playwright-core"):
        assert project.PINS["integrity"][name].startswith("sha512-")
    wheels = (ROOT / "site" / "wheels.txt").read_text("utf-8").splitlines()
    wheels = [line for line in wheels if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+ --hash=sha256:[0-9a-f]{64}", line) for line in wheels)
    widgets = [tool for tool in tools if tool.startswith("ipywidgets")]
    assert [line.split()[0] for line in wheels if line.startswith("ipywidgets")] == widgets


@pytest.mark.parametrize(("typed", "latex"), [
    ("y = a·b/c", r"y &= a \cdot \frac{b}{c}"),
    ("ŝ_t = s_t/(1 − αᵗ)   (eq. 12)",
     r"\hat{s}_{t} &= \frac{s_{t}}{1 - \alpha ^{t}} &\quad &\text{(eq. 12)}"),
    ("σ_B² = mean((x − μ_B)²) + ε",
     r"\sigma _{B}^{2} &= \operatorname{mean}((x - \mu _{B})^{2}) + \varepsilon "),
    ("s_t = (1 − α) Σ_{i=1..t} α^{t−i} v_i",
     r"s_{t} &= (1 - \alpha )\,\sum_{i=1}^{t} \alpha ^{t - i}\,v_{i}"),
    ("r = clip(σ_B/σ, 1/r_max, r_max)",
     r"r &= \operatorname{clip}(\sigma _{B}/\sigma ,\,1/r_{\max },\,r_{\max })"),
    ("dβ = Σ dy      dγ = Σ dy·x̄",
     r"d\beta  &= \sum dy &\quad d\gamma  &= \sum dy \cdot \bar{x}"),
    ("σ ← √(v + ε)   from σ = 1",
     r"\sigma  &\leftarrow \sqrt{v + \varepsilon } &\quad &\text{from }\sigma  = 1"),
    ("y = (a + b)(c)/(d)", r"y &= \frac{(a + b)(c)}{d}"),
    ("clip    eqs. 7–8 have none", None),
    ("μ = mean of x̂ over all axes",
     r"\mu  &= \text{mean of }\hat{x}\text{ over all axes}"),
    ("y = im2col(x)·w", r"y &= \mathrm{im2col}(x) \cdot w"),
    ("g = γ·dy, the gradient of y", r"g &= \gamma  \cdot dy,\quad \text{the gradient of y}"),
    ("y = (a", None),
    ("a + b", None),                               # no relation
])
def test_typed_formulas_become_latex(typed, latex):
    whole = mathematics.block([typed])
    if latex is None:
        assert whole is None
    else:
        assert whole == rf"\begin{{aligned}}{latex}\end{{aligned}}"


def test_rows_of_a_formula_are_aligned_and_keep_their_gaps():
    text = mathematics.block(["a = b", "  = c", "", "d = e"])
    assert text == (r"\begin{aligned}a &= b \\[3pt]" "\n" r" &= c \\[12pt]" "\n"
                    r"d &= e\end{aligned}")


def test_a_remark_of_two_lines_becomes_a_row():
    text = mathematics.block(["    a = b        (which is", " " * 22 + "well known)", "    c = d"])
    assert text == (r"\begin{aligned}a &= b \\[3pt]" "\n"
                    r"&\rlap{\text{(which is well known)}} \\[3pt]" "\n" r"c &= d\end{aligned}")


def test_derivations_of_the_normalizers_are_set_as_mathematics():
    """The formulas that the reference is opened for, whatever else is shown as typed."""
    for module in ("batch_norm", "batch_renorm", "moving_average"):
        lines = importlib.import_module(f"minibn.norms.{module}").__doc__.splitlines()
        assert ".. math::" in api.to_rst(lines), module


def test_a_graph_is_drawn_from_left_to_right_without_implied_arrows():
    text = "```mermaid\ngraph LR\n  a[01] --> b[02]\n  b[02] --> c[03]\n  a[01] --> c[03]\n```\n"
    drawn = graph.replace(text)
    assert drawn.count("<rect") == 3
    assert drawn.count('class="head"') == 2                  # from 01 to 03 the way goes over 02
    assert "02 needs 01; 03 needs 01, 02" in drawn
    assert re.findall(r'<rect x="(\d+)"', drawn) == ["0", "92", "184"]


def test_a_graph_that_is_more_than_arrows_is_left_alone():
    text = "```mermaid\ngraph LR\n  a --- b\n```\n"
    assert graph.replace(text) == text


def test_a_circle_is_refused():
    with pytest.raises(SystemExit, match="circle"):
        graph.replace("```mermaid\ngraph LR\n  a --> b\n  b --> a\n```\n")


def test_a_numbered_formula_with_a_line_break_gets_an_environment_for_numbers():
    formula = r"x = \begin{cases}1 \\ 0\end{cases} \tag{6.9}"
    assert chapters.tagged(f"so\n\n$${formula}$$") == (
        "so\n\n\n\n\\begin{equation*}\n" + formula + "\n\\end{equation*}\n\n")
    for kept in (r"$$x = 1 \tag{3}$$", r"$$a \\ b$$", "no formula"):
        assert chapters.tagged(kept) == kept


@pytest.mark.parametrize(("text", "want"), [
    ("the σ_B of", "the σ<sub>B</sub> of"),
    ("and σ_B²", "and σ<sub>B</sub>²"),
    ("$σ_B$ `σ_B` ![σ_B](a.png)", "$σ_B$ `σ_B` ![σ_B](a.png)"),
    ("# σ_B\n\nμ_t, σ_max", "# σ_B\n\nμ<sub>t</sub>, σ_max"),
    ("```\nσ_B\n```", "```\nσ_B\n```"),
])
def test_letters_get_their_indices(text, want):
    assert links.subscripts(text) == want


def test_chapter_04_has_a_button_to_the_derivation():
    notebook = {"cells": [{"source": "# 04\n\n## 2 The derivation, line by line\n\nText"}]}
    assert chapters.derivation(notebook) == [("The derivation", "#the-derivation-line-by-line")]
    name = next(name for name in sources.chapters() if name.startswith("04"))
    assert chapters.derivation(chapters.read("", name))
