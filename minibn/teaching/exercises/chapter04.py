"""Exercises 04: the bias of a moving average. 4.1 to 4.4 and 4.8 to 4.10 have their own files."""

from __future__ import annotations

from math import floor, lgamma, log
from typing import Any

import numpy as np

from minibn.teaching.compare import equal, numbers, require
from minibn.teaching.exercises import chapter04_other_starts, chapter04_zero_start  # noqa: F401
from minibn.teaching.registry import exercise


def steps_until(alpha: float, share: float) -> int:
    t = max(1, floor(log(share / (1 + share)) / log(alpha)) - 2)        # near the end of the loop
    while alpha**t / (1 - alpha**t) >= share:
        t += 1
    return t


@exercise("4.5", "for how many steps", answer="steps_until", points=2, library=steps_until)
def check_steps(answer: Any, part: Any) -> None:
    cases, slow = [(0.99, 0.01), (0.9, 0.25), (0.999, 0.1), (0.5, 0.01)], (0.9999, 0.01)
    want = [steps_until(*case) for case in cases]
    got = [_whole(answer(*case)) for case in cases]
    with part(1):
        equal("the steps for four pairs (α, share)", got, want, {
            "one too few: at your step the factor is still more than the share above 1.":
                [n - 1 for n in want],
            "one too many: take the first such step.": [n + 1 for n in want],
            "two too many: take the first such step.": [n + 2 for n in want],
            "you asked for αᵗ < share; the factor is αᵗ/(1 − αᵗ) above 1.":
                [floor(log(s) / log(a)) + 1 for a, s in cases],
            "you asked for 1 − αᵗ > share: that is where the average has taken up a share.":
                [floor(log(1 - s) / log(a)) + 1 for a, s in cases],
            "the sign: ln α is negative, and so is ln(share/(1 + share)).": [-n for n in want],
            "αᵗ/(1 − αᵗ) < share gives αᵗ < share/(1 + share), not share/(1 − share).":
                [floor(log(s / (1 - s)) / log(a)) + 1 for a, s in cases]})
        far = _whole(answer(*slow))
        equal("the step for α = 0.9999, share 0.01", far, steps_until(*slow), {
            "one too few.": steps_until(*slow) - 1})
    with part(1):
        # At α = 0.5 the factor is exactly 1 above 1 at t = 1.
        got = [_whole(answer(0.5, 1.0)), _whole(answer(0.99, 0.01))]
        equal("the steps for α = 0.5, share 1, and for α = 0.99, share 0.01", got, [2, 460], {
            "for α = 0.5 and t = 1 the factor is EXACTLY 1 above 1, which is not less than 1. "
            "Compare strictly: with a formula take floor(u) + 1 and not ceil(u), in a loop go on "
            "while it is >= share.": [1, 460]})


def _whole(n: Any) -> Any:
    """`n`, once it is seen to be a whole number (460.0 is one)."""
    value = numbers("the step", n)
    require(value.ndim == 0, "One step for one pair: return a single number.")
    require(np.isfinite(value) and float(value).is_integer(),
            f"A step is a whole number, an int; {value} is not one.")
    return int(value)


LAYERS = {"A": "drift", "B": "few", "C": "raw"}


def diagnosis() -> dict[str, str]:
    return dict(LAYERS)


@exercise("4.6", "three biases", answer="diagnosis", points=3, library=diagnosis)
def check_diagnosis(answer: Any, part: Any) -> None:
    got = answer()
    require(isinstance(got, dict) and sorted(map(str, got)) == list("ABC"),
            'Return {"A": …, "B": …, "C": …}.')
    names = {key: str(value).strip().lower() for key, value in got.items()}
    require(set(names.values()) <= {"raw", "drift", "few"},
            'The names are "raw", "drift" and "few".')
    require(len(set(names.values())) == 3, "Each of the three names belongs to one layer.")
    with part(1):
        require(names["C"] == "raw", "One average begins at almost 0 and ends at the right value: "
                "that is the uncorrected one.")
    with part(1):
        require(names["B"] == "few", "With few values the average is too small by the same "
                "factor at EVERY step, from the first to the last.")
    with part(1):
        require(names["A"] == "drift", "The average of a drifting σ is right at first; its "
                "distance from σ grows while σ changes.")


def repair_factor(m: int) -> float:
    return float(np.exp(0.5 * log(m / 2) + lgamma((m - 1) / 2) - lgamma(m / 2)))


@exercise("4.7", "repair", answer="repair_factor", points=2, library=repair_factor)
def check_repair(answer: Any, part: Any) -> None:
    sizes = np.array([2, 3, 5, 10, 40])
    want = np.array([repair_factor(int(m)) for m in sizes])
    bessel = sizes / (sizes - 1)
    try:
        got = [answer(int(m)) for m in sizes]
    except ValueError as error:
        require(not any(word in str(error) for word in ("math domain", "noninteger")),
                "gamma was called with 0 or a negative whole number, where Γ is infinite. Is "
                "(m − 1)/2 computed with //? For m = 2 it is 0.5, and // rounds it down to 0.")
        raise
    equal("the factor for m = 2, 3, 5, 10, 40", got, want, {
        "that is E[σ_B]/σ; the factor that repairs it is its inverse.": 1 / want,
        "Bessel's factor repairs the variance; σ̂ would still be too small. See the hint.":
            np.sqrt(bessel),
        "that is Bessel's factor of the variance; σ̂ is a standard deviation.": bessel,
        "that is the factor for a standard deviation that divides by m − 1; σ_B divides by m.":
            want / np.sqrt(bessel),
        "√(m/2), not √(2/m): the repair undoes the formula.": want * 2 / sizes,
        "the root is missing: √(m/2).": want * np.sqrt(sizes / 2),
        "the gamma functions are upside down.": sizes / 2 / want,
        "the factor √(m/2) is missing.": want / np.sqrt(sizes / 2),
        "that is the square of the factor.": want**2})
