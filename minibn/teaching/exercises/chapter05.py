"""Exercises 05: renorm_debias. 5.1 to 5.4, one step of the layer, have their own file."""

from __future__ import annotations

from typing import Any

import numpy as np

from minibn import RenormDebias
from minibn.teaching.compare import equal, require, unpack
from minibn.teaching.exercises import chapter05_step
from minibn.teaching.registry import exercise

Array = Any
Run = dict[str, Any]


def design() -> list[Run]:
    runs = [(start, clip, seed) for seed in range(3) for clip in (False, True)
            for start in ("zero", "one")]
    return [dict(zip(("start", "clip", "seed"), run, strict=True), test_mode="batch")
            for run in runs]


@exercise("5.5", "design", answer="design", points=3, library=design)
def check_design(answer: Any, part: Any) -> None:
    runs = answer()
    require(isinstance(runs, list | tuple) and len(runs) > 0
            and all(isinstance(run, dict)
                    and set(run) == {"start", "clip", "test_mode", "seed"} for run in runs),
            "Return a list of dicts with the four keys start, clip, test_mode and seed.")
    allowed = {"start": ("one", "zero"), "clip": (True, False), "test_mode": ("moving", "batch")}
    for key, values in allowed.items():
        kind = bool | np.bool_ if key == "clip" else str
        require(all(isinstance(run[key], kind) and run[key] in values for run in runs),
                f"{key} must be {values[0]!r} or {values[1]!r}.")
    for key in ("start", "clip"):
        require(len({run[key] for run in runs}) == 2,
                f"{key} is never changed: what would show its effect?")
    cells = {(run["start"], run["clip"]) for run in runs}
    require(cells != {("one", False), ("zero", True)},
            "Those are the paper's two methods as printed: start and clip change together.")
    with part(1):
        require(len(cells) == 4,
                "All four combinations are needed: else the effect of one change is known at one "
                "setting of the other only, and they might interact.")
    with part(1):
        require(len({run["test_mode"] for run in runs}) == 1,
                "The test mode changes, too: a third difference. Keep it the same in all runs.")
    with part(1):
        require(all(is_integer(run["seed"]) and run["seed"] >= 0 for run in runs),
                "A seed is an integer, 0 or more.")
        seeds = {cell: sorted(run["seed"] for run in runs if (run["start"], run["clip"]) == cell)
                 for cell in cells}
        require(all(len(set(s)) == len(s) for s in seeds.values()), "A run stands there twice.")
        require(len(set(map(tuple, seeds.values()))) == 1,
                "Use the same seeds in each combination: a difference is then between runs that "
                "share their luck.")
        require(all(len(s) >= 3 for s in seeds.values()),
                "Use at least three seeds: one run is an anecdote.")


def is_integer(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


Effect = tuple[float, float]


def effects(results: dict[tuple[str, bool], Array]) -> tuple[Effect, Effect]:
    contrasts = {"start": ((0.5, "zero", True), (0.5, "zero", False),
                           (-0.5, "one", True), (-0.5, "one", False)),
                 "both": ((1, "zero", True), (-1, "one", True),
                          (-1, "zero", False), (1, "one", False))}
    sums = [sum(w * results[start, clip] for w, start, clip in terms)
            for terms in contrasts.values()]
    first, second = ((s.mean(), np.sqrt(s.var(ddof=1) / s.size)) for s in map(np.asarray, sums))
    return first, second


@exercise("5.6", "reading it", answer="effects", points=3, library=effects)
def check_effects(answer: Any, part: Any) -> None:
    draws = np.random.default_rng(56)
    luck = draws.normal(0, 3, 5)                                # shared by a seed's four runs
    planted = {("one", True): 4.0, ("one", False): 7.0, ("zero", True): 3.0, ("zero", False): 3.5}
    results = {cell: value + luck + draws.normal(0, 0.1, 5) for cell, value in planted.items()}
    want = effects(results)
    got = [unpack(pair, "mean, standard error")
           for pair in unpack(answer(results), "the start's effect, the interaction")]
    a, b = (results["zero", c] - results["one", c] for c in (True, False))
    with part(1):
        equal("the effect of the start", got[0][0], want[0][0], {
            "that is its effect with the clip only: average over both settings.": a.mean(),
            "that is its effect without the clip only: average over both settings.": b.mean(),
            "that is the sum over both settings; the average is half of it.": (a + b).mean(),
            "zero minus one, not the other way round.": -want[0][0],
            "that is the effect of the clip.":
                np.mean([results[s, True] - results[s, False] for s in ("one", "zero")]),
            "those are the paper's two methods as printed: the clip changes, too.":
                (results["zero", True] - results["one", False]).mean()})
    with part(1):
        equal("the interaction", got[1][0], want[1][0], {
            "with the clip minus without it, not the other way round.": -want[1][0],
            "that is the mean of the two effects; the interaction is their difference.":
                want[0][0],
            "no half here: it is the difference of two effects.": want[1][0] / 2})
    both = (a + b) / 2
    unpaired = np.sqrt(sum(results[cell].var(ddof=1) for cell in planted) / 4 / 5)
    halves = [(results[s, True] + results[s, False]) / 2 for s in ("zero", "one")]
    luck_cancels = "the differences come first, seed by seed; their luck is shared and cancels."
    with part(0.5):
        equal("the standard error of the start's effect", got[0][1], want[0][1], {
            luck_cancels: unpaired,
            luck_cancels[:-1] + ", also between the two starts.":
                np.sqrt(sum(h.var(ddof=1) for h in halves) / 5),
            "that is the deviation of one difference; the mean of n has 1/√n of it.":
                both.std(ddof=1),
            "divide by √n, not by n.": both.std(ddof=1) / 5,
            "divide by n − 1: n differences are a sample (ddof=1).": both.std() / np.sqrt(5)})
    with part(0.5):
        equal("the standard error of the interaction", got[1][1], want[1][1], {
            luck_cancels: 2 * unpaired,
            luck_cancels[:-1] + ", also between the two effects.":
                np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 5),
            "that is the deviation of one difference; the mean of n has 1/√n of it.":
                (a - b).std(ddof=1),
            "divide by √n, not by n.": (a - b).std(ddof=1) / 5,
            "divide by n − 1: n differences are a sample (ddof=1).": (a - b).std() / np.sqrt(5)})


class MyLayer:
    """The library's layer, tested by its averages."""

    def __init__(self, channels: int) -> None:
        self.layer = RenormDebias(channels, test_mode="moving", dtype=np.float64)
        self.params = self.layer.params
        self.grads: dict[str, Array] = {}

    def forward(self, x: Array, training: bool = False) -> Array:
        return self.layer.forward(x, training=training)

    def backward(self, dy: Array) -> Array:
        dx = self.layer.backward(dy)
        self.grads = self.layer.grads
        return dx


@exercise("5.7", "your layer", answer="MyLayer", points=3, library=MyLayer, seconds=60)
def check_layer(answer: Any, part: Any) -> None:
    draws = np.random.default_rng(57)
    mine, ours = answer(3), RenormDebias(3, test_mode="moving", dtype=np.float64)
    gamma, beta = np.array([1.5, -0.5, 0.8]), np.array([0.2, -1.0, 0.5])
    for params in (mine.params, ours.params):
        params["gamma"][:], params["beta"][:] = gamma, beta
    batches = [draws.normal(size=(5, 3)) * scale + [1, -3, 0.2] for scale in (1, 2, 0.5, 30)]
    outputs = []
    for x in batches:
        outputs.append((mine.forward(x, training=True), ours.forward(x, training=True)))
    dy = draws.normal(size=(5, 3))
    with part(1):
        for number, (x, (got, want)) in enumerate(zip(batches, outputs, strict=True), 1):
            xhat = (want - beta) / gamma
            equal(f"y of training batch {number}", got, want, {
                "γ and β are missing (line 11).": xhat,
                "γ is missing.": xhat + beta,
                "β is missing.": gamma * xhat,
                "γ multiplies x̂ alone, not β.": gamma * (xhat + beta),
                "that is BN: each batch is treated as the first. Is the new state kept?":
                    gamma * (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) + beta}, tol=1e-6)
    with part(1):
        dx, want = mine.backward(dy), ours.backward(dy)
        plain = chapter05_step.backward(dy, batches[-1], gamma, np.ones(3), np.zeros(3), 1e-5)[0]
        first = chapter05_step.backward(dy, batches[-1], np.ones(3), ours.r, ours.d, 1e-5)[0]
        equal("dx", dx, want, {
            "r and d of the batch must go into the cache.": plain,
            "γ must go into the cache.": first}, tol=1e-6)
        for name in ("gamma", "beta"):
            equal(f"grads[{name!r}]", mine.grads.get(name), ours.grads[name], tol=1e-6)
    with part(1):
        x = batches[1]
        (mu, sigma), state = ours.averages(), ours.state
        got = mine.forward(x)
        equal("y in testing", got, ours.forward(x), {
            "in testing use the corrected averages, not the raw ones.":
                gamma * (x - state["moving_mean"]) / state["moving_std"] + beta,
            "γ and β are missing in testing.": (x - mu) / sigma,
            "in testing the averages are frozen, and the batch has no part in the result.":
                ours_in_training(ours, x),
            "in testing use the averages, not the statistics of the batch.":
                gamma * (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) + beta}, tol=1e-6)
        again = mine.forward(x)
        equal("y in testing, a second time", again, ours.forward(x), {
            "testing has changed the state: it must not.": again}, tol=1e-6)


def ours_in_training(layer: RenormDebias, x: Array) -> Array:
    """What a training step would give; the layer stays as it is."""
    state = layer.state["step"], layer.state["moving_mean"], layer.state["moving_std"]
    return layer.params["gamma"] * chapter05_step.step(x, state)[0] + layer.params["beta"]
