"""What calling OpenBLAS directly (`kernels/openblas.py`) gains, alone and with arrays in the cache.

    python benchmarks/openblas.py

Stacks of products of a step at batch 5 and 10 as minimal filtering has them, and the optimizer's
two sums over the weights of ALL-CNN; lower quartile of 200 calls each, in milliseconds.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import quantiles
from time import perf_counter

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import machine  # noqa: E402
from tables import machine_text, table  # noqa: E402

from minibn.kernels import openblas as blas  # noqa: E402
from minibn.kernels.blocking import empty  # noqa: E402
from minibn.models import all_cnn  # noqa: E402

STACKS = [(36, 180, 96, 96), (36, 96, 180, 96), (25, 80, 192, 192), (36, 90, 192, 192)]
WEIGHTS = sum(p.size for p in all_cnn().params.values())


def milliseconds(act, calls: int = 200) -> float:
    """The lower quartile of one call's time."""
    times = []
    for _ in range(calls):
        start = perf_counter()
        act()
        times.append(perf_counter() - start)
    return quantiles(times, n=4)[0] * 1e3


def random(*shape: int) -> np.ndarray:
    x = empty(shape, np.dtype(np.float32))
    x[...] = np.random.default_rng(0).standard_normal(shape)
    return x


def both(act) -> list[str]:
    """The times with NumPy alone and with OpenBLAS's calls, and their ratio."""
    find = blas._routine
    blas._routine = lambda name, dtype: None
    try:
        alone = milliseconds(act)
    finally:
        blas._routine = find
    asked = milliseconds(act)
    return [f"{alone:.2f}", f"{asked:.2f}", f"{alone / asked:.2f}"]


def main() -> None:
    rows = []
    for count, m, k, n in STACKS:
        a, b, out = random(count, m, k), random(count, k, n), random(count, m, n)
        name = f"{count} products ({m}×{k})·({k}×{n})"
        rows.append([name, *both(lambda a=a, b=b, out=out: blas.multiply_stacks(a, b, out))])
    p, v, g = random(WEIGHTS), random(WEIGHTS), random(WEIGHTS)

    def step() -> None:
        blas.decay_and_add(v, 0.9, g)
        blas.add_scaled(p, -1e-6, v)

    rows.append([f"optimizer, {WEIGHTS:,} weights", *both(step)])
    print(machine_text(machine.describe()) + ".\n")
    print(table(["what", "NumPy alone ms", "OpenBLAS asked ms", "ratio"], rows))


if __name__ == "__main__":
    main()
