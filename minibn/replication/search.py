"""The learning rate of every cell, from its accuracy on held-out images over a common grid.

A search run is short and the held-out images are few, so the best of three rates is in part luck,
and methods compared at different rates by luck are not compared at all.  Hence the
one-standard-error rule: methods that are compared (`compared_with`) share the rate that is best on
their average, and a method leaves it for its own best one only where that is better by more than
one standard error of a difference of two accuracies.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from minibn.replication.conditions import EXPERIMENTS, Cell
from minibn.replication.presets import Preset, cells_of
from minibn.replication.results import Result, Results

METHODS = ("bn", "brn", "renorm_debias")


def compared_with(cell: Cell) -> list[Cell]:
    """The cells that share a rate unless one has a reason not to: BN, BRN and renorm_debias where
    they stand at the same network, batch, accumulation and activation."""
    def setting(one: Cell) -> tuple:
        return one.network, one.batch_size, one.accumulate, one.activation

    found = [one for one in cells_of(EXPERIMENTS) if setting(one) == setting(cell)
             and one.norm in METHODS and one.lr is None and not one.rate_of]
    return found or [cell]


def cells_to_search(cells: Iterable[Cell]) -> list[Cell]:
    """The cells whose search the choice for `cells` needs, each once."""
    needed: list[Cell] = []
    for cell in cells:
        if cell.lr is None:
            needed += compared_with(cell) + ([] if cell.rate_of else [cell])
    return list(dict.fromkeys(needed))


def validation_accuracy(result: Result) -> float:
    """What a rate is judged by: accuracy on the held-out images in the method's own test mode,
    the mean of the last two epochs (one epoch alone is noisier); chance if the run diverged."""
    return float(result.curve()[-2:].mean()) if result.status == "done" else result.chance


def searched(results: Results, cell: str) -> dict[float, float]:
    """Held-out accuracy at each rate that was tried, by rate; empty without a search."""
    return {r.unit.recipe.lr: validation_accuracy(r) for r in results.of(cell, "search")}


def best_rate(accuracies: dict[float, float]) -> float:
    """The rate with the best accuracy; of equally good ones the smallest."""
    return max(sorted(accuracies), key=accuracies.__getitem__)


def choose_rates(preset: Preset, cells: Iterable[Cell], results: Results) -> dict[str, float]:
    """The learning rate of each cell, by key.

    Raises ValueError where a search run that the choice needs is missing.
    """
    chosen: dict[str, float] = {}
    for cell in cells:
        grid = preset.grid(cell)
        if len(grid) == 1:
            chosen[cell.key] = grid[0]
        elif cell.rate_of:
            parent = next(one for one in cells_of(EXPERIMENTS) if one.key == cell.rate_of)
            chosen[cell.key] = _choose(preset, parent, results)
        else:
            chosen[cell.key] = _choose(preset, cell, results)
    return chosen


def _choose(preset: Preset, cell: Cell, results: Results) -> float:
    own = _accuracies(preset, cell, results)
    others = [_accuracies(preset, one, results) for one in compared_with(cell)]
    common = best_rate({lr: float(np.mean([one[lr] for one in others])) for lr in own})
    best = best_rate(own)
    error = np.sqrt(2 * own[best] * (1 - own[best]) / preset.validation)
    return best if own[best] - own[common] > error else common


def _accuracies(preset: Preset, cell: Cell, results: Results) -> dict[float, float]:
    """Held-out accuracy at each rate of the grid."""
    grid, found = preset.grid(cell), searched(results, cell.key)
    missing = set(grid) - set(found)
    if missing:
        raise ValueError(f"the search for {cell.key} lacks the rates "
                         f"{', '.join(f'{lr:g}' for lr in sorted(missing))}")
    return {lr: found[lr] for lr in grid}
