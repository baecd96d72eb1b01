"""Checks of arguments: each raises an error that names the argument, what came, what was expected.

Values are not looked at (NaN and infinity propagate, as in NumPy); kinds and shapes are.
"""

from __future__ import annotations

import math
from numbers import Integral, Real

import numpy as np

from minibn.backend import Array, array_module

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


class TooEarly(RuntimeError, ValueError):
    """A call that needs an earlier one: backward before forward, testing before training."""


def check_array(name: str, x: Array) -> None:
    """`x` is an array of NumPy's or CuPy's; masks and matrices would change what + and * mean."""
    array_module(x, name)
    if isinstance(x, (np.ma.MaskedArray, np.matrix)):
        raise TypeError(f"{name} must be a plain array, not a {type(x).__name__}")


def check_float(name: str, x: Array) -> None:
    """`x` is an array of float32 or float64 in the machine's byte order."""
    if type(x) is np.ndarray and x.dtype in FLOATS:            # the usual case, seen at once
        return
    check_array(name, x)
    if x.dtype not in FLOATS or not x.dtype.isnative:
        raise TypeError(
            f"{name} must be float32 or float64 in native byte order, not {x.dtype}; "
            f"convert it first: {name}.astype('float32')"
        )


def check_images(name: str, x: Array, channels: int | None = None) -> None:
    """`x` is a float array (N, H, W, C) with at least one value, C as given."""
    check_float(name, x)
    if x.ndim != 4:
        raise ValueError(f"{name} must have shape (N, H, W, C), not {x.shape}")
    check_filled(name, x)
    if channels is not None and x.shape[-1] != channels:
        raise ValueError(f"{name} must have {channels} channels on its last axis, not {x.shape}")


def check_rows(name: str, x: Array, columns: int | None = None) -> None:
    """`x` is a float array (N, C) with at least one value, C as given."""
    check_float(name, x)
    if x.ndim != 2:
        raise ValueError(f"{name} must have shape (N, C), not {x.shape}")
    check_filled(name, x)
    if columns is not None and x.shape[1] != columns:
        raise ValueError(f"{name} must have {columns} columns, not {x.shape}")


def check_channels_last(name: str, x: Array, channels: int | None = None) -> None:
    """`x` is a float array (N, C) or (N, H, W, C) with at least one value, C as given."""
    check_float(name, x)
    if x.ndim not in (2, 4):
        raise ValueError(f"{name} must have shape (N, C) or (N, H, W, C), not {x.shape}")
    check_filled(name, x)
    if channels is not None and x.shape[-1] != channels:
        raise ValueError(f"{name} must have {channels} channels on its last axis, not {x.shape}")


def check_filled(name: str, x: Array) -> None:
    """`x` holds at least one value."""
    if x.size == 0:
        raise ValueError(f"{name} is empty: its shape is {x.shape}")


def check_vector(name: str, v: Array, channels: int, like: Array) -> None:
    """`v` is a float array (channels,) on the same device as `like`."""
    check_float(name, v)
    check_same_device(name, v, like)
    if v.shape != (channels,):
        raise ValueError(f"{name} must have shape ({channels},), not {v.shape}")


def check_scale_and_shift(x: Array, gamma: Array, beta: Array) -> None:
    """`x` is a float array (N, C) or (N, H, W, C); gamma and beta are (C,) on its device."""
    if (type(x) is type(gamma) is type(beta) is np.ndarray and x.ndim in (2, 4) and x.size
            and gamma.shape == beta.shape == x.shape[-1:]
            and x.dtype in FLOATS and gamma.dtype in FLOATS and beta.dtype in FLOATS):
        return                                                 # the usual case, seen at once
    check_channels_last("x", x)
    check_vector("gamma", gamma, x.shape[-1], like=x)
    check_vector("beta", beta, x.shape[-1], like=x)


def check_upstream(name: str, dy: Array, shape: tuple[int, ...], like: Array) -> None:
    """`dy` is a float array of the forward result's shape, on the device and of the dtype of it."""
    check_float(name, dy)
    check_same_device(name, dy, like)
    if dy.shape != shape:
        raise ValueError(f"{name} must have the shape of the forward result, {shape}, "
                         f"not {dy.shape}")
    if dy.dtype != like.dtype:
        raise TypeError(f"{name} must be {like.dtype} as in the forward pass, not {dy.dtype}")


def check_like(name: str, a: Array, like: Array) -> None:
    """`a` is an array of the shape and dtype and on the device of `like`."""
    check_same_device(name, a, like)
    if a.shape != like.shape:
        raise ValueError(f"{name} must have shape {like.shape}, not {a.shape}")
    if a.dtype != like.dtype:
        raise TypeError(f"{name} must be {like.dtype}, not {a.dtype}")


def check_same_kind(name: str, a: Array, b: Array) -> None:
    """`a` and `b` are on the same device and of the same dtype."""
    check_same_device(name, a, b)
    if a.dtype != b.dtype:
        raise TypeError(f"{name} is {a.dtype} and the input {b.dtype}: convert one of them")


def check_same_device(name: str, a: Array, b: Array) -> None:
    """`a` and `b` are arrays of the same module (both NumPy's or both CuPy's)."""
    if type(a) is type(b) is np.ndarray:                       # the usual case, seen at once
        return
    if array_module(a, name) is not array_module(b):
        raise TypeError(
            f"{name} is an array of {array_module(a).__name__}, the other argument of "
            f"{array_module(b).__name__}: move one with minibn.backend.to_device"
        )


def check_integer(name: str, value: int, least: int) -> int:
    """`value` as an int of at least `least` (True and 2.0 are not integers)."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")
    return int(value)


def check_number(name: str, value: float, least: float = -math.inf, below: float = math.inf,
                 above: float = -math.inf) -> float:
    """`value` as a finite float with least <= value < below and value > above."""
    if type(value) is float and least <= value < below and value > above:
        return value                                           # the usual case, seen at once
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, not {value!r}")
    try:
        value = float(value)
    except OverflowError as error:                             # an integer of hundreds of digits
        raise ValueError(f"{name} must be finite, not a number of {len(str(value))} digits"
                         ) from error
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, not {value}")
    if not (least <= value < below and value > above):
        bounds = []
        if least > -math.inf:
            bounds.append(f"at least {least:g}")
        if above > -math.inf:
            bounds.append(f"above {above:g}")
        if below < math.inf:
            bounds.append(f"below {below:g}")
        raise ValueError(f"{name} must be {' and '.join(bounds)}, not {value:g}")
    return value


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> str:
    """`value` is one of `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
    return value


def check_flag(name: str, value: bool) -> bool:
    """`value` as a bool: True or False, NumPy's too (a text "False" would count as true)."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, not {value!r}")
    return bool(value)


def check_dtype(dtype: object) -> np.dtype:
    """`dtype` as a NumPy dtype, float32 or float64."""
    try:
        found = np.dtype(dtype)  # type: ignore[call-overload]
    except TypeError as error:
        raise TypeError(f"dtype must be float32 or float64, not {dtype!r}") from error
    if found not in FLOATS or not found.isnative:
        raise TypeError(f"dtype must be float32 or float64, not {found}")
    return found
