"""The optimizer's sums in one pass each, on as many threads as they deserve."""

from __future__ import annotations

from typing import Any

from numpy import ndarray as Array

from minibn.kernels.openblas import MANY, add_scaled, decay_and_add
from minibn.kernels.threads import PASS, threads_for


def momentum_update(p: Array, v: Array, g: Array, lr: float, momentum: float) -> Any:
    """Kernel of `optim.momentum_update`."""
    if p.size < MANY:
        return NotImplemented                  # NumPy adds short arrays up as fast
    with threads_for(PASS * p.size, p.shape[-1]):
        decay_and_add(v, momentum, g)
        add_scaled(p, -lr, v)
    return None
