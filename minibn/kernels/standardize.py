"""Mean, variance, x̄ and their gradient: few passes over memory, each in a core's cache.

BN, BRN, LayerNorm and GroupNorm differ only in which values share a mean.  x (N, C) or (N, H, W, C)
is seen as (sets, rows, channels), and the channels fall into `groups` of equal size:

    BN, BRN     one set, the batch       rows = N·H·W    one group for each channel
    LayerNorm   one set for each image   rows = H·W      one group of all channels
    GroupNorm   one set for each image   rows = H·W      G groups

Statistics come as (sets, C), the value of a group repeated for each of its channels.

The textbook makes x̄ in float64 and walks over it several times.  A kernel keeps x's dtype, adds up
in float64, and folds γ, r, d and σ into one factor and one constant for each channel:

    y  = x·factor + constant
    dx = dy·factor + x·other factor + constant
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy import ndarray as Array

from minibn.checks import check_upstream
from minibn.kernels.blocking import PIECE, empty, empty_like, pieces
from minibn.kernels.threads import PASS, threads_for

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
# With fewer values than these in a mean, the terms of dx nearly cancel: they are left to the
# textbook, which computes in float64.
LEAST_VALUES = 16


def moments(x: Array, sets: int, groups: int) -> tuple[Array, Array] | None:
    """Mean and biased variance of each set and group (eqs. 1 and 2).

    x: (N, …, C) float32 or float64 → two float64 arrays (sets, C).

    Accurate in float32 even when the mean is large against the deviation, where E[x²] − E[x]²
    and a plain mean over the rows lose all their digits.  With means of a few σ at most they lose
    one, and take half the time: they come first.  If the mean turns out larger, all is done again
    with x − a, where `a` is the mean of the first rows.  A mean of a fraction f of the values lies
    within σ·√(1/f − 1) of the mean of all of them, so a is near enough for the subtraction at the
    end to lose nothing that matters.

    Returns None where a mean has few values, where a square exceeds the range of x's dtype, and
    where x holds NaN or infinity.
    """
    if x.size < LEAST_VALUES * sets * groups:
        return None
    lines, k = _lines(x, sets)
    quiet = np.errstate(over="ignore", invalid="ignore")
    with threads_for(PASS * x.size, x.shape[-1]), quiet:
        mean, var = _moments_around(None, lines, k, groups)
        if (mean * mean <= FEW**2 * var).all() and var.max() < np.inf:
            return mean, var
        near = _mean_of_first_rows(lines, k, groups)                   # a: (sets, C)
        offset, var = _moments_around(_along(near, k), lines, k, groups)   # μ − a
    if not (var < np.inf).all():
        return None
    return near + offset, np.maximum(var, 0)   # rounding may leave −1e-17 where x is constant


def _moments_around(a: Array | None, x: Array, k: int, groups: int) -> tuple[Array, Array]:
    """Mean and variance of x − a: (sets, C), from sums in float64 over pieces of the rows.

    a: (sets, 1, k·C), or None for 0; x: (sets, lines, k·C).
    """
    rows = x.shape[1] * k
    parts = _even_parts(x)
    if parts:
        centered = (x if a is None else x - a).reshape(parts, -1, x.shape[2])
        total, squares = (_add_up(sums) for sums in
                          (_sum_lines(centered), _sum_products(centered, centered)))
        mean = _mean_of_groups(_fold(total, k), groups, rows)
        return mean, _mean_of_groups(_fold(squares, k), groups, rows) - mean * mean
    total = np.zeros((len(x), x.shape[2]))                             # Σ (x − a)
    squares = np.zeros((len(x), x.shape[2]))                           # Σ (x − a)²
    for s, r in _pieces_to_sum(x):
        centered = _minus(a, x, s, r)
        total[s] += _sum_lines(centered)
        squares[s] += _sum_products(centered, centered)
    mean = _mean_of_groups(_fold(total, k), groups, rows)
    return mean, _mean_of_groups(_fold(squares, k), groups, rows) - mean * mean


def backward(dy: Array, x: Array, mean: Array, sigma: Array, scale: Array, groups: int
             ) -> tuple[Array, Array, Array]:
    """dx, and in float64 dscale and dshift (C,), of y = scale·(x − mean)/sigma + shift.

    dy, x: (N, …, C) of one dtype; mean, sigma: (sets, C); scale: (C,).
    """
    check_upstream("dy", dy, x.shape, like=x)
    shape = x.shape
    (dy, k), (x, _) = _lines(dy, len(mean)), _lines(x, len(mean))
    rows = x.shape[1] * k
    first, rest = _in_two_steps(mean, sigma, x.dtype, k)
    with threads_for(PASS * x.size, shape[-1]):
        dy_sum, dyx_sum = _sums_of_gradients(dy, x, first)             # Σ dy, Σ dy·(x − first)
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
        out = np.multiply(dy[s, r], of_dy[s], out=dx[s, r])
        term = np.multiply(_minus(first, x, s, r, scratch), of_x[s], out=scratch)
        term += constant[s]
        out += term
    return dx.reshape(shape), dyx_sum.sum(0), dy_sum.sum(0)


def _sums_of_gradients(dy: Array, x: Array, first: Array | None) -> tuple[Array, Array]:
    """Σ dy and Σ dy·(x − first) over the lines, (sets, k·C) each, in float64.

    dy, x: (sets, lines, k·C); first: (sets, 1, k·C) or None.
    """
    parts = _even_parts(x)
    if parts:
        shape = (parts, -1, x.shape[2])
        centered = (x if first is None else x - first).reshape(shape)
        dy = dy.reshape(shape)
        return _add_up(_sum_lines(dy)), _add_up(_sum_products(dy, centered))
    dy_sum = np.zeros((len(x), x.shape[2]))
    dyx_sum = np.zeros((len(x), x.shape[2]))
    for s, r in _pieces_to_sum(x):
        dy_sum[s] += _sum_lines(dy[s, r])
        dyx_sum[s] += _sum_products(dy[s, r], _minus(first, x, s, r))
    return dy_sum, dyx_sum


def _even_parts(lines: Array) -> int:
    """How many equal parts to sum at once, each of at most LINES lines; 0: piece by piece.

    For one set that fits in the cache: a call costs more there than the arithmetic in it.
    """
    sets, rows, _ = lines.shape
    return _divisor(rows) if sets == 1 and lines.size <= PIECE else 0


@lru_cache
def _divisor(rows: int) -> int:
    """The smallest divisor of `rows` that leaves at most LINES rows in a part; 0 where too many."""
    least = -(-rows // LINES)
    return next((parts for parts in range(least, 2 * least + 8) if rows % parts == 0), 0)


def _add_up(sums: Array) -> Array:
    """Sums of parts (parts, k·C) → their sum in float64, (1, k·C)."""
    return np.add.reduce(sums, axis=0, dtype=np.float64, keepdims=True)


def affine(x: Array, mean: Array, sigma: Array, scale: Array, shift: Array) -> Array:
    """scale·(x − mean)/sigma + shift, in the dtype of x.

    mean, sigma: (sets, C); scale, shift: (C,).
    """
    lines, k = _lines(x, len(mean))
    first, rest = _in_two_steps(mean, sigma, x.dtype, k)
    factor = scale / sigma
    constant = _along((shift - factor * rest).astype(x.dtype), k)
    factor = _along(factor.astype(x.dtype), k)
    y = empty_like(lines)
    for s, r in pieces(lines.shape):
        out = np.multiply(_minus(first, lines, s, r, y[s, r]), factor[s], out=y[s, r])
        out += constant[s]
    return y.reshape(x.shape)


def _in_two_steps(mean: Array, sigma: Array, dtype: np.dtype, k: int
                  ) -> tuple[Array | None, Array]:
    """x − mean as (x − first) − rest, of which the second subtraction can be folded into others.

    first: the mean in the dtype of x, along a line; the difference is exact where it is small.
    Where the mean itself is small it is left to the rest, and first is None.
    """
    if (abs(mean) <= FEW * sigma).all():
        return None, mean
    first = mean.astype(dtype)
    return _along(first, k), mean - first


def _minus(a: Array | None, x: Array, s: slice, r: slice, out: Array | None = None) -> Array:
    """x[s, r] − a[s], written to out if there is one; without `a` x[s, r] itself."""
    return x[s, r] if a is None else np.subtract(x[s, r], a[s], out=out)


def _pieces_to_sum(lines: Array) -> list[tuple[slice, slice]]:
    """The `pieces` of (sets, lines, k·C) for sums, each of which passes over a piece once."""
    sets, rows, values = lines.shape
    return pieces((sets, rows, max(values, SUMMED // LINES)), SUMMED)


def _pieces_with_scratch(lines: Array) -> Iterator[tuple[slice, slice, Array | None]]:
    """The `pieces` of (sets, lines, k·C), each with memory for a result of its shape, or None.

    One memory for all stays in the cache; a single piece may as well make its own.
    """
    cut = pieces(lines.shape)
    if len(cut) == 1:
        yield *cut[0], None
        return
    sets, rows = (max(part.stop - part.start for part in axis) for axis in zip(*cut, strict=True))
    memory = empty((sets, rows, lines.shape[2]), lines.dtype)
    for s, r in cut:
        yield s, r, memory[:s.stop - s.start, :r.stop - r.start]


def _lines(x: Array, sets: int) -> tuple[Array, int]:
    """(N, …, C) → (sets, lines, k·C), k rows in a line, without a copy where memory allows it."""
    channels = x.shape[-1]
    rows = x.size // (sets * channels)
    k = rows_in_a_line(rows, channels)
    return np.ascontiguousarray(x).reshape(sets, rows // k, k * channels), k


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
    return np.repeat(v[:, None], k, axis=1).reshape(len(v), 1, -1)


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
    return (_ones(x.shape[1], x.dtype) @ x)[:, 0]


def _sum_products(a: Array, b: Array) -> Array:
    """Σ a·b over the lines: (sets, lines, k·C) twice → (sets, k·C), in one pass on a CPU."""
    return np.einsum("slk,slk->sk", a, b)


def _fold(total: Array, k: int) -> Array:
    """Sums for each place of a line of k rows (sets, k·C) → sums for each channel (sets, C)."""
    return total if k == 1 else total.reshape(len(total), k, -1).sum(1)


@lru_cache(maxsize=32)
def _ones(length: int, dtype: np.dtype) -> Array:
    """A row of ones (1, length), made once; nobody writes to it."""
    return np.ones((1, length), dtype)


def _mean_of_groups(total: Array, groups: int, rows: int) -> Array:
    """Means over rows and groups from sums over rows (sets, C), repeated within a group."""
    sets, channels = total.shape
    size = channels // groups
    if size == 1:
        return total / rows
    mean = total.astype(np.float64).reshape(sets, groups, size).sum(2) / (rows * size)
    return np.repeat(mean, size, axis=1)
