"""LayerNorm: every image normalized by all of its own values.

    μ = mean of x over all axes but the first        σ² = mean((x − μ)²) + ε
    y = γ·x̄ + β    with x̄ = (x − μ)/σ, γ and β for each channel

Backward (derived in `standardize.py`), with g = γ·dy and means over the same axes:

    dβ = Σ dy      dγ = Σ dy·x̄           (sums over all axes but the last)
    dx = (g − mean(g) − x̄·mean(g·x̄))/σ

No value of another image appears: batch size does not matter, and training and test agree.

Source: Ba, Kiros & Hinton 2016, reference [8] of the paper.
"""

from __future__ import annotations

import numpy as np

from minibn.backend import Array, array_module
from minibn.checks import check_number, check_scale_and_shift
from minibn.norms.normalizer import Normalizer
from minibn.norms.standardize import Standardized, moments, standardize, standardize_backward


def layer_norm(x: Array, gamma: Array, beta: Array, eps: float = 1e-5
               ) -> tuple[Array, Standardized]:
    """y = γ·(x − μ)/σ + β with the statistics of each image.

    x: (N, C) or (N, H, W, C), float32 or float64; gamma, beta: (C,); eps ≥ 0.
    Returns y, of the shape and dtype of x, and the cache for `layer_norm_backward`.
    Raises ValueError or TypeError for other shapes and dtypes.
    """
    check_scale_and_shift(x, gamma, beta)
    eps = check_number("eps", eps, least=0)
    mean, var = moments(x, sets=len(x), groups=1)                      # (N, C), (N, C)
    return standardize(x, mean, array_module(x).sqrt(var + eps), gamma, beta, groups=1)


def layer_norm_backward(dy: Array, cache: Standardized) -> tuple[Array, Array, Array]:
    """dx (shape of x), dγ and dβ (C,), given dy of the shape of y."""
    return standardize_backward(dy, cache)


class LayerNorm(Normalizer):
    """LayerNorm with its parameters: gamma (C,) from 1, beta (C,) from 0.

    channels: C of the input (N, C) or (N, H, W, C); eps: ε inside σ.
    """

    def __init__(self, channels: int, eps: float = 1e-5, *, dtype: object = np.float32) -> None:
        super().__init__(channels, eps, dtype)

    def forward(self, x: Array, training: bool = False) -> Array:
        """y, of the shape and dtype of x."""
        y, cache = layer_norm(x, *self.check_input(x), self.eps)
        if training:
            self.cache = cache
        return y

    def backward(self, dy: Array) -> Array:
        """dx; assigns grads["gamma"] and grads["beta"]."""
        dx, self.grads["gamma"], self.grads["beta"] = layer_norm_backward(dy, self.remembered())
        return dx
