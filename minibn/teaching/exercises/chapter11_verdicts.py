"""Exercises 11.6 and 11.8: the rule of a verdict, and a real claim judged by it."""

from __future__ import annotations

from typing import Any

import numpy as np

from minibn.replication.statistics import paired_difference, t_quantile
from minibn.teaching.compare import equal, require, unpack, what
from minibn.teaching.registry import exercise

Array = Any
PAPER, LARGER, SMALLER = "the paper's size", "larger than the paper's", "smaller than the paper's"
EXCLUDED, INCONCLUSIVE = "excluded", "inconclusive"
WORDS = (PAPER, LARGER, SMALLER, EXCLUDED, INCONCLUSIVE)


def verdict(low: float, high: float, size: float) -> str:
    if high < size:
        return SMALLER if low > 0 else EXCLUDED
    if low <= 0:
        return INCONCLUSIVE
    return LARGER if low > size else PAPER


def plain(word: Any) -> Any:
    """A word in small letters, with the straight apostrophe; anything else as it is."""
    return word.strip().lower().replace("\u2019", "'") if isinstance(word, str) else word


@exercise("11.6", "a verdict", answer="verdict", points=2, library=verdict)
def check_verdict(answer: Any, part: Any) -> None:
    def judge(low: float, high: float, size: float) -> str:
        word = answer(low, high, size)
        require(isinstance(word, str) and plain(word) in WORDS,
                f"({low:g}, {high:g}) and the size {size:g}: {what(word)} is not one of the "
                f"words {', '.join(map(repr, WORDS))}.")
        return str(plain(word))

    def check(*cases: tuple[float, float, float, str, str]) -> None:
        for low, high, size, want, hint in cases:
            require(judge(low, high, size) == want,
                    f"({low:g}, {high:g}) and the paper's size {size:g}: {hint}")

    with part(1):
        check((0.1, 1.2, 0.4, PAPER, "it lies above 0 and contains 0.4."),
              (0.6, 1.2, 0.4, LARGER, "it lies above 0.4."),
              (0.1, 0.3, 0.4, SMALLER, "it lies above 0 and below 0.4."),
              (-1.4, -0.6, 0.4, EXCLUDED, "it lies below 0, so the paper's size is excluded."),
              (-0.2, 2.0, 0.4, INCONCLUSIVE, "it contains 0 and 0.4. Its middle is above 0, but "
               "that is not enough."),
              (-2.0, 0.5, 0.4, INCONCLUSIVE, "it contains 0 and 0.4, so neither is excluded."),
              (-2.0, 0.5, 0.9, EXCLUDED, "it contains 0, and it lies below 0.9, the argument "
               "`size`."),
              (-0.1, 0.2, 0.4, EXCLUDED, "it contains 0, and it lies below 0.4."))
    with part(1):
        check((0.0, 0.8, 0.4, INCONCLUSIVE, "it begins at 0, so it does not lie above 0."),
              (0.0, 0.3, 0.4, EXCLUDED, "it begins at 0, so it does not lie above 0; and it lies "
               "below 0.4."),
              (0.1, 0.4, 0.4, PAPER, "it ends at 0.4, so it contains 0.4."),
              (0.4, 0.9, 0.4, PAPER, "it begins at 0.4, so it contains 0.4."),
              (-0.3, 0.4, 0.4, INCONCLUSIVE, "it ends at 0.4, so it does not lie below 0.4."),
              (0.5, 9.0, 1.3, PAPER, "it is wide; it lies above 0 and contains 1.3."),
              (-np.inf, np.inf, 0.4, INCONCLUSIVE, "that is the interval of a single run."))
        rng = np.random.default_rng()
        for low, high in np.sort(rng.normal(0.3, 1, size=(80, 2)), axis=1):
            size = float(rng.uniform(0.2, 1.5))
            check((low, high, size, verdict(low, high, size),
                   f"it should be {verdict(low, high, size)!r}."))


def judge_claim(first: Array, second: Array, size: float) -> tuple[float, float, float, str]:
    found = paired_difference(list(first), list(second))
    mean, half = found.estimate.mean, found.estimate.half
    return mean, half, found.detectable, verdict(mean - half, mean + half, size)


@exercise("11.8", "a real claim", answer="judge_claim", points=3, library=judge_claim, allow=(
    "minibn.replication.statistics.t_quantile", "minibn.teaching.exercises.chapter11.interval",
    "minibn.teaching.exercises.chapter11.paired",
    "minibn.teaching.exercises.chapter11_verdicts.verdict"))
def check_claim(answer: Any, part: Any) -> None:
    rng = np.random.default_rng()
    tried = []
    for shift, noise, S in ((0.3, 1.0, 8), (1.5, 0.7, 9), (-2.0, 1.0, 7), (0.2, 0.08, 11),
                            (0.75, 1.0, 10)):
        luck, d = rng.normal(46, 2, S), rng.normal(size=S)
        d = shift + noise * (d - d.mean()) / d.std(ddof=1)
        names = "the mean difference, its half width, the smallest difference shown, the verdict"
        tried.append((luck + d, luck, unpack(answer(luck + d, luck, 0.4), names)))
    with part(1):
        for one, two, got in tried:
            mean, half, _, _ = judge_claim(one, two, 0.4)
            equal("the mean difference", got[0], mean, {"the sign: first − second.": -mean})
            equal("the half width", got[1], half, {
                "use the pairs: the differences, seed by seed.": t_quantile(0.975, len(one) - 1)
                * np.hypot(one.std(ddof=1), two.std(ddof=1)) / np.sqrt(len(one)),
                "that is the standard error; the half width is t times as much.":
                    half / t_quantile(0.975, len(one) - 1)})
    with part(1):
        for one, two, got in tried:
            s, S = (one - two).std(ddof=1), len(one)
            t, power = t_quantile(0.975, S - 1), t_quantile(0.8, S - 1)
            equal(f"the smallest difference shown by {S} pairs", got[2],
                  judge_claim(one, two, 0.4)[2], {
                "that is the half width: a true difference of this size is shown in half of the "
                "replications. Add the second quantile.": t * s / np.sqrt(S),
                "use the pairs: the standard deviation of the differences, seed by seed.":
                    (t + power) * np.hypot(one.std(ddof=1), two.std(ddof=1)) / np.sqrt(S),
                "divide by √S.": (t + power) * s,
                "divide by √S, not by S.": (t + power) * s / S,
                "1.96 and 0.84 are for many seeds; for few, use Student's t.":
                    2.8 * s / np.sqrt(S),
                "the second quantile is at 0.80.":
                    (t + t_quantile(0.9, S - 1)) * s / np.sqrt(S),
                "the quantiles are added, not multiplied.": t * power * s / np.sqrt(S),
                "s is the standard deviation of the differences, with S − 1 (ddof=1).":
                    (t + power) * (one - two).std() / np.sqrt(S)})
    with part(1):
        for one, two, got in tried:
            mean, half, _, want = judge_claim(one, two, 0.4)
            require(isinstance(got[3], str) and plain(got[3]) == want,
                    f"for the interval ({mean - half:.2f}, {mean + half:.2f}) and the size 0.4 "
                    f"the verdict is {want!r}, not {what(got[3])}.")
