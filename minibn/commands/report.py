"""Make the replication's report of its results: tables, figures, a verdict for each claim.

Reads the result files of `python -m minibn replicate`, trains nothing, and writes REPORT.md with
its figures beside it.

  python -m minibn report
  python -m minibn report --preset smoke --results runs/smoke --out runs/smoke-report
"""

from __future__ import annotations

import argparse
from pathlib import Path

from minibn.experiments import PRESETS, load_results
from minibn.experiments.claims import judge
from minibn.experiments.report import report
from minibn.report_plots import report_figures


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `report`."""
    parser.add_argument("--preset", choices=tuple(PRESETS), default="scaled",
                        help="default: scaled")
    parser.add_argument("--results", type=Path, metavar="DIR",
                        help="folder of result files (default: results/PRESET)")
    parser.add_argument("--out", type=Path, default=Path("results"), metavar="DIR",
                        help="where REPORT.md and figures/ go (default: results)")


def run(args: argparse.Namespace) -> int:
    """Write the report and print the verdicts."""
    preset = PRESETS[args.preset]
    folder = args.results or Path("results") / preset.name
    results = load_results(folder)
    if not len(results):
        raise ValueError(f"no results in {folder}: `python -m minibn replicate` makes them")
    figures = args.out / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    for name, figure in report_figures(results, preset).items():
        figure.savefig(figures / f"{name}.png")
    cost = args.out / "paper-cost.txt"
    text = report(results, preset, cost.read_text(encoding="utf-8") if cost.exists() else "")
    (args.out / "REPORT.md").write_text(text, encoding="utf-8")
    for one in judge(results, preset):
        print(f"{one.verdict:<15}  {one.claim}")
    print(f"\nreport  {args.out / 'REPORT.md'}")
    return 0
