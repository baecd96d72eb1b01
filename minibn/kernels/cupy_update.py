"""The optimizer's update on a GPU: one launch for each parameter."""

from __future__ import annotations

from cupy import ElementwiseKernel

from minibn.backend import Array

_momentum_update = ElementwiseKernel(
    "T g, float64 lr, float64 momentum", "T p, T v", """
    v = T(momentum) * v + g;
    p -= T(lr) * v;
    """, "minibn_momentum_update")


def momentum_update(p: Array, v: Array, g: Array, lr: float, momentum: float) -> None:
    """Kernel of `optim.momentum_update`."""
    _momentum_update(g, lr, momentum, p, v)
