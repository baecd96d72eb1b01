"""Max pooling, average pooling and global average pooling.

A window covers size × size pixels and moves by `stride`.  With ceil_mode, windows at the lower and
right border may reach over it, if they begin inside the image.  They pool the pixels that they
hold.

Both poolings walk over the size² places in a window.  Place (p, q) of all windows at once is a
strided view of x, and its gradient is the same view of dx:

    max:      y = max over places            the first place that equals y receives dy
    average:  y = Σ over places / count      every place receives dy/count

count is the number of pixels that the window holds.  -(-a // b) below is a/b, rounded up.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minibn.backend import Array, array_module
from minibn.checks import check_flag, check_images, check_integer, check_upstream
from minibn.layer import Layer


def max_pool2d(x: Array, size: int, stride: int, ceil_mode: bool = False) -> tuple[Array, tuple]:
    """The largest value of each window and channel.

    x: (N, H, W, C), float32 or float64; size, stride ≥ 1; ceil_mode: see the top of this file.
    Returns y (N, H', W', C), of the dtype of x, and the cache for `max_pool2d_backward`.
    H' = (H − size)/stride + 1, rounded down, with ceil_mode up.
    Raises ValueError or TypeError for other shapes and dtypes, and where a window is larger than
    the image.
    """
    size, stride, shape = check_pooling(x, size, stride, ceil_mode)
    xp = array_module(x)
    y = xp.full(shape, -xp.inf, x.dtype)
    for seen, held in places(x.shape, shape, size, stride):
        xp.maximum(y[held], x[seen], out=y[held])
    return y, (x, y, size, stride)


def max_pool2d_backward(dy: Array, cache: tuple) -> Array:
    """dx (shape and dtype of x): each dy goes to the first of its window's largest values.

    "First" is row by row.  NaN counts as the largest, as it does for y.
    Raises ValueError or TypeError for a dy of another shape or dtype than y.
    """
    x, y, size, stride = cache
    check_upstream("dy", dy, y.shape, like=y)
    xp = array_module(x)
    dx = xp.zeros_like(x)
    free = xp.ones(y.shape, bool)                          # windows whose dy has no place yet
    for seen, held in places(x.shape, y.shape, size, stride):
        found = ((x[seen] == y[held]) | xp.isnan(x[seen])) & free[held]
        dx[seen] += dy[held] * found
        free[held] &= ~found
    return dx


def avg_pool2d(x: Array, size: int, stride: int, ceil_mode: bool = False) -> tuple[Array, tuple]:
    """The mean of each window and channel; a window cut by the border averages what it holds.

    Shapes, cache and errors as for `max_pool2d`.
    """
    size, stride, shape = check_pooling(x, size, stride, ceil_mode)
    xp = array_module(x)
    y = xp.zeros(shape, x.dtype)
    count = xp.zeros((1, shape[1], shape[2], 1), x.dtype)
    for seen, held in places(x.shape, shape, size, stride):
        y[held] += x[seen]
        count[held] += 1
    y /= count
    return y, (x, count, size, stride)


def avg_pool2d_backward(dy: Array, cache: tuple) -> Array:
    """dx (shape and dtype of x): each dy is divided equally among the pixels of its window.

    Raises ValueError or TypeError for a dy of another shape or dtype than y.
    """
    x, count, size, stride = cache
    shape = (len(x), *count.shape[1:3], x.shape[-1])
    check_upstream("dy", dy, shape, like=x)
    dx = array_module(x).zeros_like(x)
    share = dy / count
    for seen, held in places(x.shape, shape, size, stride):
        dx[seen] += share[held]
    return dx


def global_avg_pool2d(x: Array) -> tuple[Array, tuple]:
    """The mean of each image and channel: (N, H, W, C) → (N, C), and the cache.

    x: float32 or float64; y has its dtype.  Raises ValueError or TypeError for other arrays.
    """
    check_images("x", x)
    # A float32 sum over many pixels would lose digits where the mean is far from 0.
    y = x.mean((1, 2), dtype=np.float64).astype(x.dtype)
    return y, (x.shape, x[:1, :1, :1])                     # one pixel: its dtype and its device


def global_avg_pool2d_backward(dy: Array, cache: tuple) -> Array:
    """dx (N, H, W, C): dy/(H·W) at every pixel, given dy (N, C).

    Raises ValueError or TypeError for a dy of another shape or dtype than y.
    """
    (images, height, width, channels), like = cache
    check_upstream("dy", dy, (images, channels), like=like)
    share = (dy / (height * width))[:, None, None]
    shape = (images, height, width, channels)
    return array_module(dy).broadcast_to(share, shape).copy()


def check_pooling(x: Array, size: int, stride: int, ceil_mode: bool
                  ) -> tuple[int, int, tuple[int, ...]]:
    """size and stride as ints, and the shape of the pooled x, after a check of all arguments."""
    check_images("x", x)
    size = check_integer("size", size, least=1)
    stride = check_integer("stride", stride, least=1)
    ceil_mode = check_flag("ceil_mode", ceil_mode)
    if size > min(x.shape[1:3]):
        raise ValueError(f"size must not exceed the image, {x.shape[1]}x{x.shape[2]}, not {size}")
    height, width = (pooled_length(length, size, stride, ceil_mode) for length in x.shape[1:3])
    return size, stride, (len(x), height, width, x.shape[-1])


def pooled_length(length: int, size: int, stride: int, ceil_mode: bool) -> int:
    """How many windows fit along one side."""
    if not ceil_mode:
        return (length - size) // stride + 1
    windows = -(-(length - size) // stride) + 1
    return windows if (windows - 1) * stride < length else windows - 1


def places(shape: tuple[int, ...], pooled: tuple[int, ...], size: int, stride: int
           ) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """For each place of a window, row by row: the pixels there, and the windows that hold them.

    shape: of x; pooled: of y.  Yields two indices, one into x and one into y, for all windows at
    once; at a place beyond the border the windows that reach over it are left out.
    """
    def along(axis: int, offset: int) -> tuple[slice, slice]:
        held = min(pooled[axis], -(-(shape[axis] - offset) // stride))
        return slice(offset, offset + stride * held, stride), slice(0, held)

    for p in range(size):
        rows, held_rows = along(1, p)
        for q in range(size):
            columns, held_columns = along(2, q)
            yield (slice(None), rows, columns), (slice(None), held_rows, held_columns)


class MaxPool2d(Layer):
    """The largest value of each window.

    size: height and width of the window; stride: its step; ceil_mode: whether windows may reach
    over the lower and right border.
    """

    def __init__(self, size: int, stride: int, ceil_mode: bool = False) -> None:
        super().__init__()
        self.size = check_integer("size", size, least=1)
        self.stride = check_integer("stride", stride, least=1)
        self.ceil_mode = check_flag("ceil_mode", ceil_mode)

    def forward(self, x: Array, training: bool = False) -> Array:
        """(N, H, W, C) → (N, H', W', C)."""
        y, cache = max_pool2d(x, self.size, self.stride, self.ceil_mode)
        if training:
            self.cache = cache
        return y

    def backward(self, dy: Array) -> Array:
        """dx, of the shape of x."""
        return max_pool2d_backward(dy, self.remembered())


class AvgPool2d(MaxPool2d):
    """The mean of each window; arguments as for MaxPool2d."""

    def forward(self, x: Array, training: bool = False) -> Array:
        """(N, H, W, C) → (N, H', W', C)."""
        y, cache = avg_pool2d(x, self.size, self.stride, self.ceil_mode)
        if training:
            self.cache = cache
        return y

    def backward(self, dy: Array) -> Array:
        """dx, of the shape of x."""
        return avg_pool2d_backward(dy, self.remembered())


class GlobalAvgPool(Layer):
    """The mean of each image and channel: (N, H, W, C) → (N, C)."""

    def forward(self, x: Array, training: bool = False) -> Array:
        """(N, H, W, C) → (N, C)."""
        y, cache = global_avg_pool2d(x)
        if training:
            self.cache = cache
        return y

    def backward(self, dy: Array) -> Array:
        """dx (N, H, W, C)."""
        return global_avg_pool2d_backward(dy, self.remembered())
