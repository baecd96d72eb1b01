"""GroupNorm: every image normalized by its own values, a group of channels at a time.

    μ = mean of x over space and the channels of a group      σ² = mean((x − μ)²) + ε
    y = γ·x̄ + β    with x̄ = (x − μ)/σ, γ and β for each channel

Backward (derived in `standardize.py`), with g = γ·dy and means over the same values:

    dβ = Σ dy      dγ = Σ dy·x̄           (sums over all axes but the last)
    dx = (g − mean(g) − x̄·mean(g·x̄))/σ

One group is LayerNorm; as many groups as channels is Instance Normalization.

Source: Wu & He 2018, reference [9] of the paper.
"""

from __future__ import annotations

import numpy as np

from minibn.backend import Array, array_module
from minibn.checks import check_integer, check_number, check_scale_and_shift
from minibn.norms.normalizer import Normalizer
from minibn.norms.standardize import Standardized, moments, standardize, standardize_backward


def group_norm(x: Array, gamma: Array, beta: Array, groups: int, eps: float = 1e-5
               ) -> tuple[Array, Standardized]:
    """y = γ·(x − μ)/σ + β with the statistics of each image and group of channels.

    x: (N, C) or (N, H, W, C), float32 or float64; gamma, beta: (C,); groups: a divisor of C;
    eps ≥ 0.  Returns y, of the shape and dtype of x, and the cache for `group_norm_backward`.
    Raises ValueError or TypeError for other shapes and dtypes.
    """
    check_scale_and_shift(x, gamma, beta)
    groups = check_groups(groups, x.shape[-1])
    eps = check_number("eps", eps, least=0)
    mean, var = moments(x, sets=len(x), groups=groups)                 # (N, C), (N, C)
    return standardize(x, mean, array_module(x).sqrt(var + eps), gamma, beta, groups=groups)


def group_norm_backward(dy: Array, cache: Standardized) -> tuple[Array, Array, Array]:
    """dx (shape of x), dγ and dβ (C,), given dy of the shape of y."""
    return standardize_backward(dy, cache)


class GroupNorm(Normalizer):
    """GroupNorm with its parameters: gamma (C,) from 1, beta (C,) from 0.

    channels: C of the input (N, C) or (N, H, W, C); groups: a divisor of C, by default the
    largest one, not above 32, that leaves at least four channels in a group; eps: ε inside σ.
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
