"""How many of OpenBLAS's threads a piece of work gets: all, or one.

OpenBLAS's threads wait for each other, and for more work, in busy loops.  A product of a narrow
network gains nothing from a second thread.  On a busy machine it loses much: if another program
holds a core, all threads wait until the scheduler gives that core back, and a training step can
take ten times as long.  So work gets all threads only if it is large and its layer is wide.  The
choice depends on sizes alone, because another number of threads can change the last digits of a
result.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

from minibn.kernels.openblas import service

# Multiplications in a product, and channels of its layer, from which on all threads pay.
WORTH = 2**21
WIDE = 64
# A pass over n values takes about as long as a product of so many times n multiplications.
PASS = 64


class _OneThread(AbstractContextManager):
    """A block in which OpenBLAS works on one thread.

    The number is a property of the process.  The first Python thread to enter notes it, the last to
    leave restores it.
    """

    def __init__(self, read: Callable[[], int], write: Callable[[int], Any]) -> None:
        self.read, self.write = read, write
        self.lock = threading.Lock()
        self.inside = 0
        self.before = 1

    def __enter__(self) -> None:
        with self.lock:
            if not self.inside:
                self.before = self.read()
                if self.before > 1:
                    self.write(1)
            self.inside += 1

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.inside -= 1
            if not self.inside and self.before > 1:
                self.write(self.before)


_all = nullcontext()


@cache
def _one() -> AbstractContextManager:
    """The block with one thread; without OpenBLAS a block that does nothing."""
    read, write = service("get_num_threads"), service("set_num_threads")
    if read is None or write is None:
        return _all
    read.restype, write.argtypes = ctypes.c_int, [ctypes.c_int]
    return _OneThread(read, write)


def threads_for(multiplications: int, channels: int) -> AbstractContextManager:
    """A block with as many BLAS threads as work of this size deserves.

    multiplications: of the product, or of the stack of products; channels: of the layer's output.
    """
    return _all if multiplications >= WORTH and channels >= WIDE else _one()
