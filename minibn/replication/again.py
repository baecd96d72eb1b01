"""The whole replication, search and all, a second time: which verdicts stay?

The seeds are the same, and with them the weights at the start and the order of the images.  But
another version of the code adds up in another order; sums then differ in their last digits, and
after some hundred updates a run differs in everything.  The second column shows how much of a
verdict is luck of this kind.
"""

from __future__ import annotations

import numpy as np

from minibn.replication.claims import judge
from minibn.replication.conditions import RATES, trio
from minibn.replication.metrics import final, mean_accuracy
from minibn.replication.presets import Preset
from minibn.replication.results import Result, Results
from minibn.replication.verdicts import compare
from minibn.replication.wording import markdown, shown

INTRODUCTION = """\
The same command, with its search of learning rates, was run a second time with a later version \
of the code ({runs} runs). The seeds are the same, but sums are rounded differently, so after \
some hundred updates every number differs. Intervals over seeds do not include the chance in the \
search; a second search shows how much it matters."""


def again(results: Results, second: Results, preset: Preset) -> str:
    """Claims, differences and verdicts of both, side by side; and how far runs lie apart."""
    rows, changed, first = [], [], judge(results, preset)
    for one, other in zip(first, judge(second, preset), strict=True):
        rows.append([f"**{one.claim}**", f"**{one.verdict}**", f"**{other.verdict}**"])
        for part, repeated in zip(one.parts, other.parts, strict=True):
            same = part.what == repeated.what          # another pilot, another threshold
            rows.append([part.what if same else f"{part.what}; again: {repeated.what}",
                         shown(part.difference, part.unit),
                         shown(repeated.difference, repeated.unit)])
        if one.verdict != other.verdict:
            changed.append(one.claim)
    lines = [
        INTRODUCTION.format(runs=len(second)),
        f"Of {len(first)} verdicts, {len(first) - len(changed)} are the same. "
        + (f"These changed: {' '.join(changed)}" if changed else ""),
        rates(results, second), spread(results, second),
        markdown(["", "first", "again"], rows), at_other_rates(results, second)]
    return "\n\n".join(line for line in lines if line)


def rates(results: Results, second: Results) -> str:
    """Which conditions the second search gave another learning rate."""
    others = []
    for condition in sorted({r.job.condition for r in second if r.job.kind == "run"}):
        before, now = (found.of(condition)[:1] for found in (results, second))
        if before and now and rate(before[0]) != rate(now[0]):
            others.append(f"{condition} {rate(before[0]):g}, then {rate(now[0]):g}")
    if not others:
        return "The search chose the same learning rates."
    return f"The search chose other learning rates for some: {'; '.join(others)}."


def at_other_rates(results: Results, second: Results) -> str:
    """renorm_debias − BN at the given rates in both rounds, side by side."""
    rows = []
    for lr in RATES:
        bn, _, debias = (condition.key for condition in trio("all_cnn", 5, lr=lr))
        for what, metric in (("final accuracy", final), ("mean over all epochs", mean_accuracy)):
            rows.append([f"{what}, both at rate {lr:g}", *(
                shown(compare(found, debias, bn, metric), "points")
                for found in (results, second))])
    return "renorm_debias − BN at other rates:\n\n" + markdown(["", "first", "again"], rows)


def spread(results: Results, second: Results) -> str:
    """How far a run and its repetition lie apart, and how far two seeds."""
    same, between = [], []
    for condition in sorted({r.job.condition for r in results if r.job.kind == "run"}):
        before, now = ({r.seed: r for r in found.of(condition)} for found in (results, second))
        pairs = [(before[seed], now[seed]) for seed in sorted(set(before) & set(now))
                 if rate(before[seed]) == rate(now[seed])]
        if len(pairs) > 1:
            same += [first.final() - repeated.final() for first, repeated in pairs]
            between.append(2 * np.var([first.final() for first, _ in pairs], ddof=1))
    if not same:
        return ""
    return (f"A run and its repetition with the same seed and rate differ in final accuracy by "
            f"{100 * np.sqrt(np.mean(np.square(same))):.1f} points (root mean square of "
            f"{len(same)} pairs). Two runs of one condition with different seeds differ by "
            f"{100 * np.sqrt(np.mean(between)):.1f} points.")


def rate(result: Result) -> float:
    """A run's learning rate."""
    return result.job.recipe.lr
