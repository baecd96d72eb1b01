"""What the finished runs of the registered replication say: every number of its report.

Each function takes the results and gives None, or an empty table, where the runs that it needs are
missing; with some of them finished it gives what they say so far.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from minibn.replication.analysis import (
    EQUAL_RATIO,
    NO_DIFFERENCE,
    Contrast,
    contrasts,
    final,
    speed,
)
from minibn.replication.arms import ARMS, METHODS, PAPER_RATE, Runs, Size, run_job
from minibn.replication.plan import blocks_of, expected_jobs, rate_of
from minibn.replication.rates import SearchMissing
from minibn.replication.results import Result, Results
from minibn.replication.statistics import Difference, Estimate, estimate, paired_difference
from minibn.replication.stopping import main_seeds

Metric = Callable[[Result], float]
SHARES = (0.6, 0.75, 0.9)                # of the pilots' accuracy: the thresholds


class Ratio(NamedTuple):
    """Updates of one method over those of another: geometric mean over seeds and 95 % interval;
    censored: pairs in which one of the two never reached the threshold."""

    mean: float
    low: float
    high: float
    n: int
    censored: int

    @property
    def remark(self) -> str:
        """NO_DIFFERENCE where the whole interval counts as none, otherwise ""."""
        least, most = EQUAL_RATIO
        return NO_DIFFERENCE if least <= self.low and self.high <= most else ""


class Progress(NamedTuple):
    """How many of an arm's runs are finished; total is an estimate before its search is over."""

    done: int
    total: int

    @property
    def complete(self) -> bool:
        """Whether all are finished."""
        return self.done == self.total


class Transient(NamedTuple):
    """renorm_debias − BRN through the first epoch: after each update, by seed (n, tests)."""

    updates: np.ndarray
    differences: np.ndarray

    @property
    def mean(self) -> Estimate:
        """Mean over the tests of the epoch."""
        return estimate(self.differences.mean(1).tolist())

    @property
    def last(self) -> Estimate:
        """At the end of the epoch."""
        return estimate(self.differences[:, -1].tolist())


# Runs

def progress(size: Size, results: Results) -> dict[str, Progress]:
    """How far every arm is."""
    found: dict[str, Progress] = {}
    for arm in ARMS:
        blocks, waits = blocks_of(size, arm, results)
        names = {job.name for block in blocks for job in block}
        total = max(len(names), len({j.name for j in expected_jobs(size, arm)})) if waits else (
            len(names))
        found[arm] = Progress(sum(name in results.by_name for name in names), total)
    return found


def runs_of(size: Size, results: Results, runs: Runs) -> dict[str, list[Result]]:
    """The finished runs by method, by seed; none before the rates are known."""
    seeds = main_seeds(size, results) if runs in ARMS["A"].runs else runs.seeds[:size.seeds]
    found: dict[str, list[Result]] = {}
    for norm in runs.norms:
        try:
            lr = rate_of(size, runs, norm, results)
        except SearchMissing:
            found[norm] = []
            continue
        names = [run_job(size, runs, norm, lr, seed).name for seed in seeds]
        found[norm] = [results.by_name[name] for name in names if name in results.by_name]
    return found


def matched(runs: dict[str, list[Result]]) -> dict[str, list[Result]]:
    """The runs of the seeds that every method has."""
    shared = set.intersection(*({r.seed for r in found} for found in runs.values()))
    return {norm: [r for r in found if r.seed in shared] for norm, found in runs.items()}


def main_runs(size: Size, results: Results) -> dict[str, list[Result]]:
    """Arm A's runs of the seeds that all three methods have."""
    return matched(runs_of(size, results, ARMS["A"].runs[0]))


# Arm A

def curves_of(runs: dict[str, list[Result]], epochs: int, mode: str | None = None
              ) -> dict[str, np.ndarray]:
    """Test accuracy by method, (seeds, epochs); at chance from where a run diverged."""
    return {norm: np.array([one.curve(mode) for one in found]).reshape(-1, epochs)
            for norm, found in runs.items()}


def main_contrasts(size: Size, results: Results) -> list[Contrast]:
    """The primary tests of whatever runs of arm A there are."""
    chance = 1 / (size.subset.classes or 100)
    return contrasts(curves_of(main_runs(size, results), size.epochs), size.drops[0], chance)


def speed_of(size: Size) -> Metric:
    """The first primary outcome of a run."""
    return lambda result: float(speed(result.curve()[None], size.drops[0])[0])


def final_of(result: Result) -> float:
    """The second primary outcome of a run."""
    return float(final(result.curve()[None])[0])


def all_tests(result: Result, mode: str | None = None) -> np.ndarray:
    """Accuracy in all tests within and after the epochs; at chance from where a run diverged."""
    _, found = result.tested(mode)
    missing = result.job.recipe.epochs * result.job.tests_per_epoch - len(found)
    return np.array([*found, *[result.chance] * missing])


def lag(size: Size, results: Results) -> dict[str, Difference]:
    """What BN gains with statistics without lag, and what is left of renorm_debias − BN then."""
    runs = main_runs(size, results)
    if len(runs["bn"]) < 2:
        return {}
    first = size.drops[0]
    fresh = np.array([all_tests(r, "reestimated") for r in runs["bn"]])
    curves = curves_of(runs, size.epochs)
    found = {}
    for name, outcome in (("speed", lambda c: speed(c, first).tolist()),
                          ("final", lambda c: final(c).tolist())):
        found[f"gain {name}"] = paired_difference(outcome(fresh), outcome(curves["bn"]))
        found[f"left {name}"] = paired_difference(outcome(curves["renorm_debias"]),
                                                  outcome(fresh))
    return found


def pilots(size: Size, results: Results) -> float | None:
    """The mean accuracy of BN's pilots after their last epoch."""
    found = runs_of(size, results, ARMS["P"].runs[0])["bn"]
    return float(np.mean([r.final() for r in found])) if found else None


def ratios(size: Size, results: Results) -> dict[tuple[str, float], Ratio]:
    """Updates of renorm_debias over the other's to each threshold, by (other, share)."""
    top, runs = pilots(size, results), main_runs(size, results)
    if top is None:
        return {}
    found = {}
    for other in ("bn", "brn"):
        for share in SHARES:
            ratio = ratio_to(share * top, runs["renorm_debias"], runs[other])
            if ratio is not None:
                found[other, share] = ratio
    return found


def ratio_to(threshold: float, first: Sequence[Result], second: Sequence[Result]
             ) -> Ratio | None:
    """Time to the threshold, first over second, seed by seed; None with fewer than two pairs, and
    for a threshold that chance reaches before the first update.

    A run that never reaches it counts with one epoch more than it has.
    """
    if len(first) < 2 or threshold <= first[0].chance:
        return None
    reached = np.array([[r.crossing(threshold) for r in pair]
                        for pair in zip(first, second, strict=True)])
    limit = first[0].job.recipe.epochs + 1
    times = np.minimum(reached, limit)
    found = estimate(np.log(times[:, 0] / times[:, 1]).tolist())
    mean, low, high = np.exp([found.mean, found.low, found.high]).tolist()
    return Ratio(mean, low, high, len(times), int(np.isinf(reached).any(1).sum()))


# The other arms

def by_rate(size: Size, results: Results) -> dict[str, dict[float, list[Result]]]:
    """All whole runs at batch 5 and the usual width, by method and rate."""
    found: dict[str, dict[float, list[Result]]] = {norm: {} for norm in METHODS}
    names = {job.name for arm in ("A", "A2", "C") for block in blocks_of(size, arm, results)[0]
             for job in block}
    for result in sorted(results, key=lambda r: (r.job.recipe.lr, r.seed)):
        if result.job.name in names:
            recipe = result.job.recipe
            found[recipe.norm].setdefault(recipe.lr, []).append(result)
    return found


def differences(runs: dict[str, list[Result]], metric: Metric
                ) -> dict[str, Difference]:
    """renorm_debias minus each other method, with two pairs at least."""
    found: dict[str, Difference] = {}
    for other in ("bn", "brn"):
        if other in runs and "renorm_debias" in runs:
            pair = matched({norm: runs[norm] for norm in ("renorm_debias", other)})
            if len(pair[other]) >= 2:
                found[other] = paired_difference(
                    *([metric(r) for r in pair[norm]] for norm in ("renorm_debias", other)))
    return found


def transient(size: Size, results: Results) -> dict[str, Transient]:
    """Arm B at the methods' own rates, and at the paper's rate; with two pairs at least."""
    found = {}
    for name, runs in zip(("own", "paper"), ARMS["B"].runs, strict=True):
        pair = matched(runs_of(size, results, runs))
        if len(pair["brn"]) >= 2:
            curves = {norm: np.array([all_tests(r) for r in line]) for norm, line in pair.items()}
            each = pair["brn"][0].job.updates_per_epoch
            updates = np.arange(1, size.tests + 1) * each // size.tests
            found[name] = Transient(updates, curves["renorm_debias"] - curves["brn"])
    return found


def batch_sizes(size: Size, results: Results) -> dict[int, Difference]:
    """BN's final accuracy at batch 10 and 128 minus that at batch 5, with equal seeds."""
    five, found = runs_of(size, results, ARMS["A"].runs[0])["bn"], {}
    for runs in ARMS["D"].runs:
        pair = matched({"larger": runs_of(size, results, runs)["bn"], "five": five})
        if len(pair["five"]) >= 2:
            found[runs.batch] = paired_difference([final_of(r) for r in pair["larger"]],
                                                  [final_of(r) for r in pair["five"]])
    return found


def paper_rate_runs(size: Size, results: Results) -> dict[str, list[Result]]:
    """Whole runs at the paper's rate."""
    return {norm: found.get(PAPER_RATE, []) for norm, found in by_rate(size, results).items()}
