"""Curves of training, and how all figures of minibn are begun and finished.

Figures are made without pyplot: nothing global changes, and no window is needed.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from minibn.files import write_atomically
from minibn.palette import BAND, GRAY, STYLES, Style
from minibn.training.history import History


def training_figure(histories: Mapping[str, Sequence[History]], labels: Mapping[str, str],
                    title: str, caption: str, threshold: float | None = None) -> Figure:
    """Training loss and test accuracy against epochs, side by side.

    histories: by the norm's name, one for each seed, of equal length; the lines
    are means over seeds, the bands reach from the lowest to the highest.  Test accuracy is in each
    norm's own test mode.  labels: of the legend, which names a norm without histories too.
    caption: below the figure, wrapped.  threshold: a test accuracy, marked by a dashed line.
    """
    figure = new_figure(10, 4.6)
    left, right = figure.subplots(1, 2)
    for norm, runs in histories.items():
        curve(left, STYLES[norm], labels[norm], [run.train_loss for run in runs])
        curve(right, STYLES[norm], labels[norm], [run.test_accuracy[run.mode] for run in runs])
    if threshold is not None:
        right.axhline(threshold, color=GRAY, linestyle="--", linewidth=1, zorder=1)
    right.set_ylim(bottom=0)
    finish_axes(left, "epoch", "training loss (cross-entropy, nats)")
    finish_axes(right, "epoch", "test accuracy", percent=True)
    figure.suptitle(title, fontsize=12)
    caption = textwrap.fill(caption.replace(" %", "\N{NO-BREAK SPACE}%"), 130)
    figure.supxlabel(caption, fontsize=8.5, color="#444444")
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all; OSError names `path`."""
    content = io.BytesIO()
    figure.savefig(content, format="png")
    write_atomically(path, lambda file: file.write(content.getvalue()))


def curve(axes: Axes, style: Style, label: str, runs: Sequence[Sequence[float]]) -> None:
    """The mean over runs (seeds) of the values after each epoch, and their range."""
    if not runs or not runs[0]:
        axes.plot([], [], color=style.color, marker=style.marker, label=label)
        return
    values = np.array(runs)                                                # (seeds, epochs)
    epochs = np.arange(1, values.shape[1] + 1)
    few: dict[str, Any] = {"marker": style.marker} if len(epochs) <= 40 else {}
    axes.plot(epochs, values.mean(0), color=style.color, label=label, linewidth=1.8, markersize=5,
              **few)
    axes.fill_between(epochs, values.min(0), values.max(0), color=style.color, alpha=BAND,
                      linewidth=0)


def new_figure(width: float, height: float, dpi: int = 130) -> Figure:
    """An empty figure of this size in inches."""
    return Figure(figsize=(width, height), dpi=dpi, layout="constrained")


def finish_axes(axes: Axes, xlabel: str, ylabel: str, *, log: bool = False,
                percent: bool = False) -> None:
    """Labels, ticks, grid and legend, the same in every figure.

    log: a logarithmic x axis, else integers; percent: y in percent.
    """
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    if log:
        axes.set_xscale("log")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if percent:                                            # steps of 1, 2 or 5, not of 2.5, which
        axes.yaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10]))     # would need a decimal
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g}%"))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8, handlelength=2.8)
