"""The built site in headless Chromium, with every name but the local address unresolved.

Screenshots stay in build/site-work/screenshots, at 1280 and at 390 pixels, and in the dark.
"""

import re

import pytest
from conftest import SHOTS


def named(out):
    """The book's pages to look at: all but the listings of source, of which two will do."""
    found = {}
    for path in sorted(out.rglob("*.html")):
        place = path.relative_to(out).as_posix()
        listing = place.startswith("_modules/") and place not in (
            "_modules/index.html", "_modules/minibn/norms/renorm_debias.html")
        if not place.startswith("lite/") and not listing:
            found[place.removesuffix(".html").replace("/", "-")] = place
    return found


def quiet(found):
    """Nothing was asked from outside, and nothing complained."""
    assert found["outside"] == []
    assert found["errors"] == []


@pytest.mark.parametrize("width", [1280, 390])
def test_pages(width, out, address, browse):
    urls = {name: f"{address}/{place}" for name, place in named(out).items()}
    found = browse("look", urls=urls, phone=width == 390, shots=str(SHOTS / str(width)))
    quiet(found)
    assert len(found["pages"]) > 35
    for name, page in found["pages"].items():
        assert page["wide"] <= 0, f"{name} is {page['wide']} pixels wider than the screen"
        assert page["failed"] == 0, f"{name} has a formula that MathJax does not understand"
        assert page["unset"] == 0, f"{name} has a formula that was not set"
        assert page["title"]
        assert page["closed"] == 0, f"{name} has a figure that does not open by itself"
        assert page["apart"] == 0, f"{name} has a line that begins with a formula's period"
        assert not page["touching"], f"{name}: the icons of the header touch"
    assert sum(page["formulas"] for page in found["pages"].values()) > 500


def test_dark(address, browse):
    names = ["index", "chapters/04_moving_average_bias", "api/norms", "report"]
    found = browse("look", urls={name.replace("/", "-"): f"{address}/{name}.html"
                                 for name in names}, dark=True, shots=str(SHOTS / "dark"))
    quiet(found)
    for name, page in found["pages"].items():
        assert max(page["background"]) < 60, f"{name} is not dark: {page['background']}"


def test_demonstration_follows_its_sliders(address, browse):
    found = browse("demo", url=f"{address}/index.html")
    quiet(found)
    looks = found["looks"]
    assert len(looks) == 3
    for before, after in zip(looks, looks[1:], strict=False):
        for part in ("outputs", "deviations", "numbers", "label"):
            assert before[part] != after[part], part
    assert "batch size 5" in looks[0]["label"]
    assert "batch size 3" in looks[1]["label"]
    # Before the decay is changed, the corrected average is nearer than BRN's in the first steps.
    rows = {name: float(first) for name, first, _ in
            re.findall(r"(\w+)\s+([\d.]+)\s+([\d.]+)", looks[0]["numbers"])}
    assert rows["renorm_debias"] < rows["BRN"]


def test_search(address, browse):
    found = browse("search", url=f"{address}/search.html?q=moving+average")
    quiet(found)
    assert any("04_moving_average_bias" in link for link in found["links"]), found["links"]
    assert "moving average" in found["text"]
    assert "Run in your browser" not in found["text"]      # excerpts are text, not buttons
    assert "Nothing to install" not in found["text"]


@pytest.mark.parametrize("name", ["01_batch_norm", "04_moving_average_bias"])
def test_a_chapter_runs_to_its_end(name, address, browse):
    found = browse("run", url=f"{address}/lite/notebooks/index.html?path={name}.ipynb", limit=240,
                   slider=name.startswith("04"), shot=str(SHOTS / "lite" / f"{name}.png"))
    assert found["failed"] == []
    assert found["done"] == found["cells"] > 10
    assert found["pictures"] >= 3
    assert "short mode" in found["text"]
    assert found.get("slider", {}).get("changed", True)
    quiet(found)


def test_an_exercise_grades_itself(address, browse):
    """A right answer is right, a wrong one is told, a blank is not done yet, and all cells run."""
    url = f"{address}/lite/notebooks/index.html?path=exercises/04_moving_average_bias.ipynb"
    stub = "# YOUR CODE HERE\n    raise NotImplementedError()"
    found = browse("run", url=url, limit=240, shot=str(SHOTS / "lite" / "exercise.png"), edits=[
        [f'"""w_1 … w_t of the corrected average, (t,)."""\n    {stub}',
         "i = np.arange(1, t + 1)\n    return (1 - alpha) * alpha ** (t - i) / (1 - alpha**t)"],
        [f'"""Raw and corrected averages, two arrays (T,)."""\n    {stub}', "return v, v"],
    ])
    assert found["edited"] == 2
    assert found["failed"] == []
    assert found["done"] == found["cells"]
    for number, verdict in (("4.2", "right"), ("4.1", "not right yet"), ("4.3", "not done yet")):
        assert re.search(rf"{re.escape(number)}\b.*: {verdict}", found["text"]), found["text"]
    quiet(found)


def test_changes_survive_a_reload(address, browse):
    found = browse("keep", url=f"{address}/lite/notebooks/index.html?path=02_small_batches.ipynb",
                   text="# this line was added by a reader")
    assert not found["before"]
    assert found["after"]
    quiet(found)
