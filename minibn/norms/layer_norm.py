"""LayerNorm: every image is normalized by all of its own values.

    μ = mean of x over all axes but the first        σ = √(mean((x − μ)²) + ε)
    y = γ·x̄ + β    with x̄ = (x − μ)/σ, γ and β for each channel

Backward, with g = γ·dy and means over the same axes.  The derivation is BN's (`batch_norm.py`),
which does not depend on the axes:

    dβ = Σ dy      dγ = Σ dy·x̄           (sums over all axes but the last)
    dx = (g − mean(g) − x̄·mean(g·x̄))/σ

No value of another image appears, so the batch size does not matter, and training and test agree.

Source: Ba, Kiros & Hinton 2016, reference [8] of the paper.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import float64

from minibn.backend import Array
from minibn.checks import check_number, check_scale_and_shift, check_upstream
from minibn.dispatch import accelerated
from minibn.norms.normalizer import Normalizer


class LayerNormCache(NamedTuple):
    """What the backward pass needs.  It computes x̄ again."""

    x: Array       # (N, …, C)
    mu: Array      # (N, 1, …, 1) float64
    sigma: Array   # (N, 1, …, 1) float64
    gamma: Array   # (C,)


@accelerated
def layer_norm(x: Array, gamma: Array, beta: Array, eps: float = 1e-5
               ) -> tuple[Array, LayerNormCache]:
    """y = γ·(x − μ)/σ + β with the statistics of each image.

    x: (N, C) or (N, H, W, C), float32 or float64; gamma, beta: (C,); eps ≥ 0.
    Returns y, of the shape and dtype of x, and the cache for `layer_norm_backward`.
    Raises ValueError or TypeError for other shapes and dtypes.
    """
    check_scale_and_shift(x, gamma, beta)
    eps = check_number("eps", eps, least=0)
    own = tuple(range(1, x.ndim))                              # all axes but the first
    mu = x.mean(own, dtype=float64, keepdims=True)             # (N, 1, 1, 1)
    var = ((x - mu) ** 2).mean(own, keepdims=True)             # (N, 1, 1, 1)
    sigma = (var + 0 * var + eps) ** 0.5           # ∞ + 0·∞ is NaN, so an overflow stays visible
    x_bar = (x - mu) / sigma                                   # (N, H, W, C)
    y = gamma * x_bar + beta                                   # (N, H, W, C)
    return y.astype(x.dtype, copy=False), LayerNormCache(x, mu, sigma, gamma)


@accelerated
def layer_norm_backward(dy: Array, cache: LayerNormCache) -> tuple[Array, Array, Array]:
    """dx (shape and dtype of x), dγ and dβ (C,), given dy of the shape and dtype of y.

    cache: of `layer_norm`.  Raises ValueError or TypeError for a dy of another shape or dtype.
    """
    x, mu, sigma, gamma = cache
    check_upstream("dy", dy, x.shape, like=x)
    own = tuple(range(1, x.ndim))                              # all axes but the first
    others = tuple(range(x.ndim - 1))                          # all axes but the channels
    x_bar = (x - mu) / sigma                                   # (N, H, W, C)
    dbeta = dy.sum(others, dtype=float64)                      # (C,)
    dgamma = (dy * x_bar).sum(others)                          # (C,)
    g = gamma * dy                                             # (N, H, W, C)
    g_mean = g.mean(own, dtype=float64, keepdims=True)         # (N, 1, 1, 1)
    gx_mean = (g * x_bar).mean(own, keepdims=True)             # (N, 1, 1, 1)
    dx = (g - g_mean - x_bar * gx_mean) / sigma                # (N, H, W, C)
    return (dx.astype(x.dtype, copy=False), dgamma.astype(gamma.dtype, copy=False),
            dbeta.astype(gamma.dtype, copy=False))


class LayerNorm(Normalizer):
    """LayerNorm with its parameters: gamma (C,) from 1, beta (C,) from 0.

    channels: C of the input (N, C) or (N, H, W, C); eps: ε inside σ; dtype: of γ and β, float32 or
    float64.  There are no averages, and a test is like a training pass.
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
