"""The gradient check: is a backward pass the derivative of its forward pass?

A backward pass turns an upstream gradient dy into dx = Jᵀ·dy, where J = ∂y/∂x. The number
L = ⟨dy, f(x)⟩ has exactly that gradient, and L can be differenced: the Taylor series gives

    (L(x + h·v) − L(x − h·v)) / 2h  =  ⟨dx, v⟩ + O(h²)        for every direction v.

A correct dx passes for any v, a wrong one fails for almost every v, so a few random directions
test all entries at once at two forward passes each. `numeric_gradient` walks along the axes
instead and finds every entry of dx: slower, but it shows which entry is wrong.

What to expect in float64 with h = 1e-5: errors of 1e-7 or less. Above 1e-4 something is wrong,
in the formula or in the check. Three ways to fool it:

* dy = 1 proves nothing for a normalization: the sum of its outputs does not depend on x. Draw dy.
* f must be a pure function. A layer that updates an average or draws a mask gives another answer
  on every call. In batch renormalization, freeze r and d: they are constants to the backward pass.
* Next to a kink (ReLU at 0, two equal entries in a maximum) the difference straddles it.
"""

from collections.abc import Callable

import numpy as np

from minibn.checks import check_filled, check_float, check_integer, check_number

Function = Callable[[np.ndarray], np.ndarray]


def relative_error(a: np.ndarray, b: np.ndarray) -> float:
    """Largest difference over largest entry, max|a − b| / max(|a|, |b|); 0 if both are zero.

    `a` and `b`: numbers in arrays of one shape, not empty (else ValueError or TypeError). NaN if
    either holds a NaN.
    """
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        raise ValueError(f"a and b must have one shape, not {a.shape} and {b.shape}")
    for name, array in (("a", a), ("b", b)):
        if array.dtype.kind not in "biufc":
            raise TypeError(f"{name} must hold numbers, not {array.dtype}")
        check_filled(name, array)
    scale = np.maximum(np.abs(a).max(), np.abs(b).max())       # NaN if there is one, unlike max()
    return 0.0 if scale == 0 else float(np.abs(a - b).max() / scale)


def check_gradient(f: Function, x: np.ndarray, dy: np.ndarray, dx: np.ndarray, *,
                   directions: int = 5, step: float = 1e-5, seed: int = 0) -> float:
    """Relative error of dx = Jᵀ·dy against central differences along random directions.

    `f` maps `x` (float64, any shape) to y, without side effects; `dy` has y's shape, `dx` has x's.
    Raises ValueError if a shape or dtype does not fit, or if `f` gives two answers to one x.
    """
    _check(f, x, dy, step)
    if np.shape(dx) != x.shape:
        raise ValueError(f"dx must have the shape of x, {x.shape}; got {np.shape(dx)}")
    directions = check_integer("directions", directions, least=1)
    rng = np.random.default_rng(seed)
    vs = rng.normal(size=(directions, *x.shape))
    numeric = np.array([_slope(f, x, dy, v, step) for v in vs])
    analytic = np.array([np.sum(dx * v) for v in vs])
    return relative_error(numeric, analytic)


def numeric_gradient(f: Function, x: np.ndarray, dy: np.ndarray, *,
                     step: float = 1e-5) -> np.ndarray:
    """Jᵀ·dy entry by entry, two calls of `f` each: for small arrays. Errors as `check_gradient`."""
    _check(f, x, dy, step)
    dx = np.empty_like(x)
    for index in np.ndindex(x.shape):
        v = np.zeros_like(x)
        v[index] = 1                                           # along one axis
        dx[index] = _slope(f, x, dy, v, step)
    return dx


def _slope(f, x, dy, v, h):
    """Central difference of ⟨dy, f⟩ at x along v."""
    return np.sum(dy * (f(x + h * v) - f(x - h * v))) / (2 * h)


def _check(f, x, dy, step):
    check_float("x", x)
    if x.dtype != np.float64:
        raise TypeError("x must be a float64 array (in float32 a difference of 1e-5 drowns in "
                        f"rounding), not {x.dtype}")
    check_filled("x", x)
    check_number("step", step, above=0)
    y = f(x)
    if np.shape(y) != np.shape(dy):
        raise ValueError(f"dy must have the shape of f(x), {np.shape(y)}; got {np.shape(dy)}")
    if not np.array_equal(y, f(x), equal_nan=True):
        raise ValueError("f must be a pure function: two calls with the same x gave two answers")
