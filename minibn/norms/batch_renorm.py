"""Batch Renormalization (BRN), the paper's eqs. 5–8.

Testing normalizes by moving averages μ and σ, training by the batch.  BRN makes the training pass
produce what testing would, by a correction of each channel:

    μ ← α·μ + (1 − α)·μ_B          from μ = 0                             (eq. 5)
    σ ← α·σ + (1 − α)·σ_B          from σ = 1                             (eq. 6)
    x̂ = (x − μ)/σ = x̄·r + d        with x̄ = (x − μ_B)/σ_B                 (eq. 7)
    r = σ_B/σ      d = (μ_B − μ)/σ                                        (eq. 8)
    y = γ·x̂ + β

(d is the paper's name for this shift.  Everywhere else in minibn a name that begins with d is a
gradient.)

Backward.  r and d count as constants: no gradient flows through them, and it is this that keeps
the gradient free of the directions in which x grows without changing y.  (Were the gradient to
flow, x̂ would be (x − μ)/σ with fixed μ and σ, and nothing would hold the size of x.)  With
y = (γ·r)·x̄ + (γ·d + β) this is BN with another scale and shift, and the chain rule through
scale = γ·r and shift = γ·d + β gives

    dβ = dshift = Σ dy
    dγ = r·dscale + d·dshift = Σ dy·x̂
    g  = γ·r·dy
    dx = (g − mean(g) − x̄·mean(g·x̄))/σ_B

Departures from the paper and from Ioffe (2017), each an option:
    clip    eqs. 7–8 have none; here r ∈ [1/r_max, r_max] and d ∈ [−d_max, d_max], the bounds of
            Algorithm 1, so that in training BRN and renorm_debias differ in one thing.  None
            switches it off.
    ramp    Ioffe begins with plain BN (r = 1, d = 0) and widens the clip step by step.
    order   the paper updates μ and σ before it uses them, Ioffe after (update_first=False).

Sources: Ioffe 2017; the paper, §2.2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minibn.backend import Array, array_module, to_device
from minibn.checks import (
    check_choice,
    check_flag,
    check_integer,
    check_number,
    check_scale_and_shift,
    check_vector,
)
from minibn.layer import Layer
from minibn.norms.moving_average import check_decay, update_average
from minibn.norms.normalizer import Normalizer
from minibn.norms.standardize import (
    Standardized,
    affine,
    moments,
    standardize,
    standardize_backward,
)


class Renormed(NamedTuple):
    """What the backward pass needs: the cache of y = scale·x̄ + shift, and γ, r, d."""

    standardized: Standardized
    gamma: Array   # (C,)
    beta: Array    # (C,)
    r: Array       # (C,)
    d: Array       # (C,)


def batch_renorm(x: Array, gamma: Array, beta: Array, r: Array, d: Array, eps: float = 1e-5
                 ) -> tuple[Array, Renormed]:
    """y = γ·(x̄·r + d) + β with the correction r, d given (eq. 7).

    x: (N, C) or (N, H, W, C), float32 or float64; gamma, beta, r, d: (C,); eps ≥ 0.
    Returns y, of the shape and dtype of x, and the cache for `batch_renorm_backward`.
    Raises ValueError or TypeError for other shapes and dtypes.
    """
    check_scale_and_shift(x, gamma, beta)
    check_vector("r", r, x.shape[-1], like=x)
    check_vector("d", d, x.shape[-1], like=x)
    eps = check_number("eps", eps, least=0)
    mean, var = moments(x, sets=1, groups=x.shape[-1])                 # (1, C), (1, C)
    return renormalize(x, mean, array_module(x).sqrt(var + eps), gamma, beta, r, d)


def batch_renorm_backward(dy: Array, cache: Renormed) -> tuple[Array, Array, Array]:
    """dx (shape of x), dγ and dβ (C,), given dy of the shape of y; r and d are constants."""
    dx, dscale, dshift = standardize_backward(dy, cache.standardized)
    dgamma = cache.r * dscale + cache.d * dshift
    return dx, dgamma.astype(cache.gamma.dtype), dshift.astype(cache.beta.dtype)


def renormalize(x: Array, mean: Array, sigma: Array, gamma: Array, beta: Array, r: Array,
                d: Array) -> tuple[Array, Renormed]:
    """y = γ·(x̄·r + d) + β (eq. 7) with μ_B = mean and σ_B = sigma, (1, C), at hand."""
    scale = (gamma * r).astype(np.float64)
    shift = (gamma * d + beta).astype(np.float64)
    y, standardized = standardize(x, mean, sigma, scale, shift, groups=x.shape[-1])
    return y, Renormed(standardized, gamma, beta, r, d)


class Renormalizer(Normalizer):
    """What BRN and renorm_debias share: the correction r and d, its clip, and the test modes.

    After a training step (and after a test in mode "batch") r and d hold the correction, (C,)
    float64, and `clipped` the share of channels in which r or d met its bound.
    """

    def __init__(self, channels: int, decay: float, r_max: float | None, d_max: float | None,
                 eps: float, test_mode: str, dtype: object) -> None:
        super().__init__(channels, eps, dtype)
        self.decay = check_decay(decay)
        self.r_max = None if r_max is None else check_number("r_max", r_max, least=1)
        self.d_max = None if d_max is None else check_number("d_max", d_max, least=0)
        if r_max is None:                                  # eqs. 7 and 8 as printed: no clipping
            self.d_max = None
        self.test_mode = test_mode
        self.r: Array = np.ones(channels)
        self.d: Array = np.zeros(channels)
        self._met_bound: Array = np.zeros(channels, bool)

    @property
    def test_mode(self) -> str:
        """"moving": (x − μ)/σ.  "batch": as in training, with μ and σ frozen."""
        return self._test_mode

    @test_mode.setter
    def test_mode(self, mode: str) -> None:
        self._test_mode = check_choice("test_mode", mode, self.test_modes)

    @property
    def clipped(self) -> float:
        """The share of channels, 0 to 1, in which r or d met its bound."""
        return float(self._met_bound.mean())

    def correction(self, mean: Array, sigma: Array, mu: Array, std: Array,
                   r_max: float | None, d_max: float | None) -> tuple[Array, Array]:
        """r and d (eq. 8), clipped, from μ_B, σ_B, μ and σ, each (C,)."""
        xp = array_module(mean)
        r = sigma / std
        d = (mean - mu) / std
        self.r = r if r_max is None else xp.clip(r, 1 / r_max, r_max)
        self.d = d if d_max is None else xp.clip(d, -d_max, d_max)
        # Not `!=`, which NaN always is.
        self._met_bound = (self.r < r) | (self.r > r) | (self.d < d) | (self.d > d)
        return self.r, self.d

    def to(self, device: str) -> Layer:
        """Move to "cpu" or "gpu", r and d as well."""
        self.r, self.d, self._met_bound = (
            to_device(value, device) for value in (self.r, self.d, self._met_bound))
        return super().to(device)

    def backward(self, dy: Array) -> Array:
        """dx; assigns grads["gamma"] and grads["beta"]."""
        dx, self.grads["gamma"], self.grads["beta"] = batch_renorm_backward(dy, self.remembered())
        return dx


class BatchRenorm(Renormalizer):
    """BRN with its parameters and moving averages.

    channels: C of the input (N, C) or (N, H, W, C); decay: α; r_max, d_max: bounds of the
    correction (r_max=None: no clipping at all; d_max=None: none of d); eps: ε inside σ_B;
    update_first: the averages take in the batch before they are used (the paper) or after (Ioffe);
    ramp: (start, r_end, d_end) in steps: plain BN up to step `start`, then the bounds widen
    linearly from 1 and 0, to r_max at step r_end and d_max at d_end (Ioffe: 5000, 40000, 25000);
    test_mode: "moving" or "batch".

    params  gamma (C,) from 1, beta (C,) from 0
    state   moving_mean (C,) from 0 and moving_std (C,) from 1, both float64; step, an int
    """

    test_modes = ("moving", "batch")

    def __init__(self, channels: int, decay: float = 0.99, r_max: float | None = 3,
                 d_max: float | None = 5, eps: float = 1e-5, update_first: bool = True,
                 ramp: tuple[int, int, int] | None = None, test_mode: str = "moving", *,
                 dtype: object = np.float32) -> None:
        super().__init__(channels, decay, r_max, d_max, eps, test_mode, dtype)
        self.update_first = check_flag("update_first", update_first)
        self.ramp = None if ramp is None else check_ramp(ramp, r_max, d_max)
        self.state = {"moving_mean": np.zeros(channels), "moving_std": np.ones(channels),
                      "step": 0}

    def forward(self, x: Array, training: bool = False) -> Array:
        """y, of the shape and dtype of x; a training pass also updates the averages."""
        gamma, beta = self.check_input(x)
        mu, std = self.state["moving_mean"], self.state["moving_std"]
        if not training and self.test_mode == "moving":
            return affine(x, mu[None], std[None], gamma, beta)

        mean, var = moments(x, sets=1, groups=self.channels)           # μ_B, (1, C)
        sigma = array_module(x).sqrt(var + self.eps)                   # σ_B, (1, C)
        if training:
            self.state["step"] += 1
            if self.update_first:
                self._update(mean[0], sigma[0])                        # eqs. 5 and 6
        r, d = self.correction(mean[0], sigma[0], mu, std, *self.bounds())
        if training and not self.update_first:
            self._update(mean[0], sigma[0])
        y, cache = renormalize(x, mean, sigma, gamma, beta, r, d)      # eq. 7
        if training:
            self.cache = cache
        return y

    def bounds(self) -> tuple[float | None, float | None]:
        """r_max and d_max at the present step."""
        if self.ramp is None or self.r_max is None or self.d_max is None:
            return self.r_max, self.d_max
        start, r_end, d_end = self.ramp
        step = self.state["step"]
        r_max = 1 + (self.r_max - 1) * progress(step, start, r_end)
        return r_max, self.d_max * progress(step, start, d_end)

    def _update(self, mean: Array, sigma: Array) -> None:
        mu, std = self.state["moving_mean"], self.state["moving_std"]
        mu[...] = update_average(mu, mean, self.decay)
        std[...] = update_average(std, sigma, self.decay)


def progress(step: int, start: int, end: int) -> float:
    """0 up to `start`, 1 from `end` on, linear between them."""
    if step <= start:
        return 0.0
    return 1.0 if step >= end else (step - start) / (end - start)


def check_ramp(ramp: tuple[int, int, int], r_max: float | None, d_max: float | None
               ) -> tuple[int, int, int]:
    """`ramp` as (start, r_end, d_end) with 0 ≤ start ≤ r_end, d_end, and bounds to ramp to."""
    if not isinstance(ramp, (tuple, list)) or len(ramp) != 3:
        raise TypeError(f"ramp must be (start, r_end, d_end) in steps, not {ramp!r}")
    start, r_end, d_end = (check_integer("a step of ramp", step, least=0) for step in ramp)
    if start > min(r_end, d_end):
        raise ValueError(f"ramp must have 0 <= start <= r_end and d_end, not {ramp!r}")
    if r_max is None or d_max is None:
        raise ValueError("ramp needs r_max and d_max to ramp to, not None")
    return start, r_end, d_end
