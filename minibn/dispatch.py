"""Textbook or kernel: which of the two forms of a function runs.

The textbook function is the definition, one formula a line.  A kernel (`minibn.kernels`) computes
the same faster, on NumPy or on CuPy.  A call takes the kernel if there is one for arrays of this
type, the kernels are switched on, and the kernel accepts the arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from minibn import kernels

Function = TypeVar("Function", bound=Callable[..., Any])


def accelerated(textbook: Function) -> Function:
    """The textbook function, or its kernel where there is one for these arguments.

    The plain textbook function is the attribute `textbook` of the result.  A kernel declines
    arguments by returning NotImplemented; then the textbook function runs.  It also runs where the
    first argument is given by name.
    """
    name = textbook.__name__

    @wraps(textbook)                                       # so help() and ?? show the formula
    def call(*args: Any, **kwargs: Any) -> Any:
        if kernels.enabled and args:
            kind: Any = type(args[0])
            kernel = kernels.find(name, kind)
            result = NotImplemented if kernel is None else kernel(*args, **kwargs)
            if result is not NotImplemented:
                return result
        return textbook(*args, **kwargs)

    call.textbook = textbook  # type: ignore[attr-defined]
    return call  # type: ignore[return-value]
