"""NumPy or CuPy: whichever made the array.  The only file that knows CuPy.

The library never asks where it runs.  A function takes the array module of the array it was
given (`xp = array_module(x)`) and calls `xp.sqrt`, `xp.matmul`, … on it, so the same lines run on
a CPU and on a GPU.  Arrays cross between the two only through `to_device` and `to_host`, which
the training loop calls at its edges.
"""

from __future__ import annotations

import math
import sys
from functools import cache
from itertools import pairwise
from textwrap import shorten
from types import ModuleType
from typing import Any

import numpy as np

Array = Any  # a numpy.ndarray or a cupy.ndarray
DEVICES = ("cpu", "gpu")

# Floats in a piece that stays in a core's cache while several passes go over it (256 KB).
PIECE = 64 * 1024
CACHE_LINE = 64   # bytes


def _cupy() -> ModuleType | None:
    """CuPy, if the program has imported it: before that, no array can be one of CuPy's."""
    return sys.modules.get("cupy")


def array_module(x: Array, name: str = "x") -> ModuleType:
    """The module whose functions apply to `x`: numpy or cupy.

    Raises TypeError for anything that is not an array (a list, a tensor of another library).
    """
    if isinstance(x, np.ndarray):
        return np
    cupy = _cupy()
    if cupy is not None and isinstance(x, cupy.ndarray):
        return cupy
    raise TypeError(
        f"{name} must be a NumPy (or CuPy) array, not {type(x).__name__}; "
        "numpy.asarray makes one"
    )


def to_device(x: Array, device: str) -> Array:
    """`x` on `device` ("cpu" or "gpu"); the same array if it is there already."""
    if device == "cpu":
        return to_host(x)
    return device_module(device).asarray(x)


def to_host(x: Array) -> np.ndarray:
    """`x` as a NumPy array; the same array if it is one."""
    if isinstance(x, np.ndarray):
        return x
    return array_module(x).asnumpy(x)


def device_module(device: str) -> ModuleType:
    """numpy for "cpu", cupy for "gpu".

    Raises ValueError for another name, and RuntimeError if CuPy, a GPU or a library that CuPy
    needs is missing.  The message is one line.
    """
    if device == "cpu":
        return np
    if device != "gpu":
        raise ValueError(f"device must be one of {', '.join(DEVICES)}, not {device!r}")
    try:
        import cupy
    except ModuleNotFoundError as error:
        raise RuntimeError(
            "device gpu needs CuPy, which is not installed: pip install 'minibn[gpu]'"
        ) from error
    except ImportError as error:  # a page of advice; its cause is the reason
        raise RuntimeError("device gpu: CuPy is installed, but cannot be imported "
                           f"({_one_line(error.__cause__ or error)})") from error
    _prove(cupy)
    return cupy


@cache   # once in a process; a failure is not kept
def _prove(cupy: ModuleType) -> None:
    """Use memory, a kernel and a matrix product of the GPU, so that what is missing shows here.

    A wheel of CuPy has neither the compiler of kernels (NVRTC) nor cuBLAS.  Both are loaded at
    their first use, which would be in the middle of training.
    """
    failure = "found no usable GPU"
    try:
        x = cupy.zeros((2, 2), "float32")
        failure = "cannot compile and run a kernel"
        x = x + 1
        failure = "cannot multiply matrices"
        float((x @ x)[0, 0])                                # waits until the GPU has the value
    except Exception as error:  # CuPy reports what is missing in many classes
        raise RuntimeError(f"device gpu: CuPy {failure} ({_one_line(error)})") from error


def _one_line(error: BaseException) -> str:
    return shorten(str(error), 160, placeholder=" …")


def synchronize(x: Array) -> None:
    """Wait until the device of `x` has done its work (on a CPU it always has)."""
    if not isinstance(x, np.ndarray):
        array_module(x).cuda.get_current_stream().synchronize()


def empty(shape: tuple[int, ...], dtype: np.dtype, xp: ModuleType) -> Array:
    """An array of arbitrary contents that begins on the border of a cache line.

    NumPy's own begin 16 bytes behind one where they are large.  Then every other vector of a
    processor that loads 32 bytes at a time, and every one where it loads 64, lies across a border
    and costs two loads: a pass over an array in the cache takes up to twice as long.  A small array
    is NumPy's own, which is made sooner.
    """
    size = math.prod(shape)
    if xp is not np or size < PIECE // 4:
        return xp.empty(shape, dtype)
    memory = np.empty(size * np.dtype(dtype).itemsize + CACHE_LINE, np.uint8)
    address = memory.__array_interface__["data"][0]
    return np.ndarray(shape, dtype, memory, offset=-address % CACHE_LINE)


def empty_like(x: Array) -> Array:
    """The same, of the shape, dtype and memory order and on the device of `x`."""
    if not x.flags.c_contiguous:
        return array_module(x).empty_like(x)
    return empty(x.shape, x.dtype, array_module(x))


def strided(x: Array, shape: tuple[int, ...], strides: tuple[int, ...]) -> Array:
    """A view of contiguous x with these strides, in bytes, from its first value on.

    NumPy's as_strided does the same in five times the time, and does not check that the view stays
    within x.
    """
    if isinstance(x, np.ndarray):
        return np.ndarray(shape, x.dtype, x, strides=strides)
    return array_module(x).lib.stride_tricks.as_strided(x, shape, strides)


def pieces(shape: tuple[int, int, int], xp: ModuleType, piece: int = PIECE
           ) -> list[tuple[slice, slice]]:
    """Cut (sets, rows, channels) into pieces of at most `piece` floats that fit a cache, as
    (slice of sets, slice of rows).

    Several passes over one piece then cost one trip to memory.  A GPU gets everything in one
    piece: there a launch costs more than a trip to memory.
    """
    sets, rows, channels = shape
    if xp is not np or sets * rows * channels <= piece:
        return [(slice(0, sets), slice(0, rows))]
    if rows * channels > piece:
        return [(slice(s, s + 1), part) for s in range(sets)
                for part in parts(rows, channels, xp, piece)]
    return [(part, slice(0, rows)) for part in parts(sets, rows * channels, xp, piece)]


def parts(length: int, values_each: int, xp: ModuleType, piece: int = PIECE) -> list[slice]:
    """Cut 0 … length − 1, of `values_each` floats each, into equal parts of at most `piece` floats.

    Every part has one element at least; a GPU gets one part.
    """
    if xp is not np or length * values_each <= piece:
        return [slice(0, length)]
    count = min(length, -(-length * values_each // piece))
    bounds = [length * k // count for k in range(count + 1)]
    return [slice(start, stop) for start, stop in pairwise(bounds)]
