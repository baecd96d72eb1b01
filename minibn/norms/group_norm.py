"""GroupNorm: every image is normalized by its own values, one group of channels at a time.

    μ = mean of x over space and the channels of a group      σ = √(mean((x − μ)²) + ε)
    y = γ·x̄ + β    with x̄ = (x − μ)/σ, γ and β for each channel

Backward, with g = γ·dy and means over the same values.  The derivation is BN's (`batch_norm.py`),
which does not depend on the axes:

    dβ = Σ dy      dγ = Σ dy·x̄           (sums over all axes but the last)
    dx = (g − mean(g) − x̄·mean(g·x̄))/σ

One group is LayerNorm; as many groups as channels is Instance Normalization.

Source: Wu & He 2018, reference [9] of the paper.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import float64

from minibn.backend import Array
from minibn.checks import check_integer, check_number, check_scale_and_shift, check_upstream
from minibn.dispatch import accelerated
from minibn.norms.normalizer import Normalizer


class GroupNormCache(NamedTuple):
    """What the backward pass needs.  It computes x̄ again."""

    x: Array       # (N, …, C)
    mu: Array      # (N, 1, …, G, 1) float64
    sigma: Array   # (N, 1, …, G, 1) float64
    gamma: Array   # (C,)
    groups: int    # G


@accelerated
def group_norm(x: Array, gamma: Array, beta: Array, groups: int, eps: float = 1e-5
               ) -> tuple[Array, GroupNormCache]:
    """y = γ·(x − μ)/σ + β with the statistics of each image and group of channels.

    x: (N, C) or (N, H, W, C), float32 or float64; gamma, beta: (C,); groups: G, a divisor of C;
    eps ≥ 0.  Returns y, of the shape and dtype of x, and the cache for `group_norm_backward`.
    Raises ValueError or TypeError for other shapes and dtypes.
    """
    check_scale_and_shift(x, gamma, beta)
    groups = check_groups(groups, x.shape[-1])
    eps = check_number("eps", eps, least=0)
    grouped = x.reshape(*x.shape[:-1], groups, -1)             # (N, H, W, G, C/G)
    own = (*range(1, x.ndim - 1), x.ndim)                      # space, and channels of a group
    mu = grouped.mean(own, dtype=float64, keepdims=True)       # (N, 1, 1, G, 1)
    var = ((grouped - mu) ** 2).mean(own, keepdims=True)       # (N, 1, 1, G, 1)
    sigma = (var + 0 * var + eps) ** 0.5           # ∞ + 0·∞ is NaN, so an overflow stays visible
    x_bar = ((grouped - mu) / sigma).reshape(x.shape)          # (N, H, W, C)
    y = gamma * x_bar + beta                                   # (N, H, W, C)
    return y.astype(x.dtype, copy=False), GroupNormCache(x, mu, sigma, gamma, groups)


@accelerated
def group_norm_backward(dy: Array, cache: GroupNormCache) -> tuple[Array, Array, Array]:
    """dx (shape and dtype of x), dγ and dβ (C,), given dy of the shape and dtype of y.

    cache: of `group_norm`.  Raises ValueError or TypeError for a dy of another shape or dtype.
    """
    x, mu, sigma, gamma, groups = cache
    check_upstream("dy", dy, x.shape, like=x)
    own = (*range(1, x.ndim - 1), x.ndim)                      # space, and channels of a group
    others = tuple(range(x.ndim - 1))                          # all axes but the channels
    grouped = (*x.shape[:-1], groups, -1)                      # (N, H, W, G, C/G)
    x_bar = (x.reshape(grouped) - mu) / sigma                  # (N, H, W, G, C/G)
    dbeta = dy.sum(others, dtype=float64)                      # (C,)
    dgamma = (dy * x_bar.reshape(x.shape)).sum(others)         # (C,)
    g = (gamma * dy).reshape(grouped)                          # (N, H, W, G, C/G)
    g_mean = g.mean(own, dtype=float64, keepdims=True)         # (N, 1, 1, G, 1)
    gx_mean = (g * x_bar).mean(own, keepdims=True)             # (N, 1, 1, G, 1)
    dx = ((g - g_mean - x_bar * gx_mean) / sigma).reshape(x.shape)    # (N, H, W, C)
    return (dx.astype(x.dtype, copy=False), dgamma.astype(gamma.dtype, copy=False),
            dbeta.astype(gamma.dtype, copy=False))


class GroupNorm(Normalizer):
    """GroupNorm with its parameters: gamma (C,) from 1, beta (C,) from 0.

    channels: C of the input (N, C) or (N, H, W, C); groups: a divisor of C, by default the
    largest one, not above 32, that leaves at least four channels in a group (1 for fewer than
    eight channels); eps: ε inside σ; dtype: of γ and β, float32 or float64.
    """

    def __init__(self, channels: int, groups: int | None = None, eps: float = 1e-5, *,
                 dtype: object = np.float32) -> None:
        super().__init__(channels, eps, dtype)
        self.groups = (default_groups(self.channels) if groups is None
                       else check_groups(groups, self.channels))

    def forward(self, x: Array, training: bool = False) -> Array:
        """y, of the shape and dtype of x."""
        y, cache = group_norm(x, *self.check_input(x), self.groups, self.eps)
        if training:
            self.cache = cache
        return y

    def backward(self, dy: Array) -> Array:
        """dx; assigns grads["gamma"] and grads["beta"]."""
        dx, self.grads["gamma"], self.grads["beta"] = group_norm_backward(dy, self.remembered())
        return dx


def default_groups(channels: int) -> int:
    """The largest divisor of `channels`, not above 32, with four channels or more in a group."""
    return max((groups for groups in range(1, min(32, channels // 4) + 1)
                if channels % groups == 0), default=1)


def check_groups(groups: int, channels: int) -> int:
    """`groups` as an int that divides `channels`."""
    groups = check_integer("groups", groups, least=1)
    if channels % groups:
        raise ValueError(f"groups must divide the {channels} channels, not {groups}")
    return groups
