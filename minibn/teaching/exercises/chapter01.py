"""Exercises 01: Batch Normalization, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minibn import functional as F
from minibn.teaching.compare import equal, is_one_of, require, unpack, usable
from minibn.teaching.exercises import planted_bugs
from minibn.teaching.registry import exercise

Array = Any

rng = np.random.default_rng(42)
M, C, EPS = 5, 3, 0.01
X = rng.normal(size=(M, C)) * [0.4, 3.0, 9.0] + [5.0, -2.0, 30.0]      # odd values, on purpose
GAMMA, BETA = np.array([1.6, -0.7, 0.3]), np.array([-0.4, 2.2, 0.9])
DY = rng.normal(size=(M, C)) + [0.5, -0.3, 0.8]
CACHE = F.batch_norm(X, GAMMA, BETA, EPS)[1]
SIGMA = np.sqrt(X.var(0) + EPS)
XBAR = (X - X.mean(0)) / SIGMA
G = GAMMA * DY


def batch_norm(x: Array, gamma: Array, beta: Array, eps: float) -> tuple[Array, Array, Array]:
    """y, x̄ and σ_B."""
    sigma_B = np.sqrt(x.var(0) + eps)
    return F.batch_norm(x, gamma, beta, eps)[0], (x - x.mean(0)) / sigma_B, sigma_B


@exercise("1.1", "forward", answer="batch_norm", points=2, library=batch_norm)
def check_forward(answer: Any, part: Any) -> None:
    y, xbar, sigma_B = unpack(answer(X, GAMMA, BETA, EPS), "y, xbar, sigma_B")
    with part(0.5):
        equal("sigma_B", sigma_B, SIGMA, {
            "divide by m, not by m − 1: BN uses the biased variance.":
                np.sqrt(X.var(0, ddof=1) + EPS),
            "ε belongs under the root, added to the variance.": X.std(0) + EPS,
            "ε is missing.": X.std(0),
            "this is the variance; σ is its square root.": X.var(0) + EPS,
            "this is the variance; σ is its square root, with ε under it.": X.var(0),
            "a mean over the m values, not a sum.": np.sqrt(M * X.var(0) + EPS)})
    # What follows is compared with what should follow from the answer's own σ_B and x̄, so that
    # one mistake costs its points once.
    own_sigma = usable(sigma_B, SIGMA)
    with part(0.5):
        equal("xbar", xbar, (X - X.mean(0)) / own_sigma, {
            "subtract the mean first.": X / own_sigma,
            "divide by σ_B.": X - X.mean(0),
            "use the sigma_B that you return.": XBAR})
    own_xbar = usable(xbar, XBAR)
    with part(1):
        equal("y", y, GAMMA * own_xbar + BETA, {
            "scale by γ and shift by β (eq. 4).": own_xbar,
            "β is missing.": GAMMA * own_xbar,
            "γ is missing.": own_xbar + BETA,
            "γ multiplies x̄ alone, not β.": GAMMA * (own_xbar + BETA)})


def recovering_gamma_beta(x: Array, eps: float) -> tuple[Array, Array]:
    return np.sqrt(x.var(0) + eps), x.mean(0)


@exercise("1.2", "recovery", answer="recovering_gamma_beta", points=1,
          library=recovering_gamma_beta)
def check_recovery(answer: Any, part: Any) -> None:
    gamma, beta = unpack(answer(X, EPS), "gamma, beta")
    with part(0.5):
        equal("gamma", gamma, SIGMA, {
            "that is the paper's sentence, and it is not true: try it out.": X.var(0),
            "with ε or without: the variance is not it. Try it out.": X.var(0) + EPS,
            "that is β; γ comes first.": X.mean(0),
            "nearly: but batch_norm divides by a σ that has ε in it.": X.std(0),
            "BN divides by m, not by m − 1.": np.sqrt(X.var(0, ddof=1) + EPS)})
    with part(0.5):
        equal("beta", beta, X.mean(0), {
            "that is γ; β comes second.": SIGMA,
            "β is added last: γ does not multiply it.": X.mean(0) / SIGMA,
            "one β for each channel: mean over axis 0.": X.mean()})


def parameter_gradients(dy: Array, xbar: Array) -> tuple[Array, Array]:
    return (dy * xbar).sum(0), dy.sum(0)


@exercise("1.3", "dγ and dβ", answer="parameter_gradients", points=2, library=parameter_gradients)
def check_parameters(answer: Any, part: Any) -> None:
    _, dgamma, dbeta = F.batch_norm_backward(DY, CACHE)
    mine = unpack(answer(DY, XBAR), "dgamma, dbeta")
    with part(1):
        equal("dgamma", mine[0], dgamma, {
            "a sum over the batch, not a mean: L is not divided by m.": dgamma / M,
            "γ multiplies the normalized x̄, not x.": (DY * X).sum(0),
            "γ multiplies x̄ in the forward pass; the gradient needs that factor.": dbeta,
            "γ itself is not part of its own gradient.": GAMMA * dgamma,
            "one number for each channel: sum over the rows.": DY * XBAR})
    with part(1):
        equal("dbeta", mine[1], dbeta, {
            "a sum over the batch, not a mean.": dbeta / M,
            "β is added to y directly; γ has no part in it.": GAMMA * dbeta,
            "β is added to y directly; x̄ has no part in it.": dgamma,
            "one number for each channel: sum over the rows.": DY})


def dsigma_of(g: Array, c: Array, sigma_B: Array) -> Array:
    return -(g * c).sum(0) / sigma_B**2


@exercise("1.4", "dσ", answer="dsigma_of", points=1, library=dsigma_of)
def check_dsigma(answer: Any, part: Any) -> None:
    c, h = X - X.mean(0), 1e-5
    want = (G * (c / (SIGMA + h) - c / (SIGMA - h))).sum(0) / (2 * h)    # no formula: differences
    equal("dsigma", answer(G, c, SIGMA), want, tol=1e-6, mistakes={
        "the derivative of 1/σ is minus 1/σ².": -want,
        "the derivative of 1/σ is −1/σ²: a square is missing.": want * SIGMA,
        "the derivative of 1/σ is −1/σ²: sign and square.": -want * SIGMA,
        "the derivative of 1/σ is −1/σ²: σ is missing.": want * SIGMA**2,
        "the factor c is missing: x̄ = c/σ.": -G.sum(0) / SIGMA**2,
        "one σ serves all rows of a channel: sum over them.": -G * c / SIGMA**2,
        "a sum, not a mean: σ reaches L through m rows.": want / M})


def batch_norm_dx(dy: Array, xbar: Array, sigma_B: Array, gamma: Array) -> Array:
    # The library's backward of y = γ·x̄ + β, for x = σ_B·x̄ (a shift of x does not matter).
    near = F.batch_norm(sigma_B * xbar, gamma, np.zeros_like(gamma), EPS)[1]
    return F.batch_norm_backward(dy, near)[0]


@exercise("1.5", "dx", answer="batch_norm_dx", points=4, library=batch_norm_dx)
def check_dx(answer: Any, part: Any) -> None:
    dx = F.batch_norm_backward(DY, CACHE)[0]
    g, xbar, s, mean_g, mean_gx = G, XBAR, SIGMA, G.mean(0), (G * XBAR).mean(0)
    # Two of the three ways right are worth half of the points.
    ways = {
        "the way through μ_B is missing: a term with mean(g).": (g - xbar * mean_gx) / s,
        "the way through σ_B is missing: a term with mean(g·x̄).": (g - mean_g) / s,
        "the sign of the mean(g) term: x̄ falls when μ_B rises.": (g + mean_g - xbar * mean_gx) / s,
        "the sign of the mean(g·x̄) term: x̄ shrinks when σ_B grows.":
            (g - mean_g + xbar * mean_gx) / s}
    other = {
        "μ_B and σ_B are treated as constants; they depend on x, too.": g / s,
        "both signs: x̄ falls when μ_B rises, and shrinks when σ_B grows.":
            (g + mean_g + xbar * mean_gx) / s,
        "each channel has its own means: axis 0.": (g - g.mean() - xbar * (g * xbar).mean()) / s,
        "means, not sums: ∂μ_B/∂x is 1/m, and so is the factor in ∂σ_B/∂x.":
            (g - M * mean_g - xbar * M * mean_gx) / s,
        "1/m is missing in the way through μ_B: ∂μ_B/∂x = 1/m.":
            (g - M * mean_g - xbar * mean_gx) / s,
        "1/m is missing in the way through σ_B: ∂σ_B/∂x = x̄/m.":
            (g - mean_g - xbar * M * mean_gx) / s,
        "the last term is x̄·mean(g·x̄); a factor x̄ is missing.": (g - mean_g - mean_gx) / s,
        "γ is missing in the first mean: mean(g), not mean(dy).":
            (g - DY.mean(0) - xbar * mean_gx) / s,
        "γ is missing in the second mean: mean(g·x̄), not mean(dy·x̄).":
            (g - mean_g - xbar * (DY * xbar).mean(0)) / s,
        "γ is missing in both means: they are of g, not of dy.":
            (g - DY.mean(0) - xbar * (DY * xbar).mean(0)) / s,
        "divide by σ_B at the end.": dx * s,
        "once by σ_B, not by its square.": dx / s,
        "γ is missing: g = γ·dy, not dy.": dx / GAMMA,
        "γ stands in g already.": dx * GAMMA}
    got = answer(DY, XBAR, SIGMA, GAMMA)
    with part(2):
        if not is_one_of(got, ways.values()):
            equal("dx", got, dx, other)
    with part(2):
        equal("dx", got, dx, ways | other)


def slope(f: Callable[[Array], Array], x: Array, dy: Array, v: Array, h: float = 1e-5) -> float:
    return float((dy * (f(x + h * v) - f(x - h * v))).sum() / (2 * h))


@exercise("1.6", "gradient check", answer="slope", points=2, library=slope)
def check_slope(answer: Any, part: Any) -> None:
    v = np.random.default_rng(16).normal(size=X.shape)
    want = (DY * np.cos(X) * v).sum()
    with part(1):
        equal("slope", answer(np.sin, X, DY, v), want, tol=1e-7, mistakes={
            "divide by 2h: the two points are 2h apart.": 2 * want,
            "divide by 2h.": 2e-5 * want,
            "the upstream gradient dy is missing.": (np.cos(X) * v).sum(),
            "step along v, not by h everywhere.": (DY * np.cos(X)).sum(),
            "one number: sum over all entries.": DY * np.cos(X) * v,
            "a sum over all entries, not a mean.": want / X.size,
            "x + h·v minus x − h·v, in this order.": -want,
            "difference to both sides of x: the error is then h² and not h.":
                (DY * (np.sin(X + 1e-5 * v) - np.sin(X))).sum() / 1e-5})
    p, h = X / 10, 0.1                          # (p ± hv)³ differ by 6hp²v + 2h³v³
    with part(1):
        equal("slope of u³ with h = 0.1", answer(cube, p, DY, v, h),
              (DY * (3 * p**2 * v + h**2 * v**3)).sum(), {
            "use the h that is handed in.": (DY * 3 * p**2 * v).sum(),
            "f may be any function: call it, at x + h·v and at x − h·v.":
                (DY * np.cos(p) * v).sum()})


def cube(u: Array) -> Array:
    return u**3


def wrong_gradient(backward: Callable[..., Any]) -> str:
    """By comparison with the library, where a reader differentiates numerically."""
    for name, a, b in zip(("dx", "dgamma", "dbeta"), backward(DY, XBAR, SIGMA, GAMMA),
                          F.batch_norm_backward(DY, CACHE), strict=True):
        if not np.allclose(a, b):
            return name
    return "none"


@exercise("1.7", "planted bugs", answer="wrong_gradient", points=2, library=wrong_gradient,
          allow=("minibn.gradcheck",))
def check_bugs(answer: Any, part: Any) -> None:
    bugs = planted_bugs.BATCH_NORM
    for truth, points in (("dx", 1), ("dgamma", 0.5), ("dbeta", 0.5)):
        with part(points):
            for right, student in [*[("none", s) for s in bugs["none"]],      # or one could guess
                                   *[(truth, s) for s in bugs[truth]]]:
                name, claimed = student.__name__, answer(student)
                require(isinstance(claimed, str) and claimed in bugs,
                        f'return "dx", "dgamma", "dbeta" or "none". For {name} came {claimed!r}.')
                require(claimed != "none" or right == "none", f"{name}: something is wrong there. "
                        "Do you check all three gradients, with a random dy and a random v?")
                require(claimed == right, f"{name}: {claimed} is what it should be, however odd "
                        "the code may look.")


def factors() -> tuple[float, float]:
    return 1, 1 / 5


@exercise("1.8", "prediction", answer="factors", points=1, library=factors)
def check_factors(answer: Any, part: Any) -> None:
    draws = np.random.default_rng(18)
    a, W = draws.normal(size=(M, 4)), draws.normal(size=(4, C))

    def y_and_dW(W: Array) -> tuple[Array, Array]:
        y, cache = F.batch_norm(a @ W, GAMMA, BETA, eps=0.0)
        return y, a.T @ F.batch_norm_backward(DY, cache)[0]

    (y1, dW1), (y5, dW5) = y_and_dW(W), y_and_dW(5 * W)
    y_factor, dW_factor = unpack(answer(), "the factor of y, the factor of dW")
    with part(0.5):
        equal("the factor of y", y_factor, np.median(y5 / y1), {
            "BN takes the scale of its input away.": 5,
            "x grows by 5, and so does σ_B.": 1 / 5})
    with part(0.5):
        equal("the factor of dW", dW_factor, np.median(dW5 / dW1), {
            "the gradient changes although y does not: dx has a factor 1/σ_B.": 1,
            "the other way round: dx has σ_B in the denominator.": 5,
            "once, not twice: dW = aᵀ·dx, and a has not changed.": 1 / 25})
