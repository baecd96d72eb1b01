"""Repeat the paper's experiments, with several seeds, and keep every run as a file.

Presets: smoke (drawn images, tiny networks: shows that everything runs), scaled (ten classes of
CIFAR-100 and narrow networks: forty minutes on two free cores) and paper (§4.2 as printed).  Each
run is one JSON in the results folder.  A run whose file exists is not repeated, an interrupted one
goes on from its checkpoint: stop and call again as you like.

  python -m minibn replicate table4 --preset smoke
  python -m minibn replicate all --preset scaled --data-dir DIR
  python -m minibn replicate fig4 --seeds 10 --scheduler tcp://host:8786
  python -m minibn replicate --from results/scaled/all_cnn-bn-b5-s1.json --check
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
from minibn.commands.options import whole
from minibn.commands.table import duration, format_table
from minibn.replication.check import repeat
from minibn.replication.conditions import EXPERIMENTS
from minibn.replication.estimate import estimate
from minibn.replication.jobs import Unit
from minibn.replication.pool import carry_out_all
from minibn.replication.presets import (
    PRESETS,
    Preset,
    cells_of,
    check_preset,
    replications,
    results_folder,
)
from minibn.replication.results import load_results, read_result, result_path
from minibn.replication.runner import processor
from minibn.replication.search import cells_to_search, choose_rates


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `replicate`."""
    parser.add_argument("experiments", nargs="*", metavar="EXPERIMENT",
                        help=f"all, or any of {', '.join(EXPERIMENTS)} (default: all)")
    parser.add_argument("--preset", choices=tuple(PRESETS), default="scaled",
                        help="default: scaled")
    parser.add_argument("--seeds", type=whole(1), metavar="N",
                        help="replications of each cell (default: the preset's)")
    parser.add_argument("--data-dir", metavar="DIR",
                        help="folder that holds cifar-100-python/ "
                             "(default: $MINIBN_DATA, then ~/.cache/minibn)")
    parser.add_argument("--out", type=Path, metavar="DIR",
                        help="folder of results (default: results/PRESET, for smoke runs/smoke)")
    parser.add_argument("--work", type=Path, metavar="DIR",
                        help="folder of checkpoints (default: runs/replicate/PRESET)")
    group = parser.add_argument_group("where to compute")
    group.add_argument("--processes", type=whole(1), metavar="N",
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
    cells = cells_of(names)
    search = [unit for cell in cells_to_search(cells) for unit in preset.search(cell)]
    if search:
        print(f"learning rates: {number_of(search, out)} on held-out training images", flush=True)
        carry_out_all(search, out, work, **settings)
    rates = choose_rates(preset, cells, load_results(out))
    rows = [[cell.key, f"{rates[cell.key]:g}"] for cell in cells]
    print(f"\n{format_table(['cell', 'learning rate'], rows)}\n", flush=True)
    if args.search_only:
        return 0
    units = preset.pilots(rates) + replications(preset, names, rates, args.seeds)
    print(f"replications: {number_of(units, out)}", flush=True)
    carry_out_all(units, out, work, **settings)
    diverged = [r.unit.name for r in load_results(out) if r.status == "diverged"]
    print(f"\nresults  {out}, {len(units)} runs"
          + (f"; diverged: {', '.join(diverged)}" if diverged else ""))
    return 0


def number_of(units: list[Unit], out: Path) -> str:
    """"91 runs (60 of them done before)"."""
    done = sum(result_path(out, unit).exists() for unit in units)
    return f"{len(units)} runs" + (f" ({done} of them done before)" if done else "")


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
    print(f"{again.unit.name}: test accuracy {again.final():.4f} after "
          f"{again.history.epochs} epochs ({again.mode})")
    if args.check and difference is None:
        print(f"every number as in {args.source}")
    elif args.check:
        made = read_result(args.source).made
        print(f"differs from {args.source}: {difference}\n"
              f"It was made by commit {made.get('commit')} with NumPy {made.get('numpy')} on "
              f"{made.get('processor')}; last digits repeat for the same of all three.")
    return int(args.check and difference is not None)


def _estimate(preset: Preset, names: list[str], args: argparse.Namespace) -> int:
    rows, total = [], 0.0
    for cell in cells_of(names):
        found = estimate(preset, cell, args.device)
        seeds = args.seeds or max(preset.seeds_for(name) for name in names
                                  if cell in EXPERIMENTS[name].cells)
        total += found.run * seeds
        rows.append([cell.key, f"{1000 * found.step:.1f}", f"{1000 * found.test:.2f}",
                     duration(found.run), str(seeds), duration(found.run * seeds)])
    threads = os.environ.get("OPENBLAS_NUM_THREADS", "all")
    where = "its GPU" if args.device == "gpu" else f"BLAS threads: {threads}"
    print(f"{preset.name}, measured on {processor()}, {where}; no search of rates included\n")
    print(format_table(["cell", "ms/batch", "ms/test image", "one run", "seeds", "all"], rows))
    print(f"\none run after the other: {duration(total)}")
    return 0
