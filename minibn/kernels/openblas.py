"""Routines of OpenBLAS that NumPy does not expose.

Most builds of NumPy multiply matrices with OpenBLAS.  All of its threads work on one product.  In a
stack of small products (`winograd.py`) each product ends before the threads have shared it out.
NumPy also adds up arrays on one thread, one operation at a time.  OpenBLAS can do more:

    gemm_batch     every thread takes whole products of a stack
    axpy           y ← y + α·x in one pass, on all threads

They are called here through ctypes, in the same library that NumPy has loaded, because a second
pool of threads would disturb the first.  Where the library has no such routine (an older OpenBLAS,
another BLAS, a browser), NumPy's operations do the same.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray as Array
from threadpoolctl import ThreadpoolController

# BLAS's letter for a dtype, and C's type.
KINDS: dict[np.dtype, tuple[str, Any]] = {np.dtype(np.float32): ("s", ctypes.c_float),
                                          np.dtype(np.float64): ("d", ctypes.c_double)}
Integer = ctypes.c_int64
ROW_MAJOR, AS_IT_LIES, TRANSPOSED = 101, 111, 112                      # of cblas.h
# OpenBLAS's gemm_batch may crash on products of up to 100³ multiplications (its pull request 5980
# of August 2026 says why).
SMALL = 100**3
MANY = 16384    # Values that are worth a call, where the work is one pass over an array.


def multiply_stacks(a: Array, b: Array, out: Array) -> Array:
    """out[i] = a[i]·b[i] for all i, for a (s, m, k), b (s, k, n) and out (s, m, n) of one dtype."""
    (count, rows, columns), inner = out.shape, a.shape[2]
    gemm_batch = _routine("gemm_batch", out.dtype)
    if (gemm_batch is None or count < 2 or rows * inner * columns <= SMALL
            or not a.dtype == b.dtype == out.dtype or not out.flags.behaved
            or (a.shape, b.shape) != ((count, rows, inner), (count, inner, columns))):
        return np.matmul(a, b, out=out)
    of_a, of_b, of_out = _layout(a), _layout(b), _layout(out)
    if not (of_a and of_b and of_out) or of_out.order == TRANSPOSED:
        return np.matmul(a, b, out=out)
    _, real = KINDS[out.dtype]

    # The stack is one group of products alike, so each list of what a group shares has one entry.
    def shared(kind: Any, value: float) -> Any:
        return (kind * 1)(value)

    gemm_batch(ROW_MAJOR, shared(ctypes.c_int, of_a.order), shared(ctypes.c_int, of_b.order),
               shared(Integer, rows), shared(Integer, columns), shared(Integer, inner),
               shared(real, 1), _addresses(a), shared(Integer, of_a.step),
               _addresses(b), shared(Integer, of_b.step),
               shared(real, 0), _addresses(out), shared(Integer, of_out.step),
               Integer(1), shared(Integer, count))
    return out


def decay_and_add(y: Array, decay: float, x: Array) -> None:
    """y ← decay·y + x in place, for arrays of one shape and dtype."""
    axpy = _routine("axpy", y.dtype)
    if axpy and _long_vectors(y, x):
        add_scaled(y, decay - 1, y)            # y + (decay − 1)·y: a pass on all threads as well
        add_scaled(y, 1, x)
    else:
        y *= decay
        y += x


def add_scaled(y: Array, factor: float, x: Array) -> None:
    """y ← y + factor·x in place, for arrays of one shape and dtype."""
    axpy = _routine("axpy", y.dtype)
    if axpy and _long_vectors(y, x):
        (_, real), size, step = KINDS[y.dtype], Integer(y.size), Integer(1)
        axpy(size, real(factor), _address(x), step, _address(y), step)
    else:
        y += factor * x


def _long_vectors(y: np.ndarray, x: np.ndarray) -> bool:
    """Whether the arrays are vectors to OpenBLAS, long enough for a call, and y may be changed."""
    return (y.size >= MANY and y.flags.carray and x.flags.c_contiguous
            and x.shape == y.shape and x.dtype == y.dtype)


class Layout(NamedTuple):
    """How the matrices of a stack lie in memory."""

    order: int   # AS_IT_LIES: row by row.  TRANSPOSED: column by column
    step: int    # values from the start of a row, or column, to that of the next


def _layout(x: np.ndarray) -> Layout | None:
    """The layout of a stack (s, m, n), if BLAS knows it."""
    _, rows, columns = x.shape
    _, row, column = (stride // x.itemsize for stride in x.strides)
    if column == 1 and row >= columns:
        return Layout(AS_IT_LIES, row)
    if row == 1 and column >= rows:
        return Layout(TRANSPOSED, column)
    return None


def _address(x: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(x.__array_interface__["data"][0])


def _addresses(x: np.ndarray) -> Any:
    """The addresses of the matrices of a stack, as C has them."""
    first, step = x.__array_interface__["data"][0], x.strides[0]
    return (ctypes.c_void_p * len(x))(*[first + i * step for i in range(len(x))])


@lru_cache
def _routine(name: str, dtype: np.dtype) -> Callable | None:
    """OpenBLAS's cblas routine for arrays of this dtype, or None where there is no such thing."""
    letter, _ = KINDS.get(dtype, ("", None))
    # "64_" is the promise that integers have 64 bits.
    routine = _find(f"cblas_{letter}{name}64_") if letter else None
    if routine is not None:
        routine.restype = None
    return routine


def service(name: str) -> Any:
    """openblas_NAME of the library that NumPy has loaded, or None where there is no such thing."""
    return _find(f"openblas_{name}64_") or _find(f"openblas_{name}")


def _find(symbol: str) -> Any:
    """A function of the OpenBLAS that came with NumPy; its name there may have a prefix."""
    for loaded in ThreadpoolController().lib_controllers:
        if loaded.internal_api == "openblas" and "numpy" in loaded.filepath:
            library = ctypes.CDLL(loaded.filepath)
            for prefix in ("scipy_", ""):
                routine = getattr(library, prefix + symbol, None)
                if routine is not None:
                    return routine
    return None
