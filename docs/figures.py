"""The figure of README.md, drawn from the results that are kept in results/.

    python docs/figures.py          # writes docs/batch5.png
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator, PercentFormatter

from minibn.norms import NORMS
from minibn.palette import BAND, GRAY, STYLES
from minibn.plots import finish_axes, new_figure, save_figure
from minibn.replication import Results, load_results
from minibn.replication.statistics import Estimate, estimate

ROOT = Path(__file__).resolve().parents[1]
METHODS = ("bn", "brn", "renorm_debias")
RATES = (0.003, 0.01, 0.03)
FIRST = 0.003                     # the rate of the conditions that name none


def key(norm: str, rate: float) -> str:
    """The condition of a method at batch 5 and this rate."""
    return f"all_cnn-{norm}-b5" + ("" if rate == FIRST else f"-lr{rate:g}")


def finals(results: Results, norm: str) -> list[Estimate]:
    """Final test accuracy at each rate, mean and interval over seeds."""
    return [estimate([run.final() for run in results.of(key(norm, rate))]) for rate in RATES]


def minus_bn(results: Results, norm: str) -> list[Estimate]:
    """Accuracy minus BN's after each epoch at the first rate, paired by seed, in points."""
    pairs = results.pairs(key(norm, FIRST), key("bn", FIRST))
    curves = 100 * np.array([run.curve() - other.curve() for run, other in pairs])
    return [estimate(list(epoch)) for epoch in curves.T]


def figure(results: Results) -> Figure:
    """Left: accuracy against the learning rate. Right: how the difference from BN shrinks."""
    drawn = new_figure(10, 4)
    left, right = drawn.subplots(1, 2)
    for place, norm in enumerate(METHODS):
        style, found = STYLES[norm], finals(results, norm)
        left.errorbar([rate * 1.04 ** (place - 1) for rate in RATES], [e.mean for e in found],
                      [e.half for e in found], color=style.color, marker=style.marker, capsize=3,
                      label=NORMS[norm].title, linewidth=1.8, markersize=5)
    finish_axes(left, "learning rate", "final test accuracy", log=True)
    left.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    left.yaxis.set_major_locator(MultipleLocator(0.05))
    left.set_xticks(RATES, [f"{rate:g}" for rate in RATES])
    left.minorticks_off()
    left.set_title("The learning rate decides the order", fontsize=11)

    for norm in METHODS[1:]:
        style, found = STYLES[norm], minus_bn(results, norm)
        epochs, mean = np.arange(1, len(found) + 1), np.array([e.mean for e in found])
        half = np.array([e.half for e in found])
        right.plot(epochs, mean, color=style.color, marker=style.marker, linewidth=1.8,
                   label=f"{NORMS[norm].title} minus BN", markersize=5)
        right.fill_between(epochs, mean - half, mean + half, color=style.color, alpha=BAND,
                           linewidth=0)
    right.axhline(0, color=GRAY, linewidth=1, zorder=1)
    finish_axes(right, "epoch", "difference of test accuracy (points)")
    right.set_title(f"At {FIRST:g} the gain over BN comes early", fontsize=11)
    return drawn


if __name__ == "__main__":
    path = ROOT / "docs" / "batch5.png"
    save_figure(figure(load_results(ROOT / "results" / "scaled")), path)
    print(path)
