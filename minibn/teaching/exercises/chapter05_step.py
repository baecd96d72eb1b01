"""Exercises 5.1 to 5.3: r and d by hand, one training step, its backward pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from minibn import BatchRenorm, RenormDebias
from minibn import functional as F
from minibn.teaching.compare import equal, is_one_of, numbers, require, unpack
from minibn.teaching.registry import exercise

Array = Any
State = tuple[int, Array, Array]

rng = np.random.default_rng(52)


def prediction() -> dict[str, tuple[float, float]]:
    """By the library's layers, which are given these batches."""
    def run(layer: Any, mu_B: float, sigma_B: float, training: bool = True) -> tuple[float, float]:
        layer.forward(np.array([[mu_B - sigma_B], [mu_B + sigma_B]], float), training=training)
        return layer.r[0], layer.d[0]

    def trained() -> RenormDebias:
        layer = RenormDebias(1, eps=1e-12, dtype=np.float64)         # μ̂ = 1, σ̂ = 2
        layer.forward(np.array([[-1.0], [3.0]]), training=True)
        return layer

    return {"a": run(RenormDebias(1, eps=0, dtype=np.float64), 0.2, 0.05),
            "b": run(BatchRenorm(1, eps=0, dtype=np.float64), 0.2, 0.05),
            "c": run(BatchRenorm(1, eps=0, dtype=np.float64), 2, 3),
            "d": run(trained(), 13, 1, training=False), "e": run(trained(), 1.5, 0, training=False)}


THREE_DIGITS = "give three correct digits: 1/3 is 0.333."
KNOWN: dict[str, dict[str, tuple[float, float]]] = {
    "a": {"σ̂ is the corrected average: after one value it is that value.": (3, 5),
          "that is BRN with its start at 1; here both averages start at 0.": (1 / 3, 0.2),
          "r = σ_B/σ̂, and after one value σ̂ = σ_B.": (0.05, 0),
          "d = (μ_B − μ̂)/σ̂, and after one value μ̂ = μ_B.": (1, 4)},
    "b": {"r is below its lower bound here: clip it.": (0.05 / 0.9905, 0.198 / 0.9905),
          "that is renorm_debias; BRN starts at σ₀ = 1 and does not correct.": (1, 0),
          "both averages are updated: μ is not 0 any more.": (1 / 3, 0.2 / 0.9905),
          "both averages are updated: σ is not 1 any more.": (1 / 3, 0.198),
          "σ starts at 1 in BRN, not at 0.": (3, 5),
          "r = σ_B/σ, not σ/σ_B.": (3, 0.198 / 0.9905),
          THREE_DIGITS: (0.33, 0.2)},
    "c": {"the paper updates the averages before it uses them.": (3, 2),
          "both averages are updated: μ is not 0 any more.": (3 / 1.02, 2 / 1.02),
          "that is renorm_debias; BRN starts at σ₀ = 1 and does not correct.": (1, 0),
          "both averages are updated: σ is not 1 any more.": (3, 1.98),
          "σ starts at 1 in BRN, not at 0.": (3, 5),
          "r is within its bounds here: work it out with σ_1.": (3, 1.98 / 1.02),
          "r = σ_B/σ, not σ/σ_B.": (1.02 / 3, 1.98 / 1.02)},
    "d": {"d is above its bound here: clip it.": (0.5, 6),
          "r = σ_B/σ̂, not σ̂/σ_B.": (2, 5), "d has the sign of μ_B − μ̂.": (0.5, -5),
          "the averages are frozen in testing: the batch does not change them.": (1, 0)},
    "e": {"r is below its lower bound here: clip it.": (0, 0.25),
          "the deviation of a single value is 0, not 1.": (0.5, 0.25),
          "d = (μ_B − μ̂)/σ̂: divide by σ̂.": (1 / 3, 0.5),
          "σ_B is 0 and not 2: one value has no spread.": (1, 0.25),
          THREE_DIGITS: (0.33, 0.25)}}


@exercise("5.1", "prediction", answer="prediction", points=5, library=prediction)
def check_prediction(answer: Any, part: Any) -> None:
    got, truth = answer(), prediction()
    keys = "Return a dict with the keys a, b, c, d, e."
    require(isinstance(got, dict) and any(name in got for name in truth), keys)
    for name, pair in truth.items():
        with part(1):
            require(name in got, f"Situation {name} is missing. {keys}")
            equal(f"(r, d) in situation {name}", got[name], pair, KNOWN[name], tol=2e-3)


class LibraryStep:
    """The library's layer, for any state and settings."""

    def __init__(self, x: Array, state: State, alpha: float = 0.99, r_max: float = 3,
                 d_max: float = 5, eps: float = 1e-5) -> None:
        layer = RenormDebias(x.shape[1], alpha, r_max, d_max, eps, dtype=np.float64)
        layer.state["step"] = int(state[0])
        layer.state["moving_mean"][:], layer.state["moving_std"][:] = state[1:]
        self.xhat = layer.forward(x, training=True)
        self.r, self.d, (self.mu_hat, self.sigma_hat) = layer.r, layer.d, layer.averages()
        self.state = (layer.state["step"], layer.state["moving_mean"], layer.state["moving_std"])


def step(x: Array, state: State, alpha: float = 0.99, r_max: float = 3, d_max: float = 5,
         eps: float = 1e-5) -> tuple[Array, State, Array, Array]:
    done = LibraryStep(x, state, alpha, r_max, d_max, eps)
    return done.xhat, done.state, done.r, done.d


ZERO = (0, np.zeros(3), np.zeros(3))
FIRST = rng.normal(size=(6, 3)) * [0.5, 2, 4] + [1, -3, 0.2]
FIRST[:, 2] += 0.1 - FIRST[:, 2].mean()
LATER = {name: scale * rng.normal(size=(6, 3)) * [0.5, 2, 4] + [1, -3, 0.2] + shift
         for name, scale, shift in (("a second, ordinary batch", 1.5, 0.3),
                                    ("a batch with a tiny spread", 1e-3, 0),
                                    ("a batch with a huge spread", 100, 0),
                                    ("a batch far below", 1, -500))}


def take(answer: Any, x: Array, state: State, **settings: float) -> Any:
    """What the reader's step returns; `Wrong` where it is not of that form."""
    got = unpack(answer(x, state, **settings), "x̂, (t; mu; sigma), r, d")
    unpack(got[1], "t, mu, sigma")
    return got


@exercise("5.2", "one training step", answer="step", points=5, library=step)
def check_step(answer: Any, part: Any) -> None:
    first = LibraryStep(FIRST, ZERO)
    got = take(answer, FIRST, ZERO)
    x, s = FIRST, np.sqrt(FIRST.var(0) + 1e-5)
    with part(1):
        require(numbers("t", got[1][0]) == 1, "t counts steps: after the first it is 1.")
        whole = ("that is {0} itself. Either you stored the corrected average (the next step needs "
                 "the raw one), or the factor 1 − α is missing.")
        equal("mu after the first step", got[1][1], first.state[1], {
            whole.format("μ_B"): x.mean(0),
            "α is the share of the OLD average.": 0.99 * x.mean(0)})
        equal("sigma after the first step", got[1][2], first.state[2], {
            whole.format("σ_B"): s,
            "α is the share of the OLD average.": 0.99 * s,
            "average the standard deviation, not the variance.": 0.01 * x.var(0),
            "average the standard deviation σ_B, not the variance σ_B².": 0.01 * s**2,
            "average σ_B itself, not its square with a root at the end.": np.sqrt(0.01) * s,
            "divide by m, not by m − 1.": 0.01 * np.sqrt(x.var(0, ddof=1) + 1e-5),
            "ε is missing: it belongs under the root.": 0.01 * x.std(0),
            "ε belongs under the root, not beside it.": 0.01 * (x.std(0) + 1e-5)}, tol=1e-9)
    with part(1):
        finite("x̂", got[0])
        raw_d, late_d = (np.clip(c * x.mean(0) / s, -5, 5) for c in (99, 0.99))
        xbar = first.xhat
        equal("x̂ of the first step", got[0], xbar, {
            "r and d need the corrected averages, not the raw ones.": 3 * xbar + raw_d,
            "αᵗ was advanced twice in the step (once for μ, once for σ).": xbar * 1.99,
            "the power of α is t, and in the first step t is 1.": xbar * 1.99 + late_d,
            "take the batch into the averages first; then r and d use them.":
                3 * xbar + 5 * np.sign(x.mean(0)),
            "divide by m, not by m − 1.": (x - x.mean(0)) / np.sqrt(x.var(0, ddof=1) + 1e-5),
            "ε is missing: it belongs under the root.": (x - x.mean(0)) / x.std(0),
        }, tol=1e-6)
    with part(1):
        state = first.state
        for name, x in LATER.items():
            state = check_later(answer, name, x, state)
    with part(1):
        state = first.state
        for name, x in LATER.items():
            got, done = take(answer, x, state), LibraryStep(x, state)
            kept = "that is the old one; the next step needs the new one."
            require(numbers("t", got[1][0]) == done.state[0],
                    "t counts the steps: it goes up by one in each.")
            equal(f"mu after {name}", got[1][1], done.state[1], {
                kept: state[1],
                "you stored the corrected average; the next step needs the raw one.": done.mu_hat})
            equal(f"sigma after {name}", got[1][2], done.state[2], {
                kept: state[2],
                "you stored the corrected average; the next step needs the raw one.":
                    done.sigma_hat})
            state = done.state
    with part(1):
        check_settings(answer)


def finite(name: str, got: Any) -> None:
    require(got is None or np.isfinite(numbers(name, got)).all(), f"{name} holds NaN or infinity. "
            "Is t counted before αᵗ is used, and has the batch been taken into the averages before "
            "r and d use them?")


def check_later(answer: Any, name: str, x: Array, old: State) -> State:
    """x̂, r and d of a later batch, from a right state; returns the state after it."""
    done, got = LibraryStep(x, old), take(answer, x, old)
    r, d, want = done.r, done.d, done.xhat
    xbar, free = (want - d) / r, (x - done.mu_hat) / done.sigma_hat
    free_d = (x.mean(0) - done.mu_hat) / done.sigma_hat
    s, w = np.sqrt(x.var(0) + 1e-5), 1 - 0.99 ** done.state[0]
    old_r = np.clip(s / (old[2] / w), 1 / 3, 3)
    old_d = np.clip((x.mean(0) - old[1] / w) / (old[2] / w), -5, 5)
    finite("x̂", got[0])
    bound = "below at 1/r_max" if (s < done.sigma_hat).all() else "above at r_max"
    equal(f"x̂ of {name}", got[0], want, {
        "r = σ_B/σ̂, not σ̂/σ_B.": xbar / r + d,
        "the sign of d: (μ_B − μ̂)/σ̂.": xbar * r - d,
        "d is added after the multiplication by r.": (xbar + d) * r,
        f"r is not clipped ({bound}).": free - free_d + d,
        "d is not clipped (on both sides, ±d_max).": xbar * r + free_d,
        "r and d are not clipped.": free,
        "d = (μ_B − μ̂)/σ̂: divide by σ̂, not by σ_B.":
            xbar * r + np.clip((x.mean(0) - done.mu_hat) / s, -5, 5),
        "take the batch into the averages first; then r and d use them.": xbar * old_r + old_d,
        "r and d need the corrected averages, not the raw ones.":
            xbar * np.clip(s / done.state[2], 1 / 3, 3)
            + np.clip((x.mean(0) - done.state[1]) / done.state[2], -5, 5),
    }, tol=1e-6)
    for letter, mine, right in (("r", got[2], r), ("d", got[3], d)):
        equal(f"{letter} of {name}", mine, right, {
            "the order is x̂, state, r, d.": d if letter == "r" else r,
            "return r as line 10 uses it, clipped.": s / done.sigma_hat,
            "return d as line 10 uses it, clipped.": free_d}, tol=1e-6)
    return done.state


def check_settings(answer: Any) -> None:
    # Channels: unclipped; r beyond both bounds 2 and 3; d beyond both bounds 1 and 5.
    usual: dict[str, float] = {"alpha": 0.99, "r_max": 3, "d_max": 5, "eps": 1e-5}
    other: dict[str, float] = {"alpha": 0.9, "r_max": 2, "d_max": 1, "eps": 0.1}
    state = (3, np.array([1.0, -3.0, 0.2]) * 0.27, np.array([1.5, 0.5, 3.0]) * 0.27)
    x = np.linspace(-1, 1, 6)[:, None] * [2, 200, 3] + [1.2, -3, 300]
    equal("x̂ with other settings", take(answer, x, state, **other)[0],
          LibraryStep(x, state, **other).xhat, {
              f"{name} is an argument: do not write a number in its place.":
                  LibraryStep(x, state, **{**other, name: usual[name]}).xhat for name in usual},
          tol=1e-6)


def backward(dy: Array, x: Array, gamma: Array, r: Array, d: Array, eps: float
             ) -> tuple[Array, Array, Array]:
    cache = F.batch_renorm(x, gamma, np.zeros_like(gamma), r, d, eps)[1]
    return F.batch_renorm_backward(dy, cache)


@exercise("5.3", "backward", answer="backward", points=4, library=backward)
def check_backward(answer: Any, part: Any) -> None:
    draws, m, eps = np.random.default_rng(53), 7, 1e-3
    x = draws.normal(size=(m, 3)) * [0.5, 2, 4] + [1, -3, 0.2]
    dy = draws.normal(size=(m, 3)) + 0.4
    gamma, r, d = np.array([1.4, -0.6, 2.0]), np.array([0.5, 1.7, 3.0]), np.array([-1.2, 0.4, 5.0])
    got = unpack(answer(dy, x, gamma, r, d, eps), "dx, dgamma, dbeta")
    dx, dgamma, dbeta = backward(dy, x, gamma, r, d, eps)
    s = np.sqrt(x.var(0) + eps)
    xbar, g = (x - x.mean(0)) / s, gamma * r * dy
    xhat = xbar * r + d
    one, two = g.mean(0), (g * xbar).mean(0)
    x_1 = (x - x.mean(0)) / np.sqrt(x.var(0, ddof=1) + eps)
    with part(1):
        equal("dbeta", got[2], dbeta, {
            "a sum over the batch, not a mean.": dbeta / m,
            "that is dγ: the order is dx, dγ, dβ.": dgamma,
            "β is added last: γ has no part in it.": (gamma * dy).sum(0),
            "β is added last: neither γ nor r has a part in it.": g.sum(0),
            "β is added last: r has no part in it.": (r * dy).sum(0),
            "one number for each channel: sum over the rows.": dy})
    with part(1):
        equal("dgamma", got[1], dgamma, {
            "γ multiplies the renormed x̂ = x̄·r + d, not x̄.": (dy * xbar).sum(0),
            "γ multiplies x̄·r + d: the part with d is missing.": (dy * xbar * r).sum(0),
            "γ multiplies x̄·r + d: r is missing.": (dy * (xbar + d)).sum(0),
            "that is dβ: the order is dx, dγ, dβ.": dbeta,
            "a sum over the batch, not a mean.": dgamma / m,
            "σ_B is divided by m, not by m − 1.": (dy * (x_1 * r + d)).sum(0),
            "γ multiplies the normalized x̂, not x.": (dy * x).sum(0),
            "ε is missing under the root of σ_B.": backward(dy, x, gamma, r, d, 0)[1],
            "γ is no part of its own gradient.": gamma * dgamma})
    half = {
        "r is missing: what reaches x̄ is γ·r·dy.": dx / r,
        "γ is missing: what reaches x̄ is γ·r·dy.": dx / gamma,
        "in dx stands the plain x̄, not the renormed x̂.": (g - one - xhat * (g * xhat).mean(0)) / s,
        "the way through μ_B is missing: a term with mean(g).": (g - xbar * two) / s,
        "the way through σ_B is missing: a term with x̄·mean(g·x̄).": (g - one) / s,
        "the sign of the mean(g) term.": (g + one - xbar * two) / s,
        "the sign of the x̄·mean(g·x̄) term.": (g - one + xbar * two) / s,
        "divide by σ_B at the end.": dx * s}
    other = {
        "that holds μ_B and σ_B constant, or it lets the gradient flow through r and d, which "
        "gives the same. r and d are constants here; μ_B and σ_B depend on x.": g / s,
        "ε is missing under the root of σ_B.": backward(dy, x, gamma, r, d, 0)[0],
        "1/m is forgotten: means, not sums.": (g - m * one - xbar * m * two) / s,
        "1/m is forgotten in mean(g).": (g - m * one - xbar * two) / s,
        "1/m is forgotten in mean(g·x̄).": (g - one - xbar * m * two) / s,
        "d is added, it does not scale: leave it out of dx.": dx * d}
    with part(1):
        if not is_one_of(got[0], half.values()):
            equal("dx", got[0], dx, other)
    with part(1):
        equal("dx", got[0], dx, half | other)
