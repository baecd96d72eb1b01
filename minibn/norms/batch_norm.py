"""Batch Normalization (BN), the paper's eqs. 1–4.

For each channel, over the m = N·H·W values of a batch:

    μ_B  = mean(x)                                                        (eq. 1)
    σ_B² = mean((x − μ_B)²) + ε                                           (eq. 2; ε is ours)
    x̄    = (x − μ_B)/σ_B                                                  (eq. 3)
    y    = γ·x̄ + β                                                        (eq. 4)

The paper's eq. 3 has no ε, and says that γ = Var[x], β = E[x] recovers the input; it takes
γ = σ_B = √(Var[x] + ε), β = μ_B.

Backward, given dy, the gradient of y.  β is added to every value and γ multiplies x̄, so

    dβ = Σ dy            dγ = Σ dy·x̄

and with g = γ·dy, the gradient of x̄ (derived in `standardize.py`: x acts directly, through μ_B and
through σ_B),

    dx = (g − mean(g) − x̄·mean(g·x̄))/σ_B

In testing, moving averages take the place of the batch: y = γ·(x − mean)/√(var + ε) + β, where
the variances averaged are the unbiased ones, m/(m − 1) times the biased (§2.1, and PyTorch).

Source: Ioffe & Szegedy 2015, as the paper restates it in §2.1.
"""

from __future__ import annotations

import numpy as np

from minibn.backend import Array, array_module
from minibn.checks import check_number, check_scale_and_shift
from minibn.norms.moving_average import check_decay, update_average
from minibn.norms.normalizer import Normalizer
from minibn.norms.standardize import (
    Standardized,
    affine,
    moments,
    standardize,
    standardize_backward,
)


def batch_norm(x: Array, gamma: Array, beta: Array, eps: float = 1e-5
               ) -> tuple[Array, Standardized]:
    """y = γ·(x − μ_B)/σ_B + β with the batch's own statistics (eqs. 1–4).

    x: (N, C) or (N, H, W, C), float32 or float64; gamma, beta: (C,); eps ≥ 0.
    Returns y, of the shape and dtype of x, and the cache for `batch_norm_backward`.
    Raises ValueError or TypeError for other shapes and dtypes.
    """
    check_scale_and_shift(x, gamma, beta)
    eps = check_number("eps", eps, least=0)
    channels = x.shape[-1]
    mean, var = moments(x, sets=1, groups=channels)                    # (1, C), (1, C)
    sigma = array_module(x).sqrt(var + eps)
    return standardize(x, mean, sigma, gamma, beta, groups=channels)


def batch_norm_backward(dy: Array, cache: Standardized) -> tuple[Array, Array, Array]:
    """dx (shape of x), dγ and dβ (C,), given dy of the shape of y."""
    return standardize_backward(dy, cache)


class BatchNorm(Normalizer):
    """BN with its parameters and moving averages.

    channels: C of the input (N, C) or (N, H, W, C); decay: α of the moving averages, the share
    of the old value that is kept (PyTorch's momentum is 1 − α); eps: ε inside σ_B; dtype: of γ
    and β.

    params  gamma (C,) from 1, beta (C,) from 0
    state   moving_mean (C,) from 0 and moving_var (C,) from 1, both float64; step, an int
    """

    test_modes = ("moving",)

    def __init__(self, channels: int, decay: float = 0.99, eps: float = 1e-5, *,
                 dtype: object = np.float32) -> None:
        super().__init__(channels, eps, dtype)
        self.decay = check_decay(decay)
        self.state = {"moving_mean": np.zeros(channels), "moving_var": np.ones(channels),
                      "step": 0}

    def forward(self, x: Array, training: bool = False) -> Array:
        """y, of the shape and dtype of x; a training pass also updates the averages."""
        gamma, beta = self.check_input(x)
        moving_mean, moving_var = self.state["moving_mean"], self.state["moving_var"]
        sqrt = array_module(x).sqrt
        if not training:
            sigma = sqrt(moving_var + self.eps)
            return affine(x, moving_mean[None], sigma[None], gamma, beta)

        mean, var = moments(x, sets=1, groups=self.channels)           # (1, C), (1, C)
        m = x.size // self.channels
        unbiased = var * (m / (m - 1)) if m > 1 else var
        moving_mean[...] = update_average(moving_mean, mean[0], self.decay)
        moving_var[...] = update_average(moving_var, unbiased[0], self.decay)
        self.state["step"] += 1

        sigma = sqrt(var + self.eps)                                   # σ_B
        y, self.cache = standardize(x, mean, sigma, gamma, beta, groups=self.channels)
        return y

    def backward(self, dy: Array) -> Array:
        """dx; assigns grads["gamma"] and grads["beta"]."""
        dx, self.grads["gamma"], self.grads["beta"] = batch_norm_backward(dy, self.remembered())
        return dx
