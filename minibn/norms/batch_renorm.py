"""Batch Renormalization (BRN), the paper's eqs. 5–8.

With BN, testing normalizes by moving averages μ and σ, training by the batch.  BRN corrects the
training pass, channel by channel, so that it gives what testing would give:

    μ ← α·μ + (1 − α)·μ_B          from μ = 0                             (eq. 5)
    σ ← α·σ + (1 − α)·σ_B          from σ = 1                             (eq. 6)
    x̂ = (x − μ)/σ = x̄·r + d        with x̄ = (x − μ_B)/σ_B                 (eq. 7)
    r = σ_B/σ      d = (μ_B − μ)/σ                                        (eq. 8)
    y = γ·x̂ + β

(d is the paper's name for this shift.  Everywhere else in minibn a name that begins with d is a
gradient.)

Backward.  r and d count as constants: no gradient flows through them.  As in BN, dx then has no
part that shifts or scales a whole channel: Σ dx = 0, and Σ dx·x̄ = 0 up to ε.  (With a gradient
through r and d, x̂ would be (x − μ)/σ with fixed μ and σ, and updates could make x larger and
larger.)  x̂ = x̄·r + d, so the gradient of x̄ is r times that of x̂.  The rest is BN's derivation
(`batch_norm.py`):

    dβ = Σ dy      dγ = Σ dy·x̂      g = γ·r·dy
    dx = (g − mean(g) − x̄·mean(g·x̄))/σ_B

Departures from the paper and from Ioffe (2017), each an option:
    clip    eqs. 7–8 have none.  Here r ∈ [1/r_max, r_max] and d ∈ [−d_max, d_max], the bounds of
            Algorithm 1, so that in training BRN and renorm_debias differ in their averages alone.
            r_max=None and d_max=None switch the clip off.
    ramp    Ioffe begins with plain BN (r = 1, d = 0) and widens the bounds step by step (`ramp`).
    order   the paper updates μ and σ before it uses them.  Ioffe updates them after their use
            (update_first=False).

Sources: Ioffe 2017; the paper, §2.2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import float64

from minibn.backend import Array
from minibn.checks import (
    check_flag,
    check_integer,
    check_number,
    check_scale_and_shift,
    check_upstream,
    check_vector,
)
from minibn.dispatch import accelerated
from minibn.norms.batch_norm import batch_statistics
from minibn.norms.moving_average import Averages, check_averages, check_decay
from minibn.norms.renormalizer import Renormalizer, check_bound


class RenormCache(NamedTuple):
    """What the backward pass needs.  It computes x̄ again."""

    x: Array       # (…, C)
    mu: Array      # (C,) float64, μ_B
    sigma: Array   # (C,) float64, √(var_B + ε), by which x − μ_B was divided
    gamma: Array   # (C,)
    r: Array       # (C,)
    d: Array       # (C,)


@accelerated
def renormalize(x: Array, mu_B: Array, sigma_B: Array, r: Array, d: Array, gamma: Array,
                beta: Array) -> Array:
    """y = γ·(x̄·r + d) + β with given statistics and correction (eq. 7).

    x: (…, C); all others: (C,); they are not checked.  y has the shape and dtype of x.
    """
    x_bar = (x - mu_B) / sigma_B                               # (…, C)
    x_hat = x_bar * r + d                                      # (…, C)   eq. 7
    y = gamma * x_hat + beta                                   # (…, C)
    return y.astype(x.dtype, copy=False)


def batch_renorm(x: Array, gamma: Array, beta: Array, r: Array, d: Array, eps: float = 1e-5
                 ) -> tuple[Array, RenormCache]:
    """y = γ·(x̄·r + d) + β with the correction r, d given (eq. 7).

    x: (N, C) or (N, H, W, C), float32 or float64; gamma, beta, r, d: (C,); eps ≥ 0.
    Returns y, of the shape and dtype of x, and the cache for `batch_renorm_backward`.
    Raises ValueError or TypeError for other shapes and dtypes.
    """
    check_scale_and_shift(x, gamma, beta)
    check_vector("r", r, x.shape[-1], like=x)
    check_vector("d", d, x.shape[-1], like=x)
    eps = check_number("eps", eps, least=0)
    mu_B, var_B = batch_statistics(x)                          # (C,), (C,)   eqs. 1, 2
    sigma_B = (var_B + eps) ** 0.5                             # (C,)
    y = renormalize(x, mu_B, sigma_B, r, d, gamma, beta)       # (…, C)       eq. 7
    return y, RenormCache(x, mu_B, sigma_B, gamma, r, d)


def batch_renorm_step(x: Array, gamma: Array, beta: Array, averages: Averages,
                      decay: float = 0.99, r_max: float | None = 3, d_max: float | None = 5,
                      eps: float = 1e-5, *, update_first: bool = True, frozen: bool = False
                      ) -> tuple[Array, RenormCache, Averages]:
    """One step of BRN: moving averages, correction, normalization (eqs. 5–8).

    x: (N, C) or (N, H, W, C), float32 or float64; gamma, beta: (C,); averages: the raw averages
    before this step, at first Averages(np.zeros(C), np.ones(C), 0); decay: α; r_max ≥ 1, d_max ≥ 0:
    bounds of r and d, None for no bound; update_first: whether this batch enters the averages
    before they are used (the paper) or after (Ioffe); frozen: keep the averages as they are, as in
    testing.
    Returns y, of the shape and dtype of x, the cache for `batch_renorm_backward`, and the averages
    after this step.  The averages given are not changed.
    Raises ValueError or TypeError for other shapes and dtypes.
    """
    check_scale_and_shift(x, gamma, beta)
    check_averages(averages, x)
    decay, eps = check_decay(decay), check_number("eps", eps, least=0)
    r_max, d_max = check_bound("r_max", r_max, 1), check_bound("d_max", d_max, 0)
    update_first, frozen = check_flag("update_first", update_first), check_flag("frozen", frozen)

    mu_B, var_B = batch_statistics(x)                          # (C,), (C,)   eqs. 1, 2
    sigma_B = (var_B + eps) ** 0.5                             # (C,)
    updated = averages if frozen else Averages(
        mean=decay * averages.mean + (1 - decay) * mu_B,       # (C,)         eq. 5
        std=decay * averages.std + (1 - decay) * sigma_B,      # (C,)         eq. 6
        step=averages.step + 1)
    mu, sigma, _ = updated if update_first else averages
    r = (sigma_B / sigma).clip(1 / r_max, r_max)               # (C,)         eq. 8, a constant
    d = ((mu_B - mu) / sigma).clip(-d_max, d_max)              # (C,)         eq. 8, a constant
    y = renormalize(x, mu_B, sigma_B, r, d, gamma, beta)       # (…, C)       eq. 7
    return y, RenormCache(x, mu_B, sigma_B, gamma, r, d), updated


@accelerated
def batch_renorm_backward(dy: Array, cache: RenormCache) -> tuple[Array, Array, Array]:
    """dx (shape and dtype of x), dγ and dβ (C,), given dy of the shape and dtype of y.

    cache: of `batch_renorm`, `batch_renorm_step` or `renorm_debias`.
    Raises ValueError or TypeError for a dy of another shape or dtype.
    """
    x, mu_B, sigma_B, gamma, r, d = cache
    check_upstream("dy", dy, x.shape, like=x)
    axes = tuple(range(x.ndim - 1))                            # all but the channels
    x_bar = (x - mu_B) / sigma_B                               # (…, C)
    x_hat = x_bar * r + d                                      # (…, C)
    dbeta = dy.sum(axes, dtype=float64)                        # (C,)
    dgamma = (dy * x_hat).sum(axes)                            # (C,)
    g = gamma * r * dy                                         # (…, C)
    dx = (g - g.mean(axes, dtype=float64) - x_bar * (g * x_bar).mean(axes)) / sigma_B
    return (dx.astype(x.dtype, copy=False), dgamma.astype(gamma.dtype, copy=False),
            dbeta.astype(gamma.dtype, copy=False))


class BatchRenorm(Renormalizer):
    """BRN layer with its parameters and moving averages (eqs. 5–8).

    channels: C of the input (N, C) or (N, H, W, C); decay: α; r_max, d_max: bounds of the
    correction (r_max=None: no clipping at all; d_max=None: none of d); eps: ε inside σ_B;
    update_first: the averages take in the batch before they are used (the paper) or after (Ioffe);
    ramp: (start, r_end, d_end) in steps: plain BN up to step `start`, then the bounds widen
    linearly from 1 and 0, to r_max at step r_end and d_max at d_end (Ioffe: 5000, 40000, 25000);
    test_mode: "moving" or "batch"; dtype: of γ and β, float32 or float64.

    params  gamma (C,) from 1, beta (C,) from 0
    state   moving_mean (C,) from 0 and moving_std (C,) from 1, both float64; step, an int, the
            number of training passes
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

    def averages(self) -> tuple[Array, Array]:
        """μ and σ, (C,) each: raw moving averages, which BRN uses as they are."""
        return self.state["moving_mean"], self.state["moving_std"]

    def renormalized(self, x: Array, training: bool) -> tuple[Array, RenormCache, Averages]:
        """One step of BRN with the layer's parameters."""
        averages = Averages(self.state["moving_mean"], self.state["moving_std"],
                            self.state["step"])
        r_max, d_max = self.bounds(averages.step + training)   # in training, of the step to come
        return batch_renorm_step(x, self.params["gamma"], self.params["beta"], averages, self.decay,
                                 r_max, d_max, self.eps, update_first=self.update_first,
                                 frozen=not training)

    def backward(self, dy: Array) -> Array:
        """dx; assigns grads["gamma"] and grads["beta"]."""
        dx, self.grads["gamma"], self.grads["beta"] = batch_renorm_backward(dy, self.remembered())
        return dx

    def bounds(self, step: int | None = None) -> tuple[float | None, float | None]:
        """r_max and d_max after `step` training passes, by default after those so far."""
        if self.ramp is None or self.r_max is None or self.d_max is None:
            return self.r_max, self.d_max
        start, r_end, d_end = self.ramp
        step = self.state["step"] if step is None else step
        r_max = 1 + (self.r_max - 1) * progress(step, start, r_end)
        return r_max, self.d_max * progress(step, start, d_end)


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
