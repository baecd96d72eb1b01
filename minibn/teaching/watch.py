"""Run a reader's answer so that nothing which it does reaches beyond its own exercise.

An answer may raise, loop without an end, change its arguments, warn, write to stderr (for which
nbgrader would take all points away), or call the very function that it is asked to write. `Watched`
calls it with copies of its arrays, within a time limit, and notes the calls from the answer into
minibn and the arguments that it has changed.

The time limit is a signal where there are signals. In a browser, on Windows and outside of the main
thread it is a trace function, which looks at the clock at each line of the reader's code (and only
there: NumPy and minibn run at full speed). Neither can end a single long call into C.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np

PACKAGE = str(Path(__file__).parents[1]) + os.sep
TEACHING = str(Path(__file__).parent) + os.sep
EXERCISES = TEACHING + "exercises" + os.sep


class TimeIsUp(BaseException):
    """The answer took too long; not an Exception, so that `except Exception` lets it through."""


class Watch:
    """The time that an exercise has left, the calls into minibn that were seen, and the names of
    the arguments that the answer has changed."""

    def __init__(self, seconds: float, allowed: Callable[[str], bool]) -> None:
        self.limit = self.left = float(os.environ.get("MINIBN_CHECK_SECONDS", seconds))
        self.allowed = allowed
        self.calls: list[str] = []
        self.changed: list[str] = []
        self.lent: set[CodeType] = set()             # functions given to the answer, for it to call

    @contextlib.contextmanager
    def on(self) -> Iterator[None]:
        """Within it, time runs and calls into minibn are noted."""
        start, old = time.monotonic(), sys.getprofile()
        with warnings.catch_warnings(), np.errstate(all="ignore"), \
                contextlib.redirect_stderr(sys.stdout), time_limit(max(self.left, 0.01)):
            warnings.simplefilter("ignore")
            sys.setprofile(self.note)
            try:
                yield
            finally:
                sys.setprofile(old)
                self.left -= time.monotonic() - start

    def note(self, frame: FrameType, event: str, arg: Any) -> None:
        """Note a call from outside of minibn into it (called by Python at each call and return)."""
        if event != "call" or not is_library(frame) or frame.f_code in self.lent:
            return
        caller = frame.f_back
        if caller and is_library(caller):         # within minibn; what called it has been noted
            return
        name = full_name(frame)
        if not self.allowed(name):
            self.calls.append(name)


def is_library(frame: FrameType) -> bool:
    """Whether code of minibn runs in a frame; what calls the answers does not count, nor does a
    module that is imported at its first use."""
    if frame.f_code.co_name == "<module>":
        return False
    file = frame.f_code.co_filename
    return file.startswith(EXERCISES if file.startswith(TEACHING) else PACKAGE)


def full_name(frame: FrameType) -> str:
    """"minibn.norms.batch_norm.batch_norm" for a call of it."""
    inner = frame.f_locals.get("textbook")            # a wrapper that chooses a kernel for it
    if callable(inner):
        return f"{inner.__module__}.{inner.__qualname__}"
    code = frame.f_code
    return f"{frame.f_globals.get('__name__', '')}.{getattr(code, 'co_qualname', code.co_name)}"


class Watched:
    """A reader's function (or an object that its class made) as a check calls it."""

    def __init__(self, target: Any, watch: Watch) -> None:
        self.target = target
        self.watch = watch

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        own = tuple(copied(arg) for arg in args)
        named = {name: copied(arg) for name, arg in kwargs.items()}
        for arg in (*own, *named.values()):
            if hasattr(arg, "__code__"):
                self.watch.lent.add(arg.__code__)
        with self.watch.on():
            result = self.target(*own, **named)
        self.watch.changed += [name for name, before, after in
                               zip([*names_of(self.target, len(args)), *kwargs],
                                   [*args, *kwargs.values()], [*own, *named.values()], strict=True)
                               if not same(before, after) and name not in self.watch.changed]
        made = isinstance(self.target, type) or callable(result)
        return Watched(result, self.watch) if made and result is not None else result

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.target, name)
        return Watched(found, self.watch) if callable(found) else found

    def within(self, function: Callable[..., Any], *args: Any) -> Any:
        """function(*args), watched: for a check whose own code calls the answer's `target`."""
        self.watch.lent.add(function.__code__)
        with self.watch.on():
            return function(*args)


def copied(value: Any) -> Any:
    """A copy of the arrays in an argument: an answer may change what it is given."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, Watched):
        return value.target
    if type(value) in (list, tuple):
        return type(value)(copied(part) for part in value)
    if type(value) is dict:
        return {name: copied(part) for name, part in value.items()}
    return value


def same(before: Any, after: Any) -> bool:
    """Whether the arrays and numbers in an argument are what they were."""
    if isinstance(before, np.ndarray):
        return before.shape == after.shape and before.tobytes() == after.tobytes()
    if type(before) in (list, tuple):
        return len(before) == len(after) and all(map(same, before, after))
    if type(before) is dict:
        return list(before) == list(after) and all(map(same, before.values(), after.values()))
    return type(before) not in (bool, int, float, str) or before == after or before != before


def names_of(function: Callable[..., Any], count: int) -> list[str]:
    """The names of a function's first arguments."""
    names = [f"argument {number}" for number in range(1, count + 1)]
    with contextlib.suppress(TypeError, ValueError):                    # some have no signature
        taken = [one for one in inspect.signature(function).parameters.values()
                 if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
        names[:len(taken)] = [one.name for one in taken][:count]
    return names


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeIsUp within it after so many seconds."""
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread() \
            and sys.platform != "emscripten":
        limit = _by_signal(seconds)
    else:
        limit = _by_trace(seconds)
    with limit:
        yield


@contextlib.contextmanager
def _by_signal(seconds: float) -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeIsUp

    old = signal.signal(signal.SIGALRM, stop)
    # Again and again: a first alarm may meet code that catches everything.
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.2)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


@contextlib.contextmanager
def _by_trace(seconds: float) -> Iterator[None]:
    end = time.monotonic() + seconds
    installed = (PACKAGE, os.path.dirname(os.__file__), str(Path(np.__file__).parents[1]))

    def at_each_line(frame: FrameType, event: str, arg: Any) -> Any:
        if time.monotonic() > end:
            raise TimeIsUp
        return at_each_line

    def at_each_call(frame: FrameType, event: str, arg: Any) -> Any:
        return None if frame.f_code.co_filename.startswith(installed) else at_each_line

    old = sys.gettrace()
    sys.settrace(at_each_call)
    try:
        yield
    finally:
        sys.settrace(old)
