"""Exercises 08: mean and variance inside a network, predicted, taken apart, and recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from minibn.layers.activations import ReLU
from minibn.layers.conv import Conv2d
from minibn.layers.pooling import GlobalAvgPool
from minibn.layers.sequential import Sequential
from minibn.losses import softmax_cross_entropy, softmax_cross_entropy_backward
from minibn.norms.renorm_debias import RenormDebias
from minibn.optim import SGD
from minibn.replication.statistics import t_quantile
from minibn.teaching.compare import equal, require, unpack, what
from minibn.teaching.registry import exercise

Array = Any


def channel_moments(x: Array) -> tuple[Array, Array]:
    rows = np.asarray(x, float).reshape(-1, x.shape[-1])
    centered = rows - rows.mean(0)
    return rows.mean(0), (centered**2).mean(0)


@exercise("8.1", "moments of channels", answer="channel_moments", points=1,
          library=channel_moments)
def check_moments(answer: Any, part: Any) -> None:
    rng = np.random.default_rng()
    x = rng.normal(size=(2, 4, 5, 3)) * [1, 3, 2] + [2, -1, 0.5] + rng.normal(size=(2, 1, 1, 3))
    got, (means, variances) = unpack(answer(x), "means, variances"), channel_moments(x)
    with part(0.5):
        equal("the means", got[0], means, {
            "one for each channel, not for each image.": x.mean((1, 2)),
            "one for each channel, not one of all values.": x.mean(),
            "a mean, not a sum.": x.sum((0, 1, 2)),
            "these are the variances; the means come first.": variances})
    with part(0.5):
        equal("the variances", got[1], variances, {
            "the biased variance: divide by the number of values.": x.var((0, 1, 2), ddof=1),
            "the variance, not its root.": np.sqrt(variances),
            "that is the mean of the images' own variances; how far the images differ is missing.":
                x.var((1, 2)).mean(0),
            "subtract the squared mean.": (x**2).mean((0, 1, 2)),
            "one for each channel, not one of all values.": x.var(),
            "these are the means; the variances come second.": means})


def relu_moments(beta: float, gamma: float) -> tuple[float, float]:
    z, width = np.linspace(-12, 12, 24_001, retstep=True)              # integrate on a fine grid
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * width
    y = np.maximum(beta + gamma * z, 0)
    mean = float((y * density).sum())
    return mean, float((y**2 * density).sum() - mean**2)


@exercise("8.2", "after a ReLU", answer="relu_moments", points=3, library=relu_moments)
def check_relu(answer: Any, part: Any) -> None:
    rng = np.random.default_rng()
    cases = [(-0.5, 0.8), (1.2, 0.5), (float(rng.uniform(-1, 1)), float(rng.uniform(0.5, 2))),
             (0.0, 1.0), (0.0, 2.0)]
    tried = [(case, unpack(answer(*case), "mean, variance"), relu_moments(*case)) for case in cases]
    # With φ and Φ from two known moments: E = βΦ + γφ, E² = (β² + γ²)Φ + βγφ.
    with part(1):
        for (beta, gamma), got, (mean, variance) in tried:
            phi, Phi = density_and_share(beta / gamma)
            equal(f"the mean for β = {beta:.3g}, γ = {gamma:.3g}", got[0], mean, {
                "the term with γ·φ is missing.": beta * Phi,
                **({"the term with β·Φ is missing.": gamma * phi} if beta else {}),
                "γ multiplies z, and with it φ.": beta * Phi + phi,
                "that is the mean of the positive values alone; the zeros count, too.": mean / Phi,
                "minus instead of plus.": beta * Phi - gamma * phi,
                "that is the variance; the mean comes first.": variance,
                "that is the mean before the ReLU.": beta}, tol=1e-5)
    with part(2):
        for (beta, gamma), got, (mean, variance) in tried:
            phi, Phi = density_and_share(beta / gamma)
            equal(f"the variance for β = {beta:.3g}, γ = {gamma:.3g}", got[1], variance, {
                "that is E[ReLU²]: subtract the squared mean.": variance + mean**2,
                "subtract the square of the mean, not the mean.": variance + mean**2 - mean,
                "that is the standard deviation; return its square.": np.sqrt(variance),
                "the cross term is missing: (β + γz)² contains 2βγz.":
                    variance - 2 * beta * gamma * phi,
                "the cross term of (β + γz)² is 2βγz: the 2 is missing.":
                    variance - beta * gamma * phi,
                "∫z²φ is not Φ(k) alone: the term −k·φ(k) is missing.":
                    variance + beta * gamma * phi,
                "that is the variance before the ReLU.": gamma**2}, tol=1e-5)


def density_and_share(k: float) -> tuple[float, float]:
    """φ(k) and Φ(k), from the grid of relu_moments."""
    mean, variance = relu_moments(k, 1.0)
    # E = kΦ + φ and E[ReLU²] = (k² + 1)Φ + kφ give Φ = E[ReLU²] − k·E.
    share = variance + mean**2 - k * mean
    return mean - k * share, share


def within_and_between(x: Array) -> tuple[float, float]:
    means, variances = channel_moments(x)
    return float(variances.mean()), float(means.var())


@exercise("8.3", "within and between", answer="within_and_between", points=2,
          library=within_and_between,
          allow=("minibn.teaching.exercises.chapter08.channel_moments",))
def check_within(answer: Any, part: Any) -> None:
    rng = np.random.default_rng()
    x = rng.normal(size=(4, 3, 3, 5)) * [1, 2, 3, 0.5, 1] + rng.normal(0, 3, 5)
    got, (within, between) = unpack(answer(x), "within, between"), within_and_between(x)
    swapped = np.allclose([float(np.mean(part)) for part in got], (between, within))
    require(not swapped, "the two are exchanged: first within, then between.")
    with part(1):
        equal("within", got[0], within, {
            "that is the variance of all values together.": x.var(),
            "the mean over the channels, not the sum.": 5 * within,
            "one number: the mean over the channels.": x.var((0, 1, 2)),
            "subtract each channel's own mean before you square.": (x**2).mean(),
            "the mean of the variances, not of the standard deviations.": x.std((0, 1, 2)).mean()})
    with part(1):
        equal("between", got[1], between, {
            "divide by the number of channels. Otherwise the two do not add up.": between * 5 / 4,
            "that is the variance of all values together.": x.var(),
            "subtract the mean of all values before you square.":
                (x.mean((0, 1, 2)) ** 2).mean(),
            "the variance of the means, not their mean.": x.mean(),
            "the variance, not its root.": np.sqrt(between)})


T = {n: round(t_quantile(0.975, n), 3) for n in range(1, 10)}             # as in the notebook


def compare(a: Array, b: Array) -> tuple[float, float, str]:
    difference = np.asarray(b) - np.asarray(a)
    n = len(difference)
    mean = float(difference.mean())
    half = float(T[n - 1] * difference.std(ddof=1) / np.sqrt(n))
    return mean, half, "inconclusive" if abs(mean) <= half else "smaller" if mean < 0 else "larger"


@exercise("8.4", "is it smaller?", answer="compare", points=3, library=compare)
def check_compare(answer: Any, part: Any) -> None:
    rng = np.random.default_rng()
    tried = []
    for n, shift, noise in ((5, -0.2, 0.05), (4, 0.3, 0.05), (6, -0.05, 0.4), (5, 0.02, 0.2),
                            (5, 0.33, 0.2)):
        noise = noise * standard(rng.normal(size=n))
        luck = rng.normal(0, 1, n)                             # a seed's, common to both methods
        a, b = 1 + luck, 1 + luck + shift + noise
        tried.append((a, b, unpack(answer(a, b), "mean, half width, verdict"), compare(a, b)))
    with part(0.5):
        for _a, _b, got, want in tried:
            equal("the mean difference", got[0], want[0], {"b − a, not a − b.": -want[0]})
    with part(1.5):
        for a, b, got, (_mean, half, _) in tried:
            n, t = len(a), T[len(a) - 1]
            equal("the half width", got[1], half, {
                "take the differences b − a first, seed by seed: the seed's luck cancels in them.":
                    t * np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / n),
                "that is the half width for one difference; for the mean of n divide by √n.":
                    half * np.sqrt(n),
                "a sample of n differences: divide by n − 1 (ddof=1).":
                    half * np.sqrt((n - 1) / n),
                "1.96 is for many seeds; for few, use Student's t.": half / t * 1.96,
                "that is the standard error; the half width is t times as much.": half / t,
                "t belongs to n − 1, not to n.": half / t * T[n],
                "divide by √n, not by n.": half / np.sqrt(n),
                "that is the whole width; return half of it.": 2 * half}, tol=2e-3)
    with part(1):
        for _, _, got, (mean, half, verdict) in tried:
            where = f"the interval {mean - half:.2f} … {mean + half:.2f}"
            word = got[2].strip().lower() if isinstance(got[2], str) else got[2]
            require(isinstance(word, str) and word in ("smaller", "larger", "inconclusive"),
                    f'the verdict is {what(got[2])}; it should be "smaller", "larger" or '
                    '"inconclusive".')
            require(word == verdict, f"{where} contains 0, so it is inconclusive."
                    if verdict == "inconclusive" else
                    f"{where} does not contain 0. Is b larger or smaller?")


def standard(z: Array) -> Array:
    """z with mean 0 and standard deviation 1."""
    return (z - z.mean()) / z.std(ddof=1)


Watcher = Callable[[str, Array], None]


def train_and_record(model: Any, optimizer: Any, batches: Iterable[tuple[Array, Array]],
                     layer: str) -> tuple[list[float], Array, Array]:
    losses, means, variances = [], [], []
    for x, labels in batches:
        seen: dict[str, Array] = {}
        logits = model.forward(x, training=True, watch=seen.__setitem__)
        loss, cache = softmax_cross_entropy(logits, labels)
        model.backward(softmax_cross_entropy_backward(1.0, cache))
        optimizer.step()
        mean, variance = channel_moments(seen[layer])
        losses.append(float(loss))
        means.append(mean)
        variances.append(variance)
    return losses, np.array(means), np.array(variances)


@exercise("8.5", "a loop that records", answer="train_and_record", points=4,
          library=train_and_record, allow=(
              "minibn.teaching.exercises.chapter08.channel_moments", "minibn.losses",
              "minibn.layer", "minibn.layers", "minibn.norms", "minibn.optim.SGD"))
def check_record(answer: Any, part: Any) -> None:
    rng = np.random.default_rng()
    batches = [(rng.normal(size=(3, 6, 6, 3)), rng.integers(0, 4, 3)) for _ in range(4)]

    def made() -> tuple[Sequential, SGD]:
        model = Sequential(
            ("conv1", Conv2d(3, 5, 3, padding=1, seed=1, dtype=np.float64)),
            ("norm1", RenormDebias(5, dtype=np.float64)), ("relu1", ReLU()),
            ("conv2", Conv2d(5, 4, 3, seed=2, dtype=np.float64)), ("relu2", ReLU()),
            ("pool", GlobalAvgPool()))
        return model, SGD(model, 0.1)

    mine, right, start = made(), made(), made()[0].params
    losses, means, variances = train_and_record(*right, batches, "relu1")
    got = unpack(answer(*mine, iter(batches), "relu1"), "losses, means, variances")
    with part(1):
        moved = mine[0].params
        require(any(not np.array_equal(moved[name], p) for name, p in start.items()),
                "the parameters have not moved: is there an optimizer.step() in the loop?")
        for name, p in right[0].params.items():
            equal(f"the parameter {name} after {len(batches)} steps", moved[name], p)
        equal("the losses", got[0], losses)
    others = {name: train_and_record(*made(), batches, name) for name in
              ("conv1", "norm1", "relu2")}
    for name, value, want, which in (("means", got[1], means, 1),
                                     ("variances", got[2], variances, 2)):
        with part(1.5):
            mistakes = {f"that is the layer {other}; record the layer that is asked for.":
                        table[which] for other, table in others.items()}
            equal(f"the {name}", np.array(value) if isinstance(value, list) else value, want, {
                **mistakes,
                "a row for each step and a column for each channel, (steps, C).": want.T,
                f"these are the {'variances' if which == 1 else 'means'}.":
                    variances if which == 1 else means,
                "one number for each channel, not one for the layer.": want.mean(1),
                "that is the standard deviation.": np.sqrt(np.abs(want))})
