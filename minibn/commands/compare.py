"""Train several normalizations side by side and compare them.

Each method is trained with several seeds, in processes where there are cores.  With the same seed
all start from the same initial weights and see the same images in the same order.  Each has the
learning rate that one search found for it, unless --lr gives one for all.  At the end stand a
table, a figure (training loss and test accuracy against epochs, with the range of the seeds) and a
result file with everything needed to redraw it.

  python -m minibn compare
  python -m minibn compare --norms bn renorm_debias gn --batch-size 2
  python -m minibn compare --data cifar100 --data-dir DIR --limit-train 10000 --seeds 1
  python -m minibn compare --search
  python -m minibn compare --redraw runs/compare-synthetic-batch5-seed0.json
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import mean

from tqdm import tqdm

from minibn.commands.announce import announce, images_bar
from minibn.commands.options import (
    MOST_SEEDS,
    add_data_options,
    add_recipe_options,
    add_result_options,
    fill_defaults,
    load_data,
    make_recipe,
    whole,
)
from minibn.commands.rates import where_from
from minibn.commands.search import search
from minibn.commands.summary import (
    by_norm,
    drawn,
    label,
    last_epoch,
    setting,
    summary,
    trust,
)
from minibn.commands.table import percent
from minibn.norms import NORMS
from minibn.training import Run
from minibn.training.record import Record, free_path, make_record, read_record, save_record
from minibn.training.side_by_side import cores, train_side_by_side


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `compare`."""
    parser.add_argument("--norms", nargs="+", choices=tuple(NORMS), metavar="NORM",
                        default=["bn", "brn", "renorm_debias"],
                        help=f"of {', '.join(NORMS)} (default: bn brn renorm_debias)")
    parser.add_argument("--seeds", type=whole(1, MOST_SEEDS), default=3, metavar="N",
                        help="train each method N times, from --seed upward (default 3)")
    parser.add_argument("--processes", type=whole(1), metavar="N",
                        help="train N runs at a time (default: one for each core; gpu: 1)")
    parser.add_argument("--search", action="store_true",
                        help="find the learning rate of each method: train on three quarters of "
                             "the training images, test on the last quarter")
    add_data_options(parser)
    add_recipe_options(parser)
    group = add_result_options(parser)
    group.add_argument("--redraw", type=Path, metavar="FILE",
                       help="train nothing: print the table of a result file, and draw its figure "
                            "beside it; takes no other option")


def run(args: argparse.Namespace) -> int:
    """Train, print, write; 1 where every run diverged."""
    if args.redraw is not None:
        given = shlex.split(args.command)[4:]        # after python -m minibn compare
        if len(given) > 1 + ("--redraw" in given):   # one word more than in --redraw=FILE
            raise ValueError("--redraw takes no other option: everything is in its file")
        return _redraw(args.redraw)
    fill_defaults(args)
    data = load_data(args)
    norms = list(dict.fromkeys(args.norms))
    processes = args.processes or (1 if args.device == "gpu" else cores())
    if args.device == "gpu" and processes > 1:
        raise ValueError("--device gpu trains one run at a time: leave out --processes")
    if args.search:
        return search(args, norms, data, processes)
    runs = [Run(make_recipe(args, norm, seed=args.seed + k), data, args.device)
            for k in range(args.seeds) for norm in norms]
    rates = None if args.lr is not None else where_from(args.data, norms)
    stopped: dict[int, str] = {}

    def record() -> Record:
        return make_record(runs, args.command, args.threshold, stopped, rates)

    file = free_path(args.out / f"compare-{data.name}-batch{args.batch_size}-seed{args.seed}.json",
                     record())
    try:
        announce(runs, processes)
        train_together(runs, stopped, processes, lambda: save_record(file, record()))
    finally:                                         # after Ctrl-C: what there is until then
        if any(run.history.epochs for run in runs) or stopped:
            save_record(file, record())
            print(f"\n{summary(record())}\n")
            print(f"figure   {draw(record(), file)}\nresults  {file}")
        else:                                        # nothing
            file.unlink(missing_ok=True)
    return 1 if len(stopped) == len(runs) else 0


def train_together(runs: list[Run], stopped: dict[int, str], processes: int,
                   after_epoch: Callable[[], object]) -> None:
    """Train all runs, with one bar and a line of accuracies whenever all have done an epoch.

    A run that diverges is noted in `stopped`, by its place in the list; the others go on.
    """
    norms = list(dict.fromkeys(run.recipe.norm for run in runs))
    titles = [NORMS[norm].title for norm in norms]
    widths = [max(9, len(title) + 2) for title in titles]
    several = len(runs) > len(norms)
    print("test accuracy after each epoch" + ", mean of the seeds" * several)
    print("epoch" + "".join(map(str.rjust, titles, widths)), flush=True)
    shown = 0
    with images_bar(runs) as bar, closing(
            train_side_by_side(runs, processes, bar.update)) as steps:
        for step in steps:
            if step.stopped:
                stopped[step.place] = step.stopped
            after_epoch()
            going = [run for place, run in enumerate(runs) if place not in stopped]
            done = min((run.history.epochs for run in going), default=0)
            for epoch in range(shown, done):
                tqdm.write(f"{epoch + 1:5}" + "".join(map(str.rjust, (
                    _cell([run for run in going if run.recipe.norm == norm], epoch)
                    for norm in norms), widths)), file=sys.stdout)
            shown = max(shown, done)


def _cell(runs: list[Run], epoch: int) -> str:
    """The mean accuracy of a norm's runs after an epoch."""
    if not runs:
        return "diverged"
    return percent(mean(run.history.test_accuracy[run.history.mode][epoch] for run in runs))


def draw(record: Record, file: Path) -> Path:
    """Draw the figure of a record beside its result file; returns the figure's path."""
    from minibn.plots import save_figure, training_figure  # matplotlib takes a second to load

    last = last_epoch(record)
    groups = by_norm(record)
    modes = ", ".join(f"{runs[0].title} {runs[0].history.mode}" for runs in groups.values())
    figure = training_figure(
        {norm: drawn(runs, last) for norm, runs in groups.items()},
        {norm: label(runs) for norm, runs in groups.items()},
        f"Normalization at batch size {record.runs[0].recipe.batch_size}",
        f"{setting(record)}. Loss: mean over an epoch's batches. Test mode: {modes}. "
        f"Dashed: {100 * record.threshold:g} %. {trust(record)}", record.threshold)
    path = file.with_suffix(".png")
    save_figure(figure, path)
    return path


def _redraw(file: Path) -> int:
    record = read_record(file)
    print(f"{record.command}\n\n{summary(record)}\n\nfigure   {draw(record, file)}")
    return 0
