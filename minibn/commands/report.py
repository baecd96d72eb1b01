"""Make the replication's report of its results: tables, figures, a verdict for each claim.

Reads the result files of `python -m minibn replicate`, trains nothing, and writes REPORT.md with
its figures beside it.

  python -m minibn report
  python -m minibn report --preset smoke
"""

from __future__ import annotations

import argparse
from pathlib import Path

from minibn.files import write_atomically
from minibn.plots import save_figure
from minibn.replication import PRESETS, load_results
from minibn.replication.claims import judge
from minibn.replication.figures import report_figures
from minibn.replication.presets import check_preset, report_folder, results_folder
from minibn.replication.report import report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `report`."""
    parser.add_argument("--preset", choices=tuple(PRESETS), default="scaled",
                        help="default: scaled")
    parser.add_argument("--results", type=Path, metavar="DIR",
                        help="folder of result files (default: results/PRESET, for smoke "
                             "runs/smoke)")
    parser.add_argument("--again", type=Path, metavar="DIR",
                        help="folder of the results of the same experiments done once more, to "
                             "compare the verdicts with (default: the folder of results with "
                             "-again after its name, if there is one)")
    parser.add_argument("--out", type=Path, metavar="DIR",
                        help="where REPORT.md and figures/ go (default: results, for other "
                             "presets than scaled runs/PRESET-report, and with --results the "
                             "name of that folder with -report after it)")


def run(args: argparse.Namespace) -> int:
    """Write the report and print the verdicts."""
    preset = PRESETS[args.preset]
    folder = args.results or results_folder(preset)
    out = args.out or (report_folder(preset) if args.results is None else beside(folder, "report"))
    results = load_results(folder)
    if not len(results):
        raise ValueError(f"no results in {folder}: `python -m minibn replicate --preset "
                         f"{preset.name}` makes them")
    check_preset(results, preset, folder)
    repeated = args.again or beside(folder, "again")
    second = load_results(repeated)
    if args.again is not None and not len(second):
        raise ValueError(f"no results in {repeated}")
    check_preset(second, preset, repeated)
    figures = out / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    for name, figure in report_figures(results, preset).items():
        save_figure(figure, figures / f"{name}.png")
    cost = out / "paper-cost.txt"
    text = report(results, preset, cost.read_text(encoding="utf-8") if cost.exists() else "",
                  second)
    write_atomically(out / "REPORT.md", lambda file: file.write(text.encode()))
    for one in judge(results, preset):
        print(f"{one.verdict:<15}  {one.claim}")
    print(f"\nreport  {out / 'REPORT.md'}")
    return 0


def beside(folder: Path, what: str) -> Path:
    """The folder with "-what" after its name; of "." and "..", too, which have none."""
    named = folder if folder.name not in ("", "..") else folder.resolve()
    return named.with_name(f"{named.name}-{what}")
