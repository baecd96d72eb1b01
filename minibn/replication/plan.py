"""Which runs of the registered replication come next, given those that are finished."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from minibn.replication.arms import ARMS, ORDER, Runs, Size, run_job, search_job, search_of
from minibn.replication.jobs import Job
from minibn.replication.rates import SearchMissing, exchanged, missing_runs, own_rate, seeds_of
from minibn.replication.results import Results
from minibn.replication.stopping import main_seeds


class Plan(NamedTuple):
    """jobs: the runs whose settings are known, in order, finished ones included;
    waiting: for each arm with runs whose rates are not known yet, whose search they wait for."""

    jobs: list[Job]
    waiting: dict[str, str]


def plan(size: Size, arms: Iterable[str], results: Results) -> Plan:
    """The runs of these arms."""
    chosen, waiting = set(arms), {}
    jobs: dict[str, Job] = {}
    for group in ORDER:
        lines = []
        for arm in group:
            if arm in chosen:
                blocks, reason = blocks_of(size, arm, results)
                lines.append(blocks)
                if reason:
                    waiting[arm] = reason
        for block in in_turn(lines):
            jobs.update((job.name, job) for job in block if job.name not in jobs)
    check_same(jobs.values(), results)
    return Plan(list(jobs.values()), waiting)


def blocks_of(size: Size, arm: str, results: Results) -> tuple[list[list[Job]], str]:
    """An arm's runs in blocks, one block for a seed; and the arm whose search it waits for.

    The searches come first.
    """
    searches, runs_of, reason = [], [], ""
    for search in ARMS[arm].searches:
        done = [search_job(size, search, r.job.recipe.norm, r.job.recipe.lr, r.seed)
                for r in results if r.job.kind == "search"
                and r.job.recipe.batch_size == search.batch and r.job.recipe.norm in search.norms]
        needed = [job for norm in search.norms
                  for job in missing_runs(size, search, norm, results)]
        searches.append([[job for job in done + needed if job.recipe.seed == seed]
                         for seed in seeds_of(size, search)])
    for runs in ARMS[arm].runs:
        seeds = main_seeds(size, results) if arm == "A" else runs.seeds[:size.seeds]
        try:
            rates = {norm: rate_of(size, runs, norm, results) for norm in runs.norms}
        except SearchMissing as missing:
            reason = missing.arm
            continue
        runs_of.append([[run_job(size, runs, norm, rates[norm], seed) for norm in runs.norms]
                        for seed in seeds])
    return in_turn(searches) + in_turn(runs_of), reason


def rate_of(size: Size, runs: Runs, norm: str, results: Results) -> float:
    """A method's learning rate in these runs; SearchMissing where it is not known yet."""
    if runs.rate == "own":
        return own_rate(size, norm, runs.batch, results)
    if runs.rate == "exchanged":
        return exchanged(size, norm, runs.batch, results)
    return float(runs.rate)


def in_turn(lines: Sequence[Sequence[list[Job]]]) -> list[list[Job]]:
    """The blocks of several arms in one order, in which all are equally far at any time.

    The k-th of n blocks stands at (k − 1/2)/n of the way.
    """
    places = [((k + 0.5) / len(blocks), line, block) for line, blocks in enumerate(lines)
              for k, block in enumerate(blocks)]
    return [block for *_, block in sorted(places, key=lambda place: place[:2])]


def check_same(jobs: Iterable[Job], results: Results) -> None:
    """A finished run of a planned one's name has the planned settings; else ValueError."""
    for job in jobs:
        found = results.by_name.get(job.name)
        if found is not None and found.job != job:
            raise ValueError(f"the finished run {job.name} has other settings than the plan")


def expected_jobs(size: Size, arm: str) -> list[Job]:
    """An arm's runs before anything is known, for an estimate of their cost.

    Rates that a search is to choose are stood in for; arm A has its first seeds alone, and no
    search is extended.
    """
    jobs = [search_job(size, search, norm, lr, seed) for search in ARMS[arm].searches
            for seed in seeds_of(size, search) for norm in search.norms for lr in search.rates]
    for runs in ARMS[arm].runs:
        seeds = main_seeds(size, Results([])) if arm == "A" else runs.seeds[:size.seeds]
        lr = runs.rate if isinstance(runs.rate, float) else search_of(runs.batch).rates[0]
        jobs += [run_job(size, runs, norm, lr, seed) for seed in seeds for norm in runs.norms]
    return jobs
