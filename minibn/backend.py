"""NumPy or CuPy: whichever made the array.  Only this file and kernels/cupy_*.py know CuPy.

The library never asks where it runs.  A function takes the array module of the array it was
given (`xp = array_module(x)`) and calls `xp.sqrt`, `xp.matmul`, … on it, so the same lines run on
a CPU and on a GPU.  Arrays cross between the two only through `to_device` and `to_host`, which
the training loop calls at its edges.
"""

from __future__ import annotations

import sys
from functools import cache
from textwrap import shorten
from types import ModuleType

import numpy as np

from minibn.arrays import Array

DEVICES = ("cpu", "gpu")


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
