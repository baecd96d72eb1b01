"""Services of OpenBLAS that NumPy has at hand and does not pass on.

Most builds of NumPy multiply matrices with OpenBLAS, all threads at work on one product.  Of a
stack of small products (`layers/winograd.py`) each is over before its threads have shared it out,
and NumPy adds up arrays on one thread, one operation at a time.  OpenBLAS can also

    gemm_batch     give every thread whole products of a stack
    axpby, axpy    y ← β·y + x and y ← y + α·x in one pass; axpy on all threads

They are called here through ctypes, in the very library that NumPy has loaded: a second pool of
threads would be in the way of the first.  Where it offers no such calls (an older OpenBLAS, another
BLAS), and on a GPU, the operations of NumPy and CuPy do the same.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import LibController, ThreadpoolController

from minibn.backend import Array, array_module

REALS: dict[np.dtype, Any] = {np.dtype(np.float32): ctypes.c_float,
                              np.dtype(np.float64): ctypes.c_double}
Integer = ctypes.c_int64
ROW_MAJOR, AS_IT_LIES, TRANSPOSED = 101, 111, 112                      # of cblas.h
# OpenBLAS's gemm_batch may crash on products of up to 100³ multiplications (its pull request 5980
# of August 2026 says why).
SMALL = 100**3
FEW_ROWS = 48   # With fewer rows to share out, threads are better off with columns.
MANY = 16384    # Values that are worth a call, where the work is one pass over an array.


def multiply(a: Array, b: Array, out: Array) -> Array:
    """out = a·b, for a (m, k), b (k, n) and out (m, n) of one dtype."""
    rows, columns = out.shape
    if rows <= FEW_ROWS and isinstance(out, np.ndarray):
        parts = min(_threads(), rows * a.shape[1] * columns // (SMALL + 1))
        if parts > 1 and columns % parts == 0:
            a = np.broadcast_to(a, (parts, *a.shape))
            multiply_stacks(a, _columns(b, parts), _columns(out, parts))
            return out
    return array_module(out).matmul(a, b, out=out)


def multiply_stacks(a: Array, b: Array, out: Array) -> Array:
    """out[i] = a[i]·b[i] for all i, for a (s, m, k), b (s, k, n) and out (s, m, n) of one dtype."""
    (count, rows, columns), inner = out.shape, a.shape[2]
    worth_it = count > 1 and rows * inner * columns > SMALL
    gemm_batch = _routine("gemm_batch", out) if worth_it else None
    of_a, of_b, of_out = (_layout(x) if gemm_batch else None for x in (a, b, out))
    if not (gemm_batch and of_a and of_b and of_out) or of_out.order == TRANSPOSED:
        return array_module(out).matmul(a, b, out=out)
    real = REALS[out.dtype]

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
    axpby = _routine("axpby", y) if _long(y, x) else None
    if axpby:
        real, size, step = REALS[y.dtype], Integer(y.size), Integer(1)
        axpby(size, real(1), _address(x), step, real(decay), _address(y), step)
    else:
        y *= decay
        y += x


def add_scaled(y: Array, factor: float, x: Array) -> None:
    """y ← y + factor·x in place, for arrays of one shape and dtype."""
    axpy = _routine("axpy", y) if _long(y, x) else None
    if axpy:
        real, size, step = REALS[y.dtype], Integer(y.size), Integer(1)
        axpy(size, real(factor), _address(x), step, _address(y), step)
    else:
        y += factor * x


def _long(y: Array, x: Array) -> bool:
    """Whether the arrays are vectors to OpenBLAS, and long enough to be worth a call."""
    return y.size >= MANY and y.flags.c_contiguous and x.flags.c_contiguous


def _columns(x: Array, parts: int) -> Array:
    """(m, n) → (parts, m, n/parts), a view: groups of neighbouring columns."""
    return x.reshape(len(x), parts, -1).swapaxes(0, 1)


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


def _routine(name: str, y: Array) -> Callable | None:
    """OpenBLAS's routine for arrays like y, or None where there is no such thing."""
    return _find(name, y.dtype) if isinstance(y, np.ndarray) else None


@lru_cache
def _find(name: str, dtype: np.dtype) -> Callable | None:
    letter = {np.dtype(np.float32): "s", np.dtype(np.float64): "d"}.get(dtype)
    openblas = _openblas()
    if letter is None or openblas is None:
        return None
    library = ctypes.CDLL(openblas.filepath)
    for prefix in ("scipy_", ""):
        # The suffix promises that integers have 64 bits.
        routine = getattr(library, f"{prefix}cblas_{letter}{name}64_", None)
        if routine is not None:
            routine.restype = None
            return routine
    return None


@lru_cache
def _openblas() -> LibController | None:
    """The OpenBLAS that came with NumPy, if one did."""
    for library in ThreadpoolController().lib_controllers:
        if library.internal_api == "openblas" and "numpy" in library.filepath:
            return library
    return None


def _threads() -> int:
    """How many threads OpenBLAS works with at present."""
    openblas = _openblas()
    return openblas.num_threads if openblas else 1
