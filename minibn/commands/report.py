"""Make the replication's report of its results: the answer, tables, figures, a verdict for each
claim.

Reads the result files of `python -m minibn replicate` and trains nothing.  Without options, in a
clone, it writes everything that is kept there: results/REPORT.md (one page), DETAILS.md, their
figures, APPENDIX.md (the earlier runs) and the lines in README.md.

  python -m minibn report
  python -m minibn report --preset tiny
  python -m minibn report --preset scaled --results runs/mine
"""

from __future__ import annotations

import argparse
from pathlib import Path

from minibn.commands.registered import folders, read_finished
from minibn.replication import PRESETS, load_results
from minibn.replication.answers import headline, status
from minibn.replication.arms import SIZES, Size
from minibn.replication.claims import judge
from minibn.replication.presets import Preset, check_preset, results_folder
from minibn.replication.publish import write_earlier, write_readme, write_registered


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `report`."""
    parser.add_argument("--preset", choices=(*SIZES, *PRESETS), default="medium",
                        help="default: medium")
    parser.add_argument("--results", type=Path, metavar="DIR",
                        help="folder of result files (default: where replicate puts them)")
    parser.add_argument("--again", type=Path, metavar="DIR",
                        help="of the earlier presets: folder of the results of the same "
                             "experiments done once more, to compare the verdicts with (default: "
                             "the folder of results with -again after its name, if there is one)")
    parser.add_argument("--out", type=Path, metavar="DIR",
                        help="where the pages and figures/ go (default: results; for smoke, tiny "
                             "and paper runs/PRESET-report; with --results the name of that "
                             "folder with -report after it)")


def run(args: argparse.Namespace) -> int:
    """Write the report and print the verdicts."""
    ours = args.results is None and args.out is None        # what a clone keeps
    if args.preset in SIZES:
        if args.again is not None:
            raise ValueError(f"--again belongs to the presets {', '.join(PRESETS)}, not to "
                             f"{args.preset}")
        return registered(SIZES[args.preset], args, ours and args.preset == "medium")
    return earlier(PRESETS[args.preset], args, ours and args.preset == "scaled")


def registered(size: Size, args: argparse.Namespace, ours: bool) -> int:
    """The registered replication; ours: with its appendix and README's lines."""
    folder = args.results or folders(size, None, None)[0]
    results = read_finished(folder, size)
    if not len(results) and not ours:
        raise ValueError(f"no results in {folder}: `python -m minibn replicate --preset "
                         f"{size.name}` makes them")
    paths = write_registered(size, results, Path("results") if ours else out_of(args, folder))
    if ours:
        old = PRESETS["scaled"]
        kept = load_results(results_folder(old))
        if len(kept):
            second = load_results(beside(results_folder(old), "again"))
            paths.append(write_earlier(old, kept, second, Path("results", "APPENDIX.md")))
        if write_readme(Path("README.md"), size, results):
            paths.append(Path("README.md"))
    for line in (headline(size, results).strip("*"), status(size, results)):
        if line:
            print(line)
    print(f"\nreport  {'  '.join(map(str, paths))}")
    return 0


def earlier(preset: Preset, args: argparse.Namespace, ours: bool) -> int:
    """The report of an earlier preset; ours: the appendix of the registered one."""
    folder = args.results or results_folder(preset)
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
    path = Path("results", "APPENDIX.md") if ours else out_of(args, folder) / "REPORT.md"
    write_earlier(preset, results, second, path)
    for one in judge(results, preset):
        print(f"{one.verdict:<15}  {one.claim}")
    print(f"\nreport  {path}")
    return 0


def out_of(args: argparse.Namespace, folder: Path) -> Path:
    """Where the pages go that no clone keeps."""
    if args.out is not None:
        return args.out
    return beside(folder, "report") if args.results is not None else (
        Path("runs") / f"{args.preset}-report")


def beside(folder: Path, what: str) -> Path:
    """The folder with "-what" after its name; of "." and "..", too, which have none."""
    named = folder if folder.name not in ("", "..") else folder.resolve()
    return named.with_name(f"{named.name}-{what}")
