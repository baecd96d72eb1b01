"""Convolution as windows times a matrix, and its two gradients.

    y[n, i, j, :] = b + Σ_{p,q} x[n, i·s + p − P, j·s + q − P, :] · w[p, q]   (stride s, padding P)

For each output position lay the kh·kw·C_in values that it sees in a row: a matrix `windows` with
one row for each position.  With w as a matrix (kh·kw·C_in, C_out), convolution is one product,

    y = windows·w + b

and the derivative of a product gives

    dw = windowsᵀ·dy        db = Σ dy (over all positions)
    dwindows = dy·wᵀ        dx = every entry of dwindows added back to where it came from

The last line is itself a convolution.  At stride 1, x[i] is seen by the output position i − p + P
through w[p], so

    dx[i] = Σ_p dy[i − p + P]·w[p]ᵀ

is dy, padded by k − 1 − P, convolved with w turned by 180° and with C_in and C_out exchanged.  The
code takes whichever way moves less memory; adding entries back serves every stride.

The windows are kh·kw times as large as x.  They are made for a few images at a time, used while
they are still in the cache (`windows.py`), and made again for dw: kept, they would drive the
weights out of the cache.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from minibn.backend import Array, array_module, empty
from minibn.checks import (
    check_dtype,
    check_flag,
    check_float,
    check_images,
    check_integer,
    check_same_kind,
    check_upstream,
    check_vector,
)
from minibn.kernels.im2col import Windows
from minibn.kernels.winograd import Tiled, tile_size
from minibn.kernels.workspace import Workspace
from minibn.layer import Layer
from minibn.layers.initialize import he_normal

FEW_CHANNELS = 24   # With fewer, adding back a pixel's channels takes longer than copying windows.


class Convolved(NamedTuple):
    """What the backward pass needs."""

    x: Array             # (N, H, W, C_in)
    w: Array             # (kh, kw, C_in, C_out)
    b: Array | None      # (C_out,)
    stride: int
    padding: int
    points: list[Array] | None    # V of winograd.py, where it was used and V is small


def conv2d(x: Array, w: Array, b: Array | None = None, stride: int = 1, padding: int = 0, *,
           workspace: Workspace | None = None, keep: bool = True) -> tuple[Array, Convolved]:
    """y = x ∗ w + b with zero padding.

    x: (N, H, W, C_in), float32 or float64; w: (kh, kw, C_in, C_out), of the dtype of x;
    b: (C_out,) or None; stride ≥ 1 and padding ≥ 0, the same in both directions; workspace:
    scratch memory to use; keep=False saves memory where no backward pass follows.
    Returns y (N, H', W', C_out), H' = (H + 2·padding − kh)//stride + 1, and the cache for
    `conv2d_backward`.  Raises ValueError or TypeError for other shapes and dtypes, and where
    the kernel is larger than the padded image.
    """
    check_images("x", x)
    check_kernel("w", w, x)
    stride = check_integer("stride", stride, least=1)
    padding = check_integer("padding", padding, least=0)
    if b is not None:
        check_vector("b", b, w.shape[-1], like=x)
    workspace = workspace or Workspace()
    windows = Windows(x, w.shape, stride, padding, workspace)
    y = empty((len(x), windows.height, windows.width, w.shape[-1]), x.dtype, array_module(x))
    tile, points = tile_size(x, w, stride, padding), None
    if tile:
        points = Tiled(x, w, padding, tile, workspace).forward(y, keep)
    else:
        multiply_windows(windows, w, y)
    if b is not None:
        y += b
    return y, Convolved(x, w, b, stride, padding, points)


def conv2d_backward(dy: Array, cache: Convolved, *, input_gradient: bool = True,
                    workspace: Workspace | None = None) -> tuple[Array | None, Array, Array | None]:
    """dx (shape of x), dw (shape of w) and db (C_out,), given dy of the shape of y.

    dx is None with input_gradient=False: the first layer of a network has no use for it.  db is
    None where there was no bias.
    """
    x, w, b, stride, padding, points = cache
    workspace = workspace or Workspace()
    windows = Windows(x, w.shape, stride, padding, workspace)
    check_upstream("dy", dy, (len(x), windows.height, windows.width, w.shape[-1]), like=x)
    dy = array_module(x).ascontiguousarray(dy)
    db = None if b is None else sum_positions(dy).astype(b.dtype, copy=False)
    tile = tile_size(x, w, stride, padding)
    if tile:
        dx = empty(x.shape, x.dtype, array_module(x)) if input_gradient else None
        return dx, Tiled(x, w, padding, tile, workspace).backward(dy, dx, points), db
    if not input_gradient:
        dx = None
    elif turning_pays(w, stride, padding, positions=dy[..., 0].size):
        dx = convolve_turned(dy, w, padding, workspace)
    else:
        dx = add_back(windows, w, dy)
    return dx, kernel_gradient(windows, w, dy), db


def multiply_windows(windows: Windows, w: Array, y: Array) -> None:
    """y = windows·w, block by block."""
    matrix = w.reshape(-1, w.shape[-1])
    for n in windows.blocks():
        windows.xp.matmul(windows.matrix(n), matrix, out=y[n].reshape(-1, w.shape[-1]))


def kernel_gradient(windows: Windows, w: Array, dy: Array) -> Array:
    """dw = windowsᵀ·dy, added up over blocks."""
    xp = windows.xp
    dw = empty((w[..., 0].size, w.shape[-1]), w.dtype, xp)
    for k, n in enumerate(windows.blocks()):
        term = windows.workspace.array("term", dw.shape, dw.dtype, xp) if k else dw
        xp.matmul(windows.matrix(n).T, dy[n].reshape(-1, w.shape[-1]), out=term)
        if k:
            dw += term
    return dw.reshape(w.shape)


def turning_pays(w: Array, stride: int, padding: int, positions: int) -> bool:
    """Whether dx is quicker to have by a convolution of dy with the turned kernel than by adding.

    It copies windows of F filters where the other way adds up C channels; short runs of channels
    are slow to add; and with few positions, turning the kernel takes too long.  Where a window is
    one pixel, either is one product, and nothing is left to add.
    """
    kh, kw, channels, filters = w.shape
    if stride != 1 or kh != kw or kh <= padding:
        return False
    few = filters < channels or channels < FEW_CHANNELS
    return kh == 1 or (few and positions >= channels)


def convolve_turned(dy: Array, w: Array, padding: int, workspace: Workspace) -> Array:
    """dx at stride 1: dy convolved with the turned kernel, its in- and outputs exchanged."""
    turned = array_module(w).ascontiguousarray(w[::-1, ::-1].swapaxes(2, 3))   # (k, k, F, C)
    dx, _ = conv2d(dy, turned, padding=len(w) - 1 - padding, workspace=workspace, keep=False)
    return dx


def add_back(windows: Windows, w: Array, dy: Array) -> Array:
    """dx at any stride: dwindows = dy·wᵀ, every entry added to the pixel it came from."""
    xp, stride, padding = windows.xp, windows.stride, windows.padding
    kh, kw, channels, filters = w.shape
    _, height, width, _ = dy.shape
    of_dy = w.reshape(-1, filters).T                                   # wᵀ: (F, kh·kw·C)
    dx = empty(windows.x.shape, w.dtype, xp)
    dx[...] = 0
    for n in windows.blocks():
        dy_matrix = dy[n].reshape(-1, filters)
        dwindows = windows.workspace.array("windows", (len(dy_matrix), of_dy.shape[1]), w.dtype, xp)
        xp.matmul(dy_matrix, of_dy, out=dwindows)
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
    return array_module(dy).ones(len(rows), dy.dtype) @ rows


def check_kernel(name: str, w: Array, x: Array) -> None:
    """`w` is (kh, kw, C_in, C_out), of the dtype and on the device of x, its C_in that of x."""
    check_float(name, w)
    check_same_kind(name, w, x)
    if w.ndim != 4 or w.size == 0:
        raise ValueError(f"{name} must have shape (kh, kw, C_in, C_out), not {w.shape}")
    if w.shape[2] != x.shape[-1]:
        raise ValueError(f"{name} expects {w.shape[2]} channels (its shape is {w.shape}), "
                         f"but x has {x.shape[-1]} (its shape is {x.shape})")


class Conv2d(Layer):
    """A convolution with its weights.

    in_channels, out_channels: C_in and C_out; size: the kernel's height and width; stride,
    padding: the same in both directions; bias: whether b is added; seed: an int or a
    numpy.random.Generator for the He-normal start of w; dtype: float32 or float64.

    params: w (size, size, C_in, C_out), and b (C_out,) from 0 with bias=True.
    """

    may_skip_input_gradient = True

    def __init__(self, in_channels: int, out_channels: int, size: int, stride: int = 1,
                 padding: int = 0, bias: bool = True, seed: int | np.random.Generator = 0, *,
                 dtype: object = np.float32) -> None:
        super().__init__()
        size = check_integer("size", size, least=1)
        shape = (size, size, check_integer("in_channels", in_channels, least=1),
                 check_integer("out_channels", out_channels, least=1))
        self.stride = check_integer("stride", stride, least=1)
        self.padding = check_integer("padding", padding, least=0)
        dtype = check_dtype(dtype)
        self.params = {"w": he_normal(shape, seed, dtype)}
        if check_flag("bias", bias):
            self.params["b"] = np.zeros(out_channels, dtype)
        self.workspace = Workspace()

    def forward(self, x: Array, training: bool = False) -> Array:
        """(N, H, W, C_in) → (N, H', W', C_out)."""
        y, cache = conv2d(x, self.params["w"], self.params.get("b"), self.stride, self.padding,
                          workspace=self.workspace, keep=training)
        if training:
            self.cache = cache
        return y

    def backward(self, dy: Array, input_gradient: bool = True) -> Array | None:
        """dx (None if not asked for); assigns grads["w"] and, with a bias, grads["b"]."""
        dx, self.grads["w"], db = conv2d_backward(
            dy, self.remembered(), input_gradient=input_gradient, workspace=self.workspace)
        if db is not None:
            self.grads["b"] = db
        return dx

    def share(self, workspace: Workspace) -> None:
        """Take scratch memory from this workspace from now on."""
        self.workspace = workspace

    def to(self, device: str) -> Layer:
        """Move to "cpu" or "gpu"; scratch memory is made anew there."""
        self.workspace.clear()
        return super().to(device)
