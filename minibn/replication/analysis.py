"""The registered analysis of arm A: outcomes, contrasts, Holm's adjustment and the verdicts.

`results/medium/DESIGN.md` states these rules; they were fixed before arm A was run.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minibn.replication.statistics import (
    Difference,
    Estimate,
    holm,
    p_value,
    paired_difference,
)
from minibn.replication.stopping import EQUAL

PAPER, LARGER, SMALLER = "the paper's size", "larger than the paper's", "smaller than the paper's"
EXCLUDED, INCONCLUSIVE = "excluded", "inconclusive"
NO_DIFFERENCE, REVERSED = "no difference", "reversed"          # remarks beside a verdict
LEAST_PAIRS = 3
ALPHA = 0.05
EQUAL_RATIO = (0.9, 1.1)                 # ratios of times that count as no difference
# The paper's numbers, Table 4 and Figure 3: renorm_debias against the others.
PAPER_FINAL = {"bn": 0.662 - 0.658, "brn": 0.662 - 0.649}
PAPER_TIME = {"bn": 15 / 23, "brn": 15 / 18}
LAST = 2                                 # epochs that the final accuracy is the mean of


class Contrast(NamedTuple):
    """renorm_debias minus another method in one outcome.

    paper: the paper's size of the difference, None where it cannot be computed; p, adjusted:
    before and after Holm's method; difference: None with fewer than two pairs.
    """

    outcome: str
    other: str
    paper: float
    difference: Difference | None
    p: float
    adjusted: float
    verdict: str
    remark: str


def speed(curves: np.ndarray, epochs: int) -> np.ndarray:
    """Test accuracy, mean over the first `epochs` epochs: (n, all epochs) → (n,)."""
    return curves[:, :epochs].mean(1)


def final(curves: np.ndarray) -> np.ndarray:
    """Test accuracy, mean of the last two epochs: (n, epochs) → (n,)."""
    return curves[:, -LAST:].mean(1)


def slowed(curve: np.ndarray, ratio: float, epochs: int, chance: float) -> float:
    """How much a curve of accuracy (epochs,) loses in its mean over 1 … `epochs` when slowed down.

    The slower curve has after t epochs what the curve has after ratio·t.
    """
    t = np.arange(1, epochs + 1)
    known = np.concatenate([[chance], curve[:epochs]])                 # after 0, 1, … epochs
    return float((known[1:] - between(known, ratio * t)).mean())


def between(known: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The values at times t of a curve that is known at 0, 1, 2, …: on the parabola through the
    three known points from the last one before t on.

    A line would lie below a learning curve, which bends down, by a tenth of a small difference.
    """
    i = np.clip(t.astype(int), 0, len(known) - 3)
    u = t - i                                                          # from 0 to 2
    return (known[i] * (u - 1) * (u - 2) / 2 - known[i + 1] * u * (u - 2)
            + known[i + 2] * u * (u - 1) / 2)


def contrasts(curves: dict[str, np.ndarray], epochs: int, chance: float) -> list[Contrast]:
    """The four primary tests.

    curves: test accuracy of each method, (seeds, epochs), the same seeds in the same rows;
    epochs: how many come before the first drop of the rate.
    """
    debias, found = curves["renorm_debias"], []
    for outcome in ("speed", "final"):
        for other in ("bn", "brn"):
            if outcome == "speed":
                pair = speed(debias, epochs), speed(curves[other], epochs)
                paper = (slowed(debias.mean(0), PAPER_TIME[other], epochs, chance)
                         if len(debias) else np.nan)
            else:
                pair, paper = (final(debias), final(curves[other])), PAPER_FINAL[other]
            few = len(debias) < 2
            found.append(Contrast(
                outcome, other, paper, None if few else paired_difference(*map(list, pair)),
                1.0 if few else p_value(pair[0] - pair[1]), 1.0, INCONCLUSIVE, ""))
    adjusted = holm([one.p for one in found])
    return [decided(one._replace(adjusted=p)) for one, p in zip(found, adjusted, strict=True)]


def decided(contrast: Contrast) -> Contrast:
    """The contrast with its verdict and remark."""
    if contrast.difference is None or contrast.difference.estimate.n < LEAST_PAIRS:
        return contrast
    found = contrast.difference.estimate
    different = contrast.adjusted < ALPHA
    remark = (NO_DIFFERENCE if max(-found.low, found.high) <= EQUAL else
              REVERSED if different and found.mean < 0 else "")
    return contrast._replace(verdict=verdict(found, contrast.paper, different), remark=remark)


def verdict(found: Estimate, paper: float, different: bool) -> str:
    """The word for an interval, given the paper's size and whether it differs from 0."""
    above = different and found.mean > 0
    if found.high < paper:
        return SMALLER if above else EXCLUDED
    if not above:
        return INCONCLUSIVE
    return LARGER if found.low > paper else PAPER
