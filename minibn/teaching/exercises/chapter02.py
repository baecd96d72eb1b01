"""Exercises 02: what small batches do to Batch Normalization."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minibn import functional as F
from minibn.gradcheck import numeric_gradient
from minibn.norms.batch_norm import BatchNorm
from minibn.teaching.compare import equal, unpack, usable
from minibn.teaching.registry import exercise

Array = Any


def predictions() -> tuple[float, float, float]:
    return -1, 1, 0


@exercise("2.1", "prediction", answer="predictions", points=1, library=predictions)
def check_predictions(answer: Any, part: Any) -> None:
    one, beta = np.ones(1), np.zeros(1)
    pair = F.batch_norm(np.array([[3.1], [7.4]]), one, beta, eps=0.0)[0].ravel()
    single = F.batch_norm(np.array([[5.5]]), one, beta)[0].ravel()
    got = unpack(answer(), "the first, the second, the single")
    with part(0.5):
        equal("the pair", list(got[:2]), pair, {
            "σ_B divides by m = 2, not by m − 1 = 1.": pair / math.sqrt(2),
            "which of the two is below the mean?": -pair,
            "divide by σ_B: it is half the distance of the two.": [-2.15, 2.15],
            "subtract μ_B first.": np.array([3.1, 7.4]) / 2.15,
            "σ_B is half the distance of the two, not the distance.": pair / 2})
    with part(0.5):
        equal("the single value", got[2], single[0], {
            "a value that is alone is its own mean: what is left of it?": 5.5})


def spread_of_mean(sigma: float, m: int) -> float:
    return sigma / math.sqrt(m)


@exercise("2.2", "the spread of the mean", answer="spread_of_mean", points=1,
          library=spread_of_mean)
def check_spread(answer: Any, part: Any) -> None:
    for sigma, m, want in ((2.0, 5, 0.894427191), (0.3, 128, 0.02651650429), (7.0, 1, 7.0)):
        equal(f"for σ = {sigma}, m = {m}", answer(sigma, m), want, {
            "that is the variance; take its root.": sigma**2 / m,
            "the variance is divided by m; so its root is divided by √m.": sigma / m,
            "the variance is σ²/m: its root is σ/√m, and σ stays outside of the root.":
                math.sqrt(sigma / m),
            "a mean scatters less than a single value.": sigma,
            "m, not m − 1: μ is not estimated here.": sigma / math.sqrt(max(m - 1, 1e-9)),
            "more values, less scatter.": sigma * math.sqrt(m)})


def variance_factor(m: int) -> float:
    return (m - 1) / m


@exercise("2.3", "the factor of the variance", answer="variance_factor", points=1,
          library=variance_factor)
def check_variance(answer: Any, part: Any) -> None:
    for m, want in ((5, 0.8), (2, 0.5), (1, 0.0), (128, 0.9921875)):
        equal(f"for m = {m}", answer(m), want, {
            "that factor repairs the bias; asked is the bias itself.": m / max(m - 1, 1e-9),
            "the batch mean is fitted to the batch: some spread is lost.": 1,
            "that is what is lost; asked is what is left.": 1 / m,
            "the factor of the deviation is the root; asked is that of the variance.":
                math.sqrt((m - 1) / m),
            "and for m = 1? One value has no spread at all.": m / (m + 1)})


DRAWS = np.random.default_rng(3).normal(size=(20_000, 5))


def mean_deviation(draws: Array) -> tuple[float, float]:
    sigma_B = draws.std(1)
    return sigma_B.mean(), sigma_B.std() / math.sqrt(len(draws))


@exercise("2.4", "the mean deviation", answer="mean_deviation", points=2, library=mean_deviation)
def check_deviation(answer: Any, part: Any) -> None:
    s = np.sqrt(((DRAWS - DRAWS.mean(1, keepdims=True)) ** 2).mean(1))
    mean, error = unpack(answer(DRAWS), "the mean of σ_B, its standard error")
    with part(1):
        equal("the mean of σ_B", mean, s.mean(), {
            "the root of the mean of σ_B² is larger than the mean of σ_B: take roots first.":
                math.sqrt((s**2).mean()),
            "that is the mean of σ_B²; take the root of each.": (s**2).mean(),
            "BN divides by m, not by m − 1.": DRAWS.std(1, ddof=1).mean(),
            "a row is a batch; that was one batch of everything.": DRAWS.std(),
            "a row is a batch: run along axis 1.": DRAWS.std(0).mean()})
    with part(1):
        equal("the standard error", error, s.std() / math.sqrt(len(s)), tol=0.01, mistakes={
            "that is the spread of a single σ_B; you averaged many.": s.std(),
            "the numbers averaged are one for each batch; values within it do not count.":
                s.std() / math.sqrt(DRAWS.size),
            "what scatters is σ_B, one for each batch; that is the spread of single values.":
                DRAWS.std() / math.sqrt(len(DRAWS)),
            "n is the number of batches, not their size m.": s.std() / math.sqrt(DRAWS.shape[1]),
            "that is the variance of the mean; take its root.": s.var() / len(s),
            "divide by the root of the number of batches.": s.std() / len(s)})


def values_worth(x: Array) -> Array:
    return x.var((0, 1, 2)) / x.mean((1, 2)).var(0)


@exercise("2.5", "the worth of an image", answer="values_worth", points=1, library=values_worth)
def check_worth(answer: Any, part: Any) -> None:
    draws = np.random.default_rng(5)
    N, H, W, channels = 4000, 3, 4, 2
    noise = draws.normal(size=(N, H, W, channels)) * [1.0, 3.0]
    light = draws.normal(size=(N, 1, 1, channels)) * [1.0, 0.0]    # channel 0: bright or dark
    x = noise + light
    of_means = x.mean((1, 2)).var(0)
    want = x.reshape(-1, channels).var(0) / of_means
    equal("k", answer(x), want, tol=0.01, mistakes={
        "the variance, not the deviation, falls with 1/m.": np.sqrt(want),
        "the other way round.": 1 / want,
        "N images are worth N·k, but asked is one.": N * want,
        "that is σ², the numerator.": want * of_means,
        "that is the variance of the images' means, the denominator.": of_means,
        "the positions are not independent: compare the two variances.": np.full(2, H * W),
        "σ² is the variance of all values of a channel, over all images and positions.":
            x.var((1, 2)).mean(0) / of_means,
        "one number for each channel: keep the last axis.":
            x.var() / x.mean((1, 2, 3)).var()})


def update(mean: Array, var: Array, x: Array, decay: float) -> tuple[Array, Array]:
    unbiased = x.var(0) * len(x) / (len(x) - 1)
    return decay * mean + (1 - decay) * x.mean(0), decay * var + (1 - decay) * unbiased


@exercise("2.6", "moving averages", answer="update", points=2, library=update)
def check_update(answer: Any, part: Any) -> None:
    draws = np.random.default_rng(6)
    steps = []
    for decay, m in ((0.9, 4), (0.9, 4), (0.7, 3)):
        layer = BatchNorm(2, decay=decay, dtype=np.float64)
        old = draws.normal(size=2) - 1, draws.uniform(0.5, 2, size=2)
        layer.state["moving_mean"][...], layer.state["moving_var"][...] = old
        x = draws.normal(size=(m, 2)) * [2.0, 0.5] + [1.0, -3.0]
        layer.forward(x, training=True)
        new = layer.state["moving_mean"].copy(), layer.state["moving_var"].copy()
        steps.append((decay, m, x, old, new, unpack(answer(*old, x, decay), "mean, var")))
    with part(1):
        for a, _, x, (old_mean, _), (mean, _), got in steps:
            equal("mean", got[0], mean, {
                "α is the share of the OLD value.": (1 - a) * old_mean + a * x.mean(0),
                "it has not moved.": old_mean,
                "that is the mean of this batch alone.": x.mean(0),
                "decay is an argument, not always 0.9.": 0.9 * old_mean + 0.1 * x.mean(0),
                "the mean of each channel: axis 0.": a * old_mean + (1 - a) * x.mean(),
                "the new value comes in with the weight 1 − α.": a * old_mean + x.mean(0)})
    with part(1):
        for a, m, x, (_, old_var), (_, var), got in steps:
            equal("var", got[1], var, {
                "the unbiased variance, m/(m − 1) times the biased.":
                    a * old_var + (1 - a) * x.var(0),
                "the variance, not the deviation.": a * old_var + (1 - a) * x.std(0, ddof=1),
                "it has not moved.": old_var,
                "(m − 1)/m is the bias; undo it.":
                    a * old_var + (1 - a) * x.var(0) * (m - 1) / m,
                "decay is an argument, not always 0.9.":
                    0.9 * old_var + 0.1 * x.var(0, ddof=1),
                "only the batch's variance is made unbiased, not the average.":
                    (a * old_var + (1 - a) * x.var(0)) * m / (m - 1),
                "α is the share of the OLD value.":
                    (1 - a) * old_var + a * x.var(0, ddof=1)})


def gradients_with_constants(dy: Array, gamma: Array, sigma: Array) -> tuple[Array, Array]:
    dx = gamma * dy / sigma
    return dx, dx.sum(0)


@exercise("2.7", "constants", answer="gradients_with_constants", points=2,
          library=gradients_with_constants)
def check_constants(answer: Any, part: Any) -> None:
    draws = np.random.default_rng(7)
    x, dy = draws.normal(size=(6, 2)) * 3 + 1, draws.normal(size=(6, 2)) + 0.5
    gamma, sigma = np.array([1.4, -0.6]), np.array([2.7, 3.3])
    bn = F.batch_norm_backward(dy, F.batch_norm(x, gamma, np.zeros(2), 0.0)[1])[0]
    dx, db = unpack(answer(dy, gamma, sigma), "dx, db")
    want = numeric_gradient(lambda u: gamma * (u - 0.4) / sigma, x, dy)      # only differences
    with part(1):
        equal("dx", dx, want, tol=1e-6, mistakes={
            "γ is missing.": dy / sigma, "σ is missing.": dy * gamma,
            "once by σ, not by σ².": want / sigma,
            "divide by σ.": want * sigma**2,
            "no mean terms here: μ and σ do not depend on x.":
                (gamma * dy - (gamma * dy).mean(0)) / sigma,
            "that is BN's gradient; here μ and σ do not depend on x.": bn})
    own = usable(dx, want).sum(0)
    with part(1):
        equal("db", db, own, tol=1e-6, mistakes={
            "a sum over the rows, not a mean.": own / len(dy),
            "b is added to x, and x reaches y through γ/σ: sum dx, not dy.": dy.sum(0),
            "one number for each channel: sum over the rows only.": own.sum(),
            "each row counts once: sum dx over the rows.": usable(dx, want),
            "that is zero for BN; here nothing takes the mean away.": 0 * sigma})
