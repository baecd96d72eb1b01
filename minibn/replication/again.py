"""The whole replication, search and all, a second time: which verdicts stay?

The seeds are the same, and with them the weights at the start and the order of the images.  But
another processor, or another version of the code, adds up in another order; sums then differ in
their last digits, and after some hundred updates a run differs in everything.  What a verdict owes
to luck of this kind shows in the second column.
"""

from __future__ import annotations

import numpy as np

from minibn.replication.claims import judge
from minibn.replication.presets import Preset
from minibn.replication.results import Result, Results
from minibn.replication.wording import literal, markdown, shown


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
    made = sorted({literal(r.made.get("processor")) for r in second})
    lines = [
        f"The same command once more, its search of learning rates included, with a later version "
        f"of the code on {', '.join(made)} ({len(second)} runs). Seeds are the same, rounding is "
        "not, and after some hundred updates nothing else is. Intervals over seeds know nothing of "
        "the luck of the search; here it has been drawn a second time.",
        f"Of {len(first)} verdicts {len(first) - len(changed)} are the same. "
        + (f"Others came of: {' '.join(changed)}" if changed else ""),
        rates(results, second), spread(results, second),
        markdown(["", "first", "again"], rows)]
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
    return (f"A run and its repetition, of one seed and one rate, differ in final accuracy by "
            f"{100 * np.sqrt(np.mean(np.square(same))):.1f} points (root mean square of "
            f"{len(same)} pairs); two seeds of one condition by "
            f"{100 * np.sqrt(np.mean(between)):.1f}.")


def rate(result: Result) -> float:
    """A run's learning rate."""
    return result.job.recipe.lr
