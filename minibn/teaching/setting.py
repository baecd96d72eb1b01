"""How a notebook runs: the mode, the style of its figures, the threads, the blanks of a chapter."""

from __future__ import annotations

import os
import sys
from typing import TypeVar

import matplotlib.pyplot as plt
from threadpoolctl import threadpool_limits

import minibn
from minibn.palette import STYLES
from minibn.teaching.registry import Blank, exercises_of

T = TypeVar("T")

# "short" is for automatic tests and for Python in a browser, which has one slow thread.
MODE = os.environ.get("MINIBN_NOTEBOOK_MODE", "short" if sys.platform == "emscripten" else "full")
FULL = MODE != "short"
STATIC = "MINIBN_NOTEBOOK_STATIC" in os.environ           # nobody is there to move a slider

# One color for each normalizer in every figure, and black for theory.
COLORS = {**{norm: style.color for norm, style in STYLES.items()}, "theory": "#000000"}


def start(chapter: str = "") -> None:
    """Set the style of the figures, say in which mode the notebook runs, lay out the blanks.

    chapter: "04" in the exercises of notebook 04. Each answer's name then exists from the start, as
    a blank: a check whose answer could not even be defined (a syntax error) says "not done yet",
    and the notebook goes on.

    Matrix products of this size are faster on one thread, and several threads of OpenBLAS wait for
    each other on a busy machine. So a notebook uses one, whatever OPENBLAS_NUM_THREADS says.
    """
    threadpool_limits(1, user_api="blas")
    plt.rcParams.update({
        "figure.figsize": (8, 3.4), "figure.dpi": 90, "figure.constrained_layout.use": True,
        "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
        "grid.alpha": 0.25, "axes.titlesize": 11, "legend.frameon": False, "lines.linewidth": 1.8,
    })
    if chapter:
        names = sys._getframe(1).f_globals
        for exercise in exercises_of(chapter):
            names.setdefault(exercise.answer, Blank(exercise))
    print(f"minibn {minibn.__version__}, {MODE} mode")


def pick(full: T, short: T) -> T:
    """The first value in full mode, the second in the short mode of automatic tests."""
    return full if FULL else short
