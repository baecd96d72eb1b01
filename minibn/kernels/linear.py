"""The linear layer's products, on as many threads as they deserve."""

from __future__ import annotations

from numpy import ndarray as Array

from minibn.checks import check_upstream
from minibn.kernels.threads import threads_for
from minibn.layers.linear import LinearCache, check_linear


def linear(x: Array, w: Array, b: Array | None = None) -> tuple[Array, LinearCache]:
    """Kernel of `layers.linear.linear`."""
    check_linear(x, w, b)
    with threads_for(x.size * w.shape[1], w.shape[1]):
        y = x @ w
    if b is not None:
        y += b
    return y, LinearCache(x, w, b)


def linear_backward(dy: Array, cache: LinearCache) -> tuple[Array, Array, Array | None]:
    """Kernel of `layers.linear.linear_backward`."""
    x, w, b = cache
    check_upstream("dy", dy, (len(x), w.shape[1]), like=x)
    db = None if b is None else dy.sum(0).astype(b.dtype, copy=False)
    with threads_for(dy.size * w.shape[0], w.shape[1]):
        return dy @ w.T, x.T @ dy, db
