"""Compare an answer with the right one, and say in a sentence how they differ."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

# How exact an answer can be that was computed in a shorter type, relative to the largest entry.
ROUNDING = {np.dtype(np.float32): 2e-5, np.dtype(np.float16): 5e-3}


class Wrong(AssertionError):
    """An answer that is not right yet; its text is the hint."""

    def _render_traceback_(self) -> list[str]:          # a notebook shows it without a traceback
        return [str(self)]


def require(holds: Any, hint: str) -> None:
    """Raise `Wrong` with this hint unless the statement holds."""
    if not holds:
        raise Wrong(hint)


def unpack(got: Any, names: str) -> Any:
    """`got`, once it is seen to be as many things as there are names ("dx, dgamma")."""
    count = len(names.split(", "))
    several = isinstance(got, list | tuple) or (isinstance(got, np.ndarray) and got.ndim > 0)
    require(several and len(got) == count, f"Return {count} things: {names}. This is {what(got)}.")
    return got


def equal(name: str, got: Any, want: Any, mistakes: Mapping[str, Any] | None = None,
          tol: float = 1e-7) -> None:
    """Raise `Wrong` unless `got` equals `want` to `tol`, relative to the largest entry.

    Lists, tuples and NumPy scalars are as good as arrays, leading axes of length one do not
    matter, and an answer in float32 is compared as exactly as float32 allows. (NumPy adds leading
    axes where it broadcasts. An axis of length one at another place changes the result: (T, 1)
    minus (T,) is (T, T).)

    mistakes: for each hint, the value that this mistake would give; its shape may differ.
    """
    require(got is not None, f"{name}: it is None. Is there a `return`?")
    right = np.asarray(want, float)
    answer = numbers(name, got, one=right.ndim == 0)
    tol = max(tol, ROUNDING.get(getattr(got, "dtype", None), 0.0))
    if without_leading_ones(answer) == without_leading_ones(right):
        answer = answer.reshape(right.shape)
    if answer.shape == right.shape and close(answer, right, tol):
        return
    hint = ""
    for text, mistake in (mistakes or {}).items():
        value = np.asarray(mistake, float)
        if value.shape == answer.shape and close(answer, value, tol):
            hint = text
            break
    require(answer.shape == right.shape,
            f"{name}: the array has shape {answer.shape}; it should have {right.shape}. "
            f"{hint}".strip())
    if not hint:
        yes_or_no = np.asarray(want).dtype == bool
        hint = (describe_flags if yes_or_no else describe)(answer, right, tol)
    raise Wrong(f"{name}: {hint}")


def numbers(name: str, got: Any, one: bool = False) -> np.ndarray:
    """`got` as an array of float64; `Wrong` where it is not numbers (not `one` number)."""
    try:
        plain = np.asarray(got)
        if plain.dtype.kind in "USmM" or np.iscomplexobj(plain):
            raise TypeError
        if isinstance(got, list | tuple) and any(part is None for part in got):
            raise TypeError
        return np.asarray(plain, float)
    except Exception:                              # an object may do anything when it is asked
        asked = "a number" if one else "numbers"
        raise Wrong(f"{name} should be {asked}, not {what(got)}.") from None


def usable(own: Any, right: np.ndarray) -> np.ndarray:
    """An answer's own value to go on with where it has the right shape, else the right one.

    With it, a mistake in one part of an exercise costs its points once: what follows is compared
    with what follows from the answer's own value.
    """
    try:
        value = numbers("", own).reshape(right.shape)
    except (Wrong, ValueError):
        return right
    return value if np.isfinite(value).all() and value.all() else right


def is_one_of(got: Any, values: Iterable[Any], tol: float = 1e-7) -> bool:
    """Whether an answer equals one of these values (halfway right ones, say)."""
    for value in values:
        try:
            equal("", got, value, tol=tol)
        except Wrong:
            continue
        return True
    return False


def without_leading_ones(a: np.ndarray) -> tuple[int, ...]:
    """The shape from its first axis on that is not of length one."""
    return tuple(itertools.dropwhile(lambda size: size == 1, a.shape))


def what(got: Any) -> str:
    """What came instead of what was asked, in words."""
    if got is None:
        return "None (is there a `return`?)"
    kind = type(got).__name__
    if isinstance(got, np.ndarray):
        return f"an array of shape {got.shape}"
    if isinstance(got, list | tuple):
        parts = ", ".join("None" if part is None else type(part).__name__ for part in got[:6])
        return f"a {kind} of {len(got)} ({parts}{', …' if len(got) > 6 else ''})"
    if callable(got):
        return f"the {kind} {getattr(got, '__name__', '')} itself (call it)".replace("  ", " ")
    if isinstance(got, np.generic):
        got = got.item()
    if isinstance(got, str | int | float | complex):
        return f"{got!r}"[:60]
    return f"an object of type {kind}"


def close(a: np.ndarray, b: np.ndarray, tol: float) -> bool:
    """Whether two arrays of one shape agree to `tol`, relative to the largest entry."""
    return bool(np.abs(a - b).max(initial=0) <= tol * np.abs(b).max(initial=1e-300))


def describe(got: np.ndarray, want: np.ndarray, tol: float) -> str:
    """How a wrong array differs from the right one, as far as the numbers tell."""
    if not np.isfinite(got).all():
        return "it holds NaN or infinity. Is something divided by zero?"
    if close(got, -want, tol):
        return "the size is right and the sign is wrong."
    if want.any() and not got.any():
        return "it is all zeros." if want.ndim else "it is 0."
    ratio = (got * want).sum() / max((want * want).sum(), 1e-300)      # the factor that fits best
    if want.size > 1 and want.any() and close(got, ratio * want, tol):
        if abs(ratio - 1) < 1e-3:
            which = "large" if ratio > 1 else "small"
            return f"nearly: it is too {which} by {abs(ratio - 1):.1e} of its size, everywhere."
        return f"it is {ratio:.6g} times what it should be, everywhere."
    if want.ndim == 0:
        return f"it is too {'large' if got > want else 'small'}."
    place = tuple(map(int, np.unravel_index(np.abs(got - want).argmax(), want.shape)))
    return f"not equal; the largest error is {got[place] - want[place]:.3g}, at index {place}."


def describe_flags(got: np.ndarray, want: np.ndarray, tol: float) -> str:
    """The same for an array of True and False."""
    wrong = np.argwhere(np.abs(got - want) > tol)
    if want.ndim == 0:
        return f"it should be {bool(want)}."
    place = tuple(map(int, wrong[0]))
    return f"{len(wrong)} of {want.size} entries are wrong, the first at index {place}."
