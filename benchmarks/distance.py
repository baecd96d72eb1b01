"""How far apart two cores are: what one pays to read what the other has just written.

A virtual machine's cores are threads that its host moves about.  Now they share a cache, now they
do not, for seconds at a time; the guest sees nothing of it.  Programs whose threads read each
other's results feel it, and a benchmark should say in which state it measured.
"""

from __future__ import annotations

import os
from statistics import median
from time import perf_counter

import numpy as np

VALUES, LINE = 2**16, 16                # float32: 256 KB, which any cache holds; values in a line


def apart(repetitions: int = 15) -> float | None:
    """Time to change data that the other core has just written, over data of one's own.

    The first two cores that this process may use; None with one core, or where a thread cannot
    choose its core.  Takes a few milliseconds.
    """
    if not hasattr(os, "sched_setaffinity"):
        return None
    allowed = os.sched_getaffinity(0)
    if len(allowed) < 2:
        return None
    here, there = sorted(allowed)[:2]
    x = np.zeros(VALUES, np.float32)
    one_of_each_line = x[::LINE]
    others, own = [], []
    try:
        for _ in range(repetitions):
            os.sched_setaffinity(0, {there})
            x += 1
            os.sched_setaffinity(0, {here})
            for times in (others, own):             # the first time it comes from the other core
                start = perf_counter()
                one_of_each_line += 1
                times.append(perf_counter() - start)
    finally:
        os.sched_setaffinity(0, allowed)
    return median(others) / median(own)
