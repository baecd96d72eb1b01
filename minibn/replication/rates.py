"""The rule of the search: from the held-out accuracies to each method's learning rate.

A rate's score is the held-out accuracy after a search run's last epoch, in the method's own test
mode, mean over the seeds; a run that diverged counts at chance.  The rate with the highest score is
the method's own; of equal scores the smallest.  Where the best rate is the smallest or the largest
one tried, the next one of the ladder is tried too, until the best one has a neighbor on either
side or the ladder ends.  Methods do not share a rate: each has its own best.
"""

from __future__ import annotations

import numpy as np

from minibn.replication.arms import LADDER, Search, Size, search_arm, search_job, search_of
from minibn.replication.jobs import Job
from minibn.replication.results import Results


class SearchMissing(ValueError):
    """A rate depends on search runs that have no result yet.

    arm: whose runs they are; jobs: these runs.
    """

    def __init__(self, arm: str, jobs: list[Job]) -> None:
        super().__init__(f"{len(jobs)} runs of the search in arm {arm} are missing, "
                         f"{jobs[0].name} first")
        self.arm, self.jobs = arm, jobs


def scores(size: Size, search: Search, norm: str, results: Results) -> dict[float, float]:
    """The score of every rate all of whose search runs are finished, by rate, ascending."""
    found = {}
    for lr in LADDER:
        names = [search_job(size, search, norm, lr, seed).name for seed in seeds_of(size, search)]
        if all(name in results.by_name for name in names):
            found[lr] = float(np.mean([results.by_name[name].final() for name in names]))
    return found


def missing_runs(size: Size, search: Search, norm: str, results: Results) -> list[Job]:
    """The search runs that the choice of the method's rate still needs, by seed."""
    found, rates = scores(size, search, norm, results), set(search.rates)
    while rates <= set(found):
        wider = rates | neighbors(best({lr: found[lr] for lr in rates}))
        if wider == rates:
            return []
        rates = wider
    return [job for seed in seeds_of(size, search) for lr in sorted(rates - set(found))
            if (job := search_job(size, search, norm, lr, seed)).name not in results.by_name]


def own_rate(size: Size, norm: str, batch: int, results: Results) -> float:
    """The rate that the search chose for a method; SearchMissing if it is not finished."""
    search = search_of(batch)
    missing = missing_runs(size, search, norm, results)
    if missing:
        raise SearchMissing(search_arm(batch), missing)
    return best(scores(size, search, norm, results))


def exchanged(size: Size, norm: str, batch: int, results: Results) -> float:
    """The rate of the other one of BN and renorm_debias.

    Where the two have the same rate: of its neighbors on the ladder the one with the higher score,
    mean over both methods.
    """
    own, other = (own_rate(size, one, batch, results)
                  for one in (norm, "renorm_debias" if norm == "bn" else "bn"))
    if other != own:
        return other
    both = [scores(size, search_of(batch), one, results) for one in ("bn", "renorm_debias")]
    beside = neighbors(own) & set(both[0]) & set(both[1])
    return best({lr: float(np.mean([one[lr] for one in both])) for lr in beside - {own}})


def best(found: dict[float, float]) -> float:
    """The rate with the highest score; of equal scores the smallest rate."""
    return max(sorted(found), key=found.__getitem__)


def neighbors(lr: float) -> set[float]:
    """The rate and those beside it on the ladder."""
    at = LADDER.index(lr)
    return set(LADDER[max(0, at - 1):at + 2])


def seeds_of(size: Size, search: Search) -> tuple[int, ...]:
    """The seeds of a search at this size."""
    return search.seeds[:size.seeds]
