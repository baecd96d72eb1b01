"""Exercises 05: renorm_debias. 5.1 to 5.3, one step of the layer, have their own file."""

from __future__ import annotations

from typing import Any

import numpy as np

from minibn import RenormDebias
from minibn.teaching.compare import equal, is_one_of, numbers, require, unpack
from minibn.teaching.exercises import chapter05_step
from minibn.teaching.registry import exercise

Array = Any
Run = dict[str, Any]


def clipping_acts(r: Array, d: Array, r_max: float = 3, d_max: float = 5) -> Array:
    return (np.clip(r, 1 / r_max, r_max) != r) | (np.clip(d, -d_max, d_max) != d)


@exercise("5.4", "who depends on the mates", answer="clipping_acts", points=2,
          library=clipping_acts)
def check_acts(answer: Any, part: Any) -> None:
    r = np.array([1.0, 3.5, 0.3, 3.0, 1 / 3, 1.0, 1.0, -0.0, 4.0])
    d = np.array([0.0, 0.0, 0.0, 5.0, -5.0, 5.1, -5.1, 0.0, 7.0])
    low, high, out = r < 1 / 3, r > 3, np.abs(d) > 5
    with part(1):
        equal("the channels", booleans(answer(r, d)), low | high | out, {
            "d can be clipped, too.": low | high,
            "r can be clipped, too.": out,
            "r has a lower bound, 1/r_max (r is never negative).": high | out,
            "r has an upper bound.": low | out,
            "d has a lower bound, −d_max.": low | high | (d > 5),
            "d has an upper bound, too.": low | high | (d < -5),
            "one of them is enough: or, not and.": (low | high) & out,
            "exactly at the bound nothing is changed.": (r <= 1 / 3) | (r >= 3) | (np.abs(d) >= 5),
            "you have it the wrong way round.": ~(low | high | out)})
    # Some beyond both pairs of bounds: then a missing clip is no wrong bound.
    r = np.array([1.0, 2.5, 0.4, 4.0, 0.2, 1.0, 1.0, 1.0, 1.0])
    d = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 2.0, -2.0, 7.0, -7.0])
    with part(1):
        equal("the channels with r_max = 2 and d_max = 1", booleans(answer(r, d, 2, 1)),
              clipping_acts(r, d, 2, 1), {
            "the bounds are arguments: do not write 3 and 5.": clipping_acts(r, d),
            "r_max is an argument: do not write 3.": clipping_acts(r, d, 3, 1),
            "d_max is an argument: do not write 5.": clipping_acts(r, d, 2, 5),
            "you have it the wrong way round.": ~clipping_acts(r, d, 2, 1)})


def booleans(got: Any) -> Array:
    flags = np.asarray(got)
    require(numbers("the answer", got).ndim == 1
            and all(isinstance(flag, bool | np.bool_) for flag in flags),
            "Return booleans, one for each channel.")
    return flags.astype(bool)


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
                "All four combinations are needed: else the effect of one change is known at only "
                "one setting of the other, and the two changes might interact.")
    with part(1):
        # Both modes are fine where each has the same runs: then the test mode is a third factor.
        modes = {mode: sorted((run["start"], run["clip"], str(run["seed"])) for run in runs
                              if run["test_mode"] == mode) for mode in allowed["test_mode"]}
        require(not all(modes.values()) or modes["moving"] == modes["batch"],
                "The test mode changes, too: a third difference. Keep it the same in all runs.")
    with part(1):
        require(all(is_integer(run["seed"]) and run["seed"] >= 0 for run in runs),
                "A seed is an integer, 0 or more.")
        settings = {tuple(run[key] for key in (*allowed, "seed")) for run in runs}
        require(len(settings) == len(runs), "Two runs of the list are the same.")
        seeds = {cell: sorted({run["seed"] for run in runs if (run["start"], run["clip"]) == cell})
                 for cell in cells}
        require(len(set(map(tuple, seeds.values()))) == 1,
                "Use the same seeds in each combination: a difference is then between runs that "
                "share their random numbers.")
        require(all(len(s) >= 3 for s in seeds.values()),
                "Use at least three seeds: fewer cannot show how much the outcome scatters.")


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
    shared = draws.normal(0, 3, 5)                              # by the four runs of a seed
    planted = {("one", True): 4.0, ("one", False): 7.0, ("zero", True): 3.0, ("zero", False): 3.5}
    results = {cell: value + shared + draws.normal(0, 0.1, 5) for cell, value in planted.items()}
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
            "that is the interaction: the effect of the start comes first.": want[1][0],
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
    paired = "take the differences first, seed by seed: what the runs of a seed share cancels."
    with part(0.5):
        equal("the standard error of the start's effect", got[0][1], want[0][1], {
            paired: unpaired,
            paired[:-1] + ", also between the two starts.":
                np.sqrt(sum(h.var(ddof=1) for h in halves) / 5),
            "that is the deviation of one difference; the mean of n has 1/√n of it.":
                both.std(ddof=1),
            "divide by √n, not by n.": both.std(ddof=1) / 5,
            "divide by n − 1: n differences are a sample (ddof=1).": both.std() / np.sqrt(5)})
    with part(0.5):
        equal("the standard error of the interaction", got[1][1], want[1][1], {
            paired: 2 * unpaired,
            paired[:-1] + ", also between the two effects.":
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
    batches = [x * [1, 1, 0.05] for x in batches]               # so that ε counts in channel 3
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
        changed = ("dx: the x in the cache is not the batch. Does your step change x itself, with "
                   "`x -= …` or `x /= …`? Write `x - mu_B`.")
        xbar = (batches[-1] - batches[-1].mean(0)) / np.sqrt(batches[-1].var(0) + 1e-5)
        of_xbar, of_xhat = (chapter05_step.backward(dy, x, gamma, ours.r, ours.d, 1e-5)[0]
                            for x in (xbar, xbar * ours.r + ours.d))
        require(not is_one_of(dx, (of_xbar, of_xhat), tol=1e-6), changed)
        equal("dx", dx, want, {
            "that is the dx of BN (r = 1, d = 0): r and d of the batch must go into the cache.":
                plain,
            "γ must go into the cache.": first}, tol=1e-6)
        for name in ("gamma", "beta"):
            equal(f"grads[{name!r}]", mine.grads.get(name), ours.grads[name], tol=1e-6)
    with part(1):
        x = batches[1]
        (mu, sigma), state = ours.averages(), ours.state
        cache = getattr(mine, "cache", None)
        got = mine.forward(x)
        equal("y in testing", got, ours.forward(x), {
            "in testing use the corrected averages, not the raw ones.":
                gamma * (x - state["moving_mean"]) / state["moving_std"] + beta,
            "γ and β are missing in testing.": (x - mu) / sigma,
            "ε is in σ̂ already, by σ_B: do not add it again.":
                gamma * (x - mu) / np.sqrt(sigma**2 + 1e-5) + beta,
            "that is the mode \"batch\"; \"moving\" is asked, without r and d.":
                ours_by_batch(ours, x),
            "in testing the averages are frozen, and the batch has no part in the result.":
                ours_in_training(ours, x),
            "in testing use the averages, not the statistics of the batch.":
                gamma * (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) + beta}, tol=1e-6)
        again = mine.forward(x)
        equal("y in testing, a second time", again, ours.forward(x), {
            "testing has changed the state: it must not.": again}, tol=1e-6)
        require(getattr(mine, "cache", None) is cache,
                "Testing has changed the cache: it must not, because `backward` needs the batch of "
                "the last training step.")


def ours_by_batch(layer: RenormDebias, x: Array) -> Array:
    """What the test mode "batch" would give; the layer's mode stays "moving"."""
    layer.test_mode = "batch"
    y = layer.forward(x)
    layer.test_mode = "moving"
    return y


def ours_in_training(layer: RenormDebias, x: Array) -> Array:
    """What a training step would give; the layer stays as it is."""
    state = layer.state["step"], layer.state["moving_mean"], layer.state["moving_std"]
    return layer.params["gamma"] * chapter05_step.step(x, state)[0] + layer.params["beta"]
