"""Convolution on a GPU: im2col and col2im in one launch each, and matrix products.

The textbook pads, copies windows, and adds kh·kw slices, each in a launch of its own.
"""

from __future__ import annotations

from typing import Any

from cupy import ElementwiseKernel, empty

from minibn.backend import Array
from minibn.checks import check_upstream
from minibn.layers.conv import ConvCache, check_conv2d

MOST = 2**31 - 1     # entries that the kernels' 32-bit indices can count

_im2col = ElementwiseKernel(
    "raw T x, int32 height, int32 width, int32 channels, int32 down, int32 along,"
    "int32 kh, int32 kw, int32 stride, int32 padding", "T entry", """
    // i counts (N, down, along, kh, kw, C), the last axis fastest
    int rest = i;
    const int c = rest % channels; rest /= channels;
    const int q = rest % kw; rest /= kw;
    const int p = rest % kh; rest /= kh;
    const int column = rest % along * stride + q - padding; rest /= along;
    const int row = rest % down * stride + p - padding; rest /= down;
    const bool inside = row >= 0 && row < height && column >= 0 && column < width;
    entry = inside ? x[((rest * height + row) * width + column) * channels + c] : T(0);
    """, "minibn_im2col")

_col2im = ElementwiseKernel(
    "raw T entries, int32 height, int32 width, int32 channels, int32 down, int32 along,"
    "int32 kh, int32 kw, int32 stride, int32 padding", "T pixel", """
    // i counts (N, H, W, C); the windows that see a pixel are found from the places in a window
    int rest = i;
    const int c = rest % channels; rest /= channels;
    const int column = rest % width; rest /= width;
    const int row = rest % height; rest /= height;
    T sum = 0;
    for (int p = 0; p < kh; p++) {
        const int above = row + padding - p;
        if (above < 0 || above % stride || above / stride >= down) continue;
        for (int q = 0; q < kw; q++) {
            const int left = column + padding - q;
            if (left < 0 || left % stride || left / stride >= along) continue;
            const int window = (rest * down + above / stride) * along + left / stride;
            sum += entries[((window * kh + p) * kw + q) * channels + c];
        }
    }
    pixel = sum;
    """, "minibn_col2im")


def conv2d(x: Array, w: Array, b: Array | None = None, stride: int = 1, padding: int = 0, *,
           keep: bool = True) -> Any:
    """Kernel of `layers.conv.conv2d`."""
    stride, padding = check_conv2d(x, w, b, stride, padding)
    shape = windows_shape(x, w, stride, padding)
    if too_large(x, w, shape):
        return NotImplemented
    y = im2col(x, w, shape, stride, padding) @ w.reshape(-1, w.shape[3])
    if b is not None:
        y += b
    return y.reshape(*shape, -1), ConvCache(x, w, b, stride, padding) if keep else None


def conv2d_backward(dy: Array, cache: ConvCache, *, input_gradient: bool = True) -> Any:
    """Kernel of `layers.conv.conv2d_backward`."""
    x, w, b, stride, padding, _ = cache
    shape = windows_shape(x, w, stride, padding)
    if too_large(x, w, shape):
        return NotImplemented
    check_upstream("dy", dy, (*shape, w.shape[3]), like=x)
    dy = dy.reshape(-1, w.shape[3])                            # (N·H'·W', C_out)
    dw = (im2col(x, w, shape, stride, padding).T @ dy).reshape(w.shape)
    db = None if b is None else dy.sum(0, dtype="float64").astype(b.dtype)
    if not input_gradient:
        return None, dw, db
    drows = dy @ w.reshape(-1, w.shape[3]).T                   # (N·H'·W', kh·kw·C_in)
    dx = empty(x.shape, x.dtype)
    _col2im(drows.reshape(-1), *x.shape[1:], *shape[1:], *w.shape[:2], stride, padding, dx)
    return dx, dw, db


def windows_shape(x: Array, w: Array, stride: int, padding: int) -> tuple[int, int, int]:
    """N, H' and W': how many windows there are."""
    down, along = ((x.shape[axis] + 2 * padding - w.shape[axis - 1]) // stride + 1
                   for axis in (1, 2))
    return x.shape[0], down, along


def too_large(x: Array, w: Array, shape: tuple[int, int, int]) -> bool:
    """Whether x or its windows have more entries than 32 bits count."""
    images, down, along = shape
    return max(x.size, images * down * along * w[..., 0].size) > MOST


def im2col(x: Array, w: Array, shape: tuple[int, int, int], stride: int, padding: int) -> Array:
    """The windows as rows, (N·H'·W', kh·kw·C)."""
    images, down, along = shape
    rows = empty((images * down * along, w[..., 0].size), x.dtype)
    _im2col(x.reshape(-1), *x.shape[1:], down, along, *w.shape[:2], stride, padding, rows)
    return rows
