"""`replicate --preset medium`: the arms of the registered replication, as `replicate` runs them."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minibn.commands.table import duration, format_table
from minibn.replication.arms import ARMS, SIZES, Size, belongs
from minibn.replication.estimate import measure_all
from minibn.replication.plan import Plan, expected_jobs, plan
from minibn.replication.pool import carry_out_all
from minibn.replication.results import Results, load_results, read_result
from minibn.replication.runner import commit, processor


def run_arms(args: argparse.Namespace) -> int:
    """Run what the chosen arms still lack, or estimate it."""
    size = SIZES[args.preset]
    out, work = folders(size, args.out, args.work)
    arms = args.arms or list(ARMS)
    found = plan(size, arms, read_finished(out, size))
    check_searched(found, arms, out)
    settings = {"data_dir": args.data_dir, "processes": args.processes, "device": args.device,
                "scheduler": args.scheduler, "progress": sys.stderr.isatty()}
    print(f"arms {' '.join(arms)}: {progress(found, load_results(out))}", flush=True)
    warn_of_other_commits(load_results(out), out)
    listed = lister(size, arms, out)
    try:
        carry_out_all(lambda: listed().jobs, out, work, announce=announcer(out, listed),
                      **settings)
    except KeyboardInterrupt:
        print(f"\nfinished runs are kept in {out}, checkpoints of the others in {work}; "
              "the same command continues")
        raise
    print(f"\nresults  {out}, {progress(listed(), load_results(out))}")
    return 0


def estimate_arms(args: argparse.Namespace) -> int:
    """Print what the chosen arms would take, and how much of it is done."""
    size = SIZES[args.preset]
    out, _ = folders(size, args.out, args.work)
    results = read_finished(out, size)
    expected = {arm: expected_jobs(size, arm) for arm in args.arms or ARMS}
    processes = args.processes or os.cpu_count() or 1
    found = measure_all([job for jobs in expected.values() for job in jobs], processes,
                        args.device, sys.stderr.isatty())
    rows, total = [], 0.0
    for arm, jobs in expected.items():
        seconds = sum(found[job.condition].run(job) for job in jobs)
        total += seconds
        rows.append([arm, ARMS[arm].title, str(len(jobs)), f"{seconds / 3600:.1f}"])
    spent = sum(r.seconds for r in results)
    print(measured_on(size.name, processes, args.device) + "\n")
    print(format_table(["arm", "what", "runs", "core-hours"], rows, left=2))
    print(f"\n{total / 3600:.1f} core-hours, {total / 3600 / processes:.1f} hours with {processes} "
          f"runs at a time; {spent / 3600:.1f} core-hours are finished in {out}")
    return 0


def measured_on(name: str, processes: int, device: str) -> str:
    """"medium, measured on AMD EPYC, 2 processes at a time"."""
    where = "its GPU" if device == "gpu" else (
        f"{processes} {'process' if processes == 1 else 'processes'} at a time, one BLAS thread "
        "each")
    return f"{name}, measured on {processor()}, {where}"


def folders(size: Size, out: Path | None, work: Path | None) -> tuple[Path, Path]:
    """Where results and checkpoints are kept; results of the tiny size are no part of a clone."""
    kept = Path("results" if size.name == "medium" else "runs", size.name)
    return out or kept, work or Path("runs/replicate", size.name)


def read_finished(out: Path, size: Size) -> Results:
    """The results in a folder; ValueError if one is no run of this preset."""
    results = load_results(out)
    for result in results:
        if not belongs(size, result.job):
            raise ValueError(f"{out} holds {result.job.name} of another preset than {size.name}, "
                             "or with another recipe than its name says")
    return results


def check_searched(found: Plan, arms: list[str], out: Path) -> None:
    """Every arm's search is finished, or among the arms to run; else ValueError."""
    for arm, needs in found.waiting.items():
        if needs not in arms:
            raise ValueError(
                f"arm {arm} takes its learning rates from the search in arm {needs}, which is not "
                f"finished in {out}: run --arms {needs} first, or --arms {needs} {arm}")


def lister(size: Size, arms: list[str], out: Path) -> Callable[[], Plan]:
    """The plan as it is once more results have come in."""
    return lambda: plan(size, arms, load_results(out))


def progress(found: Plan, results: Results) -> str:
    """"12 of 34 runs finished, more after the search"."""
    done = sum(job.name in results.by_name for job in found.jobs)
    more = f"; arms {' '.join(found.waiting)} follow after the search" if found.waiting else ""
    return f"{done} of {len(found.jobs)} runs finished{more}"


def announcer(out: Path, listed: Callable[[], Plan]) -> Callable[[Path], None]:
    """Prints a line for every run that has finished."""
    def announce(path: Path) -> None:
        result, found = read_result(path), listed()
        number = progress(found, load_results(out)).split(" runs")[0]
        outcome = (f"test accuracy {result.final():.4f}" if result.status == "done"
                   else result.message)
        print(f"{number}  {result.job.name}  {outcome}  {duration(result.seconds)}", flush=True)
    return announce


def warn_of_other_commits(results: Results, out: Path) -> None:
    """Say so where the folder's runs were made by other code than this."""
    here: Any = commit()
    others = sorted({str(r.made.get("commit")) for r in results} - {str(here)})
    if others:
        print(f"note: {out} has runs of other commits than this one ({here}): "
              f"{', '.join(others)}", file=sys.stderr)
