"""Kernels: faster forms of the textbook functions, for NumPy arrays and for CuPy arrays.

A reader who never opens this folder has missed no mathematics.  A kernel has the name, the
arguments, the results and the cache of the textbook function that it replaces, so the forward pass
of one fits the backward pass of the other.  It may decline by returning NotImplemented.

    normalization   BN, BRN, LayerNorm and GroupNorm from the passes of standardize
    standardize     passes over pieces that stay in a processor's cache; long lines
    conv            im2col for a few images at a time, or Winograd's minimal filtering
    im2col          the windows of a few images as the rows of a matrix
    winograd        3×3 convolution with fewer multiplications
    activations     results in memory that begins on a cache line
    linear, update  products and sums on as many threads as they deserve
    openblas        routines of OpenBLAS that NumPy does not expose
    blocking        how work is cut into pieces, and how memory is laid out
    threads         how many threads a product gets
    workspace       scratch memory that is used again at every step

    cupy_normalization, cupy_conv, cupy_update    the same on a GPU, with few launches

`disabled()` switches the kernels off for a block, MINIBN_KERNELS=0 for a process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from threading import Lock
from typing import Any

# The tables that tie the rooms: the name of a textbook function, the module of its kernel.
TABLE: dict[str, str] = {
    "batch_statistics": "normalization",
    "normalize": "normalization",
    "batch_norm": "normalization",
    "batch_norm_backward": "normalization",
    "renormalize": "normalization",
    "batch_renorm_backward": "normalization",
    "layer_norm": "normalization",
    "layer_norm_backward": "normalization",
    "group_norm": "normalization",
    "group_norm_backward": "normalization",
    "conv2d": "conv",
    "conv2d_backward": "conv",
    "linear": "linear",
    "linear_backward": "linear",
    "relu": "activations",
    "relu_backward": "activations",
    "momentum_update": "update",
}
# On a GPU every call of an array function is a launch.  These functions would need the most.
CUPY_TABLE: dict[str, str] = {
    "batch_statistics": "cupy_normalization",
    "normalize": "cupy_normalization",
    "batch_norm": "cupy_normalization",
    "batch_norm_backward": "cupy_normalization",
    "renormalize": "cupy_normalization",
    "batch_renorm_backward": "cupy_normalization",
    "conv2d": "cupy_conv",
    "conv2d_backward": "cupy_conv",
    "momentum_update": "cupy_update",
}
TABLES = {"numpy.ndarray": TABLE, "cupy.ndarray": CUPY_TABLE}


def _wanted() -> bool:
    value = os.environ.get("MINIBN_KERNELS", "1")
    if value not in ("0", "1"):
        raise ValueError(f"MINIBN_KERNELS must be 0 or 1, not {value!r}")
    return value == "1"


enabled = WANTED = _wanted()
_lock = Lock()
_blocks = 0          # `with disabled()` blocks that are open, in all threads


@contextmanager
def disabled() -> Iterator[None]:
    """A block in which every function is its textbook self, in all threads."""
    global enabled, _blocks
    with _lock:
        _blocks += 1
        enabled = False
    try:
        yield
    finally:
        with _lock:
            _blocks -= 1
            enabled = WANTED and _blocks == 0


@cache
def find(name: str, kind: type) -> Callable[..., Any] | None:
    """The kernel of the textbook function of this name for arrays of this type; None without one.

    Imported at its first use: kernels know the caches of the textbook, which knows `dispatch`.
    """
    module = TABLES.get(f"{kind.__module__}.{kind.__qualname__}", {}).get(name)
    return None if module is None else getattr(import_module(f"minibn.kernels.{module}"), name)
