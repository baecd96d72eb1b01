"""Convolution on NumPy: windows of a few images at a time, or tiles with fewer multiplications.

The matrix of all windows is kh·kw times as large as x.  The windows of a few images are made, used
while they are still in the cache (`im2col.py`), and made again for dw.  To keep them would push the
weights out of the cache.  3×3 kernels at stride 1 take `winograd.py`.

At stride 1 the input gradient is itself a convolution.  The output position i − p + P sees x[i]
through w[p], so

    dx[i] = Σ_p dy[i − p + P]·w[p]ᵀ

is dy, padded by k − 1 − P, convolved with w turned by 180° and with C_in and C_out exchanged.  The
kernel takes this way or col2im's, whichever moves less memory.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy import ndarray as Array

from minibn.checks import check_upstream
from minibn.kernels.blocking import empty
from minibn.kernels.im2col import Windows
from minibn.kernels.threads import threads_for
from minibn.kernels.winograd import Tiled, tile_size
from minibn.kernels.workspace import scratch
from minibn.layers.conv import ConvCache, check_conv2d

FEW_CHANNELS = 24   # With fewer, adding back a pixel's channels takes longer than copying windows.


def conv2d(x: Array, w: Array, b: Array | None = None, stride: int = 1, padding: int = 0, *,
           keep: bool = True) -> tuple[Array, ConvCache | None]:
    """Kernel of `layers.conv.conv2d`; keeps V of `winograd.py` where it was used and is small."""
    stride, padding = check_conv2d(x, w, b, stride, padding)
    windows = Windows(x, w.shape, stride, padding)
    y = empty((len(x), windows.height, windows.width, w.shape[-1]), x.dtype)
    tile, points = tile_size(x, w, stride, padding), None
    with threads_for(y.size * w[..., 0].size, w.shape[-1]):
        if tile:
            points = Tiled(x, w, padding, tile).forward(y, keep)
        else:
            multiply_windows(windows, w, y)
    if b is not None:
        y += b
    return y, ConvCache(x, w, b, stride, padding, points) if keep else None


def conv2d_backward(dy: Array, cache: ConvCache, *, input_gradient: bool = True
                    ) -> tuple[Array | None, Array, Array | None]:
    """Kernel of `layers.conv.conv2d_backward`."""
    x, w, b, stride, padding, points = cast(Any, cache)        # a kernel's hold NumPy's arrays
    windows = Windows(x, w.shape, stride, padding)
    check_upstream("dy", dy, (len(x), windows.height, windows.width, w.shape[-1]), like=x)
    dy = np.ascontiguousarray(dy)
    with threads_for(dy.size * w[..., 0].size, w.shape[-1]):
        db = None if b is None else sum_positions(dy).astype(b.dtype, copy=False)
        tile = tile_size(x, w, stride, padding)
        if tile:
            dx = empty(x.shape, x.dtype) if input_gradient else None
            return dx, Tiled(x, w, padding, tile).backward(dy, dx, points), db
        if not input_gradient:
            dx = None
        elif turning_pays(w, stride, padding, positions=dy[..., 0].size):
            dx = convolve_turned(dy, w, padding)
        else:
            dx = add_back(windows, w, dy)
        return dx, kernel_gradient(windows, w, dy), db


def multiply_windows(windows: Windows, w: Array, y: Array) -> None:
    """y = windows·w, block by block."""
    matrix = w.reshape(-1, w.shape[-1])
    for n in windows.blocks():
        np.matmul(windows.matrix(n), matrix, out=y[n].reshape(-1, w.shape[-1]))


def kernel_gradient(windows: Windows, w: Array, dy: Array) -> Array:
    """dw = windowsᵀ·dy, added up over blocks."""
    dw = empty((w[..., 0].size, w.shape[-1]), w.dtype)
    for k, n in enumerate(windows.blocks()):
        term = scratch("term", dw.shape, dw.dtype) if k else dw
        np.matmul(windows.matrix(n).T, dy[n].reshape(-1, w.shape[-1]), out=term)
        if k:
            dw += term
    return dw.reshape(w.shape)


def turning_pays(w: Array, stride: int, padding: int, positions: int) -> bool:
    """Whether dx is faster to compute as a convolution of dy with the turned kernel.

    It copies windows of F filters where the other way adds up C channels; short runs of channels
    are slow to add; and with few positions, turning the kernel takes too long.  Where a window is
    one pixel, either is one product, and nothing is left to add.
    """
    kh, kw, channels, filters = w.shape
    if stride != 1 or kh != kw or kh <= padding:
        return False
    few = filters < channels or channels < FEW_CHANNELS
    return kh == 1 or (few and positions >= channels)


def convolve_turned(dy: Array, w: Array, padding: int) -> Array:
    """dx at stride 1: dy convolved with the turned kernel, its in- and outputs exchanged."""
    turned = np.ascontiguousarray(w[::-1, ::-1].swapaxes(2, 3))   # (k, k, F, C)
    dx, _ = conv2d(dy, turned, padding=len(w) - 1 - padding, keep=False)
    return dx


def add_back(windows: Windows, w: Array, dy: Array) -> Array:
    """dx at any stride: dwindows = dy·wᵀ, every entry added to the pixel it came from."""
    stride, padding = windows.stride, windows.padding
    kh, kw, channels, filters = w.shape
    _, height, width, _ = dy.shape
    of_dy = w.reshape(-1, filters).T                                   # wᵀ: (F, kh·kw·C)
    dx = empty(windows.x.shape, w.dtype)
    dx[...] = 0
    for n in windows.blocks():
        dy_matrix = dy[n].reshape(-1, filters)
        dwindows = scratch("windows", (len(dy_matrix), of_dy.shape[1]), w.dtype)
        np.matmul(dy_matrix, of_dy, out=dwindows)
        dwindows = dwindows.reshape(-1, height, width, kh, kw, channels)
        for p in range(kh):
            i, rows = overlap(dx.shape[1], p - padding, stride, height)
            for q in range(kw):
                j, columns = overlap(dx.shape[2], q - padding, stride, width)
                dx[n, rows, columns] += dwindows[:, i, j, p, q]
    return dx


@lru_cache
def overlap(length: int, start: int, step: int, count: int) -> tuple[slice, slice]:
    """Which of the `count` pixels start, start + step, … lie inside an image, 0 … length − 1.

    Returns a slice of the count, and the slice of the image's pixels that belongs to it.
    """
    first = max(0, -(start // step))
    stop = max(first, min(count, (length - 1 - start) // step + 1))
    return slice(first, stop), slice(start + first * step, start + stop * step, step)


def sum_positions(dy: Array) -> Array:
    """(N, H, W, C) → (C,), as a product with ones."""
    rows = dy.reshape(-1, dy.shape[-1])
    return np.ones(len(rows), dy.dtype) @ rows
