"""How many seeds arm A gets: a rule that sees how much runs vary, and not which method leads.

Arm A has 8 seeds.  It gets 12 where 8 are too few for the equivalence bound: where the 95 %
interval of a difference of final accuracies, computed from the pooled standard deviation s of runs
of one method, would be wider than the bound on either side,

    t(0.975, n − 1) · s · √2 / √n  >  0.4 points,   n = 8.

s is pooled over the three methods, each around its own mean, so the methods' means and their order
do not enter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from minibn.replication.arms import ALL_SEEDS, ARMS, FIRST_SEEDS, METHODS, Size, run_job
from minibn.replication.metrics import final_mean
from minibn.replication.rates import SearchMissing, own_rate
from minibn.replication.results import Results
from minibn.replication.statistics import t_quantile

EQUAL = 0.004  # differences of accuracy up to this size count as none


def pooled_deviation(groups: Sequence[Sequence[float]]) -> float:
    """Standard deviation within groups, each around its own mean."""
    squares = sum(float(((np.asarray(g) - np.mean(g)) ** 2).sum()) for g in groups)
    return math.sqrt(squares / sum(len(g) - 1 for g in groups))


def half_width(deviation: float, n: int) -> float:
    """Half the 95 % interval of a difference of two means of n runs each."""
    return t_quantile(0.975, n - 1) * deviation * math.sqrt(2 / n)


def seeds_wanted(groups: Sequence[Sequence[float]]) -> int:
    """8 or 12, from the final accuracies of the first 8 runs of every method."""
    wide = half_width(pooled_deviation(groups), FIRST_SEEDS) > EQUAL
    return ALL_SEEDS if wide else FIRST_SEEDS


def main_seeds(size: Size, results: Results) -> tuple[int, ...]:
    """The seeds of arm A: the first 8 until they are all done, then what the rule says."""
    runs = ARMS["A"].runs[0]
    if size.seeds is not None:
        return runs.seeds[:size.seeds]
    first = runs.seeds[:FIRST_SEEDS]
    try:
        names = [[run_job(size, runs, norm, own_rate(size, norm, runs.batch, results), seed).name
                  for seed in first] for norm in METHODS]
    except SearchMissing:
        return first
    if not all(name in results.by_name for group in names for name in group):
        return first
    finals = [[final_mean(results.by_name[name]) for name in group] for group in names]
    return runs.seeds[:seeds_wanted(finals)]
