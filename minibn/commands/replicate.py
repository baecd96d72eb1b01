"""Repeat the paper's experiments, with several seeds, and keep every run as a file.

Presets: medium is the registered replication of results/medium/DESIGN.md (all of CIFAR-100, about
a day on one core), tiny the same in a minute.  Earlier and smaller are scaled (ten classes and
narrow networks: forty minutes on two free cores) and smoke (drawn images).  paper is §4.2 as
printed.  Each run is one JSON in the results folder.  A run whose file exists is not repeated, an
interrupted one resumes from its checkpoint: stop and call again as you like.

  python -m minibn replicate --preset medium --data-dir DIR
  python -m minibn replicate --preset medium --arms S A --jobs 2
  python -m minibn replicate all --preset scaled --data-dir DIR
  python -m minibn replicate fig4 --seeds 10 --scheduler tcp://host:8786
  python -m minibn replicate table4 --preset smoke
  python -m minibn replicate --from runs/smoke/all_cnn-bn-b5-s1.json --check
  python -m minibn replicate all --preset paper --estimate

`python -m minibn report` makes tables, figures and verdicts of the results.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from minibn.backend import DEVICES
from minibn.commands.options import MOST_SEEDS, whole
from minibn.commands.registered import estimate_arms, measured_on, run_arms
from minibn.commands.table import duration, format_table
from minibn.replication.arms import ARMS, SIZES
from minibn.replication.check import repeat
from minibn.replication.conditions import EXPERIMENTS
from minibn.replication.estimate import measure_all
from minibn.replication.jobs import Job
from minibn.replication.pool import carry_out_all
from minibn.replication.presets import (
    PRESETS,
    Preset,
    check_preset,
    conditions_of,
    replications,
    results_folder,
)
from minibn.replication.results import load_results, read_result, result_path
from minibn.replication.search import choose_rates, conditions_to_search


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `replicate`."""
    parser.add_argument("experiments", nargs="*", metavar="EXPERIMENT",
                        help=f"all, or any of {', '.join(EXPERIMENTS)} (default: all)")
    parser.add_argument("--preset", choices=(*PRESETS, *SIZES), default="scaled",
                        help="default: scaled; medium and tiny are run by --arms")
    parser.add_argument("--arms", nargs="+", choices=tuple(ARMS), metavar="ARM",
                        help="of the presets medium and tiny: "
                             + "; ".join(f"{name}, {arm.title}" for name, arm in ARMS.items())
                             + " (default: all, in this order)")
    parser.add_argument("--seeds", type=whole(1, MOST_SEEDS), metavar="N",
                        help="replications of each condition (default: the preset's)")
    parser.add_argument("--data-dir", metavar="DIR",
                        help="folder that holds cifar-100-python/ "
                             "(default: $MINIBN_DATA, then ~/.cache/minibn)")
    parser.add_argument("--out", type=Path, metavar="DIR",
                        help="folder of results (default: results/PRESET, for smoke runs/smoke)")
    parser.add_argument("--work", type=Path, metavar="DIR",
                        help="folder of checkpoints (default: runs/replicate/PRESET)")
    group = parser.add_argument_group("where to compute")
    group.add_argument("--jobs", "--processes", dest="processes", type=whole(1), metavar="N",
                       help="runs at a time (default: one for each core)")
    group.add_argument("--scheduler", metavar="ADDRESS",
                       help="a Dask scheduler, tcp://host:port, whose workers see the same "
                            "folders; needs pip install 'minibn[cluster]'")
    group.add_argument("--device", choices=DEVICES, default="cpu")
    group = parser.add_argument_group("instead of running")
    group.add_argument("--search-only", action="store_true",
                       help="only search the learning rates")
    group.add_argument("--estimate", action="store_true",
                       help="measure training steps and say what the runs would take here")
    group.add_argument("--from", dest="source", type=Path, metavar="FILE",
                       help="do the run of a result file again; with --check compare every number")
    group.add_argument("--check", action="store_true",
                       help="with --from: exit status 1 unless the numbers are equal")


def run(args: argparse.Namespace) -> int:
    """Run what is missing; with --check, 1 where a number differs."""
    if args.check and args.source is None:
        raise ValueError("--check needs --from FILE, the result to compare with")
    if args.source is not None:
        return _repeat(args)
    if args.preset in SIZES:
        if args.experiments or args.seeds or args.search_only:
            raise ValueError(f"preset {args.preset} has arms in place of experiments, with seeds "
                             "of their own: choose them by --arms")
        return estimate_arms(args) if args.estimate else run_arms(args)
    if args.arms:
        raise ValueError(f"--arms belongs to the presets {' and '.join(SIZES)}, not to "
                         f"{args.preset}")
    preset = PRESETS[args.preset]
    names = chosen(args.experiments)
    if args.estimate:
        return _estimate(preset, names, args)
    out, work = args.out or results_folder(preset), args.work or Path("runs/replicate", preset.name)
    check_preset(load_results(out), preset, out)
    settings = {"data_dir": args.data_dir, "processes": args.processes, "device": args.device,
                "scheduler": args.scheduler, "progress": sys.stderr.isatty()}

    try:
        return _run_missing(preset, names, out, work, args, settings)
    except KeyboardInterrupt:
        print(f"\nfinished runs are kept in {out}; the same command does the others")
        raise


def _run_missing(preset: Preset, names: list[str], out: Path, work: Path,
                 args: argparse.Namespace, settings: dict[str, Any]) -> int:
    """Search what rates are not known yet, then replicate what has no result yet."""
    conditions = conditions_of(names)
    search = [job for condition in conditions_to_search(conditions)
              for job in preset.search(condition)]
    if search:
        print(f"learning rates: {number_of(search, out)} on held-out training images", flush=True)
        carry_out_all(search, out, work, **settings)
    rates = choose_rates(preset, conditions, load_results(out))
    rows = [[condition.key, f"{rates[condition.key]:g}"] for condition in conditions]
    print(f"\n{format_table(['condition', 'learning rate'], rows)}\n", flush=True)
    if args.search_only:
        return 0
    jobs = preset.pilots(rates) + replications(preset, names, rates, args.seeds)
    print(f"replications: {number_of(jobs, out)}", flush=True)
    carry_out_all(jobs, out, work, **settings)
    diverged = [r.job.name for r in load_results(out) if r.status == "diverged"]
    print(f"\nresults  {out}, {len(jobs)} runs"
          + (f"; diverged: {', '.join(diverged)}" if diverged else ""))
    return 0


def number_of(jobs: list[Job], out: Path) -> str:
    """"91 runs (60 of them done before)"."""
    done = sum(result_path(out, job).exists() for job in jobs)
    return f"{len(jobs)} runs" + (f" ({done} of them done before)" if done else "")


def chosen(names: list[str]) -> list[str]:
    """The experiments named, in the order in which they are run."""
    unknown = set(names) - set(EXPERIMENTS) - {"all"}
    if unknown:
        raise ValueError(f"there is no experiment {', '.join(sorted(unknown))}: "
                         f"all, or any of {', '.join(EXPERIMENTS)}")
    everything = not names or "all" in names
    return [name for name in EXPERIMENTS if everything or name in names]


def _repeat(args: argparse.Namespace) -> int:
    again, difference = repeat(args.source, args.data_dir, args.device)
    print(f"{again.job.name}: test accuracy {again.final():.4f} after "
          f"{again.history.epochs} epochs ({again.mode})")
    if args.check and difference is None:
        print(f"every number as in {args.source}")
    elif args.check:
        print(f"differs from {args.source}: {difference}\n"
              + made_by_others(read_result(args.source).made, again.made))
    return int(args.check and difference is not None)


def made_by_others(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Why numbers may differ: what made the file was another commit, NumPy or processor."""
    others = [f"another {what} ({before.get(key)}; this is {now.get(key)})"
              for key, what in (("commit", "commit"), ("numpy", "version of NumPy"),
                                ("processor", "processor")) if before.get(key) != now.get(key)]
    if not others:
        return "Commit, NumPy and processor are the same, so every number should be."
    return (f"The file was made by {' and '.join(others)}. Numbers repeat to the last digit where "
            "all three are the same.")


def _estimate(preset: Preset, names: list[str], args: argparse.Namespace) -> int:
    conditions, rows, total = conditions_of(names), [], 0.0
    jobs = [preset.run(one, preset.grid(one)[0], seed=0) for one in conditions]
    processes = args.processes or os.cpu_count() or 1
    found = measure_all(jobs, processes, args.device, sys.stderr.isatty())
    for condition, job in zip(conditions, jobs, strict=True):
        times, seeds = found[job.condition], args.seeds or max(
            preset.seeds_for(name) for name in names if condition in EXPERIMENTS[name].conditions)
        one = times.run(job)
        total += one * seeds
        rows.append([condition.key, f"{1000 * times.step:.1f}", f"{1000 * times.test:.2f}",
                     duration(one), str(seeds), duration(one * seeds)])
    print(f"{measured_on(preset.name, processes, args.device)}; no search of rates included\n")
    print(format_table(["condition", "ms/batch", "ms/test image", "one run", "seeds", "all"],
                       rows))
    print(f"\none run after the other: {duration(total)}")
    return 0
