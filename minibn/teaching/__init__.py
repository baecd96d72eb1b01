"""What the notebooks share: how thorough a run is, data, figures, and the checks of exercises.

It lies in the package, so that a notebook needs nothing beside it but an installed minibn.
"""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, TypeVar

import matplotlib.pyplot as plt
import numpy as np

import minibn
from minibn.data import Dataset, find_root, load_cifar100, make_synthetic

T = TypeVar("T")

# "short" is for automatic tests and for Python in a browser, which has one slow thread.
MODE = os.environ.get("MINIBN_NOTEBOOK_MODE", "short" if sys.platform == "emscripten" else "full")
FULL = MODE != "short"
STATIC = "MINIBN_NOTEBOOK_STATIC" in os.environ           # nobody is there to move a slider

# One color for each normalizer in every figure (Okabe and Ito's palette, safe for color-blind
# readers), and greys for what is only there to compare with.
COLORS = {
    "bn": "#0072B2", "brn": "#D55E00", "renorm_debias": "#009E73", "ln": "#CC79A7",
    "gn": "#E69F00", "wn": "#56B4E9", "none": "#666666", "theory": "#000000",
}


def start() -> None:
    """Set the style of the figures and say in which mode the notebook runs."""
    plt.rcParams.update({
        "figure.figsize": (8, 3.4), "figure.dpi": 90, "figure.constrained_layout.use": True,
        "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
        "grid.alpha": 0.25, "axes.titlesize": 11, "legend.frameon": False, "lines.linewidth": 1.8,
    })
    print(f"minibn {minibn.__version__}, {MODE} mode")


def pick(full: T, short: T) -> T:
    """The first value in full mode, the second in the short mode of automatic tests."""
    return full if FULL else short


def load_images(classes: int = 10, train: int = 2000, test: int = 1000) -> Dataset:
    """Images of CIFAR-100's first classes where it is found, else the embedded ones; says which.

    train, test: numbers of images, at most (CIFAR-100 has 500 and 100 of each class).  CIFAR-100
    is looked for in full mode, in the folder that MINIBN_DATA names and in the cache folder.
    """
    if FULL:
        try:
            data = first_classes(load_cifar100(find_root("cifar100")), classes, train, test)
            print(f"Data: real CIFAR-100, {size(data)}.")
            return data
        except FileNotFoundError:
            print("CIFAR-100 was not found (python -m minibn data --fetch cifar100 gets it).")
    data = make_synthetic(min(classes, 25), train, test)
    print(f"Data: drawn images in the place of CIFAR-100, {size(data)}.")
    return data


def size(data: Dataset) -> str:
    """How many images there are, in words."""
    return (f"{len(data.train_images)} training and {len(data.test_images)} test images, "
            f"{len(data.class_names)} classes")


def first_classes(data: Dataset, classes: int, train: int, test: int) -> Dataset:
    """The first images of the first classes, in the file's order."""
    train_rows = np.flatnonzero(data.train_labels < classes)[:train]
    test_rows = np.flatnonzero(data.test_labels < classes)[:test]
    return Dataset(data.train_images[train_rows], data.train_labels[train_rows],
                   data.test_images[test_rows], data.test_labels[test_rows],
                   data.class_names[:classes], data.name)


def say(text: str) -> None:
    """Show a sentence of Markdown: how a number that a cell computed gets into the prose."""
    try:
        from IPython.display import Markdown, display
    except ImportError:
        print(text)
    else:
        display(Markdown(text))


def caption(fig: plt.Figure, text: str) -> None:
    """Write under a figure what to see in it, so that the picture explains itself."""
    columns = int(fig.get_figwidth() * 15)
    fig.supxlabel("\n".join(textwrap.wrap(text, columns)), x=0.01, ha="left", fontsize=9,
                  color="#333333")


def play(draw: Callable[..., None], **sliders: Any) -> None:
    """Sliders for the arguments of `draw`; where nobody can move them, the picture as it starts.

    sliders: widgets of ipywidgets, which comes with jupyter.
    """
    if STATIC:
        draw(**{name: slider.value for name, slider in sliders.items()})
    else:
        import ipywidgets
        from IPython.display import display

        display(ipywidgets.interactive(draw, **sliders))


class Wrong(AssertionError):
    """An answer that is not right yet, with a hint; notebooks show it without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class check:
    """The check of one exercise.

        with course.check("1.2 dγ and dβ") as check:
            check.equal("dgamma", dgamma, want, {"a sum over the batch, not a mean": want / m})
        gradients = check.choose(gradients, library=...)

    A blank that is still empty raises NotImplementedError: the check then says "not done yet" (on
    stderr, which nbgrader takes for no points) and the notebook goes on with the library's version.
    A wrong answer raises `Wrong`, with a hint where the mistake is a known one.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.done = False

    def __enter__(self) -> check:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> bool:
        if isinstance(error, NotImplementedError):
            print(f"{self.title}: not done yet.", file=sys.stderr)
            return True
        if error is None:
            self.done = True
            print(f"{self.title}: right.")
        return False

    def choose(self, yours: T, library: T) -> T:
        """What later cells use: your answer, or the library's as long as yours is missing."""
        return yours if self.done else library

    def that(self, holds: bool, hint: str) -> None:
        """Raise `Wrong` with this hint unless the statement holds."""
        if not holds:
            raise Wrong(f"{self.title}: not right yet. {hint}")

    def parts(self, got: Any, names: str) -> Any:
        """`got`, once it is seen to be as many things as there are names ("dx, dgamma")."""
        count = len(names.split(", "))
        several = isinstance(got, list | tuple) or (isinstance(got, np.ndarray) and got.ndim > 0)
        self.that(several and len(got) == count,
                  f"Return {count} things: {names}. This is {what(got)}.")
        return got

    def equal(self, name: str, got: Any, want: Any, mistakes: Mapping[str, Any] | None = None,
              tol: float = 1e-7) -> None:
        """Raise `Wrong` unless `got` equals `want` to `tol`, relative to the largest entry.

        mistakes: for each hint, the value that this mistake would give; its shape may differ.
        """
        self.that(got is not None, f"{name} is None: is there a `return`?")
        try:
            answer, right = np.asarray(got, float), np.asarray(want, float)
        except (TypeError, ValueError):
            answer = None
        if answer is None or (isinstance(got, list | tuple) and any(v is None for v in got)):
            raise Wrong(f"{self.title}: {name} should be numbers, not {what(got)}.")
        hint = ""
        if answer.shape == right.shape and close(answer, right, tol):
            return
        for text, mistake in (mistakes or {}).items():
            value = np.asarray(mistake, float)
            if value.shape == answer.shape and close(answer, value, tol):
                hint = text
                break
        self.that(answer.shape == right.shape,
                  f"{name} has shape {answer.shape}; it should have {right.shape}. {hint}".strip())
        if not hint:
            yes_or_no = np.asarray(want).dtype == bool
            hint = (describe_flags if yes_or_no else describe)(answer, right, tol)
        self.that(False, f"{name}: {hint}")


def what(got: Any) -> str:
    """What came instead of what was asked, in words."""
    if got is None:
        return "None (is there a `return`?)"
    kind = type(got).__name__
    if isinstance(got, np.ndarray):
        return f"an array of shape {got.shape}"
    if isinstance(got, list | tuple):
        parts = ", ".join("None" if part is None else type(part).__name__ for part in got[:6])
        return f"a {kind} of {len(got)} ({parts}{', …' if len(got) > 6 else ''})"
    if callable(got):
        return f"the {kind} {getattr(got, '__name__', '')} itself (call it)".replace("  ", " ")
    if isinstance(got, np.generic):
        got = got.item()
    if isinstance(got, str | int | float | complex):
        return f"{got!r}"[:60]
    return f"of the kind {kind}"


def close(a: np.ndarray, b: np.ndarray, tol: float) -> bool:
    """Whether two arrays of one shape agree to `tol`, relative to the largest entry."""
    return bool(np.abs(a - b).max(initial=0) <= tol * np.abs(b).max(initial=1e-300))


def describe(got: np.ndarray, want: np.ndarray, tol: float) -> str:
    """How a wrong array differs from the right one, as far as can be told."""
    if not np.isfinite(got).all():
        return "it holds NaN or infinity. Is something divided by zero?"
    if close(got, -want, tol):
        return "the size is right and the sign is wrong."
    if want.any() and not got.any():
        return "it is all zeros." if want.ndim else "it is 0."
    ratio = (got * want).sum() / max((want * want).sum(), 1e-300)      # the factor that fits best
    if want.size > 1 and want.any() and close(got, ratio * want, tol):
        if abs(ratio - 1) < 1e-3:
            which = "large" if ratio > 1 else "small"
            return f"nearly: it is too {which} by {abs(ratio - 1):.1e} of its size, everywhere."
        return f"it is {ratio:.6g} times what it should be, everywhere."
    if want.ndim == 0:
        return f"it is too {'large' if got > want else 'small'}."
    place = tuple(map(int, np.unravel_index(np.abs(got - want).argmax(), want.shape)))
    return f"not equal; the largest error is {got[place] - want[place]:.3g}, at index {place}."


def describe_flags(got: np.ndarray, want: np.ndarray, tol: float) -> str:
    """The same for an array of True and False."""
    wrong = np.argwhere(np.abs(got - want) > tol)
    if want.ndim == 0:
        return f"it should be {bool(want)}."
    place = tuple(map(int, wrong[0]))
    return f"{len(wrong)} of {want.size} entries are wrong, the first at index {place}."
