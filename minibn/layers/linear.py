"""The linear layer, y = x·w + b.

Backward: a product's derivative, with dy given,

    dx = dy·wᵀ      dw = xᵀ·dy      db = Σ dy (over the batch)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minibn.backend import Array
from minibn.checks import (
    check_dtype,
    check_flag,
    check_float,
    check_integer,
    check_rows,
    check_same_kind,
    check_upstream,
    check_vector,
)
from minibn.dispatch import accelerated
from minibn.layer import Layer
from minibn.layers.initialize import he_normal


class LinearCache(NamedTuple):
    """What the backward pass needs."""

    x: Array             # (N, inputs)
    w: Array             # (inputs, outputs)
    b: Array | None      # (outputs,)


@accelerated
def linear(x: Array, w: Array, b: Array | None = None) -> tuple[Array, LinearCache]:
    """y = x·w + b.

    x: (N, inputs), float32 or float64; w: (inputs, outputs), of the dtype of x; b: (outputs,)
    or None.  Returns y (N, outputs), of the dtype of x, and the cache for `linear_backward`.
    Raises ValueError or TypeError for other shapes and dtypes.
    """
    check_linear(x, w, b)
    y = x @ w                                                  # (N, outputs)
    if b is not None:
        y = y + b
    return y, LinearCache(x, w, b)


@accelerated
def linear_backward(dy: Array, cache: LinearCache) -> tuple[Array, Array, Array | None]:
    """dx (N, inputs), dw (inputs, outputs) and db (outputs,) or None, given dy (N, outputs).

    Raises ValueError or TypeError for a dy of another shape or dtype.
    """
    x, w, b = cache
    check_upstream("dy", dy, (len(x), w.shape[1]), like=x)
    dx = dy @ w.T                                              # (N, inputs)
    dw = x.T @ dy                                              # (inputs, outputs)
    db = None if b is None else dy.sum(0, dtype=np.float64).astype(b.dtype)    # (outputs,)
    return dx, dw, db


def check_linear(x: Array, w: Array, b: Array | None) -> None:
    """x is (N, inputs), w (inputs, outputs) and b (outputs,) or None, of one dtype and device."""
    check_rows("x", x)
    check_float("w", w)
    check_same_kind("w", w, x)
    if w.ndim != 2 or w.shape[0] != x.shape[1] or w.size == 0:
        raise ValueError(f"w must have shape ({x.shape[1]}, outputs) for x of shape {x.shape}, "
                         f"not {w.shape}")
    if b is not None:
        check_vector("b", b, w.shape[1], like=x)


class Linear(Layer):
    """A linear layer with its weights.

    inputs, outputs: the lengths of a row of x and of y; bias: whether b is added; seed: an int or a
    numpy.random.Generator for the He-normal start of w (None: `minibn.seed`); dtype: float32 or
    float64.

    params: w (inputs, outputs), and b (outputs,) from 0 with bias=True.
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = True,
                 seed: int | np.random.Generator | None = None, *,
                 dtype: object = np.float32) -> None:
        super().__init__()
        shape = (check_integer("inputs", inputs, least=1),
                 check_integer("outputs", outputs, least=1))
        dtype = check_dtype(dtype)
        self.params = {"w": he_normal(shape, seed, dtype)}
        if check_flag("bias", bias):
            self.params["b"] = np.zeros(outputs, dtype)

    def forward(self, x: Array, training: bool = False) -> Array:
        """(N, inputs) → (N, outputs)."""
        y, cache = linear(x, self.params["w"], self.params.get("b"))
        if training:
            self.cache = cache
        return y

    def backward(self, dy: Array) -> Array:
        """dx; assigns grads["w"] and, with a bias, grads["b"]."""
        dx, self.grads["w"], db = linear_backward(dy, self.remembered())
        if db is not None:
            self.grads["b"] = db
        return dx
