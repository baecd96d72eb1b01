"""Memory that kernels use again at every step.

Fresh memory costs a page fault for every 4 KB touched, which at small batches is more than the
arithmetic done in it.  Every thread has its own scratch memory, so that one model can test in many
threads at once.  No array that a kernel returns lies in it.
"""

from __future__ import annotations

import math
import threading

import numpy as np

from minibn.kernels.blocking import empty


class _Arrays(threading.local):
    """The scratch arrays of a thread, by name and dtype."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, np.dtype], np.ndarray] = {}


_arrays = _Arrays()


def scratch(name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array of this shape and dtype with arbitrary contents.

    The same name gives the same memory again, so an array is valid until its name is next used in
    this thread.
    """
    size = math.prod(shape)
    held = _arrays.held.get((name, dtype))
    if held is None or held.size < size:
        held = _arrays.held[name, dtype] = empty((size,), dtype)
    return held[:size].reshape(shape)


def release() -> None:
    """Give this thread's scratch memory back."""
    _arrays.held.clear()
