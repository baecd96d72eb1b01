"""`compare --search`: the learning rate of each method, from one and the same small search."""

from __future__ import annotations

import argparse
from dataclasses import replace
from statistics import mean

from tqdm import tqdm

from minibn.commands.announce import announce
from minibn.commands.options import make_recipe
from minibn.commands.table import count, format_table, percent
from minibn.data.dataset import Dataset
from minibn.norms import NORMS
from minibn.training import Run
from minibn.training.record import Record, free_path, make_record, save_record
from minibn.training.side_by_side import train_side_by_side

GRID = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
START = GRID[1:5]                # tried first; extended where the best one is at the edge
FIRST_SEED = 100                 # so that no comparison trains with the search's seeds


def search(args: argparse.Namespace, norms: list[str], data: Dataset, processes: int) -> int:
    """Train every method at every rate, print the table and write the result file."""
    if args.lr is not None:
        raise ValueError("--search tries rates of its own: leave out --lr")
    data = held_out(data)
    runs: list[Run] = []
    stopped: dict[int, str] = {}
    rates = {norm: list(START) for norm in norms}
    asked = [(norm, rate) for norm in norms for rate in rates[norm]]
    file = None
    while asked:
        new = [Run(make_recipe(args, norm, seed=FIRST_SEED + k, lr=rate), data, args.device)
               for k in range(args.seeds) for norm, rate in asked]
        record = make_record(runs + new, args.command, args.threshold, stopped)
        file = file or free_path(args.out / f"search-{data.name}-batch{args.batch_size}.json",
                                 record)
        announce(new, processes)
        with tqdm(total=sum(run.recipe.epochs * len(data.train_images) for run in new),
                  unit="image", unit_scale=True, dynamic_ncols=True, disable=None,
                  desc=count(len(new), "run")) as bar:
            for step in train_side_by_side(new, processes, bar.update):
                if step.stopped:
                    stopped[len(runs) + step.place] = step.stopped
                save_record(file, make_record(runs + new, args.command, args.threshold, stopped))
        runs += new
        record = make_record(runs, args.command, args.threshold, stopped)
        save_record(file, record)
        asked = []
        for norm, best in best_rates(record).items():
            beyond = neighbor(best, rates[norm])
            if beyond is not None:
                rates[norm].append(beyond)
                asked.append((norm, beyond))
    print(f"{table(record)}\n\nresults  {file}")
    return 0


def held_out(data: Dataset) -> Dataset:
    """The first three quarters of the training images, tested on the last quarter."""
    cut = 3 * len(data.train_images) // 4
    if cut < 1:
        raise ValueError(f"a search needs more than {len(data.train_images)} training images")
    return replace(data, train_images=data.train_images[:cut], train_labels=data.train_labels[:cut],
                   test_images=data.train_images[cut:], test_labels=data.train_labels[cut:])


def accuracies(record: Record) -> dict[str, dict[float, float]]:
    """Held-out accuracy after the last epoch, the mean over seeds, by norm and rate.

    A run that diverged counts with an accuracy of 0.
    """
    found: dict[str, dict[float, list[float]]] = {}
    for run in record.runs:
        final = 0.0 if run.stopped else run.history.final()
        found.setdefault(run.recipe.norm, {}).setdefault(run.recipe.lr, []).append(final)
    return {norm: {rate: mean(values) for rate, values in sorted(by_rate.items())}
            for norm, by_rate in found.items()}


def best_rates(record: Record) -> dict[str, float]:
    """The rate with the best accuracy of each norm; of equally good ones the smallest."""
    return {norm: max(by_rate, key=by_rate.__getitem__)
            for norm, by_rate in accuracies(record).items()}


def neighbor(best: float, tried: list[float]) -> float | None:
    """The next rate of the grid beyond the best one, where that lies at the edge of those tried."""
    index = GRID.index(best)
    for beyond in (index - 1, index + 1):
        if 0 <= beyond < len(GRID) and GRID[beyond] not in tried:
            return GRID[beyond]
    return None


def table(record: Record) -> str:
    """Held-out accuracy by method and rate, the best of each method marked."""
    found, best = accuracies(record), best_rates(record)
    rates = sorted({rate for by_rate in found.values() for rate in by_rate})
    rows = [[NORMS[norm].title, *(
        percent(by_rate.get(rate)) + ("*" if rate == best[norm] else " ") for rate in rates)]
        for norm, by_rate in found.items()]
    seeds = len({run.recipe.seed for run in record.runs})
    return "\n".join([
        f"accuracy on {record.data['test']:,} held-out images after training on "
        f"{record.data['train']:,}, mean of {count(seeds, 'seed')}; * the best rate", "",
        format_table(["learning rate", *(f"{rate:g} " for rate in rates)], rows)])
