"""The rule that decides a claim, fixed before the runs.

Every part of a claim is a difference between two conditions, taken seed by seed (same initial
weights, same images in the same order) and signed so that the paper expects it above 0.

    holds           the 95 % interval of the mean difference lies above 0
    does not hold   it lies below 0
    inconclusive    it contains 0

A claim of several parts holds if all hold, does not hold if one does not, and is inconclusive
otherwise.  A claim of equality holds if the interval lies within ± a margin, does not hold if it
lies outside it.  Fewer than three pairs tell nothing, and where no part has two, the claim gets no
verdict: too few runs.  Runs that diverged count at chance; a run that never reaches the threshold
counts with one epoch more than it had.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minibn.replication.metrics import Metric
from minibn.replication.results import Result, Results
from minibn.replication.statistics import (
    Difference,
    difference_on_images,
    paired_difference,
)

HOLDS, FAILS, OPEN = "holds", "does not hold", "inconclusive"
TOO_FEW = "too few runs"
MARGIN = 0.01  # accuracies this close are "about the same"
LEAST_PAIRS = 3


class Part(NamedTuple):
    """One difference: what it is, over which pairs, its unit, and the verdict on it alone."""

    what: str
    unit: str                       # "points" (of accuracy, %), "epochs", "nats" or "" (a number)
    difference: Difference | None   # None: fewer than two pairs of results
    verdict: str


class Judged(NamedTuple):
    """A claim of the paper, its parts and the verdict; note: what else to know."""

    key: str
    claim: str
    where: str
    parts: tuple[Part, ...]
    verdict: str
    note: str = ""


def judged(key: str, claim: str, where: str, *parts: Part) -> Judged:
    """The claim with the verdict that its parts give."""
    if all(part.difference is None for part in parts):
        return Judged(key, claim, where, parts, TOO_FEW)
    verdicts = {part.verdict for part in parts}
    verdict = HOLDS if verdicts == {HOLDS} else FAILS if FAILS in verdicts else OPEN
    return Judged(key, claim, where, parts, verdict)


def compare(results: Results, first: str, second: str, metric: Metric) -> Difference | None:
    """metric(first) − metric(second) over equal seeds; None with fewer than two pairs.

    A pair counts where there is something to metric in both: in a run that diverged in its first
    epoch there are no activations.
    """
    pairs = results.pairs(first, second)
    found = [(metric(a), metric(b)) for a, b in pairs]
    found = [pair for pair in found if np.isfinite(pair).all()]
    if len(found) < 2:
        return None
    return paired_difference(*zip(*found, strict=True))


def compare_images(results: Results, first: str, second: str) -> Difference | None:
    """The final accuracies' difference with the test images' part in its interval.

    A run that diverged counts at chance on every image.  None with fewer than two pairs.
    """
    def right(result: Result) -> np.ndarray:
        if result.status == "done":
            return result.right_on_images().astype(float)
        return np.full(result.job.subset.test or 10_000, result.chance)

    pairs = results.pairs(first, second)
    if len(pairs) < 2:
        return None
    return difference_on_images(np.array([right(a) for a, _ in pairs]),
                                np.array([right(b) for _, b in pairs]))


def decide(difference: Difference | None) -> str:
    """The rule: where the interval of a difference that should be above 0 lies."""
    if difference is None or difference.estimate.n < LEAST_PAIRS:
        return OPEN
    low, high = difference.estimate.low, difference.estimate.high
    return HOLDS if low > 0 else FAILS if high < 0 else OPEN


def decide_equal(difference: Difference | None, margin: float) -> str:
    """The rule for a claim that two conditions are about equal."""
    if difference is None or difference.estimate.n < LEAST_PAIRS:
        return OPEN
    low, high = difference.estimate.low, difference.estimate.high
    if -margin < low and high < margin:
        return HOLDS
    return FAILS if low > margin or high < -margin else OPEN
