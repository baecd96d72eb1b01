"""The replication's figures: curves with bands over seeds, differences, the inside of a network."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from minibn.norms import NORMS
from minibn.palette import BAND, BATCHES, GRAY, STYLES
from minibn.plots import finish_axes, new_figure
from minibn.replication.ablations import open_parts
from minibn.replication.claims import threshold
from minibn.replication.conditions import EXPERIMENTS, Condition
from minibn.replication.presets import Preset, conditions_of
from minibn.replication.report import DRAWN
from minibn.replication.results import Result, Results
from minibn.replication.search import conditions_to_search, searched
from minibn.replication.statistics import t_quantile
from minibn.replication.verdicts import Part

DPI = 110
LINES = ("-", "--", ":")
PLACES = {"conv5": "convolution", "norm5": "normalization", "relu5": "ReLU"}
# What has a row of panels of its own in an experiment that varies two things.
ROWS: dict[str, Callable[[Condition], str]] = {
    "small": lambda condition: f"batch {condition.batch_size}",
    "others": lambda condition: f"batch {condition.batch_size}",
    "rates": lambda condition: f"rate {condition.lr:g}",
    "clip": lambda condition: NORMS[condition.norm].title,
}
UNPAIRED = ("fig1", "others")  # epochs or batches differ, or nobody to subtract


class Curve(NamedTuple):
    """One line of a figure: a condition, its label, its color, solid or dashed, its marker."""

    condition: Condition
    label: str
    color: str
    line: str = "-"
    marker: str = "o"


def report_figures(results: Results, preset: Preset) -> dict[str, Figure]:
    """All figures of the report, by file name; those without any result are left out."""
    figures = {}
    for name in DRAWN:
        experiment = EXPERIMENTS[name]
        conditions = [condition for condition in experiment.conditions if results.of(condition.key)]
        if at_chance(results, conditions):
            continue
        if name == "fig6":
            figures[name] = inside_figure(results, conditions)
            continue
        networks = {condition.network for condition in conditions}
        counted = [threshold(results, preset, network) for network in networks]
        line = counted[0] if len(counted) == 1 and experiment.paper_epochs else None
        rows: dict[str, list[Condition]] = {}
        for condition in conditions:
            rows.setdefault(ROWS.get(name, lambda condition: "")(condition), []).append(condition)
        curves = [(title, by_batch(row) if name == "fig1" else by_method(row))
                  for title, row in rows.items()]
        figures[name] = curves_figure(results, curves, experiment.title, line,
                                      paired=name not in UNPAIRED)
    groups: dict[str, list[Condition]] = {}
    for condition in conditions_to_search(conditions_of(EXPERIMENTS)):
        if not at_chance(results, [condition], "search"):
            gathered = f" x {condition.accumulate}" if condition.accumulate > 1 else ""
            setting = f"{condition.network}, batch {condition.batch_size}{gathered}"
            groups.setdefault(setting + (", ELU" if condition.activation == "elu" else ""),
                              []).append(condition)
    if groups:
        figures["search"] = search_figure(results, list(groups.items()))
    parts = open_parts(results)
    if parts:
        figures["differences"] = differences_figure(
            parts, "Differences of final test accuracy, paired by seed", "points")
    return figures


def at_chance(results: Results, conditions: Sequence[Condition], kind: str = "run") -> bool:
    """Whether there is nothing to see: no run, or none that has learned anything."""
    runs = [r for condition in conditions for r in results.of(condition.key, kind)]
    return all(r.stuck or r.status == "diverged" for r in runs)


def by_method(conditions: Sequence[Condition]) -> list[Curve]:
    """Color and marker of each normalization as in all of minibn's figures; variants dashed."""
    seen: dict[str, int] = {}
    curves = []
    for condition in conditions:
        count = seen[condition.norm] = seen.get(condition.norm, -1) + 1
        style = STYLES[condition.norm]
        curves.append(Curve(condition, condition.method, style.color, LINES[count], style.marker))
    return curves


def by_batch(conditions: Sequence[Condition]) -> list[Curve]:
    """One color for each batch size."""
    return [Curve(condition, f"batch {condition.batch_size}", BATCHES[condition.batch_size])
            for condition in conditions]


def curves_figure(results: Results, rows: Sequence[tuple[str, Sequence[Curve]]], title: str,
                  threshold: float | None = None, paired: bool = True) -> Figure:
    """Test accuracy in each method's own test mode, then training loss, a row for each of `rows`.

    paired: a panel between the two has the accuracies minus those of the row's first curve, seed by
    seed.  Lines are means over seeds; bands their 95 % intervals.  threshold: a dashed line.
    """
    figure = new_figure(12 if paired else 10, 0.5 + 3.6 * len(rows), dpi=DPI)
    grid = figure.subplots(len(rows), 3 if paired else 2, squeeze=False)
    for panels, (name, curves) in zip(grid, rows, strict=True):
        accuracy, loss = panels[0], panels[-1]
        for curve in curves:
            found = results.of(curve.condition.key)
            label = f"{curve.label} ({len(found)} seeds)"
            band(accuracy, np.array([r.curve() for r in found]), label, curve)
            band(loss, np.array([r.losses() for r in found]), label, curve)
            pairs = results.pairs(curve.condition.key, curves[0].condition.key)
            if paired and pairs and curve is not curves[0]:
                band(panels[1], 100 * np.array([r.curve() - first.curve() for r, first in pairs]),
                     label, curve)
        if threshold is not None:
            accuracy.axhline(threshold, color=GRAY, linestyle="--", linewidth=1, zorder=1)
        finish_axes(accuracy, "epoch", "test accuracy", percent=True)
        finish_axes(loss, "epoch", "training loss (nats)")
        if paired:
            panels[1].axhline(0, color=GRAY, linewidth=1, zorder=1)
            finish_axes(panels[1], "epoch", f"accuracy minus {curves[0].label}'s, paired (points)")
        accuracy.set_title(name, fontsize=10, loc="left")
        for axes in panels[1:]:                            # the first panel's legend says the same
            if axes.get_legend() is not None:
                axes.get_legend().remove()
    figure.suptitle(title, fontsize=11)
    return figure


def band(axes: Axes, values: np.ndarray, label: str, curve: Curve) -> None:
    """The mean over rows of values (seeds, epochs), with its 95 % interval."""
    n, epochs = values.shape
    x, mean = np.arange(1, epochs + 1), values.mean(0)
    axes.plot(x, mean, color=curve.color, linestyle=curve.line, label=label, linewidth=1.7,
              marker=curve.marker, markersize=4)
    if n > 1:
        half = t_quantile(0.975, n - 1) * values.std(0, ddof=1) / math.sqrt(n)
        axes.fill_between(x, mean - half, mean + half, color=curve.color, alpha=BAND, linewidth=0)


def differences_figure(rows: Sequence[tuple[str, Part]], title: str, unit: str) -> Figure:
    """Each difference with its 95 % interval, one below the other; above 0 favors the claim."""
    figure = new_figure(9, 1.3 + 0.36 * len(rows), dpi=DPI)
    axes = figure.subplots()
    scale = 100 if unit == "points" else 1
    for y, (_, part) in enumerate(rows):
        if part.difference is None:
            continue
        found = part.difference.estimate
        axes.errorbar(scale * found.mean, y, xerr=scale * found.half, fmt="o", color="#0072B2",
                      capsize=3, markersize=4)
    axes.axvline(0, color=GRAY, linewidth=1, zorder=1)
    axes.set_yticks(range(len(rows)), [
        label + (f" ({part.difference.estimate.n})" if part.difference else "")
        for label, part in rows], fontsize=8.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel(f"mean difference over seeds (how many), 95 % interval ({unit})")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.25)
    figure.suptitle(title, fontsize=11)
    return figure


def search_figure(results: Results, groups: Sequence[tuple[str, Sequence[Condition]]]) -> Figure:
    """Held-out accuracy against the learning rate, a panel for each setting."""
    columns = 4
    rows = math.ceil(len(groups) / columns)
    figure = new_figure(11, 2.3 * rows + 0.4, dpi=DPI)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    highest = max(accuracy for _, conditions in groups for condition in conditions
                  for accuracy in searched(results, condition.key).values())
    for axes, (title, conditions) in zip(panels, groups, strict=False):
        for condition in conditions:
            found = searched(results, condition.key)
            axes.plot(list(found), list(found.values()), label=condition.method, linewidth=1.4,
                      color=STYLES[condition.norm].color, marker=STYLES[condition.norm].marker,
                      markersize=4)
        rates = sorted({lr for condition in conditions for lr in searched(results, condition.key)})
        axes.set_xscale("log")
        axes.set_xticks(rates, [f"{lr:g}" for lr in rates], minor=False)
        axes.minorticks_off()
        axes.set_title(title, fontsize=9)
        axes.set_ylim(0, highest * 1.1)
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.tick_params(labelsize=7)
        axes.legend(frameon=False, fontsize=6.5, ncol=2 if len(conditions) > 3 else 1)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in panels[len(groups):]:
        axes.axis("off")
    figure.supxlabel("learning rate", fontsize=9)
    figure.supylabel("held-out accuracy", fontsize=9)
    return figure


def inside_figure(results: Results, conditions: Sequence[Condition]) -> Figure:
    """Figure 6: channel means and variances at conv5 through training, then r, d and the clip.

    Lines: the median channel; bands: the middle 90 % of the channels; both means over seeds.
    """
    figure = new_figure(11, 8.6, dpi=DPI)
    panels = figure.subplots(3, 3)
    figure.suptitle("Figure 6: conv5 of ALL-CNN in training, batch 5", fontsize=11)
    for row, moment in enumerate(("mean", "variance")):
        for axes, (place, name) in zip(panels[row], PLACES.items(), strict=True):
            for curve in by_method(conditions):
                # At first renorm_debias lies on BN, which is drawn over it, dashed.
                dashed = curve._replace(line="--") if curve.condition.norm == "bn" else curve
                trace(axes, results.of(curve.condition.key), dashed, moment, place)
            finish_axes(axes, "updates", f"{moment} of a channel", log=True)
            axes.set_title(f"after the {name}", fontsize=10)
    for axes, name in zip(panels[2], ("r", "d", "clipped"), strict=True):
        for curve in by_method([condition for condition in conditions if condition.norm != "bn"]):
            trace(axes, results.of(curve.condition.key), curve, name)
        finish_axes(axes, "updates", {"clipped": "clipped channels, all layers"}.get(
            name, f"{name} at norm5"), log=True)
    panels[2, 2].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    panels[2, 2].set_ylim(bottom=0)
    for axes in panels.ravel()[1:]:                        # one legend is enough
        if axes.get_legend() is not None:
            axes.get_legend().remove()
    return figure


def trace(axes: Axes, found: Sequence[Result], curve: Curve, name: str, place: str | None = None
          ) -> None:
    """What the probes say of `name`, against updates."""
    if not found or not found[0].probes or name not in found[0].probes[0]:
        return
    x = [one["update"] for one in found[0].probes]
    values = np.array([[one[name] if place is None else one[name][place] for one in r.probes]
                       for r in found if len(r.probes) == len(x)], float).mean(0)
    if values.ndim == 1:                                   # a share, not quantiles over channels
        axes.plot(x, values, color=curve.color, label=curve.label, linewidth=1.6)
        return
    axes.plot(x, values[:, 2], color=curve.color, label=curve.label, linewidth=1.6,
              linestyle=curve.line, zorder=3 if curve.line == "--" else 2)
    axes.fill_between(x, values[:, 0], values[:, 4], color=curve.color, alpha=BAND, linewidth=0)
