"""x̄ = (x − μ)/σ and its derivative: the one kernel behind BN, BRN, LayerNorm and GroupNorm.

The four differ only in which values share a mean.  x (N, C) or (N, H, W, C) is seen as (sets, rows,
channels), and the channels fall into `groups` of equal size:

    BN, BRN     one set, the batch       rows = N·H·W    one group for each channel
    LayerNorm   one set for each image   rows = H·W      one group of all channels
    GroupNorm   one set for each image   rows = H·W      G groups

Statistics come as (sets, C), the value of a group repeated for each of its channels.

The derivative.  Take one set and one group, with m values.  y = scale·x̄ + shift, and scale and
shift depend on the channel alone.  Given dy, the gradient of x̄ is g = scale·dy.  x reaches the
loss by three paths: directly, through μ, and through σ.

    x̄ = (x − μ)/σ,   μ = mean(x),   σ² = mean((x − μ)²) + ε

    ∂x̄/∂μ = −1/σ            so  dμ = −Σ g/σ                 (σ does not change with μ:
                                                              ∂σ²/∂μ = −2 mean(x − μ) = 0)
    ∂x̄/∂σ = −(x − μ)/σ²     so  dσ = −Σ g·x̄/σ
    ∂μ/∂x = 1/m,   ∂σ/∂x = (x − μ)/(m σ) = x̄/m

    dx = g/σ + dμ/m + dσ·x̄/m
       = (g − mean(g) − x̄·mean(g·x̄))/σ

    dscale = Σ dy·x̄      dshift = Σ dy              (sums over sets and rows, for each channel)
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from types import ModuleType
from typing import NamedTuple

import numpy as np

from minibn.backend import Array, array_module, empty, empty_like, pieces
from minibn.checks import check_upstream

# A mean of at most so many σ need not be subtracted before values are added up or scaled.
FEW = 4
# Floats over which sums are taken in one go (2 MB), and lines that are added up in float32.
SUMMED = 512 * 1024
LINES = 256
FIRST_ROWS = 128   # whose mean is near enough to the mean of all
# Floats in a line, at least, and lines in a set: what makes it worth while to repeat the values
# of the channels along a line (`rows_in_a_line`).
LONG = 4097
MANY = 8


class Standardized(NamedTuple):
    """What the backward pass needs: x and the statistics, from which x̄ is made again.

    x is the layer's input, kept alive anyway as the output of the layer before; storing x̄ as well
    would cost as much memory once more.
    """

    x: Array       # (N, …, C)
    mean: Array    # (sets, C), float64
    sigma: Array   # (sets, C), float64
    scale: Array   # (C,)
    shift: Array   # (C,)
    groups: int


def moments(x: Array, sets: int, groups: int) -> tuple[Array, Array]:
    """Mean and biased variance of each set and group (eqs. 1 and 2).

    x: (N, …, C) float32 or float64 → two float64 arrays (sets, C).

    Accurate in float32 even when the mean is large against the deviation, where E[x²] − E[x]²
    and a plain mean over the rows lose all their digits.  With means of a few σ at most they lose
    one, and take half the time: they come first.  If the mean turns out larger, all is done again
    with x − a, where `a` is the mean of the first rows.  A mean of a fraction f of the values lies
    within σ·√(1/f − 1) of the mean of all of them, so a is near enough for the subtraction at the
    end to lose nothing that matters.

    Where squares exceed the range of x's dtype the variance is NaN, and never infinite: division
    by an infinite σ would give a clean 0, and nobody would see that training has diverged.
    """
    xp = array_module(x)
    x, k = _lines(x, sets)
    if xp is np:                               # a GPU would have to wait for the answer
        with np.errstate(over="ignore", invalid="ignore"):
            mean, var = _moments_around(None, x, k, groups)
            if (mean * mean <= FEW**2 * var).all() and var.max() < np.inf:
                return mean, var
    near = _mean_of_first_rows(x, k, groups)                           # a: (sets, C)
    offset, var = _moments_around(_along(near, k), x, k, groups)       # μ − a
    var = xp.maximum(var, 0)                   # rounding may leave −1e-17 where x is constant
    return near + offset, xp.where(var < np.inf, var, np.nan)


def _moments_around(a: Array | None, x: Array, k: int, groups: int) -> tuple[Array, Array]:
    """Mean and variance of x − a: (sets, C), from sums in float64 over pieces of the rows.

    a: (sets, 1, k·C), or None for 0; x: (sets, lines, k·C).
    """
    xp = array_module(x)
    total = xp.zeros((len(x), x.shape[2]))                             # Σ (x − a)
    squares = xp.zeros((len(x), x.shape[2]))                           # Σ (x − a)²
    for s, r in _pieces_to_sum(x):
        centered = _minus(a, x, s, r)
        total[s] += _sum_lines(centered)
        squares[s] += _sum_products(centered, centered)
    rows = x.shape[1] * k
    mean = _mean_of_groups(_fold(total, k), groups, rows)
    return mean, _mean_of_groups(_fold(squares, k), groups, rows) - mean * mean


def standardize(x: Array, mean: Array, sigma: Array, scale: Array, shift: Array,
                groups: int) -> tuple[Array, Standardized]:
    """y = scale·x̄ + shift with x̄ = (x − mean)/sigma (eqs. 3 and 4; 7 with r and d folded in).

    x: (N, …, C); mean, sigma: (sets, C); scale, shift: (C,).  y has the shape and dtype of x.
    """
    y = affine(x, mean, sigma, scale, shift)
    return y, Standardized(x, mean, sigma, scale, shift, groups)


def standardize_backward(dy: Array, cache: Standardized) -> tuple[Array, Array, Array]:
    """dx (shape and dtype of x), dscale and dshift (C,), as derived above."""
    x, mean, sigma, scale, shift, groups = cache
    check_upstream("dy", dy, x.shape, like=x)
    xp = array_module(x)
    (dy, k), (x, _) = _lines(dy, len(mean)), _lines(x, len(mean))
    rows = x.shape[1] * k
    first, rest = _in_two_steps(mean, sigma, x.dtype, k)
    dy_sum = xp.zeros((len(x), x.shape[2]))                            # Σ dy
    dyx_sum = xp.zeros((len(x), x.shape[2]))                           # Σ dy·(x − first)
    for s, r in _pieces_to_sum(x):
        dy_sum[s] += _sum_lines(dy[s, r])
        dyx_sum[s] += _sum_products(dy[s, r], _minus(first, x, s, r))
    dy_sum, dyx_sum = _fold(dy_sum, k), _fold(dyx_sum, k)              # (sets, C)
    dyx_sum = (dyx_sum - rest * dy_sum) / sigma                        # Σ dy·x̄

    # dx = dy·scale/σ − x̄·mean(g·x̄)/σ − mean(g)/σ: three factors, known for each channel
    g_mean = _mean_of_groups(scale * dy_sum, groups, rows)
    gx_mean = _mean_of_groups(scale * dyx_sum, groups, rows)
    of_dy = _along((scale / sigma).astype(x.dtype), k)
    of_x = _along((-gx_mean / sigma**2).astype(x.dtype), k)
    constant = _along(((gx_mean * rest / sigma - g_mean) / sigma).astype(x.dtype), k)
    dx = empty_like(x)
    for s, r, scratch in _pieces_with_scratch(x):
        out = xp.multiply(dy[s, r], of_dy[s], out=dx[s, r])
        term = xp.multiply(_minus(first, x, s, r, scratch), of_x[s], out=scratch)
        term += constant[s]
        out += term
    if rows * mean.shape[1] == groups:         # a value alone: the terms cancel, here exactly
        dx = dy * 0
    return (dx.reshape(cache.x.shape), dyx_sum.sum(0).astype(scale.dtype),
            dy_sum.sum(0).astype(shift.dtype))


def affine(x: Array, mean: Array, sigma: Array, scale: Array, shift: Array) -> Array:
    """scale·(x − mean)/sigma + shift, in the dtype of x.

    mean, sigma: (sets, C); scale, shift: (C,).
    """
    xp = array_module(x)
    lines, k = _lines(x, len(mean))
    first, rest = _in_two_steps(mean, sigma, x.dtype, k)
    factor = scale / sigma
    constant = _along((shift - factor * rest).astype(x.dtype), k)
    factor = _along(factor.astype(x.dtype), k)
    y = empty_like(lines)
    for s, r in pieces(lines.shape, xp):
        out = xp.multiply(_minus(first, lines, s, r, y[s, r]), factor[s], out=y[s, r])
        out += constant[s]
    return y.reshape(x.shape)


def _in_two_steps(mean: Array, sigma: Array, dtype: np.dtype, k: int
                  ) -> tuple[Array | None, Array]:
    """x − mean as (x − first) − rest, of which the second subtraction can be folded into others.

    first: the mean in the dtype of x, along a line; the difference is exact where it is small.
    Where the mean itself is small it is left to the rest, and first is None.
    """
    if isinstance(mean, np.ndarray) and (abs(mean) <= FEW * sigma).all():
        return None, mean
    first = mean.astype(dtype)
    return _along(first, k), mean - first


def _minus(a: Array | None, x: Array, s: slice, r: slice, out: Array | None = None) -> Array:
    """x[s, r] − a[s], written to out if there is one; without `a` x[s, r] itself."""
    return x[s, r] if a is None else array_module(x).subtract(x[s, r], a[s], out=out)


def _pieces_to_sum(lines: Array) -> list[tuple[slice, slice]]:
    """The `pieces` of (sets, lines, k·C) for sums, each of which passes over a piece once."""
    sets, rows, values = lines.shape
    return pieces((sets, rows, max(values, SUMMED // LINES)), array_module(lines), SUMMED)


def _pieces_with_scratch(lines: Array) -> Iterator[tuple[slice, slice, Array | None]]:
    """The `pieces` of (sets, lines, k·C), each with memory for a result of its shape, or None.

    One memory for all stays in the cache; a single piece may as well make its own.
    """
    xp = array_module(lines)
    cut = pieces(lines.shape, xp)
    if len(cut) == 1:
        yield *cut[0], None
        return
    sets, rows = (max(part.stop - part.start for part in axis) for axis in zip(*cut, strict=True))
    memory = empty((sets, rows, lines.shape[2]), lines.dtype, xp)
    for s, r in cut:
        yield s, r, memory[:s.stop - s.start, :r.stop - r.start]


def _lines(x: Array, sets: int) -> tuple[Array, int]:
    """(N, …, C) → (sets, lines, k·C), k rows in a line, without a copy where memory allows it."""
    xp, channels = array_module(x), x.shape[-1]
    rows = x.size // (sets * channels)
    k = rows_in_a_line(rows, channels) if xp is np else 1
    return xp.ascontiguousarray(x).reshape(sets, rows // k, k * channels), k


@lru_cache
def rows_in_a_line(rows: int, channels: int) -> int:
    """How many rows to put in a line, so that NumPy combines it quickly with values per channel.

    Where one operand is shorter than the other, NumPy repeats it over and over into a buffer of
    8,192 values, which costs as much as the arithmetic, unless more than half of the buffer is
    in one line.
    """
    for k in range(-(-LONG // channels), rows // MANY + 1):
        if rows % k == 0:
            return k
    return 1


def _along(v: Array, k: int) -> Array:
    """Values per channel (sets, C), repeated along a line of k rows: (sets, 1, k·C)."""
    if k == 1:
        return v[:, None]
    return array_module(v).repeat(v[:, None], k, axis=1).reshape(len(v), 1, -1)


def _mean_of_first_rows(x: Array, k: int, groups: int) -> Array:
    """The mean of the first rows of each set, in the dtype of x: (sets, C).

    What is added up is the difference from the very first row: thousands of large float32
    numbers of one sign lose the last digits of their sum, and the mean could be off by many σ.
    """
    lines = x[:, :-(-FIRST_ROWS // k)]
    rows = lines.reshape(len(x), -1, x.shape[2] // k)
    first = rows[:, :1]
    mean = first[:, 0] + _sum_lines(rows - first) / rows.shape[1]
    return _mean_of_groups(mean, groups, 1).astype(x.dtype)


def _sum_lines(x: Array) -> Array:
    """(sets, lines, k·C) → (sets, k·C), as a product with ones: one call of BLAS."""
    return (_ones(x.shape[1], x.dtype, array_module(x)) @ x)[:, 0]


def _sum_products(a: Array, b: Array) -> Array:
    """Σ a·b over the lines: (sets, lines, k·C) twice → (sets, k·C), in one pass on a CPU."""
    return array_module(a).einsum("slk,slk->sk", a, b)


def _fold(total: Array, k: int) -> Array:
    """Sums for each place of a line of k rows (sets, k·C) → sums for each channel (sets, C)."""
    return total if k == 1 else total.reshape(len(total), k, -1).sum(1)


@lru_cache(maxsize=32)
def _ones(length: int, dtype: np.dtype, xp: ModuleType) -> Array:
    """A row of ones (1, length), made once; nobody writes to it."""
    return xp.ones((1, length), dtype)


def _mean_of_groups(total: Array, groups: int, rows: int) -> Array:
    """Means over rows and groups from sums over rows (sets, C), repeated within a group."""
    sets, channels = total.shape
    size = channels // groups
    if size == 1:
        return total / rows
    mean = total.astype(np.float64).reshape(sets, groups, size).sum(2) / (rows * size)
    return array_module(total).repeat(mean, size, axis=1)
