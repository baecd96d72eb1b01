"""ReLU with its result in memory that begins on a cache line (`blocking.empty`)."""

from __future__ import annotations

import numpy as np
from numpy import ndarray as Array

from minibn.checks import check_float, check_upstream
from minibn.kernels.blocking import empty_like


def relu(x: Array) -> tuple[Array, Array]:
    """Kernel of `layers.activations.relu`."""
    check_float("x", x)
    y = np.maximum(x, 0, out=empty_like(x))
    return y, y


def relu_backward(dy: Array, cache: Array) -> Array:
    """Kernel of `layers.activations.relu_backward`."""
    check_upstream("dy", dy, cache.shape, like=cache)
    return np.multiply(dy, cache > 0, out=empty_like(cache))
