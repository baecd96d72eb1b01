"""The exercises of the course: what each asks, its points, and the library's own answer.

A chapter's exercises stand in `exercises/chapterNN.py` (or in several files that it imports), each
a function with the decorator `exercise`:

    @exercise("1.1", "forward", answer="batch_norm", points=2, library=batch_norm)
    def check_forward(answer, part):
        y, xbar, sigma_B = unpack(answer(X, GAMMA, BETA, EPS), "y, xbar, sigma_B")
        with part(1):
            equal("sigma_B", sigma_B, ...)
        with part(1):
            equal("y", y, ...)
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

EXERCISES: dict[str, Exercise] = {}


@dataclass(frozen=True)
class Exercise:
    """One exercise; the arguments of `exercise` say what each field is."""

    key: str
    title: str
    answer: str
    points: float
    library: Callable[..., Any]
    test: Callable[..., None]
    allow: tuple[str, ...]
    seconds: float


def exercise(key: str, title: str, *, answer: str, points: float, library: Callable[..., Any],
             allow: tuple[str, ...] = (), seconds: float = 20.0) -> Callable[..., Any]:
    """Register the decorated function `test(answer, part)` as the check of an exercise.

    key, title: "1.1" and a few words; they name the exercise in every message.
    answer: the name of the reader's function or class in the notebook.
    points: of the whole exercise; the points of its parts add up to it.
    library: a right answer, handed on to later cells where the reader's is missing or wrong.
    allow: what of minibn the answer may call, as prefixes of full names with the module in which a
    thing is defined ("minibn.gradcheck", "minibn.layers.conv.conv2d"). A call of anything else
    makes it not an answer.
    seconds: how long all calls of the answer may take together.
    """
    def register(test: Callable[..., None]) -> Callable[..., None]:
        EXERCISES[key] = Exercise(key, title, answer, points, library, test, allow, seconds)
        return test
    return register


def chapter_of(key: str) -> str:
    """"04" for the exercise "4.2"."""
    return key.partition(".")[0].zfill(2)


def place(chapter: str) -> str:
    """The module that holds a chapter's exercises."""
    return f"minibn.teaching.exercises.chapter{chapter}"


def exercises_of(chapter: str) -> list[Exercise]:
    """The exercises of a chapter ("04"), in the order of their numbers."""
    importlib.import_module(place(chapter))
    found = [one for one in EXERCISES.values() if chapter_of(one.key) == chapter]
    return sorted(found, key=lambda one: [int(part) for part in one.key.split(".")])


def find(key: str) -> Exercise:
    """The exercise with this key; ValueError where there is none."""
    known = []
    if isinstance(key, str) and chapter_of(key).isdigit() and find_spec(place(chapter_of(key))):
        known = [found.key for found in exercises_of(chapter_of(key))]
    if key not in known:
        raise ValueError(f"exercise is {key!r}; it should be a number such as '1.1'"
                         + (f", one of {', '.join(known)}" if known else ""))
    return EXERCISES[key]


class Blank:
    """What an answer's name stands for until the reader's cell has defined it."""

    def __init__(self, exercise: Exercise) -> None:
        self.exercise = exercise

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{self.exercise.answer} is not defined yet")

    def __repr__(self) -> str:
        return f"<the blank of exercise {self.exercise.key}>"
