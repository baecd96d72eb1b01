"""`compare --search`: the learning rate of each method, from one and the same small search.

Each method is trained at coarse steps of the grid, further out where the best rate is at the edge,
and then at the two finer steps beside the best one.  The same command resumes a search that was
interrupted: it takes the runs that its result file has.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from itertools import count as counting
from pathlib import Path
from statistics import mean

from minibn.commands.announce import announce, images_bar
from minibn.commands.options import make_recipe
from minibn.commands.table import count, format_table, percent
from minibn.data.dataset import Dataset
from minibn.norms import NORMS
from minibn.training import Run
from minibn.training.record import (
    Record,
    Trained,
    describe,
    read_record,
    save_record,
    trained,
    versions,
)
from minibn.training.side_by_side import train_side_by_side

GRID = (0.001, 0.0017, 0.003, 0.0055, 0.01, 0.017, 0.03, 0.055, 0.1, 0.17, 0.3, 0.55, 1.0)
COARSE, FINE = 2, 1              # steps along the grid
START = (0.003, 0.01, 0.03, 0.1)
FIRST_SEED = 100                 # so that no comparison trains with the search's seeds


def search(args: argparse.Namespace, norms: list[str], data: Dataset, processes: int) -> int:
    """Train every method at every rate, print the table and write the result file."""
    if args.lr is not None:
        raise ValueError("--search tries rates of its own: leave out --lr")
    data = held_out(data)
    record = Record(args.command, versions(args.device), args.device, describe(data),
                    args.threshold, [])
    name = f"search-{data.name}-batch{args.batch_size}.json"
    file, record.runs = earlier(args.out / name, record)
    for wanted in rates_to_try(record, norms):
        recipes = [make_recipe(args, norm, seed=FIRST_SEED + k, lr=rate)
                   for k in range(args.seeds) for norm, rate in wanted]
        known = [run.recipe for run in record.runs]
        runs = [Run(recipe, data, args.device) for recipe in recipes if recipe not in known]
        if runs:
            train_all(runs, processes, record, file)
    print(f"{table(record)}\n\nresults  {file}")
    return 0


def rates_to_try(record: Record, norms: list[str]) -> Iterator[list[tuple[str, float]]]:
    """Norms with their next rates, until the best one has been compared with both its neighbors.

    The caller adds the results to the record before it asks for more.
    """
    yield [(norm, rate) for norm in norms for rate in START]
    for step in (COARSE, FINE):
        while True:
            wanted = [(norm, rate) for norm, by_rate in accuracies(record).items()
                      for rate in neighbors(best_rates(record)[norm], step)
                      if rate not in by_rate]
            if not wanted:
                break
            yield wanted


def train_all(runs: list[Run], processes: int, record: Record, file: Path) -> None:
    """Train all runs; each is in the record and in its file once it has ended."""
    announce(runs, processes)
    with images_bar(runs) as bar:
        for step in train_side_by_side(runs, processes, bar.update):
            run = runs[step.place]
            if step.stopped or run.history.epochs == run.recipe.epochs:
                record.runs.append(trained(run, step.stopped))
                save_record(file, record)


def earlier(path: Path, record: Record) -> tuple[Path, list[Trained]]:
    """The result file of this command on these data and the runs that it has, or a free name."""
    for number in counting(1):
        file = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        if not file.exists():
            break
        try:
            kept = read_record(file)
        except ValueError:                                 # something else
            continue
        if (kept.command, kept.data, kept.device) == (record.command, record.data, record.device):
            for run in kept.runs:
                if run.recipe.lr not in GRID or not (
                        run.stopped or run.history.epochs == run.recipe.epochs):
                    raise ValueError(f"{file} has a run at rate {run.recipe.lr:g} with "
                                     f"{run.history.epochs} of {run.recipe.epochs} epochs, which "
                                     "this search has not made")
            return file, kept.runs
    return file, []


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


def neighbors(rate: float, step: int = FINE) -> list[float]:
    """The rates of the grid so many steps below and above this one."""
    index = GRID.index(rate)
    return [GRID[k] for k in (index - step, index + step) if 0 <= k < len(GRID)]


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
