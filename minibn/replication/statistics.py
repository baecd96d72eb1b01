"""Means, intervals and paired differences over seeds, with NumPy alone.

Few seeds have few degrees of freedom, so the quantiles are Student's t.  Its distribution function
is an incomplete beta integral, for which an elementary finite sum holds (Abramowitz & Stegun
1964, 26.7.3 and 26.7.4): with θ = arctan(t/√ν),

    ν odd:   P(|T| < t) = (2/π)·(θ + sin θ·(cos θ + 2/3 cos³θ + … to cos^{ν−2} θ))
    ν even:  P(|T| < t) = sin θ·(1 + 1/2 cos²θ + (1·3)/(2·4) cos⁴θ + … to cos^{ν−2} θ)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from minibn.checks import check_integer, check_number

LEVEL = 0.95  # of every interval
POWER = 0.80  # of the smallest difference that could be shown


class Estimate(NamedTuple):
    """A mean over n seeds: mean ± half is its 95 % interval (infinite for one seed)."""

    mean: float
    half: float
    n: int

    @property
    def low(self) -> float:
        """The interval's lower end."""
        return self.mean - self.half

    @property
    def high(self) -> float:
        """The interval's upper end."""
        return self.mean + self.half


class Difference(NamedTuple):
    """A mean difference of pairs with equal seeds.

    estimate: mean and interval; wins: pairs with a positive difference; detectable: the size of a
    true difference that this many pairs with this spread show (interval without 0) in 80 % of
    replications.
    """

    estimate: Estimate
    wins: int
    detectable: float


def estimate(values: Sequence[float]) -> Estimate:
    """Mean and 95 % interval of independent values; ValueError for none or not finite."""
    x = np.asarray(values, float)
    if x.size == 0 or not np.isfinite(x).all():
        raise ValueError(f"values must be finite numbers, at least one, not {values!r}")
    return Estimate(float(x.mean()), t_quantile((1 + LEVEL) / 2, len(x) - 1) * standard_error(x),
                    len(x)) if len(x) > 1 else Estimate(float(x[0]), math.inf, 1)


def paired_difference(first: Sequence[float], second: Sequence[float]) -> Difference:
    """first − second, pair by pair."""
    if len(first) != len(second):
        raise ValueError(f"pairs need equal lengths, not {len(first)} and {len(second)}")
    x = np.asarray(first, float) - np.asarray(second, float)
    found = estimate(x)
    if len(x) == 1:
        return Difference(found, int(x[0] > 0), math.inf)
    nu = len(x) - 1
    detectable = (t_quantile((1 + LEVEL) / 2, nu) + t_quantile(POWER, nu)) * standard_error(x)
    return Difference(found, int((x > 0).sum()), detectable)


def difference_on_images(first: np.ndarray, second: np.ndarray) -> Difference:
    """first − second, where other seeds and other test images might have been drawn.

    first, second: bool (seeds, images), what each run gets right.  The cells d of the difference
    have three sources of variance, seeds, images and the rest; with their mean squares MS
    (two-way analysis of variance without replication), over n seeds and m images,

        Var[mean d] = (MS_seeds + MS_images − MS_rest)/(n·m)

    and not less than what the seeds alone give, MS_seeds/(n·m).  The interval takes t with n − 1
    degrees of freedom.
    """
    d = first.astype(float) - second.astype(float)                     # (n, m)
    n, m = d.shape
    mean, by_seed, by_image = d.mean(), d.mean(1), d.mean(0)
    seeds = m * by_seed.var(ddof=1)
    images = n * by_image.var(ddof=1)
    rest = ((d - by_seed[:, None] - by_image + mean) ** 2).sum() / ((n - 1) * (m - 1))
    error = float(np.sqrt(max(seeds, seeds + images - rest) / (n * m)))
    half = t_quantile((1 + LEVEL) / 2, n - 1) * error
    detectable = half + t_quantile(POWER, n - 1) * error
    return Difference(Estimate(float(mean), half, n), int((by_seed > 0).sum()), detectable)


def p_value(values: Sequence[float]) -> float:
    """Two-sided p of Student's t that the mean of independent values is 0."""
    x = np.asarray(values, float)
    error = standard_error(x)
    if error == 0:
        return float(x.mean() == 0)
    return 2 * (1 - t_distribution(abs(x.mean()) / error, len(x) - 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number by Holm's step-down method, in the order given.

    With m values in ascending order, the k-th (from 1) is multiplied by m − k + 1; none is
    below one before it, none above 1.  If differences are called real where the adjusted p is
    below α, the probability of one false call or more is at most α.
    """
    order = np.argsort(p_values, kind="stable")
    adjusted, largest = [0.0] * len(order), 0.0
    for k, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - k) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def standard_error(x: np.ndarray) -> float:
    """Standard deviation of the mean of x (n,), n ≥ 2."""
    return float(x.std(ddof=1)) / math.sqrt(len(x))


@cache
def t_quantile(p: float, nu: int) -> float:
    """The t with P(T ≤ t) = p, for 0.5 ≤ p < 1 and ν ≥ 1 degrees of freedom, to 1e-10."""
    check_integer("nu", nu, least=1)
    p = check_number("p", p, least=0.5, below=1)
    low, high = 0.0, 1.0
    while t_distribution(high, nu) < p:
        high *= 2
    while high - low > 1e-10 * max(1.0, low):
        middle = (low + high) / 2
        if t_distribution(middle, nu) < p:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def t_distribution(t: float, nu: int) -> float:
    """P(T ≤ t) of Student's t with ν degrees of freedom, for t ≥ 0."""
    theta = math.atan(t / math.sqrt(nu))
    cos2 = math.cos(theta) ** 2
    odd = nu % 2
    term, total = (math.cos(theta), 0.0) if odd else (1.0, 0.0)
    for k in range(1, (nu - odd) // 2 + 1):
        total += term
        term *= cos2 * (2 * k / (2 * k + 1) if odd else (2 * k - 1) / (2 * k))
    inside = 2 / math.pi * (theta + math.sin(theta) * total) if odd else math.sin(theta) * total
    return (1 + inside) / 2
