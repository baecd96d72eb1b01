"""The optimizer's sums in one pass each, on as many threads as they deserve."""

from __future__ import annotations

from minibn.backend import Array
from minibn.kernels.openblas import add_scaled, decay_and_add
from minibn.kernels.threads import PASS, threads_for


def momentum_update(p: Array, v: Array, g: Array, lr: float, momentum: float) -> None:
    """Kernel of `optim.momentum_update`."""
    channels = p.shape[-1] if p.ndim else 1
    with threads_for(PASS * p.size, channels):
        decay_and_add(v, momentum, g)
        add_scaled(p, -lr, v)
