"""Exponential moving averages, plain and bias-corrected (eqs. 5, 6 and 9–13).

    s_t = α·s_{t−1} + (1 − α)·v_t                                         (eqs. 5, 6, 9)

v_t is the value of step t: μ_B or σ_B of its batch.  With s_0 = 0, putting the equation into itself
again and again gives a weighted sum,

    s_t = (1 − α) Σ_{i=1..t} α^{t−i} v_i                                  (eq. 10)

The weights add up to (1 − α)(1 + α + … + α^{t−1}) = 1 − αᵗ, not to 1.  So if E[v] does not change
over time,

    E[s_t] = (1 − αᵗ)·E[v]                                                (eq. 11)

Division by 1 − αᵗ removes the bias of the zero start:

    ŝ_t = s_t/(1 − αᵗ)                                                    (eqs. 12, 13)

The next step needs s_t itself, not ŝ_t, because eq. 10 holds for the raw average alone.  Algorithm
1, read literally, writes ŝ_t back into s_t.  With equal v_t the result of step 2 is then 50 times
too large.  The division is Adam's bias correction, applied inside Batch Renormalization.

`decay` is the paper's α, the share of the old average that is kept.  PyTorch's `momentum` is 1 − α.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from minibn.backend import Array
from minibn.checks import TooEarly, check_integer, check_number, check_vector


class Averages(NamedTuple):
    """The raw moving averages of BRN or renorm_debias after `step` updates; never changed in place.

    mean, std: averages of μ_B and σ_B, float64 (C,).  In float32 the small steps of an average with
    α = 0.999999 would be lost in rounding.
    """

    mean: Array
    std: Array
    step: int

    @classmethod
    def zeros(cls, channels: int) -> Averages:
        """The start of renorm_debias: μ_0 = 0, σ_0 = 0."""
        return cls(np.zeros(channels), np.zeros(channels), 0)


def update_average(average: Array, value: Array, decay: float) -> Array:
    """The raw average after one more value: α·average + (1 − α)·value, a new array.

    average, value: arrays of one shape; decay: α in [0, 1).
    """
    decay = check_decay(decay)
    return decay * average + (1 - decay) * value


def correct_bias(average: Array, decay: float, step: int) -> Array:
    """ŝ_t = s_t/(1 − αᵗ) of a zero-started average after t = `step` updates, a new array.

    Raises TooEarly (a ValueError) for step 0: the average of nothing is 0/0.
    """
    decay = check_decay(decay)
    step = check_integer("step", step, least=0)
    check_started(step)
    return average / weight(decay, step)


def weight(decay: float, step: int) -> float:
    """1 − αᵗ, the sum of the weights after t updates from zero.

    Computed as −expm1(t·ln α), which stays exact where αᵗ is close to 1 (α = 0.999999, t = 1).
    """
    return 1.0 if decay == 0 else -math.expm1(step * math.log(decay))


def check_decay(decay: float) -> float:
    """`decay` as a float in [0, 1)."""
    return check_number("decay", decay, least=0, below=1)


def check_started(step: int) -> None:
    """A zero-started average has taken in one value at least."""
    if step == 0:
        raise TooEarly("a zero-started moving average has no value before its first update "
                       "(step is 0): train for at least one step before testing")


def check_averages(averages: Averages, x: Array) -> None:
    """`averages` is an `Averages` of the channels of x (…, C)."""
    if not isinstance(averages, Averages):
        raise TypeError("averages must be minibn.functional.Averages(mean, std, step), "
                        f"not {type(averages).__name__}")
    check_vector("averages.mean", averages.mean, x.shape[-1], like=x)
    check_vector("averages.std", averages.std, x.shape[-1], like=x)
    check_integer("averages.step", averages.step, least=0)
