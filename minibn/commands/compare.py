"""Train several normalizations side by side and compare them.

All start from the same initial weights and see the same images in the same order, epoch by epoch
in turn.  At the end stand a table, a figure (training loss and test accuracy against epochs) and a
result file with everything needed to redraw it.

  python -m minibn compare
  python -m minibn compare --norms bn renorm_debias gn --batch-size 2
  python -m minibn compare --data cifar100 --data-dir DIR --limit-train 10000 --epochs 8
  python -m minibn compare --redraw runs/compare-synthetic-batch5-seed0.json
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tqdm import tqdm

from minibn.commands.announce import announce
from minibn.commands.options import (
    add_data_options,
    add_recipe_options,
    add_result_options,
    fill_defaults,
    load_data,
    make_recipe,
)
from minibn.commands.table import format_table, percent
from minibn.norms import NORMS
from minibn.training import Diverged, Run, progress_bar, quiet_overflow
from minibn.training.record import Record, Trained, free_path, make_record, read_record, save_record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `compare`."""
    parser.add_argument("--norms", nargs="+", choices=tuple(NORMS), metavar="NORM",
                        default=["bn", "brn", "renorm_debias"],
                        help=f"of {', '.join(NORMS)} (default: bn brn renorm_debias)")
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
    norms = list(dict.fromkeys(args.norms))
    data = load_data(args)
    runs = [Run(make_recipe(args, norm), data, args.device) for norm in norms]
    stopped: dict[str, str] = {}
    file = free_path(args.out / f"compare-{data.name}-batch{args.batch_size}-seed{args.seed}.json",
                     make_record(runs, args.command, args.threshold, stopped))

    def save() -> Record:
        record = make_record(runs, args.command, args.threshold, stopped)
        save_record(file, record)
        return record

    try:
        announce(runs)
        train_together(runs, stopped, after_epoch=save)
    finally:                                         # after Ctrl-C: what there is until then
        if any(run.history.epochs for run in runs) or stopped:
            record = save()
            print(f"\n{summary(record)}\n")
            print(f"figure   {draw(record, file)}\nresults  {file}")
        else:                                        # nothing
            file.unlink(missing_ok=True)
    return 1 if len(stopped) == len(runs) else 0


def train_together(runs: list[Run], stopped: dict[str, str],
                   after_epoch: Callable[[], object]) -> None:
    """Train all runs, an epoch each in turn, with a bar each and a line of accuracies an epoch.

    A run that diverges is noted in `stopped`, by its norm; the others go on.
    """
    titles = [NORMS[run.recipe.norm].title for run in runs]
    widths = [max(9, len(title) + 2) for title in titles]
    print("test accuracy after each epoch\nepoch" + "".join(map(str.rjust, titles, widths)))
    with ExitStack() as stack:
        stack.enter_context(quiet_overflow())
        # smoothing=0: time left from the mean speed, since every bar rests while others move.
        bars = [stack.enter_context(progress_bar(run, position=place, smoothing=0, disable=None))
                for place, run in enumerate(runs)]
        for epoch in range(1, runs[0].recipe.epochs + 1):
            for run, bar in zip(runs, bars, strict=True):
                if run.recipe.norm in stopped:
                    continue
                try:
                    run.epoch(bar)
                except Diverged as error:
                    stopped[run.recipe.norm] = str(error)
            cells = ["stopped" if run.recipe.norm in stopped else percent(run.history.final())
                     for run in runs]
            tqdm.write(f"{epoch:5}" + "".join(map(str.rjust, cells, widths)), file=sys.stdout)
            after_epoch()
            if len(stopped) == len(runs):
                return


def summary(record: Record) -> str:
    """The table, what it was measured on, and how far it can be trusted."""
    header = ["", "test mode", "final", "best", f"epochs to {100 * record.threshold:g} %",
              "s/epoch", "parameters"]
    rows = [row for trained in record.runs for row in _rows(trained, record.threshold)]
    lines = [_setting(record), "", format_table(header, rows, left=2), ""]
    lines += [f"{trained.title}: {trained.stopped}" for trained in record.runs if trained.stopped]
    return "\n".join([*lines, _trust(record)])


def _rows(trained: Trained, threshold: float) -> list[list[str]]:
    """One line for each test mode; time and size in the first alone."""
    history, rows = trained.history, []
    for mode in history.test_accuracy:
        first = mode == history.mode
        if history.epochs:
            accuracies = [percent(history.final(mode)), percent(history.best(mode)),
                          str(history.epochs_to(threshold, mode) or "never")]
        else:
            accuracies = ["–", "–", "–"]
        seconds = f"{sum(history.seconds) / history.epochs:.1f}" if history.epochs else "–"
        rows.append([trained.title if first else "", mode, *accuracies,
                     seconds if first else "", f"{trained.parameters:,}" if first else ""])
    return rows


def _setting(record: Record) -> str:
    """What was trained on what, in one line."""
    recipe, data = record.runs[0].recipe, record.data
    network = {"all_cnn": "ALL-CNN", "nin": "NiN"}[recipe.network]
    together = f"batch size {recipe.batch_size}"
    if recipe.accumulate > 1:
        together += f" x {recipe.accumulate} for one update"
    rate = f"learning rate {recipe.lr:g}"
    if recipe.lr_every is not None:
        rate += f" divided by 10 every {recipe.lr_every} epochs"
    if recipe.lr_drops:
        rate += f" divided by 10 after epochs {', '.join(map(str, recipe.lr_drops))}"
    return (f"{network} of width {recipe.width} on {data['name']} ({data['train']:,} training and "
            f"{data['test']:,} test images, {data['classes']} classes), {together}, {rate}, "
            f"seed {recipe.seed}")


def _trust(record: Record) -> str:
    """How exactly a share of so many test images is known."""
    best = max((run.history.best() for run in record.runs if run.history.epochs), default=0.5)
    tests = record.data["test"]
    half = 1.96 * (best * (1 - best) / tests) ** 0.5
    return (f"One run each: on {tests:,} test images an accuracy is known to "
            f"±{100 * half:.1f} points (95 %), and another --seed gives another result.")


def draw(record: Record, file: Path) -> Path:
    """Draw the figure of a record beside its result file; returns the figure's path."""
    from minibn.plots import save_figure, training_figure  # matplotlib takes a second to load

    histories = {trained.recipe.norm: trained.history for trained in record.runs}
    modes = ", ".join(f"{trained.title} {trained.history.mode}" for trained in record.runs)
    figure = training_figure(
        histories, f"Normalization at batch size {record.runs[0].recipe.batch_size}",
        f"{_setting(record)}. Loss: mean over an epoch's batches. Test mode: {modes}. "
        f"Dashed: {100 * record.threshold:g} %. {_trust(record)}", record.threshold)
    path = file.with_suffix(".png")
    save_figure(figure, path)
    return path


def _redraw(file: Path) -> int:
    record = read_record(file)
    print(f"{record.command}\n\n{summary(record)}\n\nfigure   {draw(record, file)}")
    return 0
