"""ReLU and ELU.

    relu(x) = max(x, 0)                     dx = dy where x > 0, else 0        (ReLU′(0) = 0)
    elu(x)  = x where x > 0                 dx = dy where x > 0
              α·(eˣ − 1) elsewhere               dy·(y + α) elsewhere          (α·eˣ = y + α)

(α is ELU's own constant, not the decay of a moving average.)

Source of ELU: Clevert, Unterthiner & Hochreiter 2016, reference [16] of the paper.
"""

from __future__ import annotations

import numpy as np

from minibn.backend import Array
from minibn.checks import check_float, check_number, check_upstream
from minibn.dispatch import accelerated
from minibn.layer import Layer


@accelerated
def relu(x: Array) -> tuple[Array, Array]:
    """max(x, 0) and the cache for `relu_backward`, which is the result itself.

    x: float32 or float64, of any shape; y has its shape and dtype.  Raises TypeError for another
    dtype.
    """
    check_float("x", x)
    y = np.maximum(x, 0)
    return y, y


@accelerated
def relu_backward(dy: Array, cache: Array) -> Array:
    """dy where the result was positive, else dy·0: 0, or NaN where dy is infinite or NaN.

    dy: of the shape and dtype of the result.  Raises ValueError or TypeError for another one.
    """
    y = cache
    check_upstream("dy", dy, y.shape, like=y)
    return dy * (y > 0)


def elu(x: Array, alpha: float = 1.0) -> tuple[Array, tuple]:
    """x where positive, else α·(eˣ − 1), and the cache for `elu_backward`.

    x: float32 or float64, of any shape; alpha ≥ 0.  y has the shape and dtype of x.
    Raises TypeError for another dtype, ValueError or TypeError for another alpha.
    """
    check_float("x", x)
    alpha = check_number("alpha", alpha, least=0)
    y = np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))
    return y, (x, y, alpha)


def elu_backward(dy: Array, cache: tuple) -> Array:
    """dy·elu′(x), where elu′ is 1 for positive x and y + α elsewhere.

    dy: of the shape and dtype of y.  Raises ValueError or TypeError for another one.
    """
    x, y, alpha = cache
    check_upstream("dy", dy, y.shape, like=y)
    return dy * np.where(x > 0, 1, y + alpha)


class ReLU(Layer):
    """max(x, 0)."""

    def forward(self, x: Array, training: bool = False) -> Array:
        """y, of the shape and dtype of x."""
        y, cache = relu(x)
        if training:
            self.cache = cache
        return y

    def backward(self, dy: Array) -> Array:
        """dx, of the shape of x."""
        return relu_backward(dy, self.remembered())


class ELU(Layer):
    """x where positive, else α·(eˣ − 1); alpha: α ≥ 0."""

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = check_number("alpha", alpha, least=0)

    def forward(self, x: Array, training: bool = False) -> Array:
        """y, of the shape and dtype of x."""
        y, cache = elu(x, self.alpha)
        if training:
            self.cache = cache
        return y

    def backward(self, dy: Array) -> Array:
        """dx, of the shape of x."""
        return elu_backward(dy, self.remembered())
