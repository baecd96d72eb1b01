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

from typing import NamedTuple

import numpy as np

from minibn.backend import Array, array_module, pieces
from minibn.checks import check_upstream

FIRST_ROWS = 128   # whose mean is near enough to the mean of all


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

    Accurate in float32 even when the mean is large against the deviation, where both
    E[x²] − E[x]² and a plain mean over the rows fail: sums are taken of x − a, with `a` the mean
    of the first rows, piece by piece, and added up in float64.  A mean of a fraction f of the
    values lies within σ·√(1/f − 1) of the mean of all of them, so a is near enough for the
    subtraction at the end to lose nothing that matters.
    """
    xp = array_module(x)
    x = _rows(x, sets)
    rows, channels = x.shape[1:]
    total = xp.zeros((sets, channels))                                 # Σ (x − a)
    squares = xp.zeros((sets, channels))                               # Σ (x − a)²
    near = _mean_of_first_rows(x, groups)                              # a: (sets, C)
    for s, r in pieces(x.shape, xp):
        centred = x[s, r] - near[s, None]
        total[s] += _sum_rows(centred)
        centred *= centred
        squares[s] += _sum_rows(centred)
    offset = _mean_of_groups(total, groups, rows)                      # μ − a
    var = _mean_of_groups(squares, groups, rows) - offset * offset
    return near + offset, xp.maximum(var, 0)   # rounding may leave −1e-17 where x is constant


def standardize(x: Array, mean: Array, sigma: Array, scale: Array, shift: Array,
                groups: int) -> tuple[Array, Standardized]:
    """y = scale·x̄ + shift with x̄ = (x − mean)/sigma (eqs. 3 and 4; 7 with r and d folded in).

    x: (N, …, C); mean, sigma: (sets, C); scale, shift: (C,).  y has the shape and dtype of x.
    """
    y = affine(x, mean, scale / sigma, shift)
    return y, Standardized(x, mean, sigma, scale, shift, groups)


def standardize_backward(dy: Array, cache: Standardized) -> tuple[Array, Array, Array]:
    """dx (shape and dtype of x), dscale and dshift (C,), as derived above."""
    x, mean, sigma, scale, shift, groups = cache
    check_upstream("dy", dy, x.shape, like=x)
    xp = array_module(x)
    sets = len(mean)
    dy, x = _rows(dy, sets), _rows(x, sets)
    rows = x.shape[1]
    near = mean.astype(x.dtype)                # x − mean is taken in two steps, to stay exact
    rest = mean - near
    dy_sum = xp.zeros(mean.shape)                                      # Σ dy
    dyx_sum = xp.zeros(mean.shape)                                     # Σ dy·(x − near)
    for s, r in pieces(x.shape, xp):
        product = x[s, r] - near[s, None]
        product *= dy[s, r]
        dyx_sum[s] += _sum_rows(product)
        dy_sum[s] += _sum_rows(dy[s, r])
    dyx_sum = (dyx_sum - rest * dy_sum) / sigma                        # Σ dy·x̄

    # dx = dy·scale/σ − x̄·mean(g·x̄)/σ − mean(g)/σ: three factors, known for each channel
    g_mean = _mean_of_groups(scale * dy_sum, groups, rows)
    gx_mean = _mean_of_groups(scale * dyx_sum, groups, rows)
    of_dy = (scale / sigma).astype(x.dtype)
    of_x = (-gx_mean / sigma**2).astype(x.dtype)
    constant = ((gx_mean * rest / sigma - g_mean) / sigma).astype(x.dtype)
    dx = xp.empty_like(x)
    for s, r in pieces(x.shape, xp):
        out = dx[s, r]
        xp.multiply(dy[s, r], of_dy[s, None], out=out)
        centred = x[s, r] - near[s, None]
        centred *= of_x[s, None]
        centred += constant[s, None]
        out += centred
    if rows * x.shape[2] == groups:            # a value alone: the terms cancel, here exactly
        dx = dy * 0
    return (dx.reshape(cache.x.shape), dyx_sum.sum(0).astype(scale.dtype),
            dy_sum.sum(0).astype(shift.dtype))


def affine(x: Array, mean: Array, scale: Array, shift: Array) -> Array:
    """scale·(x − mean) + shift, in the dtype of x; mean, scale: (sets, C), shift: (C,)."""
    xp = array_module(x)
    rows = _rows(x, len(mean))
    near = mean.astype(x.dtype)
    constant = (shift - scale * (mean - near)).astype(x.dtype)
    scale = scale.astype(x.dtype)
    y = xp.empty_like(rows)
    for s, r in pieces(rows.shape, xp):
        out = y[s, r]
        xp.subtract(rows[s, r], near[s, None], out=out)
        out *= scale[s, None]
        out += constant[s, None]
    return y.reshape(x.shape)


def _rows(x: Array, sets: int) -> Array:
    """(N, …, C) → (sets, rows, C), without a copy where memory allows it."""
    return array_module(x).ascontiguousarray(x).reshape(sets, -1, x.shape[-1])


def _mean_of_first_rows(x: Array, groups: int) -> Array:
    """The mean of the first rows of each set, in the dtype of x: (sets, C).

    What is added up is the difference from the very first row: thousands of large float32
    numbers of one sign lose the last digits of their sum, and the mean could be off by many σ.
    """
    xp = array_module(x)
    near = xp.empty((x.shape[0], x.shape[2]))
    for s, r in pieces(x.shape, xp):
        if r.start == 0:
            rows = x[s, r][:, :FIRST_ROWS]
            count, first = rows.shape[1], rows[:, 0]
            total = count * first.astype(np.float64) + _sum_rows(rows - first[:, None])
            near[s] = _mean_of_groups(total, groups, count)
    return near.astype(x.dtype)


def _sum_rows(x: Array) -> Array:
    """(sets, rows, C) → (sets, C), as a product with ones: one call of BLAS."""
    ones = array_module(x).ones((1, x.shape[1]), x.dtype)
    return (ones @ x)[:, 0]


def _mean_of_groups(total: Array, groups: int, rows: int) -> Array:
    """Means over rows and groups from sums over rows (sets, C), repeated within a group."""
    sets, channels = total.shape
    size = channels // groups
    if size == 1:
        return total / rows
    mean = total.astype(np.float64).reshape(sets, groups, size).sum(2) / (rows * size)
    return array_module(total).repeat(mean, size, axis=1)
