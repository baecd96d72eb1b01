"""The checks of exercises that have not moved into the package yet: `with check(title) as c`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any, TypeVar

import numpy as np

from minibn.teaching.compare import Wrong, close, describe, describe_flags, what

T = TypeVar("T")


class check:
    """The check of one exercise.

        with course.check("1.2 dγ and dβ") as check:
            check.equal("dgamma", dgamma, want, {"a sum over the batch, not a mean": want / m})
        gradients = check.choose(gradients, library=...)

    A blank that is still empty raises NotImplementedError: the check then says "not done yet" (on
    stderr, which nbgrader takes for no points) and the notebook goes on with the library's version.
    A wrong answer raises `Wrong`, with a hint where the mistake is a known one.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.done = False

    def __enter__(self) -> check:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> bool:
        if isinstance(error, NotImplementedError):
            print(f"{self.title}: not done yet.", file=sys.stderr)
            return True
        if error is None:
            self.done = True
            print(f"{self.title}: right.")
        return False

    def choose(self, yours: T, library: T) -> T:
        """What later cells use: your answer, or the library's as long as yours is missing."""
        return yours if self.done else library

    def that(self, holds: bool, hint: str) -> None:
        """Raise `Wrong` with this hint unless the statement holds."""
        if not holds:
            raise Wrong(f"{self.title}: not right yet. {hint}")

    def parts(self, got: Any, names: str) -> Any:
        """`got`, once it is seen to be as many things as there are names ("dx, dgamma")."""
        count = len(names.split(", "))
        several = isinstance(got, list | tuple) or (isinstance(got, np.ndarray) and got.ndim > 0)
        self.that(several and len(got) == count,
                  f"Return {count} things: {names}. This is {what(got)}.")
        return got

    def equal(self, name: str, got: Any, want: Any, mistakes: Mapping[str, Any] | None = None,
              tol: float = 1e-7) -> None:
        """Raise `Wrong` unless `got` equals `want` to `tol`, relative to the largest entry.

        mistakes: for each hint, the value that this mistake would give; its shape may differ.
        """
        self.that(got is not None, f"{name} is None: is there a `return`?")
        try:
            answer, right = np.asarray(got, float), np.asarray(want, float)
        except (TypeError, ValueError):
            answer = None
        if answer is None or (isinstance(got, list | tuple) and any(v is None for v in got)):
            raise Wrong(f"{self.title}: {name} should be numbers, not {what(got)}.")
        hint = ""
        if answer.shape == right.shape and close(answer, right, tol):
            return
        for text, mistake in (mistakes or {}).items():
            value = np.asarray(mistake, float)
            if value.shape == answer.shape and close(answer, value, tol):
                hint = text
                break
        self.that(answer.shape == right.shape,
                  f"{name} has shape {answer.shape}; it should have {right.shape}. {hint}".strip())
        if not hint:
            yes_or_no = np.asarray(want).dtype == bool
            hint = (describe_flags if yes_or_no else describe)(answer, right, tol)
        self.that(False, f"{name}: {hint}")
