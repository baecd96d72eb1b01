"""Batch Normalization (BN), the paper's eqs. 1–4.

For each channel, over the m = N·H·W values of a batch:

    μ_B   = mean(x)                                                       (eq. 1)
    var_B = mean((x − μ_B)²)                                              (eq. 2)
    x̄     = (x − μ_B)/σ_B,  σ_B = √(var_B + ε)                            (eq. 3; ε is ours)
    y     = γ·x̄ + β                                                       (eq. 4)

The paper writes E[x] for μ_B, Var[x] for var_B and x̂ for x̄.  (Here x̂ is the value that BRN makes of
x̄.)  Its eq. 3 has no ε.  It says that γ = Var[x] and β = E[x] recover the input; γ must be
√(Var[x] + ε) for that.

Backward.  dz stands for ∂loss/∂z, the gradient of the loss with respect to z.  dy is given.  β is
added to every value and γ multiplies x̄, so

    dβ = Σ dy            dγ = Σ dy·x̄            g = γ·dy, the gradient of x̄

x acts on the loss in three ways: directly, through μ_B, and through σ_B.  (Below, μ and σ are those
of the batch, and σ² = var_B + ε.)

    ∂x̄/∂μ = −1/σ            so  dμ = −Σ g/σ          (σ adds nothing to dμ, because
                                                       ∂σ²/∂μ = −2·mean(x − μ) = 0)
    ∂x̄/∂σ = −(x − μ)/σ²     so  dσ = −Σ g·x̄/σ
    ∂μ/∂x = 1/m,   ∂σ/∂x = (x − μ)/(m·σ) = x̄/m

    dx = g/σ + dμ/m + dσ·x̄/m
       = (g − mean(g) − x̄·mean(g·x̄))/σ

In testing, moving averages replace the statistics of the batch: y = γ·(x − mean)/√(var + ε) + β.
The averaged variance is the unbiased one, m/(m − 1) times the biased one (§2.1, and PyTorch).

Source: Ioffe & Szegedy 2015, as the paper restates it in §2.1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import float64

from minibn.backend import Array
from minibn.checks import check_number, check_scale_and_shift, check_upstream
from minibn.dispatch import accelerated
from minibn.norms.moving_average import check_decay, update_average
from minibn.norms.normalizer import Normalizer


class BatchNormCache(NamedTuple):
    """What the backward pass needs.  It computes x̄ again: x̄ would take as much memory as x, and
    the layer before keeps x anyway, as its output."""

    x: Array       # (…, C)
    mu: Array      # (C,) float64
    var: Array     # (C,) float64, biased, without ε
    sigma: Array   # (C,) float64
    gamma: Array   # (C,)


@accelerated
def batch_statistics(x: Array) -> tuple[Array, Array]:
    """μ_B and var_B (biased, without ε) of each channel (eqs. 1 and 2).

    x: (N, C) or (N, H, W, C), float32 or float64; it is not checked.  Returns two arrays (C,),
    float64.
    """
    axes = tuple(range(x.ndim - 1))                            # all but the channels
    mu = x.mean(axes, dtype=float64)                           # (C,)   eq. 1
    var = ((x - mu) ** 2).mean(axes)                           # (C,)   eq. 2
    return mu, var + 0 * var       # ∞ + 0·∞ is NaN; dividing by ∞ would turn an overflow into 0


@accelerated
def normalize(x: Array, mu: Array, sigma: Array, gamma: Array, beta: Array) -> Array:
    """y = γ·(x − μ)/σ + β with given μ and σ (eqs. 3 and 4), as in testing with moving averages.

    x: (…, C); mu, sigma, gamma, beta: (C,); they are not checked.  y has the shape and dtype of x.
    """
    x_bar = (x - mu) / sigma                                   # (…, C)   eq. 3
    y = gamma * x_bar + beta                                   # (…, C)   eq. 4
    return y.astype(x.dtype, copy=False)


@accelerated
def batch_norm(x: Array, gamma: Array, beta: Array, eps: float = 1e-5
               ) -> tuple[Array, BatchNormCache]:
    """y = γ·(x − μ_B)/σ_B + β with the batch's own statistics (eqs. 1–4).

    x: (N, C) or (N, H, W, C), float32 or float64; gamma, beta: (C,); eps ≥ 0.
    Returns y, of the shape and dtype of x, and the cache for `batch_norm_backward`.
    Raises ValueError or TypeError for other shapes and dtypes.
    """
    check_scale_and_shift(x, gamma, beta)
    eps = check_number("eps", eps, least=0)
    mu, var = batch_statistics(x)                              # (C,), (C,)   eqs. 1, 2
    sigma = (var + eps) ** 0.5                                 # (C,)
    x_bar = (x - mu) / sigma                                   # (…, C)       eq. 3
    y = gamma * x_bar + beta                                   # (…, C)       eq. 4
    return y.astype(x.dtype, copy=False), BatchNormCache(x, mu, var, sigma, gamma)


@accelerated
def batch_norm_backward(dy: Array, cache: BatchNormCache) -> tuple[Array, Array, Array]:
    """dx (shape and dtype of x), dγ and dβ (C,), given dy of the shape and dtype of y.

    cache: of `batch_norm`.  Raises ValueError or TypeError for a dy of another shape or dtype.
    """
    x, mu, _, sigma, gamma = cache
    check_upstream("dy", dy, x.shape, like=x)
    axes = tuple(range(x.ndim - 1))                            # all but the channels
    x_bar = (x - mu) / sigma                                   # (…, C)
    dbeta = dy.sum(axes, dtype=float64)                        # (C,)
    dgamma = (dy * x_bar).sum(axes)                            # (C,)
    g = gamma * dy                                             # (…, C)
    dx = (g - g.mean(axes, dtype=float64) - x_bar * (g * x_bar).mean(axes)) / sigma
    return (dx.astype(x.dtype, copy=False), dgamma.astype(gamma.dtype, copy=False),
            dbeta.astype(gamma.dtype, copy=False))


class BatchNorm(Normalizer):
    """BN layer with its parameters and moving averages (eqs. 1–4, §2.1).

    channels: C of the input (N, C) or (N, H, W, C); decay: α of the moving averages, the share
    of the old value that is kept (PyTorch's momentum is 1 − α); eps: ε inside σ_B; dtype: of γ
    and β, float32 or float64.

    params  gamma (C,) from 1, beta (C,) from 0
    state   moving_mean (C,) from 0 and moving_var (C,) from 1, both float64; step, an int, the
            number of training passes
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
        if not training:
            return normalize(x, moving_mean, (moving_var + self.eps) ** 0.5, gamma, beta)
        y, cache = batch_norm(x, gamma, beta, self.eps)
        m = x.size // self.channels
        unbiased = cache.var * (m / (m - 1)) if m > 1 else cache.var   # one value: 0, not 0/0
        moving_mean[...] = update_average(moving_mean, cache.mu, self.decay)
        moving_var[...] = update_average(moving_var, unbiased, self.decay)
        self.state["step"] += 1
        self.cache = cache
        return y

    def backward(self, dy: Array) -> Array:
        """dx; assigns grads["gamma"] and grads["beta"]."""
        dx, self.grads["gamma"], self.grads["beta"] = batch_norm_backward(dy, self.remembered())
        return dx
