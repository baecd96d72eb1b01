"""What a result file says, in a table and a few sentences."""

from __future__ import annotations

from fractions import Fraction
from statistics import mean

from minibn.commands.table import format_table, percent
from minibn.norms import NORMS
from minibn.replication.statistics import estimate
from minibn.training.history import History
from minibn.training.record import Record, Trained

NETWORKS = {"all_cnn": "ALL-CNN", "nin": "NiN"}


def summary(record: Record) -> str:
    """The table, what it was measured on, and how far it can be trusted."""
    several = len(seeds(record)) > 1
    header = ["", "test mode", "rate", "final", *["range"] * several,
              f"epochs to {100 * record.threshold:g} %", "s/epoch", "parameters"]
    rows = [row for runs in by_norm(record).values() for row in _rows(runs, record, several)]
    lines = [f"{setting(record)}.", "", format_table(header, rows, left=2), ""]
    lines += stopped(record)
    lines += differences(record)
    if record.rates is not None:
        lines.append(f"Learning rates: {record.rates}.")
    return "\n".join([*lines, trust(record)])


def by_norm(record: Record) -> dict[str, list[Trained]]:
    """The runs of each norm, in the order of the file."""
    groups: dict[str, list[Trained]] = {}
    for run in record.runs:
        groups.setdefault(run.recipe.norm, []).append(run)
    return groups


def seeds(record: Record) -> list[int]:
    """The seeds of the runs, each once."""
    return list(dict.fromkeys(run.recipe.seed for run in record.runs))


def last_epoch(record: Record) -> int:
    """The last epoch that every run which did not diverge has finished."""
    return min((run.history.epochs for run in record.runs if not run.stopped), default=0)


def counted(runs: list[Trained], last: int) -> list[History]:
    """The histories up to epoch `last` that means are taken of: of runs that did not diverge."""
    return [run.history.first(last) for run in runs if not run.stopped and last]


def drawn(runs: list[Trained], last: int) -> list[History]:
    """The histories that a figure shows: where every run diverged, as far as they all went."""
    gone = [run.history for run in runs if run.stopped and run.history.epochs]
    if len(gone) < len(runs):
        return counted(runs, last)
    return [history.first(min(one.epochs for one in gone)) for history in gone]


def label(runs: list[Trained]) -> str:
    """A method's name in a legend, with the number of its runs that diverged."""
    gone = sum(bool(run.stopped) for run in runs)
    return f"{runs[0].title} ({gone} of {len(runs)} diverged)" if gone else runs[0].title


def _rows(runs: list[Trained], record: Record, several: bool) -> list[list[str]]:
    """One line for each test mode; rate, time and size in the first alone."""
    rows = []
    histories = counted(runs, last_epoch(record))
    seconds = [s for run in runs for s in run.history.seconds]
    none = "diverged" if all(run.stopped for run in runs) else "–"
    for mode in runs[0].history.test_accuracy:
        first = mode == runs[0].history.mode
        finals = [history.final(mode) for history in histories]
        reached = [history.epochs_to(record.threshold, mode) for history in histories]
        arrived = [epoch for epoch in reached if epoch is not None]
        to_threshold = f"{mean(arrived):.3g}" if arrived else "never"
        if arrived and len(arrived) < len(reached):
            to_threshold += f" ({len(arrived)} of {len(reached)})"
        row = [runs[0].title if first else "", mode,
               f"{runs[0].recipe.lr:g}" if first else "",
               percent(mean(finals)) if finals else none]
        if several:
            row.append(f"{100 * min(finals):.1f} to {100 * max(finals):.1f}" if finals else "–")
        rows.append([*row, to_threshold if finals else "–",
                     f"{mean(seconds):.1f}" if first and seconds else "–" if first else "",
                     f"{runs[0].parameters:,}" if first else ""])
    return rows


def setting(record: Record) -> str:
    """What was trained on what, in one line."""
    recipe, data = record.runs[0].recipe, record.data
    together = f"batch size {recipe.batch_size}"
    if recipe.accumulate > 1:
        together += f" x {recipe.accumulate} for one update"
    rates = {run.recipe.lr for run in record.runs}
    rate = f"learning rate {recipe.lr:g}" if len(rates) == 1 else "the learning rate of each method"
    if recipe.lr_every is not None:
        rate += f" divided by 10 every {recipe.lr_every} epochs"
    if recipe.lr_drops:
        rate += f" divided by 10 after epochs {', '.join(map(str, recipe.lr_drops))}"
    found = seeds(record)
    which = f"seed {found[0]}" if len(found) == 1 else f"{len(found)} seeds"
    return (f"{NETWORKS[recipe.network]} of width {recipe.width} on {data['name']} "
            f"({data['train']:,} training and {data['test']:,} test images, {data['classes']} "
            f"classes), {together}, {rate}, {which}")


def stopped(record: Record) -> list[str]:
    """Which runs diverged, and where."""
    lines = []
    for norm, runs in by_norm(record).items():
        gone = [run for run in runs if run.stopped]
        if gone and len(runs) == 1:
            lines.append(f"{NORMS[norm].title}: {gone[0].stopped}")
        elif gone:
            left = len(runs) - len(gone)
            rest = f"; its numbers are of the other {left}" if left else ""
            lines.append(f"{NORMS[norm].title}: {len(gone)} of {len(runs)} runs diverged{rest} "
                         f"(seed {gone[0].recipe.seed}: {gone[0].stopped})")
    return lines


def differences(record: Record) -> list[str]:
    """Each method's final accuracy minus the first one's, paired by seed, with its interval."""
    groups, last, lines = list(by_norm(record).values()), last_epoch(record), []

    def finals(runs: list[Trained]) -> dict[int, float]:
        return {run.recipe.seed: run.history.first(last).final()
                for run in runs if not run.stopped and last}

    first = finals(groups[0])
    for runs in groups[1:]:
        pairs = [100 * (final - first[seed]) for seed, final in finals(runs).items()
                 if seed in first]
        if len(pairs) > 1:
            found = estimate(pairs)
            points = f"{found.mean:+.1f} ± {found.half:.1f} points".replace("-", "−")
            lines.append(f"{runs[0].title} minus {groups[0][0].title}: {points} "
                         f"(mean over {found.n} seeds, paired, 95 % interval)")
    return lines


def trust(record: Record) -> str:
    """What the range of the seeds means, and how exactly a share of so many images is known."""
    best = max((run.history.final() for run in record.runs if run.history.epochs), default=0.5)
    tests, n = record.data["test"], len(seeds(record))
    half = 100 * 1.96 * (best * (1 - best) / tests) ** 0.5
    if n == 1:
        return (f"One run each: on {tests:,} test images an accuracy is known to "
                f"±{half:.1f} points (95 %), and another --seed gives another result.")
    return (f"Range and band: the lowest and the highest of {n} seeds. A run with one more seed "
            f"falls between them with probability {Fraction(n - 1, n + 1)}. The {tests:,} test "
            f"images alone leave ±{half:.1f} points (95 %).")
