"""renorm_debias, the paper's eqs. 9–13 and Algorithm 1: BRN with corrected moving averages.

BRN starts its averages at μ = 0 and σ = 1.  These values belong to no batch, and they fade only as
αᵗ.  renorm_debias starts both at 0 and divides by the sum of the weights, 1 − αᵗ, as Adam does
(`moving_average.py` has the derivation).  `renorm_debias` below is Algorithm 1, line by line.

At t = 1, μ̂ = μ_B and σ̂ = σ_B, so r = 1 and d = 0: the first step is BN.  Where nothing is clipped,
x̄·r + d = (x − μ̂)/σ̂ exactly.  The backward pass is BRN's (`batch_renorm.py` derives it): r and d are
constants.

Where Algorithm 1 cannot be meant as printed, and the reading taken here:
    it writes μ̂ back into μ_t        the raw average μ_t is kept, because the next step's eq. 10
                                     needs it
    it multiplies αᵗ by α twice      once a step
    it has ε in line 10 only         ε inside σ_B, so that x̄·r + d = (x − μ̂)/σ̂ holds.
                                     eps_inside=False is the printed line (a constant channel
                                     then gives 0/0 at t = 1)
    "the same normalization in       test_mode="batch": the lines below with μ_t, σ_t and t
    training and test"               frozen.  test_mode="moving": (x − μ̂)/σ̂.  The two differ only
                                     where r or d is clipped.

Source: the paper, §3.
"""

from __future__ import annotations

import numpy as np

from minibn.backend import Array
from minibn.checks import check_flag, check_number, check_scale_and_shift
from minibn.norms.batch_norm import batch_statistics
from minibn.norms.batch_renorm import RenormCache, batch_renorm_backward, renormalize
from minibn.norms.moving_average import (
    Averages,
    check_averages,
    check_decay,
    check_started,
    correct_bias,
    weight,
)
from minibn.norms.renormalizer import Renormalizer, check_bound


def renorm_debias(x: Array, gamma: Array, beta: Array, averages: Averages, decay: float = 0.99,
                  r_max: float | None = 3, d_max: float | None = 5, eps: float = 1e-5, *,
                  eps_inside: bool = True, frozen: bool = False
                  ) -> tuple[Array, RenormCache, Averages]:
    """Algorithm 1: one step of renorm_debias.

    x: (N, C) or (N, H, W, C), float32 or float64; gamma, beta: (C,); averages: the raw averages
    before this step, from `Averages.zeros(C)`; decay: α; r_max ≥ 1, d_max ≥ 0: bounds of r and d,
    None for no bound; eps: ε; eps_inside: whether σ_B contains ε (else only the divisor of line 10
    does); frozen: keep t and the averages as they are, as in testing.
    Returns y, of the shape and dtype of x, the cache for `renorm_debias_backward`, and the averages
    after this step.  The averages given are not changed.
    Raises TooEarly (a ValueError) for frozen averages that have seen no batch, and ValueError or
    TypeError for other shapes and dtypes.
    """
    check_scale_and_shift(x, gamma, beta)
    check_averages(averages, x)
    decay, eps = check_decay(decay), check_number("eps", eps, least=0)
    r_max, d_max = check_bound("r_max", r_max, 1), check_bound("d_max", d_max, 0)
    eps_inside, frozen = check_flag("eps_inside", eps_inside), check_flag("frozen", frozen)

    mu_t, sigma_t, t = averages                                # (C,), (C,)
    t = t if frozen else t + 1                                 # line 1
    check_started(t)
    mu_B, var_B = batch_statistics(x)                          # lines 2, 3: (C,), (C,)
    divisor = (var_B + eps) ** 0.5                             # (C,), of line 10
    sigma_B = divisor if eps_inside else var_B ** 0.5          # (C,)
    total = weight(decay, t)                                   # 1 − αᵗ, once a step
    mu_t = mu_t if frozen else decay * mu_t + (1 - decay) * mu_B               # line 4, eq. 9
    mu_hat = mu_t / total                                                      # line 5, eq. 12
    sigma_t = sigma_t if frozen else decay * sigma_t + (1 - decay) * sigma_B   # line 6
    sigma_hat = sigma_t / total                                                # line 7, eq. 13
    r = (sigma_B / sigma_hat).clip(1 / r_max, r_max)           # line 8, a constant
    d = ((mu_B - mu_hat) / sigma_hat).clip(-d_max, d_max)      # line 9, a constant
    y = renormalize(x, mu_B, divisor, r, d, gamma, beta)       # lines 10, 11
    return y, RenormCache(x, mu_B, divisor, gamma, r, d), Averages(mu_t, sigma_t, t)


def renorm_debias_backward(dy: Array, cache: RenormCache) -> tuple[Array, Array, Array]:
    """dx (shape and dtype of x), dγ and dβ (C,): BRN's, because r and d are constants."""
    return batch_renorm_backward(dy, cache)


class RenormDebias(Renormalizer):
    """renorm_debias layer: Batch Renormalization whose moving averages start at zero and are
    bias-corrected (Algorithm 1).

    channels: C of the input (N, C) or (N, H, W, C); decay: α; r_max, d_max: bounds of the
    correction (r_max=None: no clipping at all; d_max=None: none of d); eps: ε; test_mode: "batch"
    (the paper's) or "moving"; eps_inside: ε inside σ_B (default) or, as printed, in line 10 alone;
    dtype: of γ and β, float32 or float64.

    params  gamma (C,) from 1, beta (C,) from 0
    state   moving_mean (C,) and moving_std (C,), the raw averages, from 0, float64; step, an int,
            the t of Algorithm 1

    A test before the first training step raises TooEarly (a RuntimeError and a ValueError): a
    zero-started average has no value then.
    """

    test_modes = ("batch", "moving")

    def __init__(self, channels: int, decay: float = 0.99, r_max: float | None = 3,
                 d_max: float | None = 5, eps: float = 1e-5, test_mode: str = "batch", *,
                 eps_inside: bool = True, dtype: object = np.float32) -> None:
        super().__init__(channels, decay, r_max, d_max, eps, test_mode, dtype)
        self.eps_inside = check_flag("eps_inside", eps_inside)
        self.state = {"moving_mean": np.zeros(channels), "moving_std": np.zeros(channels),
                      "step": 0}

    def averages(self) -> tuple[Array, Array]:
        """The corrected averages μ̂ and σ̂ (eqs. 12 and 13), (C,) each."""
        step = self.state["step"]
        return (correct_bias(self.state["moving_mean"], self.decay, step),
                correct_bias(self.state["moving_std"], self.decay, step))

    def renormalized(self, x: Array, training: bool) -> tuple[Array, RenormCache, Averages]:
        """One step of Algorithm 1 with the layer's parameters."""
        averages = Averages(self.state["moving_mean"], self.state["moving_std"],
                            self.state["step"])
        return renorm_debias(x, self.params["gamma"], self.params["beta"], averages, self.decay,
                             self.r_max, self.d_max, self.eps, eps_inside=self.eps_inside,
                             frozen=not training)

    def backward(self, dy: Array) -> Array:
        """dx; assigns grads["gamma"] and grads["beta"]."""
        dx, self.grads["gamma"], self.grads["beta"] = renorm_debias_backward(
            dy, self.remembered())
        return dx
