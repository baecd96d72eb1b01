"""Exercises 03: Batch Renormalization, forward and backward."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minibn import functional as F
from minibn.gradcheck import check_gradient
from minibn.norms.batch_renorm import BatchRenorm
from minibn.teaching.compare import equal, is_one_of, require, unpack, usable
from minibn.teaching.exercises import planted_bugs
from minibn.teaching.registry import exercise

Array = Any

rng = np.random.default_rng(11)
M, C, EPS = 5, 3, 0.01
X = rng.normal(size=(M, C)) * [0.4, 3.0, 9.0] + [5.0, -2.0, 30.0]
GAMMA, BETA = np.array([1.6, -0.7, 0.3]), np.array([-0.4, 2.2, 0.9])
MU, SIGMA = np.array([4.7, -0.5, 40.0]), np.array([0.2, 4.1, 9.0])      # moving averages so far
DY = rng.normal(size=(M, C)) + [0.5, -0.3, 0.8]
SIGMA_B = np.sqrt(X.var(0) + EPS)
XBAR = (X - X.mean(0)) / SIGMA_B


def predictions() -> tuple[float, ...]:
    return 1 / 4, 3 / 4, 1 / 3, 1 / 2


@exercise("3.1", "prediction", answer="predictions", points=1, library=predictions)
def check_predictions(answer: Any, part: Any) -> None:
    got = unpack(answer(), "r, d, r clipped, d clipped")
    with part(0.25):
        equal("r", got[0], 0.25, {
            "upside down: the batch is above, the average below.": 4,
            "that is the clipped one; the first two numbers are by eq. 8 alone.": 1 / 3})
    with part(0.25):
        equal("d", got[1], 0.75, {
            "the sign: batch minus average.": -0.75,
            "divide by the moving σ, not by σ_B.": 3,
            "divide by σ.": 12,
            "that is the clipped one; the first two numbers are by eq. 8 alone.": 0.5})
    with part(0.25):
        equal("r clipped", got[2], 1 / 3, tol=0.01, mistakes={
            "the lower bound is 1/r_max.": 0.25, "that is the upper bound.": 3,
            "the bounds are 1/r_max and r_max, not −r_max and r_max.": -3})
    with part(0.25):
        equal("d clipped", got[3], 0.5, {
            "it is above d_max.": 0.75,
            "the bounds of d are −d_max and d_max, not 1/d_max.": 2})


def brn_forward(x: Array, gamma: Array, beta: Array, mu: Array, sigma: Array, alpha: float,
                r_max: float, d_max: float, eps: float) -> tuple[Array, ...]:
    return step(x, gamma, beta, mu, sigma, alpha, r_max, d_max, eps)


def step(x: Array, gamma: Array, beta: Array, mu: Array, sigma: Array, alpha: float, r_max: float,
         d_max: float, eps: float, update_first: bool = True) -> tuple[Array, ...]:
    """One training step of the library's layer, from a state that comes from outside."""
    layer = BatchRenorm(x.shape[1], decay=alpha, r_max=r_max, d_max=d_max, eps=eps,
                        update_first=update_first, dtype=np.float64)
    layer.params["gamma"][...], layer.params["beta"][...] = gamma, beta
    layer.state["moving_mean"][...], layer.state["moving_std"][...] = mu, sigma
    y = layer.forward(x, training=True)
    return y, layer.r, layer.d, layer.state["moving_mean"], layer.state["moving_std"]


@exercise("3.2", "forward", answer="brn_forward", points=3, library=brn_forward)
def check_forward(answer: Any, part: Any) -> None:
    mean_B, std_B, a = X.mean(0), SIGMA_B, 0.8
    runs = []
    for r_max, d_max in ((10.0, 10.0), (1.2, 0.3)):             # once loose, once tight
        given = (X, GAMMA, BETA, MU, SIGMA, a, r_max, d_max, EPS)
        runs.append((r_max, d_max, step(*given), step(*given, update_first=False),
                     unpack(answer(*given), "y, r, d, mu, sigma")))
    with part(0.5):
        for _, _, want, _, got in runs:
            equal("mu", got[3], want[3], {
                "α is the share of the OLD value.": (1 - a) * MU + a * mean_B,
                "return the new one.": MU,
                "that is the mean of this batch alone.": mean_B})
    with part(0.5):
        for _, _, want, _, got in runs:
            equal("sigma", got[4], want[4], {
                "α is the share of the OLD value.": (1 - a) * SIGMA + a * std_B,
                "return the new one.": SIGMA,
                "that is the deviation of this batch alone.": std_B,
                "the average of σ_B, not of the variance.": a * SIGMA + (1 - a) * std_B**2,
                "the average of σ_B, not the root of an average of variances.":
                    np.sqrt(a * SIGMA**2 + (1 - a) * std_B**2),
                "σ_B divides by m, not by m − 1.":
                    a * SIGMA + (1 - a) * np.sqrt(X.var(0, ddof=1) + EPS),
                "σ_B has ε under the root.": a * SIGMA + (1 - a) * X.std(0)})
    # r and d are compared with what follows from the answer's own averages, and y with what follows
    # from its own r and d: one mistake costs its points once.
    with part(0.5):
        for r_max, _, want, late, got in runs:
            std = usable(got[4], want[4])
            equal("r", got[1], np.clip(std_B / std, 1 / r_max, r_max), {
                "first update σ, then use it.": late[1],
                "upside down: σ_B above, σ below.": np.clip(std / std_B, 1 / r_max, r_max),
                "it is not clipped.": std_B / std,
                "the lower bound is 1/r_max.": np.minimum(std_B / std, r_max)})
    with part(0.5):
        for _, d_max, want, late, got in runs:
            distance, std = mean_B - usable(got[3], want[3]), usable(got[4], want[4])
            equal("d", got[2], np.clip(distance / std, -d_max, d_max), {
                "first update μ, then use it.": late[2],
                "the sign: batch minus average.": -np.clip(distance / std, -d_max, d_max),
                "divide by the moving σ, not by σ_B.": np.clip(distance / std_B, -d_max, d_max),
                "it is not clipped.": distance / std,
                "it has a lower bound, too: −d_max.": np.minimum(distance / std, d_max)})
    with part(1):
        for _, _, want, _, got in runs:
            r, d, std = usable(got[1], want[1]), usable(got[2], want[2]), usable(got[4], want[4])
            equal("y", got[0], GAMMA * (XBAR * r + d) + BETA, {
                "x̄ is made with σ_B; the moving σ is in r.":
                    GAMMA * ((X - mean_B) / std * r + d) + BETA,
                "r and d are not used.": GAMMA * XBAR + BETA,
                "γ and β come last.": XBAR * r + d,
                "first times r, then plus d.": GAMMA * (XBAR + d) * r + BETA,
                "β is missing.": GAMMA * (XBAR * r + d),
                "γ is missing.": XBAR * r + d + BETA,
                "d belongs inside the bracket: γ·(x̄·r + d) + β.": GAMMA * XBAR * r + d + BETA})


Y, R, D, MU_T, SIGMA_T = step(X, GAMMA, BETA, MU, SIGMA, 0.9, 3, 5, EPS)


def brn_backward(dy: Array, xbar: Array, sigma_B: Array, gamma: Array, r: Array, d: Array
                 ) -> tuple[Array, Array, Array]:
    _, cache = F.batch_renorm(sigma_B * xbar, gamma, np.zeros_like(gamma), r, d, EPS)
    dx, dgamma, dbeta = F.batch_renorm_backward(dy, cache)
    return dx, dgamma, dbeta


@exercise("3.3", "backward", answer="brn_backward", points=4, library=brn_backward)
def check_backward(answer: Any, part: Any) -> None:
    dx, dgamma, dbeta = brn_backward(DY, XBAR, SIGMA_B, GAMMA, R, D)
    got = unpack(answer(DY, XBAR, SIGMA_B, GAMMA, R, D), "dx, dgamma, dbeta")
    g, xhat = GAMMA * R * DY, XBAR * R + D
    near = {
        "r is missing: it scales x̄ on the way to y.": dx / R,
        "the term with mean(g) is missing.": (g - XBAR * (g * XBAR).mean(0)) / SIGMA_B,
        "the term with mean(g·x̄) is missing.": (g - g.mean(0)) / SIGMA_B,
        "x̄, not x̂, in the last term: that is what depends on x through σ_B.":
            (g - g.mean(0) - xhat * (g * xhat).mean(0)) / SIGMA_B}
    other = {
        "γ is missing.": dx / GAMMA,
        "r and d constant does not make μ_B and σ_B constant: the mean terms are missing.":
            g / SIGMA_B,
        "means, not sums.": (g - g.sum(0) - XBAR * (g * XBAR).sum(0)) / SIGMA_B,
        "divide by σ_B once.": dx * SIGMA_B,
        "divide by σ_B: x̄ was made with it (the moving σ is in r).": dx * SIGMA_B / SIGMA_T}
    with part(1):                                   # one step away from the right dx is worth half
        if not is_one_of(got[0], near.values()):
            equal("dx", got[0], dx, other)
    with part(1):
        equal("dx", got[0], dx, near | other)
    with part(1):
        equal("dgamma", got[1], dgamma, {
            "γ multiplies the renormed x̂ = x̄·r + d, not x̄.": (DY * XBAR).sum(0),
            "d is missing: γ multiplies x̄·r + d.": (DY * XBAR * R).sum(0),
            "γ itself is not part of its own gradient.": GAMMA * dgamma,
            "one number for each channel: sum over the rows.": DY * xhat,
            "a sum, not a mean.": dgamma / M})
    with part(1):
        equal("dbeta", got[2], dbeta, {
            "a sum, not a mean.": dbeta / M,
            "β is added last: r has no part in it.": R * dbeta,
            "β is added last: γ has no part in it.": GAMMA * dbeta,
            "one number for each channel: sum over the rows.": DY})


def forward_to_check(x: Array, gamma: Array, beta: Array, mu_t: Array, sigma_t: Array, r: Array,
                     d: Array, eps: float) -> Array:
    return F.batch_renorm(x, gamma, beta, r, d, eps)[0]


@exercise("3.4", "a fair check", answer="forward_to_check", points=2, library=forward_to_check)
def check_frozen(answer: Any, part: Any) -> None:
    def f(u: Array) -> Array:
        return answer(u, GAMMA, BETA, MU_T, SIGMA_T, R, D, EPS)

    got = f(X)
    with part(0.5):
        equal("the value at x", got, GAMMA * (XBAR * R + D) + BETA, {
            "γ and β are missing.": XBAR * R + D,
            "r and d are missing.": GAMMA * XBAR + BETA})
    with part(1.5):
        equal("the value at x", got, GAMMA * (XBAR * R + D) + BETA)
        dx = brn_backward(DY, XBAR, SIGMA_B, GAMMA, R, D)[0]
        require(check_gradient(f, X, DY, GAMMA * R * DY / SIGMA_B) > 1e-4,
                "μ_B and σ_B do not move with x in it, or r and d do: only γ·dy/σ is left of dx.")
        require(check_gradient(f, X, DY, dx) < 1e-6, "the derivative is not BRN's. What moves?")


def dx_flowing(dy: Array, gamma: Array, sigma: Array) -> Array:
    return gamma * dy / sigma


def through_everything(u: Array) -> Array:
    mean, std = u.mean(0), np.sqrt(u.var(0) + EPS)
    return GAMMA * ((u - mean) / std * (std / SIGMA) + (mean - MU) / SIGMA) + BETA


@exercise("3.5", "flowing", answer="dx_flowing", points=1, library=dx_flowing)
def check_flowing(answer: Any, part: Any) -> None:
    h = 1e-5
    want = np.array([(DY * (through_everything(X + h * e) - through_everything(X - h * e))).sum()
                     for e in np.eye(X.size).reshape(-1, *X.shape)]).reshape(X.shape) / (2 * h)
    stopped = brn_backward(DY, XBAR, SIGMA_B, GAMMA, SIGMA_B / SIGMA, 0 * SIGMA)[0]
    equal("dx", answer(DY, GAMMA, SIGMA), want, tol=1e-6, mistakes={
        "that is the gradient with r and d constant.": stopped,
        "γ is missing.": want / GAMMA, "divide by σ.": want * SIGMA,
        "once by σ, not by its square.": want / SIGMA,
        "the moving σ, not σ_B.": want * SIGMA / SIGMA_B,
        "the moving σ that is handed in, not the updated one.": want * SIGMA / SIGMA_T,
        "one row of dx for each row of dy: nothing is summed.": want.sum(0),
        "the means cancel when the gradient flows through r and d, too.": want - want.mean(0)})


def clipped_steps(s: float, r_max: float, alpha: float) -> int:
    layer = BatchRenorm(1, decay=alpha, r_max=r_max, eps=0.0, dtype=np.float64)
    batch, steps = np.array([[-s], [s]]), 0
    while layer.forward(batch, training=True) is not None and layer.clipped:
        steps += 1
    return steps


@exercise("3.6", "clipped steps", answer="clipped_steps", points=2, library=clipped_steps)
def check_clipped(answer: Any, part: Any) -> None:
    for points, cases in ((1, [(0.06, 3, 0.99)]), (1, [(0.1, 2, 0.9), (0.001, 5, 0.95)])):
        with part(points):
            for s, r_max, alpha in cases:
                want = clipped_steps(s, r_max, alpha)
                root = -math.log(alpha)
                equal(f"for s = {s}, r_max = {r_max}, α = {alpha}", answer(s, r_max, alpha), want, {
                    "one too many: t counts from 1, for the average is updated before it is used; "
                    "and clipped are only the whole t below the value of the formula.": want + 1,
                    "one too few.": want - 1,
                    "a whole number of steps.": math.log((1 - s) / ((r_max - 1) * s)) / root,
                    "r_max is an argument, not always 3.": clipped_steps(s, 3, alpha),
                    "alpha is an argument, not always 0.99.": clipped_steps(s, r_max, 0.99),
                    "r is below its bound while σ is above r_max·s; is it r_max and not 1/r_max?":
                        math.ceil(math.log((1 - s) / s) / root) - 1})


def what_is_wrong(student: Callable[..., Any]) -> str:
    y, cache = F.batch_renorm(X, GAMMA, BETA, R, D, EPS)
    right = (y, *F.batch_renorm_backward(DY, cache)[:2])
    for name, a, b in zip(("forward", "dx", "dgamma"), student(X, GAMMA, BETA, R, D, DY, EPS),
                          right, strict=True):
        if not np.allclose(a, b):
            return name
    return "none"


@exercise("3.7", "planted bugs", answer="what_is_wrong", points=2, library=what_is_wrong,
          allow=("minibn.gradcheck",))
def check_bugs(answer: Any, part: Any) -> None:
    bugs = planted_bugs.BATCH_RENORM
    for truth, points in (("dx", 1), ("forward", 0.5), ("dgamma", 0.5)):
        with part(points):
            for right, student in [*[("none", s) for s in bugs["none"]],      # or one could guess
                                   *[(truth, s) for s in bugs[truth]]]:
                name, claimed = student.__name__, answer(student)
                require(isinstance(claimed, str) and claimed in bugs,
                        f'return "forward", "dx", "dgamma" or "none". For {name} came {claimed!r}.')
                require(claimed != "none" or right == "none",
                        f"{name}: something is wrong there. Do you compare all three?")
                require(claimed == right, f"{name}: {claimed} is what it should be, however odd "
                        "the code may look.")
