"""Curves of training, drawn from histories.

Figures are made without pyplot: nothing global changes, and no window is needed.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from minibn.files import write_atomically
from minibn.norms import NORMS
from minibn.training.history import History


class Style(NamedTuple):
    """How a normalization looks in every figure."""

    color: str
    marker: str


# Okabe and Ito's colors, which color-blind readers tell apart; markers for print in gray.
STYLES = {
    "bn": Style("#0072B2", "o"), "brn": Style("#D55E00", "s"),
    "renorm_debias": Style("#009E73", "^"), "ln": Style("#CC79A7", "v"),
    "gn": Style("#E69F00", "D"), "wn": Style("#56B4E9", "P"), "none": Style("#666666", "X"),
}


def training_figure(histories: Mapping[str, History], title: str, caption: str,
                    threshold: float | None = None) -> Figure:
    """Training loss and test accuracy against epochs, side by side.

    histories: by the norm's name (a key of NORMS); test accuracy is in each norm's own test mode.
    caption: below the figure, wrapped.  threshold: a test accuracy, marked by a dashed line.
    """
    figure = Figure(figsize=(10, 4.6), dpi=130, layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_loss(left, histories)
    draw_accuracy(right, histories, threshold)
    figure.suptitle(title, fontsize=12)
    caption = textwrap.fill(caption.replace(" %", "\N{NO-BREAK SPACE}%"), 130)
    figure.supxlabel(caption, fontsize=8.5, color="#444444")
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all; OSError names `path`."""
    content = io.BytesIO()
    figure.savefig(content, format="png")
    write_atomically(path, lambda file: file.write(content.getvalue()))


def draw_loss(axes: Axes, histories: Mapping[str, History]) -> None:
    """Training loss, the mean over each epoch, against epochs."""
    for norm, history in histories.items():
        _line(axes, norm, history.train_loss)
    _finish(axes, "training loss (cross-entropy, nats)")


def draw_accuracy(axes: Axes, histories: Mapping[str, History], threshold: float | None = None
                  ) -> None:
    """Test accuracy in the norm's own test mode against epochs."""
    for norm, history in histories.items():
        _line(axes, norm, history.test_accuracy[history.mode])
    if threshold is not None:
        axes.axhline(threshold, color="#888888", linestyle="--", linewidth=1, zorder=1)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_ylim(bottom=0)
    _finish(axes, "test accuracy")


def _line(axes: Axes, norm: str, values: list[float]) -> None:
    style = STYLES[norm]
    few: dict[str, Any] = {"marker": style.marker} if len(values) <= 40 else {}
    axes.plot(range(1, len(values) + 1), values, color=style.color, label=NORMS[norm].title,
              linewidth=1.8, markersize=5, **few)


def _finish(axes: Axes, ylabel: str) -> None:
    axes.set_xlabel("epoch")
    axes.set_ylabel(ylabel)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
