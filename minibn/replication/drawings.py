"""The figures of the registered replication, each with one message that its title says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import AutoLocator, FuncFormatter, MaxNLocator, NullLocator

from minibn.norms import NORMS
from minibn.palette import BAND, GRAY, STYLES
from minibn.plots import finish_axes, new_figure
from minibn.replication.analysis import PAPER_FINAL, PAPER_TIME
from minibn.replication.arms import METHODS, PAPER_RATE, Size, search_of
from minibn.replication.findings import (
    SHARES,
    Transient,
    by_rate,
    curves_of,
    final_of,
    main_contrasts,
    main_runs,
    paper_rate_runs,
    ratios,
    speed_of,
    transient,
)
from minibn.replication.rates import scores
from minibn.replication.results import Result, Results
from minibn.replication.statistics import estimate, t_quantile

PAPER_MARK = "#000000"
SIDE = {"bn": 0.96, "brn": 1.0, "renorm_debias": 1.04}   # so that bars at one rate do not overlap


def figures(size: Size, results: Results) -> dict[str, Figure]:
    """Every figure that the finished runs allow, by file name."""
    answer, runs = answer_figure(size, results), main_runs(size, results)
    found = {} if answer is None else {"answer": answer}
    if len(runs["bn"]) >= 2:
        found["curves"] = curves_figure(size, runs)
        found["claims"] = claims_figure(size, results)
    literal = paper_rate_runs(size, results)
    if all(literal.values()) and all(r.probes for line in literal.values() for r in line):
        found["weights"] = weights_figure(literal)
    return found


# The report's one figure

def answer_figure(size: Size, results: Results) -> Figure | None:
    """Final and early accuracy against the learning rate, and the transient of arm B.

    A panel without any run is left out, and the search until it has its rates for every method: a
    part of it would compare nothing.  None where all are left out.
    """
    whole, early = any(by_rate(size, results).values()), transient(size, results)
    panels: list[Callable[[Axes], None]] = []
    if whole:
        panels += [lambda axes: final_panel(axes, size, results),
                   lambda axes: speed_panel(axes, size, results)]
    elif all(set(search_of(5).rates) <= set(scores(size, search_of(5), norm, results))
             for norm in METHODS):
        panels.append(lambda axes: search_panel(axes, size, results))
    if early:
        panels.append(lambda axes: transient_panel(axes, early))
    if not panels:
        return None
    figure = new_figure(4.2 * len(panels) + 0.4, 4.7)
    for axes, draw in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        draw(axes)
        legend_below(axes)
    return figure


def final_panel(axes: Axes, size: Size, results: Results) -> None:
    """The second primary outcome, and the search below it."""
    against_rate(axes, size, results, final_of)
    search_lines(axes, size, results, f"search: {size.search[0]} epochs, held-out images")
    axes.set_title(f"Final accuracy ({size.epochs} epochs)", fontsize=10.5)
    rate_axis(axes, "test accuracy")


def speed_panel(axes: Axes, size: Size, results: Results) -> None:
    """The first primary outcome."""
    against_rate(axes, size, results, speed_of(size))
    axes.set_title(f"Accuracy, mean of epochs 1 to {size.drops[0]}", fontsize=10.5)
    rate_axis(axes, "test accuracy")


def search_panel(axes: Axes, size: Size, results: Results) -> None:
    """The search alone, while there is nothing else."""
    search_lines(axes, size, results, None)
    axes.set_title(f"Search: {size.search[0]} epochs, held-out images", fontsize=10.5)
    rate_axis(axes, "held-out accuracy")


def transient_panel(axes: Axes, found: dict[str, Transient]) -> None:
    """renorm_debias − BRN, mean with its 95 % band, at the own rates and at the paper's."""
    names = {"own": "own rates", "paper": f"rate {PAPER_RATE:g}"}
    looks = {"own": (STYLES["renorm_debias"].color, "-"), "paper": (PAPER_MARK, "--")}
    for name, one in found.items():
        n = len(one.differences)
        mean = 100 * one.differences.mean(0)
        half = 100 * t_quantile(0.975, n - 1) * one.differences.std(0, ddof=1) / np.sqrt(n)
        color, line = looks[name]
        axes.plot(one.updates, mean, color=color, linestyle=line, marker=".",
                  label=f"{names[name]} ({n} seeds)")
        axes.fill_between(one.updates, mean - half, mean + half, color=color, alpha=BAND,
                          linewidth=0)
    axes.axhline(0, color=GRAY, linewidth=1, zorder=1)
    finish_axes(axes, "updates", "difference of test accuracy (points)")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_title("renorm_debias − BRN in the first epoch", fontsize=10.5)


def against_rate(axes: Axes, size: Size, results: Results, metric: Callable[[Result], float]
                 ) -> None:
    """Means and intervals over seeds at every rate with whole runs."""
    for norm, runs in by_rate(size, results).items():
        style, rates = STYLES[norm], list(runs)
        found = [estimate([metric(r) for r in line]) for line in runs.values()]
        if found:
            axes.errorbar([lr * SIDE[norm] for lr in rates], [one.mean for one in found],
                          yerr=[one.half if one.n > 2 else 0 for one in found],
                          color=style.color, marker=style.marker, capsize=3, linewidth=1.2,
                          markersize=7, label=NORMS[norm].title)


def search_lines(axes: Axes, size: Size, results: Results, label: str | None) -> None:
    """Held-out accuracy of the short search runs, thin and dashed.

    label: one for all lines, in gray; None: each line's method.
    """
    for norm in METHODS:
        found = scores(size, search_of(5), norm, results)
        axes.plot(list(found), list(found.values()), color=STYLES[norm].color, linewidth=0.9,
                  linestyle="--", marker=STYLES[norm].marker, markersize=4, alpha=0.8,
                  label=NORMS[norm].title if label is None else None)
    if label is not None:
        axes.plot([], [], color=GRAY, linewidth=0.9, linestyle="--", label=label)


def rate_axis(axes: Axes, ylabel: str) -> None:
    """A logarithmic axis of learning rates with the paper's marked."""
    finish_axes(axes, "learning rate", ylabel, log=True, percent=True)
    axes.set_xlim(0.0007, 0.4)
    axes.set_xticks([0.001, 0.003, 0.01, 0.03, 0.1, 0.3])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda lr, _: f"{lr:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.axvline(PAPER_RATE, color=PAPER_MARK, linewidth=1, linestyle=":", zorder=1)
    axes.annotate("the paper's rate", (PAPER_RATE, 0.98), xycoords=("data", "axes fraction"),
                  xytext=(5, 0), textcoords="offset points", fontsize=8, rotation=90, va="top")


# Details

def curves_figure(size: Size, runs: dict[str, list[Result]]) -> Figure:
    """Test accuracy of arm A against epochs, and the same minus BN's."""
    figure = new_figure(11, 4.2)
    left, right = figure.subplots(1, 2)
    curves = curves_of(runs, size.epochs)
    x = np.arange(1, size.epochs + 1)
    for norm in METHODS:
        style = STYLES[norm]
        band(left, x, curves[norm], style.color, NORMS[norm].title, style.marker)
        if norm != "bn":
            band(right, x, 100 * (curves[norm] - curves["bn"]), style.color,
                 f"{NORMS[norm].title} − BN", style.marker)
    finish_axes(left, "epoch", "test accuracy", percent=True)
    left.set_title(f"Test accuracy, each at its own rate ({len(runs['bn'])} seeds)", fontsize=10.5)
    right.axhline(0, color=GRAY, linewidth=1, zorder=1)
    finish_axes(right, "epoch", "difference of test accuracy (points)")
    right.set_title("Difference from BN, seed by seed", fontsize=10.5)
    for axes in (left, right):
        for drop in size.drops:
            axes.axvline(drop, color=GRAY, linewidth=0.8, linestyle=":", zorder=1)
    return figure


def claims_figure(size: Size, results: Results) -> Figure:
    """Differences and ratios with the paper's numbers where they belong."""
    figure = new_figure(11, 3.6)
    left, right = figure.subplots(1, 2)
    found = [one for one in main_contrasts(size, results) if one.outcome == "final"]
    color = STYLES["renorm_debias"].color
    for y, one in enumerate(found):
        assert one.difference is not None          # `figures` asks for two pairs at least
        gap = one.difference.estimate
        left.errorbar(100 * gap.mean, y, xerr=100 * gap.half, fmt="o", color=color, capsize=4,
                      label="here, 95 % interval" if y == 0 else None)
        left.plot(100 * PAPER_FINAL[one.other], y, "kD", markersize=7, fillstyle="none",
                  label="the paper: 66.2 against 65.8 and 64.9 %" if y == 0 else None)
    left.axvline(0, color=GRAY, linewidth=1, zorder=1)
    left.set_yticks([0, 1], ["renorm_debias − BN", "renorm_debias − BRN"])
    left.set_title("Gain in final accuracy", fontsize=10.5)
    reached, labels = ratios(size, results), []
    for y, (other, share) in enumerate((other, share) for other in ("bn", "brn")
                                       for share in SHARES):
        labels.append(f"over {NORMS[other].title}, to {100 * share:.0f} %")
        if (other, share) in reached:
            one_ratio = reached[other, share]
            right.errorbar(one_ratio.mean, y, color=color, fmt="o", capsize=4, xerr=[
                [one_ratio.mean - one_ratio.low], [one_ratio.high - one_ratio.mean]])
        right.plot(PAPER_TIME[other], y, "kD", markersize=7, fillstyle="none",
                   label="the paper: 15/23 and 15/18 epochs" if y == 0 else None)
    right.axvline(1, color=GRAY, linewidth=1, zorder=1)
    right.set_yticks(range(len(labels)), labels)
    right.set_title("Updates to a share of the BN pilots' accuracy", fontsize=10.5)
    for axes, xlabel in ((left, "final test accuracy, points"),
                         (right, "ratio of updates, renorm_debias over the other")):
        axes.set_ylim(len(axes.get_yticks()) - 0.5, -0.5)
        finish_axes(axes, xlabel, "")
        axes.xaxis.set_major_locator(AutoLocator())
        legend_below(axes)
    return figure


def weights_figure(runs: dict[str, list[Result]]) -> Figure:
    """The norm of all kernels together against updates, at the paper's rate."""
    figure = new_figure(6.4, 4.2)
    axes = figure.subplots()
    for norm, found in runs.items():
        for i, result in enumerate(found):
            norms = [np.linalg.norm(list(one["weights"].values())) for one in result.probes]
            axes.plot([one["update"] for one in result.probes], norms, linewidth=1.5,
                      color=STYLES[norm].color, label=NORMS[norm].title if i == 0 else None)
    finish_axes(axes, "updates", "norm of all kernels together", log=True)
    axes.set_title(f"How the weights grow at rate {PAPER_RATE:g} (one line a run)", fontsize=10.5)
    return figure


def band(axes: Axes, x: np.ndarray, values: np.ndarray, color: str, label: str, marker: str
         ) -> None:
    """Mean over rows with its 95 % interval."""
    n, mean = len(values), values.mean(0)
    half = t_quantile(0.975, n - 1) * values.std(0, ddof=1) / np.sqrt(n)
    axes.plot(x, mean, color=color, marker=marker, markersize=4, linewidth=1.6, label=label)
    axes.fill_between(x, mean - half, mean + half, color=color, alpha=BAND, linewidth=0)


def legend_below(axes: Axes) -> None:
    """The legend under the axes, where it hides no line."""
    axes.legend(frameon=False, fontsize=8.5, loc="upper center", bbox_to_anchor=(0.5, -0.15),
                ncols=2)
