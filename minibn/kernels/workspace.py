"""Memory that a layer uses again at every step."""

from __future__ import annotations

import math
from types import ModuleType

import numpy as np

from minibn.backend import Array, empty


class Workspace:
    """Scratch arrays that outlive a call: asking again for a name gives the same memory.

    Fresh memory costs a page fault for every 4 KB touched, which at small batches is more than
    the arithmetic done in it.  A layer owns its workspace, or shares that of the model in which it
    stands, and hands it to the pure function by keyword; nothing that a function returns ever lies
    in one.
    """

    def __init__(self) -> None:
        self._arrays: dict[str, Array] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: np.dtype, xp: ModuleType) -> Array:
        """An array of this shape and dtype with arbitrary contents."""
        size = math.prod(shape)
        held = self._arrays.get(name)
        if held is None or held.size < size or held.dtype != dtype:
            held = self._arrays[name] = empty((size,), dtype, xp)
        return held[:size].reshape(shape)

    def clear(self) -> None:
        """Give the memory back (and forget which device it was on)."""
        self._arrays.clear()
