"""Convolution as windows times a matrix, and its gradients.

    y[n, i, j, :] = b + Σ_{p,q} x[n, i·s + p − P, j·s + q − P, :] · w[p, q]   (stride s, padding P)

Each term is a vector (C_in,) times a matrix (C_in, C_out).  The kernel is not turned around, as in
all libraries for deep learning.

Write the kh·kw·C_in values that an output position sees into one row.  All positions together give
a matrix, im2col(x), with one row for each position.  With w as a matrix (kh·kw·C_in, C_out),
convolution is one product, and its gradients are those of a product:

    y = im2col(x)·w + b

    dw = im2col(x)ᵀ·dy      db = Σ dy (over all positions)
    dx = col2im(dy·wᵀ)      every entry of the matrix is added back to the pixel it came from

col2im is the transpose of im2col: im2col copies a pixel into every window that sees it, so the
pixel receives the sum of the gradients of all its copies.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minibn.backend import Array
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
from minibn.dispatch import accelerated
from minibn.layer import Layer
from minibn.layers.initialize import he_normal


class ConvCache(NamedTuple):
    """What the backward pass needs."""

    x: Array             # (N, H, W, C_in)
    w: Array             # (kh, kw, C_in, C_out)
    b: Array | None      # (C_out,)
    stride: int
    padding: int
    kept: Any = None     # what a kernel computed and can use again; the textbook keeps nothing


@accelerated
def conv2d(x: Array, w: Array, b: Array | None = None, stride: int = 1, padding: int = 0, *,
           keep: bool = True) -> tuple[Array, ConvCache | None]:
    """y = x ∗ w + b with zero padding; ∗ is the sum at the top of this file.

    x: (N, H, W, C_in), float32 or float64; w: (kh, kw, C_in, C_out), of the dtype of x;
    b: (C_out,) or None; stride ≥ 1 and padding ≥ 0, the same in both directions; keep: whether a
    backward pass will follow.
    Returns y (N, H', W', C_out), H' = (H + 2·padding − kh)//stride + 1, and the cache for
    `conv2d_backward` (None without keep).  Raises ValueError or TypeError for other shapes and
    dtypes, and where the kernel is larger than the padded image.
    """
    stride, padding = check_conv2d(x, w, b, stride, padding)
    windows = im2col(x, w.shape, stride, padding)              # (N, H', W', kh, kw, C_in)
    rows = windows.reshape(-1, w[..., 0].size)                 # (N·H'·W', kh·kw·C_in)
    y = rows @ w.reshape(-1, w.shape[3])                       # (N·H'·W', C_out)
    if b is not None:
        y = y + b
    y = y.reshape(*windows.shape[:3], -1)                      # (N, H', W', C_out)
    return y, ConvCache(x, w, b, stride, padding) if keep else None


@accelerated
def conv2d_backward(dy: Array, cache: ConvCache, *, input_gradient: bool = True
                    ) -> tuple[Array | None, Array, Array | None]:
    """dx (shape of x), dw (shape of w) and db (C_out,), given dy of the shape and dtype of y.

    dx is None with input_gradient=False: the first layer of a network has no use for it.  db is
    None where there was no bias.
    Raises ValueError or TypeError for a dy of another shape or dtype.
    """
    x, w, b, stride, padding, _ = cache
    windows = im2col(x, w.shape, stride, padding)              # (N, H', W', kh, kw, C_in)
    check_upstream("dy", dy, (*windows.shape[:3], w.shape[3]), like=x)
    rows = windows.reshape(-1, w[..., 0].size)                 # (N·H'·W', kh·kw·C_in)
    dy = dy.reshape(-1, w.shape[3])                            # (N·H'·W', C_out)
    dw = (rows.T @ dy).reshape(w.shape)                        # (kh, kw, C_in, C_out)
    db = None if b is None else dy.sum(0, dtype=np.float64).astype(b.dtype)    # (C_out,)
    if not input_gradient:
        return None, dw, db
    drows = dy @ w.reshape(-1, w.shape[3]).T                   # (N·H'·W', kh·kw·C_in)
    return col2im(drows.reshape(windows.shape), x.shape, stride, padding), dw, db


def im2col(x: Array, kernel: tuple[int, ...], stride: int, padding: int) -> Array:
    """The window that each output position sees: (N, H, W, C) → (N, H', W', kh, kw, C).

    kernel: (kh, kw, …).  The result is a view of the padded images: no window is copied yet.
    """
    around = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(x, around), kernel[:2], axis=(1, 2))            # (N, rows, columns, C, kh, kw)
    return windows[:, ::stride, ::stride].transpose(0, 1, 2, 4, 5, 3)


def col2im(dwindows: Array, shape: tuple[int, ...], stride: int, padding: int) -> Array:
    """Each entry of (N, H', W', kh, kw, C) added to the pixel it came from: (N, H, W, C).

    shape: (N, H, W, C); stride, padding: those of `im2col`.
    """
    (images, height, width, channels), (_, down, along, kh, kw, _) = shape, dwindows.shape
    padded = (images, height + 2 * padding, width + 2 * padding, channels)
    dx = np.zeros_like(dwindows, shape=padded)
    for p in range(kh):
        for q in range(kw):
            pixels = dx[:, p:p + stride * down:stride, q:q + stride * along:stride]
            pixels += dwindows[:, :, :, p, q]                  # in place: a view of dx
    return dx[:, padding:padding + height, padding:padding + width]


def check_conv2d(x: Array, w: Array, b: Array | None, stride: int, padding: int
                 ) -> tuple[int, int]:
    """stride and padding as ints, after a check of all arguments of `conv2d`."""
    check_images("x", x)
    check_kernel("w", w, x)
    stride = check_integer("stride", stride, least=1)
    padding = check_integer("padding", padding, least=0)
    if b is not None:
        check_vector("b", b, w.shape[-1], like=x)
    kh, kw = w.shape[:2]
    if kh > x.shape[1] + 2 * padding or kw > x.shape[2] + 2 * padding:
        raise ValueError(f"x of {x.shape[1]}x{x.shape[2]}, padded by {padding}, is smaller "
                         f"than the kernel of {kh}x{kw}")
    # All strides beyond the padded image give one window; a huge one would overflow an index.
    return min(stride, max(x.shape[1:3]) + 2 * padding), padding


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
    numpy.random.Generator for the He-normal start of w (None: `minibn.seed`); dtype: float32 or
    float64.

    params: w (size, size, C_in, C_out), and b (C_out,) from 0 with bias=True.
    """

    may_skip_input_gradient = True

    def __init__(self, in_channels: int, out_channels: int, size: int, stride: int = 1,
                 padding: int = 0, bias: bool = True,
                 seed: int | np.random.Generator | None = None, *,
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

    def forward(self, x: Array, training: bool = False) -> Array:
        """(N, H, W, C_in) → (N, H', W', C_out), of the dtype of x.  Errors: those of `conv2d`."""
        y, cache = conv2d(x, self.params["w"], self.params.get("b"), self.stride, self.padding,
                          keep=training)
        if training:
            self.cache = cache
        return y

    def backward(self, dy: Array, input_gradient: bool = True  # type: ignore[override]
                 ) -> Array | None:
        """dx (None if not asked for); assigns grads["w"] and, with a bias, grads["b"]."""
        dx, self.grads["w"], db = conv2d_backward(
            dy, self.remembered(), input_gradient=input_gradient)
        if db is not None:
            self.grads["b"] = db
        return dx
