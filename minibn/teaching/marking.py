"""`check("1.1", batch_norm)`: the one line of a check cell.

It hands the reader's answer to the exercise's check (`exercises/`), shows the verdict, and returns
the points. Whatever the answer is or does, the next cell runs: where it is missing or wrong, its
name stands for the library's own answer from here on.
"""

from __future__ import annotations

import html
import linecache
import re
import sys
import traceback
from types import TracebackType
from typing import Any

from minibn.teaching.compare import Wrong, what
from minibn.teaching.registry import Blank, Exercise, find
from minibn.teaching.watch import PACKAGE, TimeIsUp, Watch, Watched

# The library's answers that stand in a notebook under a reader's name: full name -> exercise.
# A later answer may call them.
HANDED_ON: dict[str, str] = {}


BLANK = "A blank in it is not done yet."
CHANGED = ("A remark that costs no points: the function also changes what it was given as {}, "
           "and its caller sees the change. (x -= 1 and x[0] = 1 change an array; x = x - 1 makes "
           "a new one.)")

# What NumPy and Python say where an answer takes an array for one number, and what that means.
ONE_NUMBER = re.compile(r"truth value of an array|'numpy.ndarray' object cannot be interpreted"
                        r"|only (integer scalar|0-dimensional|length-1|size-1) arrays")
AN_ARRAY = " An array came where the answer works for one number only."


class Credit(float):
    """The points of an answer. It reads as a number, which nbgrader takes for partial credit."""

    text: str

    def __new__(cls, points: float, text: str) -> Credit:
        credit = super().__new__(cls, points)
        credit.text = text
        return credit

    def __repr__(self) -> str:
        return f"{float(self):g}"

    def _repr_html_(self) -> str:
        first, *rest = self.text.split("\n")
        lines = [f"<b>{html.escape(first)}</b>", *map(html.escape, rest)]
        return '<div style="white-space: normal; max-width: 60em">' + "<br>".join(lines) + "</div>"


class Part:
    """`with part(points):` one part of an exercise; a mistake in it costs these points alone."""

    def __init__(self) -> None:
        self.earned = 0.0
        self.hints: list[str] = []
        self.points = 0.0

    def __call__(self, points: float) -> Part:
        self.points = points
        return self

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> bool:
        if error is None:
            self.earned += self.points
            return False
        if isinstance(error, KeyboardInterrupt | TimeIsUp):
            return False
        self.note(error)
        return True

    def note(self, error: BaseException) -> None:
        """Keep what an error says about the answer."""
        hint = sentence(error)
        if hint not in self.hints:
            self.hints.append(hint)


def check(key: str, answer: Any) -> Credit:
    """Check the answer of an exercise, show the verdict, and return its points.

    key: the number of the exercise, "1.1".
    answer: the reader's function or class. Where it is not wholly right, its name in the notebook
    stands for the library's version afterwards.
    """
    exercise = find(key)
    credit = assess(exercise, answer)
    names = sys._getframe(1).f_globals
    if credit < exercise.points:
        HANDED_ON[library_name(exercise)] = key
        names[exercise.answer] = exercise.library
    if not shows_results():
        print(credit.text)
    return credit


def assess(exercise: Exercise, answer: Any) -> Credit:
    """The points of an answer and the verdict in words; changes nothing in the notebook."""
    if answer is exercise.library:
        return verdict(exercise, 0.0, ["Not your answer: this is the library's version, which the "
                                       "check handed on. Run your own cell again, then this one."])
    if isinstance(answer, Blank):
        return verdict(exercise, 0.0, [], " No cell above has defined it without an error.")
    if not callable(answer):
        return verdict(exercise, 0.0, [f"{exercise.answer} should be a function; it is "
                                       f"{what(answer)}."])
    own = library_name(exercise)

    def allowed(name: str) -> bool:
        return not under(own, name) and any(under(known, name)
                                            for known in (*exercise.allow, *HANDED_ON))

    part, watch = Part(), Watch(exercise.seconds, allowed)
    try:
        exercise.test(Watched(answer, watch), part)
    except KeyboardInterrupt:
        raise
    except TimeIsUp:
        return verdict(exercise, 0.0, [
            f"{exercise.answer} was stopped after {watch.limit:g} seconds. Is there a loop "
            "without an end?"])
    except BaseException as error:                       # a SystemExit, too, costs this check only
        part.note(error)
    if watch.calls:
        return verdict(exercise, 0.0, [f"Not an answer: it calls {watch.calls[0]}. Write that part "
                                       "yourself."])
    if not part.hints:
        remark = "\n" + CHANGED.format(" and ".join(watch.changed)) if watch.changed else ""
        return verdict(exercise, exercise.points, [], remark)
    if part.hints == [BLANK]:
        return verdict(exercise, 0.0, [])
    return verdict(exercise, part.earned, part.hints)


def under(prefix: str, name: str) -> bool:
    """Whether a full name is this one, or lies in it."""
    return name == prefix or name.startswith(prefix + ".")


def library_name(exercise: Exercise) -> str:
    """The full name of the library's answer, as `Watch` notes it."""
    return f"{exercise.library.__module__}.{exercise.library.__qualname__}"


def verdict(exercise: Exercise, points: float, hints: list[str], remark: str = "") -> Credit:
    """The points with their sentence, which names the exercise; the remark is for a blank or for
    a right answer."""
    name, most = f"{exercise.key} {exercise.title}", exercise.points
    of = f"{points:g} of {most:g} {'point' if most == 1 else 'points'}"
    if points >= most:
        return Credit(most, f"{name}: right. {of}.{remark}")
    goes_on = f"The cells below use the library's {exercise.answer} until yours is right."
    if not hints:
        return Credit(0.0, f"{name}: not done yet. {of}.{remark}\n{goes_on}")
    state = "partly right" if points else "not right yet"
    return Credit(points, "\n".join([f"{name}: {state}. {of}.", *hints, goes_on]))


def sentence(error: BaseException) -> str:
    """What an error in an answer means for its reader."""
    if isinstance(error, Wrong):
        return str(error)
    if type(error) is NotImplementedError:               # `input()` raises one of its children
        return BLANK
    message = " ".join(str(error).split())
    text = f"It stopped with {type(error).__name__}" + (f": {message[:300]}" if message else "")
    after = "." + (AN_ARRAY if ONE_NUMBER.search(message) else "")
    for place in reversed(traceback.extract_tb(error.__traceback__)):
        if place.filename.startswith(PACKAGE):
            continue
        line = (place.line or linecache.getline(place.filename, place.lineno or 0)).strip()
        if "site-packages" not in place.filename and line:
            return f"{text} (in the line: {line}){after}"
    return f"{text}{after}"


def shows_results() -> bool:
    """Whether the result of a cell is shown with its text by a notebook."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    shell = get_ipython()
    return shell is not None and type(shell).__name__ != "TerminalInteractiveShell"
