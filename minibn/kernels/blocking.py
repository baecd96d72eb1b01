"""How work is cut into pieces that fit a processor's cache, and how memory is laid out."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

# Floats in a piece that stays in a core's cache while several passes go over it (256 KB).
PIECE = 64 * 1024
CACHE_LINE = 64   # bytes


def empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array of arbitrary contents that begins on the border of a cache line.

    NumPy's own begin 16 bytes behind one where they are large.  Then every other vector of a
    processor that loads 32 bytes at a time, and every one where it loads 64, lies across a border
    and costs two loads: a pass over an array in the cache takes up to twice as long.  A small array
    is NumPy's own, which is made sooner.
    """
    size = math.prod(shape)
    if size < PIECE // 4:
        return np.empty(shape, dtype)
    memory = np.empty(size * np.dtype(dtype).itemsize + CACHE_LINE, np.uint8)
    address = memory.__array_interface__["data"][0]
    return np.ndarray(shape, dtype, memory, offset=-address % CACHE_LINE)


def empty_like(x: np.ndarray) -> np.ndarray:
    """The same, of the shape, dtype and memory order of `x`."""
    return empty(x.shape, x.dtype) if x.flags.c_contiguous else np.empty_like(x)


def strided(x: np.ndarray, shape: tuple[int, ...], strides: tuple[int, ...]) -> np.ndarray:
    """A view of contiguous x with these strides, in bytes, from its first value on.

    NumPy's as_strided does the same in five times the time, and does not check that the view stays
    within x.
    """
    return np.ndarray(shape, x.dtype, x, strides=strides)


def pieces(shape: tuple[int, int, int], piece: int = PIECE) -> list[tuple[slice, slice]]:
    """Cut (sets, rows, channels) into pieces of at most `piece` floats that fit a cache, as
    (slice of sets, slice of rows).

    Several passes over one piece then cost one trip to memory.
    """
    sets, rows, channels = shape
    if sets * rows * channels <= piece:
        return [(slice(0, sets), slice(0, rows))]
    if rows * channels > piece:
        return [(slice(s, s + 1), part) for s in range(sets)
                for part in parts(rows, channels, piece)]
    return [(part, slice(0, rows)) for part in parts(sets, rows * channels, piece)]


def parts(length: int, values_each: int, piece: int = PIECE) -> list[slice]:
    """Cut 0 … length − 1, of `values_each` floats each, into equal parts of at most `piece` floats.

    Every part has one element at least.
    """
    if length * values_each <= piece:
        return [slice(0, length)]
    count = min(length, -(-length * values_each // piece))
    bounds = [length * k // count for k in range(count + 1)]
    return [slice(start, stop) for start, stop in pairwise(bounds)]
