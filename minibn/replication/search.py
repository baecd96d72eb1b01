"""The learning rate of every condition, from its accuracy on held-out images over a common grid.

A search run is short and the held-out images are few, so the best of three rates is in part luck,
and methods compared at different rates by luck are not compared at all.  Hence the
one-standard-error rule: methods that are compared (`compared_with`) share the rate that is best on
their average, and a method leaves it for its own best one only where that is better by more than
one standard error of a difference of two accuracies.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from minibn.replication.conditions import EXPERIMENTS, Condition
from minibn.replication.presets import Preset, conditions_of
from minibn.replication.results import Result, Results

METHODS = ("bn", "brn", "renorm_debias")


def compared_with(condition: Condition) -> list[Condition]:
    """The conditions that share a rate unless one has a reason not to: BN, BRN and renorm_debias
    where they stand at the same network, batch, accumulation and activation."""
    def setting(one: Condition) -> tuple:
        return one.network, one.batch_size, one.accumulate, one.activation

    found = [one for one in conditions_of(EXPERIMENTS) if setting(one) == setting(condition)
             and one.norm in METHODS and one.lr is None and not one.rate_of]
    return found or [condition]


def conditions_to_search(conditions: Iterable[Condition]) -> list[Condition]:
    """The conditions whose search the choice for `conditions` needs, each once."""
    needed: list[Condition] = []
    for condition in conditions:
        if condition.lr is None:
            needed += compared_with(condition) + ([] if condition.rate_of else [condition])
    return list(dict.fromkeys(needed))


def validation_accuracy(result: Result) -> float:
    """What a rate is judged by: accuracy on the held-out images in the method's own test mode,
    the mean of the last two epochs (one epoch alone is noisier); chance if the run diverged."""
    return float(result.curve()[-2:].mean()) if result.status == "done" else result.chance


def searched(results: Results, condition: str) -> dict[float, float]:
    """Held-out accuracy at each rate that was tried, by rate; empty without a search."""
    return {r.job.recipe.lr: validation_accuracy(r) for r in results.of(condition, "search")}


def best_rate(accuracies: dict[float, float]) -> float:
    """The rate with the best accuracy; of equally good ones the smallest."""
    return max(sorted(accuracies), key=accuracies.__getitem__)


def choose_rates(preset: Preset, conditions: Iterable[Condition], results: Results
                 ) -> dict[str, float]:
    """The learning rate of each condition, by key.

    Raises ValueError where a search run that the choice needs is missing.
    """
    chosen: dict[str, float] = {}
    for condition in conditions:
        grid = preset.grid(condition)
        if len(grid) == 1:
            chosen[condition.key] = grid[0]
        elif condition.rate_of:
            parent = next(one for one in conditions_of(EXPERIMENTS) if one.key == condition.rate_of)
            chosen[condition.key] = _choose(preset, parent, results)
        else:
            chosen[condition.key] = _choose(preset, condition, results)
    return chosen


def _choose(preset: Preset, condition: Condition, results: Results) -> float:
    own = _accuracies(preset, condition, results)
    others = [_accuracies(preset, one, results) for one in compared_with(condition)]
    common = best_rate({lr: float(np.mean([one[lr] for one in others])) for lr in own})
    best = best_rate(own)
    error = np.sqrt(2 * own[best] * (1 - own[best]) / preset.validation)
    return best if own[best] - own[common] > error else common


def _accuracies(preset: Preset, condition: Condition, results: Results) -> dict[float, float]:
    """Held-out accuracy at each rate of the grid."""
    grid, found = preset.grid(condition), searched(results, condition.key)
    missing = set(grid) - set(found)
    if missing:
        raise ValueError(f"the search for {condition.key} lacks the rates "
                         f"{', '.join(f'{lr:g}' for lr in sorted(missing))}")
    return {lr: found[lr] for lr in grid}
