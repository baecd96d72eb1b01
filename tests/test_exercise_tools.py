"""What the exercises of notebooks 07 to 11 are made of: an emulated device, real runs, a rule."""

import json
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from test_replication_analysis import curve
from test_replication_arms import PEAKS, made_up, peaked, searched

from minibn import teaching
from minibn.replication import analysis
from minibn.replication.arms import ARMS, MEDIUM, METHODS, run_job
from minibn.replication.results import Results
from minibn.replication.statistics import Estimate
from minibn.teaching import assess, registry
from minibn.teaching.emulated import FakeGPU, Far, far, held
from minibn.teaching.exercises import chapter07_reading, chapter08, chapter11_verdicts
from minibn.teaching.real_runs import final_accuracies

X = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize("refused", [
    lambda x: np.asarray(x), lambda x: np.exp(x), lambda x: x + X, lambda x: X * x,
    lambda x: far.exp(X), lambda x: np.where(x > 1, x, 0), lambda x: hash(x),
], ids=["convert", "ufunc", "mix", "mix the other way", "its function", "where", "hash"])
def test_the_device_refuses_what_cupy_refuses(refused):
    with pytest.raises(TypeError):
        refused(Far(X))


@pytest.mark.parametrize("name", [
    "data", "base", "ctypes", "tobytes", "__array_interface__", "flat", "_Far__held", "__dict__"])
def test_the_device_keeps_its_data(name):
    with pytest.raises(AttributeError):
        getattr(Far(X), name)


@pytest.mark.parametrize("down", [
    float, int, bool, lambda x: x.item(), lambda x: x.tolist(), lambda x: x.get(), far.asnumpy,
    lambda x: 1 if x > 2 else 0,
])
def test_a_way_down_is_a_trip(down):
    before = Far.trips
    down(far.asarray(3.0))
    assert Far.trips == before + 1


def test_the_device_computes_what_numpy_does():
    before, x = Far.trips, Far(X)
    pairs = (
        (2 ** (1 - x) / 3, 2 ** (1 - X) / 3), (far.where(x > 2, x, -x), np.where(X > 2, X, -X)),
        (abs(-x).mean(0), X.mean(0)), (x.T @ x, X.T @ X), (x[1:, [0, 2]], X[1:, [0, 2]]),
        (far.concatenate([x, x]), np.concatenate([X, X])), (~(x < 2), ~(X < 2)))
    for there, here in pairs:
        assert isinstance(there, Far) and there.shape == here.shape
        assert np.array_equal(held(there), here)
    assert Far.trips == before
    x[0] = x[1] * 2
    assert np.array_equal(far.asnumpy(x), [[6, 8, 10], [3, 4, 5]])
    assert X[0, 0] == 0 and far.asarray(x) is x and len(x) == 2


def test_a_gpu_with_a_clock():
    gpu = FakeGPU(kernel=100.0, compiling=5000.0, busy=70.0)
    gpu.synchronize()
    assert gpu.clock() == 70
    gpu.launch()
    assert gpu.clock() == 70 + 5010                    # the first launch compiles, and returns
    gpu.synchronize()
    start = gpu.clock()
    assert start == 70 + 5010 + 100
    for _ in range(3):
        gpu.launch()
    assert gpu.clock() == start + 30
    gpu.synchronize()
    assert gpu.clock() == start + 10 + 3 * 100
    with pytest.raises(AttributeError, match="compiled"):
        gpu.compiled = True
    with pytest.raises(AttributeError, match="kernel"):
        _ = gpu._FakeGPU__kernel
    with pytest.raises(AttributeError):
        Far.trips = 0


def test_the_rule_of_the_exercise_is_the_registered_one():
    rng = np.random.default_rng(0)
    for low, high in np.sort(rng.normal(0.3, 1, (200, 2)), axis=1):
        size = rng.uniform(0.1, 1.5)
        found = Estimate((low + high) / 2, (high - low) / 2, 8)
        assert chapter11_verdicts.verdict(low, high, size) == analysis.verdict(
            found, size, different=low > 0 or high < 0)


def test_real_runs_are_those_of_the_replication():
    runs = final_accuracies()
    assert {norm: len(values) for norm, values in runs.items()} == {
        "bn": 30, "brn": 30, "renorm_debias": 30}
    assert all(((values > 40) & (values < 55)).all() for values in runs.values())
    assert len(set(runs["bn"])) > 10


def test_the_expected_gain_of_peeking():
    assert np.isclose(chapter07_reading.expected_gain(1, 500), 0, atol=1e-12)
    assert np.isclose(chapter07_reading.expected_gain(4, 1), 1 - 0.6**4 - 0.4)
    draws = np.random.default_rng(0).binomial(60, 0.4, (100_000, 3)).max(1) / 60
    assert np.isclose(chapter07_reading.expected_gain(3, 60), draws.mean() - 0.4, atol=1e-3)


def test_density_and_share_of_the_normal_distribution():
    phi, Phi = chapter08.density_and_share(1.0)
    assert np.isclose(phi, 0.24197, atol=1e-5) and np.isclose(Phi, 0.84134, atol=1e-5)


@pytest.mark.parametrize("key", [exercise.key for chapter in ("07", "08", "09", "10", "11")
                                 for exercise in registry.exercises_of(chapter)])
def test_checks_draw_other_numbers_and_judge_alike(key):
    """Many checks draw their cases anew: a right answer always has all points."""
    exercise = registry.find(key)
    for _ in range(1 if key == "7.8" else 5):
        part = _Parts()
        exercise.test(exercise.library, part)
        assert not part.hints


class _Parts:
    """Parts that note every hint."""

    def __init__(self):
        self.hints = []

    def __call__(self, points):
        return self

    def __enter__(self):
        return None

    def __exit__(self, kind, error, trace):
        if error is not None:
            self.hints.append(str(error))
        return False


def test_a_guess_earns_nothing():
    """One word, one number or one tuple for every question."""
    for key, guess in (("7.5", lambda: dict.fromkeys("ABCDE", "healthy")),
                       ("9.1", lambda: dict.fromkeys(("bn", "ln", "instance", "gn"), (1, 2))),
                       ("9.6", lambda: dict.fromkeys(("bn", "ln", "instance", "gn"), (False,) * 3)),
                       ("11.6", lambda low, high, size: "inconclusive"),
                       ("10.4", lambda images, batch_size: 0)):
        assert assess(registry.find(key), guess) == 0, key


@pytest.mark.parametrize("seeds", [0, 1, 3])
def test_page_11_shows_the_registered_runs_that_there_are(seeds, monkeypatch):
    """Its cell stands whether the registered replication has not begun, has begun, or has ended."""
    matplotlib.use("Agg")
    page = Path(__file__).resolve().parents[1] / "notebooks" / "11_does_it_replicate.ipynb"
    cells = ["".join(cell["source"]) for cell in json.loads(page.read_text("utf-8"))["cells"]]
    first, registered = (next(cell for cell in cells if words in cell)
                         for words in ("teaching.start(", "claims_table("))
    found, said = [], []
    if seeds:
        found = list(searched(MEDIUM, peaked))
        for norm in METHODS:
            pace = 1.0 if norm == "renorm_debias" else 0.7
            found += [made_up(run_job(MEDIUM, ARMS["A"].runs[0], norm, PEAKS[norm], 101 + seed),
                              curve(pace) + 0.001 * seed) for seed in range(seeds)]
    monkeypatch.setattr(teaching, "say", said.append)
    monkeypatch.setattr(teaching, "show", lambda fig, alt, caption: said.append(caption))
    names = {"__name__": "notebook"}
    exec(first, names)
    names["published"] = lambda name: Results(found)
    exec(registered, names)
    # A difference needs pairs, and the ratios need the pilots.
    assert [said[-1].count(words) for words in ("not run yet", "too few runs", "the pilots are")
            ] == {0: [8, 0, 0], 1: [2, 6, 0], 3: [2, 0, 2]}[seeds]
    assert seeds == 3 or "0 of 24" in said[0] or "3 of 24" in said[0]
    assert len(said) == (2 if seeds == 0 else 3)                           # the figure's caption
