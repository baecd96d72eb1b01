"""Exponential moving averages, plain and bias-corrected (eqs. 5, 6 and 9–13).

    s_t = α·s_{t−1} + (1 − α)·v_t                                         (eqs. 5, 6, 9)

Started at s_0 = 0, every step replaced by its predecessor, this is the weighted sum

    s_t = (1 − α) Σ_{i=1..t} α^{t−i} v_i                                  (eq. 10)

whose weights add up to (1 − α)(1 + α + … + α^{t−1}) = 1 − αᵗ, not to 1.  So if E[v] stays the
same over time,

    E[s_t] = (1 − αᵗ)·E[v]                                                (eq. 11)

and dividing by 1 − αᵗ takes the bias of the zero start away:

    ŝ_t = s_t/(1 − αᵗ)                                                    (eqs. 12, 13)

The next step needs s_t itself, not ŝ_t: eq. 10 holds for the raw average alone.  Algorithm 1, read
literally, writes ŝ_t back into s_t and grows 50-fold at t = 2.  This is the bias correction
of Adam, inside batch renormalization.

`decay` is the paper's α, the share of the old average that is kept.  PyTorch's `momentum` is 1 − α.
"""

from __future__ import annotations

import math

from minibn.backend import Array
from minibn.checks import TooEarly, check_integer, check_number


def update_average(average: Array, value: Array, decay: float) -> Array:
    """The raw average after one more value: α·average + (1 − α)·value, a new array.

    average, value: arrays of one shape; decay: α in [0, 1).  Averages are kept in float64: in
    float32, one with α = 0.999999 stops moving.
    """
    decay = check_decay(decay)
    return decay * average + (1 - decay) * value


def correct_bias(average: Array, decay: float, step: int) -> Array:
    """ŝ_t = s_t/(1 − αᵗ) of a zero-started average after t = `step` updates, a new array.

    Raises TooEarly (a ValueError) for step 0: the average of nothing is 0/0.
    """
    decay = check_decay(decay)
    step = check_integer("step", step, least=0)
    if step == 0:
        raise TooEarly("a zero-started moving average has no value before its first update "
                       "(step is 0): train for at least one step before testing")
    return average / weight(decay, step)


def weight(decay: float, step: int) -> float:
    """1 − αᵗ, the sum of the weights after t updates from zero.

    Computed as −expm1(t·ln α), which stays exact where αᵗ is close to 1 (α = 0.999999, t = 1).
    """
    return 1.0 if decay == 0 else -math.expm1(step * math.log(decay))


def check_decay(decay: float) -> float:
    """`decay` as a float in [0, 1)."""
    return check_number("decay", decay, least=0, below=1)
