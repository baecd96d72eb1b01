"""renorm_debias, the paper's eqs. 9–13 and Algorithm 1: BRN with corrected moving averages.

BRN starts its averages at μ = 0 and σ = 1, values that belong to no batch and that fade only as
αᵗ.  renorm_debias starts both at 0 and divides by the sum of the weights, 1 − αᵗ, as Adam does
(`moving_average.py` derives it).  One training step, line by line:

    t   ← t + 1
    μ_B ← mean(x)                  σ_B ← √(mean((x − μ_B)²) + ε)
    μ_t ← α·μ_{t−1} + (1 − α)·μ_B  σ_t ← α·σ_{t−1} + (1 − α)·σ_B          (eq. 9)
    μ̂   = μ_t/(1 − αᵗ)             σ̂   = σ_t/(1 − αᵗ)                     (eqs. 12, 13)
    r   = clip(σ_B/σ̂, 1/r_max, r_max)          a constant for the gradient
    d   = clip((μ_B − μ̂)/σ̂, −d_max, d_max)     a constant for the gradient
    y   = γ·(x̄·r + d) + β,  x̄ = (x − μ_B)/σ_B

At t = 1, μ̂ = μ_B and σ̂ = σ_B, so r = 1 and d = 0: the first step is BN.  Where nothing is clipped,
x̄·r + d = (x − μ̂)/σ̂ exactly.  The backward pass is BRN's (`batch_renorm.py` derives it).

Where Algorithm 1 cannot be meant as printed, and what is done here:
    it writes μ̂ back into μ_t        the raw average is kept, as eq. 10 needs it
    it multiplies αᵗ by α twice      once a step
    it has ε in the last line only   ε inside σ_B, so that r·x̄ + d = (x − μ̂)/σ̂ holds;
                                     eps_inside=False is the printed line (a constant channel
                                     then gives 0/0 at t = 1)
    "the same normalization in       test_mode="batch": the lines above with μ_t, σ_t and t
    training and test"               frozen; test_mode="moving": (x − μ̂)/σ̂.  They differ only
                                     where r or d is clipped.

Source: the paper, §3.
"""

from __future__ import annotations

import numpy as np

from minibn.backend import Array, array_module
from minibn.checks import check_flag
from minibn.norms.batch_renorm import Renormalizer, renormalize
from minibn.norms.moving_average import correct_bias, update_average
from minibn.norms.standardize import affine, moments


class RenormDebias(Renormalizer):
    """Algorithm 1 with its parameters and raw moving averages.

    channels: C of the input (N, C) or (N, H, W, C); decay: α; r_max, d_max: bounds of the
    correction (r_max=None: no clipping at all; d_max=None: none of d); eps: ε; test_mode: "batch"
    (the paper's) or "moving"; eps_inside: ε inside σ_B (default) or, as printed, in the last
    division alone.

    params  gamma (C,) from 1, beta (C,) from 0
    state   moving_mean (C,) and moving_std (C,), the raw averages, from 0, float64; step, an int
    """

    test_modes = ("batch", "moving")

    def __init__(self, channels: int, decay: float = 0.99, r_max: float | None = 3,
                 d_max: float | None = 5, eps: float = 1e-5, test_mode: str = "batch", *,
                 eps_inside: bool = True, dtype: object = np.float32) -> None:
        super().__init__(channels, decay, r_max, d_max, eps, test_mode, dtype)
        self.eps_inside = check_flag("eps_inside", eps_inside)
        self.state = {"moving_mean": np.zeros(channels), "moving_std": np.zeros(channels),
                      "step": 0}

    def forward(self, x: Array, training: bool = False) -> Array:
        """y, of the shape and dtype of x; a training pass also updates the averages.

        Raises TooEarly (a RuntimeError and a ValueError) when tested before it was trained: a
        zero-started average has no value then.
        """
        gamma, beta = self.check_input(x)
        if not training and self.test_mode == "moving":
            mu, std = self.averages()
            return affine(x, mu[None], std[None], gamma, beta)

        sqrt = array_module(x).sqrt
        mean, var = moments(x, sets=1, groups=self.channels)           # μ_B, (1, C)
        divisor = sqrt(var + self.eps)                                 # of x − μ_B
        sigma = divisor if self.eps_inside else sqrt(var)              # σ_B, (1, C)
        if training:
            self._update(mean[0], sigma[0])
        mu, std = self.averages()                                      # μ̂, σ̂
        r, d = self.correction(mean[0], sigma[0], mu, std, self.r_max, self.d_max)
        y, cache = renormalize(x, mean, divisor, gamma, beta, r, d)
        if training:
            self.cache = cache
        return y

    def averages(self) -> tuple[Array, Array]:
        """The corrected averages μ̂ and σ̂ (eqs. 12 and 13), (C,) each."""
        step = self.state["step"]
        return (correct_bias(self.state["moving_mean"], self.decay, step),
                correct_bias(self.state["moving_std"], self.decay, step))

    def _update(self, mean: Array, sigma: Array) -> None:
        self.state["step"] += 1
        mu, std = self.state["moving_mean"], self.state["moving_std"]  # raw, eq. 9
        mu[...] = update_average(mu, mean, self.decay)
        std[...] = update_average(std, sigma, self.decay)
