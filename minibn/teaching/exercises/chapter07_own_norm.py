"""Exercises 7.9 to 7.11: the reader's own BRN and renorm_debias, and a loop that trains them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from minibn.layers.activations import ReLU
from minibn.layers.linear import Linear
from minibn.layers.sequential import Sequential
from minibn.losses import softmax_cross_entropy, softmax_cross_entropy_backward
from minibn.optim import SGD
from minibn.teaching.compare import equal, require, unpack, what
from minibn.teaching.registry import exercise

Array = Any
ALPHA, EPS = 0.99, 1e-5


def renorm_forward(x: Array, gamma: Array, beta: Array, mu: Array, sigma: Array, t: int,
                   debias: bool) -> tuple[Array, Array, Array, tuple[Array, ...]]:
    mu_B = x.mean((0, 1, 2))
    sigma_B = np.sqrt(x.var((0, 1, 2)) + EPS)
    mu = ALPHA * mu + (1 - ALPHA) * mu_B
    sigma = ALPHA * sigma + (1 - ALPHA) * sigma_B
    weight = 1 - ALPHA**t if debias else 1.0
    mu_hat, sigma_hat = mu / weight, sigma / weight
    r = np.clip(sigma_B / sigma_hat, 1 / 3, 3)
    d = np.clip((mu_B - mu_hat) / sigma_hat, -5, 5)
    xbar = (x - mu_B) / sigma_B
    return gamma * (xbar * r + d) + beta, mu, sigma, (xbar, r, d, sigma_B)


def forward_cases() -> list[tuple[Any, ...]]:
    """Arguments of renorm_forward: both methods, early and late, in some channels clipped."""
    rng = np.random.default_rng()
    cases: list[tuple[Any, ...]] = []
    # The first steps come last: there several mistakes look alike, and a hint could be wrong.
    for debias, t in ((False, 30), (True, 30), (True, 2), (False, 1), (True, 1)):
        x = rng.normal(size=(5, 3, 4, 6)) * [0.3, 1, 2, 6, 1, 0.1] + rng.normal(size=(5, 1, 1, 6))
        gamma, beta = rng.normal(1, 0.3, 6), rng.normal(size=6)
        kept = 1 - ALPHA ** (t - 1) if debias else 1.0
        mu = kept * (rng.normal(0, 2, 6) + [0, -30, 0, 0, 30, 0])           # d beyond both bounds
        sigma = kept * rng.uniform(0.5, 1.5, 6) * [1, 1, 1, 1, 1, 20]
        if t == 1:
            mu, sigma = np.zeros(6), np.zeros(6) if debias else np.ones(6)
        cases.append((x, gamma, beta, mu, sigma, t, debias))
    return cases


@exercise("7.9", "BRN and renorm_debias, forward", answer="renorm_forward", points=4,
          library=renorm_forward)
def check_forward(answer: Any, part: Any) -> None:
    tried = []
    for case in forward_cases():
        got = unpack(answer(*case), "y, mu, sigma, cache")
        cache = unpack(got[3], "xbar, r, d, sigma_B")
        name = ("renorm_debias" if case[-1] else "BRN") + f", step {case[-2]}"
        tried.append((name, case, got[:3], cache))
    with part(1):
        for name, case, got, cache in tried:
            check_averages(name, case, got, cache)
    with part(1):
        for name, case, _, cache in tried:
            check_r(name, case, cache[1])
    with part(1):
        for name, case, _, cache in tried:
            check_d(name, case, cache[2])
    with part(1):
        for name, (x, gamma, beta, *_), got, (xbar, r, d, _) in tried:
            mu_B, sigma_B = x.mean((0, 1, 2)), np.sqrt(x.var((0, 1, 2)) + EPS)
            right = (x - mu_B) / sigma_B
            equal(f"xbar ({name})", xbar, right, {
                "x̄ has no r and no d: (x − μ_B)/σ_B.": right * r + d,
                "divide by σ_B.": x - mu_B,
                "subtract μ_B.": x / sigma_B})
            # From the answer's own r and d, so that a mistake in them is not counted twice.
            equal(f"y ({name})", got[0], gamma * (right * r + d) + beta, {
                "r multiplies x̄ alone, and d is added after it.": gamma * (right + d) * r + beta,
                "γ multiplies x̄·r + d, and not x̄·r alone.": gamma * right * r + d + beta,
                "d is missing.": gamma * right * r + beta,
                "r is missing.": gamma * (right + d) + beta,
                "r and d are missing: that is BN.": gamma * right + beta,
                "β is missing.": gamma * (right * r + d),
                "γ and β are missing.": right * r + d,
                "d is added, not subtracted.": gamma * (right * r - d) + beta})


def averages(case: tuple[Any, ...]) -> tuple[Any, ...]:
    """μ_B, σ_B, the raw averages after the step, and what they are divided by."""
    x, _, _, mu, sigma, t, debias = case
    mu_B, sigma_B = x.mean((0, 1, 2)), np.sqrt(x.var((0, 1, 2)) + EPS)
    return (mu_B, sigma_B, ALPHA * mu + (1 - ALPHA) * mu_B,
            ALPHA * sigma + (1 - ALPHA) * sigma_B, 1 - ALPHA**t if debias else 1.0)


def check_averages(name: str, case: tuple[Any, ...], got: Any, cache: Any) -> None:
    x, _, _, mu, sigma, t, debias = case
    mu_B, sigma_B, new_mu, new_sigma, weight = averages(case)
    equal(f"sigma_B ({name})", cache[3], sigma_B, {
        "that is the variance; σ_B is its root.": sigma_B**2,
        "divide by the number of values, not by one less.": np.sqrt(
            x.var((0, 1, 2), ddof=1) + EPS),
        "one σ_B for each channel: a mean over images and positions.": np.sqrt(x.var(0) + EPS),
        "ε is missing.": x.std((0, 1, 2)),
        "ε belongs under the root.": x.std((0, 1, 2)) + EPS,
        "all means run over images and positions, the axes 0, 1 and 2.": np.sqrt(x.var(0) + EPS),
        "μ_B is a mean over images and positions, the axes 0, 1 and 2.":
            np.sqrt(((x - x.mean(0)) ** 2).mean((0, 1, 2)) + EPS)})
    for which, value, new, old, of_batch in (("mu", got[1], new_mu, mu, mu_B),
                                             ("sigma", got[2], new_sigma, sigma, sigma_B)):
        corrected = {"return the raw average, which the next step needs; the corrected one is a "
                     "temporary value.": new / weight} if debias else {}
        equal(f"{which} ({name})", value, new, {
            **corrected,
            "α multiplies the old average, and 1 − α the value of the batch.":
                ALPHA * of_batch + (1 - ALPHA) * old,
            "that is the old average; return the new one.": old,
            "that is the value of the batch.": of_batch,
            "1 − α multiplies the value of the batch.": ALPHA * old + of_batch,
            "BRN's averages are not corrected.": new / (1 - ALPHA**t),
            "the average of σ is one of deviations, not of variances.":
                ALPHA * old + (1 - ALPHA) * of_batch**2})


def check_r(name: str, case: tuple[Any, ...], got: Any) -> None:
    _, sigma_B, _, sigma, weight = averages(case)
    old, t, debias = case[4], case[5], case[6]

    def clip(r: Array) -> Array:
        return np.clip(r, 1 / 3, 3)

    with np.errstate(all="ignore"):
        before = clip(sigma_B / (old / (1 - ALPHA ** (t - 1)) if debias else old))
    equal(f"r ({name})", got, clip(sigma_B / (sigma / weight)), {
        "r is not clipped.": sigma_B / (sigma / weight),
        "clip r to [1/3, 3]: the lower bound is 1/3.": np.clip(sigma_B / (sigma / weight), 0, 3),
        "clip r to [1/3, 3], from both sides.": np.minimum(sigma_B / (sigma / weight), 3),
        "r has the bounds 1/3 and 3; 5 is the bound of d.":
            np.clip(sigma_B / (sigma / weight), 1 / 5, 5),
        "upside down: r = σ_B/σ.": clip(sigma / weight / sigma_B),
        "use the average after this step.": before,
        **({"renorm_debias divides by the *corrected* σ.": clip(sigma_B / sigma)} if debias else
           {"BRN's averages are not corrected.": clip(sigma_B / (sigma / (1 - ALPHA**t)))}),
        "one update before: the power is αᵗ.": clip(
            sigma_B / (sigma / (1 - ALPHA ** (t + 1)))) if debias else np.nan,
        "r is a quotient of deviations, not of variances.": clip((sigma_B * weight / sigma) ** 2)})


def check_d(name: str, case: tuple[Any, ...], got: Any) -> None:
    mu_B, sigma_B, mu, sigma, weight = averages(case)

    def clip(d: Array) -> Array:
        return np.clip(d, -5, 5)

    right = (mu_B - mu / weight) / (sigma / weight)
    equal(f"d ({name})", got, clip(right), {
        "d is not clipped.": right,
        "d has the bounds −5 and 5; 3 is the bound of r.": np.clip(right, -3, 3),
        "clip d from both sides: −5 and 5.": np.minimum(right, 5),
        "the sign: d = (μ_B − μ)/σ.": clip(-right),
        "divide by the moving σ, not by σ_B.": clip((mu_B - mu / weight) / sigma_B),
        "divide by σ.": clip(mu_B - mu / weight),
        "use the corrected averages.": clip((mu_B - mu) / sigma),
        "the μ in d is not corrected.": clip((mu_B - mu) / (sigma / weight)),
        "the σ in d is not corrected.": clip((mu_B - mu / weight) / sigma),
        "d is a difference of means: μ is missing.": clip(mu_B / (sigma / weight))})


def renorm_backward(dy: Array, gamma: Array, cache: tuple[Array, ...]
                    ) -> tuple[Array, Array, Array]:
    xbar, r, d, sigma_B = cache
    g = gamma * r * dy
    dx = (g - g.mean((0, 1, 2)) - xbar * (g * xbar).mean((0, 1, 2))) / sigma_B
    return dx, (dy * (xbar * r + d)).sum((0, 1, 2)), dy.sum((0, 1, 2))


@exercise("7.10", "BRN and renorm_debias, backward", answer="renorm_backward", points=3,
          library=renorm_backward)
def check_backward(answer: Any, part: Any) -> None:
    rng = np.random.default_rng()
    case = forward_cases()[1]
    x, gamma = case[0], case[1]
    cache = renorm_forward(*case)[3]
    xbar, r, d, sigma_B = cache
    dy = rng.normal(size=x.shape) + 0.3
    m = x[..., 0].size

    def total(a: Array) -> Array:
        return a.sum((0, 1, 2))

    def mean(a: Array) -> Array:
        return a.mean((0, 1, 2))

    want = renorm_backward(dy, gamma, cache)
    got = unpack(answer(dy, gamma, cache), "dx, dgamma, dbeta")
    with part(0.5):
        equal("dbeta", got[2], want[2], {
            "sums, not means.": want[2] / m, "γ has no part in it.": gamma * want[2],
            "one number for each channel: sum over images and positions.": dy.sum(0),
            "that is dγ; the order is dx, dgamma, dbeta.": want[1]})
    with part(1):
        equal("dgamma", got[1], want[1], {
            "sums, not means.": want[1] / m,
            "γ multiplies the renormed x̂ = x̄·r + d, and not x̄.": total(dy * xbar),
            "x̂ = x̄·r + d: d is missing.": total(dy * xbar * r),
            "x̂ = x̄·r + d: r is missing.": total(dy * (xbar + d)),
            "γ is no part of its own gradient.": gamma * want[1],
            "that is dβ; the order is dx, dgamma, dbeta.": want[2]})
    with part(1.5):
        g = gamma * r * dy
        two = xbar * mean(g * xbar)
        equal("dx", got[0], want[0], {
            "r is missing in g = γ·r·dy.": want[0] / r,
            "γ is missing in g = γ·r·dy.": want[0] / gamma,
            "divide by σ_B at the end.": want[0] * sigma_B,
            "divide by σ_B once.": want[0] / sigma_B,
            "the term with mean(g) is missing.": (g - two) / sigma_B,
            "the term with x̄·mean(g·x̄) is missing.": (g - mean(g)) / sigma_B,
            "both mean terms are missing. r and d are constants, μ_B and σ_B are not.": g / sigma_B,
            "means, not sums.": (g - m * mean(g) - m * two) / sigma_B,
            "the last term has x̄, not the renormed x̂.":
                (g - mean(g) - (xbar * r + d) * mean(g * (xbar * r + d))) / sigma_B,
            "the sign of the last term.": (g - mean(g) + two) / sigma_B,
            "the sign of mean(g).": (g + mean(g) - two) / sigma_B})


def train_on(model: Any, optimizer: Any, batches: Iterable[tuple[Array, Array]]) -> list[float]:
    losses = []
    for x, labels in batches:
        loss, cache = softmax_cross_entropy(model.forward(x, training=True), labels)
        model.backward(softmax_cross_entropy_backward(1.0, cache))
        optimizer.step()
        losses.append(float(loss))
    return losses


class Counted(Sequential):
    """A network that counts its forward passes in training mode."""

    passes = 0

    def forward(self, x: Array, training: bool = False, watch: Any = None) -> Array:
        self.passes += bool(training)
        return super().forward(x, training, watch)


def mistaken_steps(model: Any, optimizer: Any, batches: Iterable[tuple[Array, Array]],
                   factor: float = 1.0, steps: int = 1, at_the_end: bool = False) -> list[float]:
    """`train_on` with a mistake; returns the losses after the steps."""
    after = []
    for x, labels in batches:
        _, cache = softmax_cross_entropy(model.forward(x, training=True), labels)
        model.backward(softmax_cross_entropy_backward(factor, cache))
        for _ in range(0 if at_the_end else steps):
            optimizer.step()
        after.append(float(softmax_cross_entropy(model.forward(x), labels)[0]))
    if at_the_end:
        optimizer.step()
    return after


@exercise("7.11", "the loop", answer="train_on", points=2, library=train_on, allow=(
    "minibn.losses", "minibn.layer", "minibn.layers", "minibn.norms", "minibn.optim.SGD",
    "minibn.kernels", "minibn.teaching.exercises.chapter07_own_norm.Counted"))
def check_loop(answer: Any, part: Any) -> None:
    rng = np.random.default_rng()
    batches = [(rng.normal(size=(6, 5)), rng.integers(0, 3, 6)) for _ in range(4)]

    def made() -> tuple[Counted, SGD]:
        model = Counted(Linear(5, 7, seed=1, dtype=np.float64), ReLU(),
                        Linear(7, 3, seed=2, dtype=np.float64))
        return model, SGD(model, 0.1)

    mine, right = made(), made()
    start = {name: p.copy() for name, p in mine[0].params.items()}
    want = train_on(*right, batches)
    got = answer(*mine, iter(batches))
    with part(1):
        moved = mine[0].params
        require(any(not np.array_equal(moved[name], p) for name, p in start.items()),
                "the parameters have not moved: is there an optimizer.step() in the loop?")
        once = made()
        train_on(*once, batches[:1])
        require(not all(np.array_equal(moved[name], p) for name, p in once[0].params.items()),
                "there was one step only, and there are more batches. Is the `return` in the loop?")
        mistakes = {}
        for hint, options in (
                ("optimizer.step() ran once, after the loop. It belongs in the loop.",
                 {"at_the_end": True}),
                ("there were two steps for each batch.", {"steps": 2}),
                ("the gradient of the loss is 1.0, not −1.0: the step has the minus.",
                 {"factor": -1.0}),
                ("the loss is a mean over the batch already: no division by its size.",
                 {"factor": 1 / 6}),
                ("the loss is a mean over the batch: no factor for its size.", {"factor": 6.0})):
            other = made()
            mistaken_steps(*other, batches, **options)
            mistakes[hint] = other[0].params
        for name, p in right[0].params.items():
            equal(f"the parameter {name} after {len(batches)} steps", moved[name], p,
                  {hint: params[name] for hint, params in mistakes.items()})
    with part(1):
        require(isinstance(got, list | tuple | np.ndarray) and np.ndim(got) > 0,
                f"return the losses of all updates, as a list. This is {what(got)}.")
        require(len(got) == len(want), f"there should be a loss for each of the {len(want)} "
                f"batches; there are {len(got)}.")
        equal("the losses", [float(loss) for loss in got], want, {
            "these are the losses after the steps; take the loss of the forward pass before.":
                mistaken_steps(*made(), batches),
            "each loss is that of its own batch, not a running mean.":
                np.cumsum(want) / np.arange(1, 5),
            "each loss is that of its own batch, not a running sum.": np.cumsum(want)})
        passes = mine[0].passes
        require(passes == len(batches), f"there were {passes} forward passes with training=True "
                f"for {len(batches)} batches. One for each is enough, and a second one would "
                "update the moving averages of a normalization again.")
