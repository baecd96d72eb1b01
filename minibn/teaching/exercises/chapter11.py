"""Exercises 11: what two accuracies show, what many runs show, and a verdict on a real claim."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minibn.replication.statistics import estimate, paired_difference, t_quantile
from minibn.teaching.compare import equal, require, unpack, what
from minibn.teaching.exercises import chapter11_verdicts
from minibn.teaching.registry import exercise

Array = Any
ELSEWHERE = chapter11_verdicts                      # importing it registers 11.6 and 11.8
STUDENT = ("minibn.replication.statistics.t_quantile",)


def z_value(a1: float, a2: float, n: int) -> float:
    return float((a1 - a2) / np.hypot(np.sqrt(a1 * (1 - a1) / n), np.sqrt(a2 * (1 - a2) / n)))


@exercise("11.1", "two accuracies", answer="z_value", points=2, library=z_value)
def check_z(answer: Any, part: Any) -> None:
    rng = np.random.default_rng()
    with part(2):
        for a1, a2, n in ((0.3, 0.5, 400), (0.662, 0.658, 10_000),
                          (float(rng.uniform(0.6, 0.9)), float(rng.uniform(0.2, 0.5)), 700)):
            v1, v2, d = a1 * (1 - a1) / n, a2 * (1 - a2) / n, a1 - a2
            want, p = z_value(a1, a2, n), (a1 + a2) / 2
            equal(f"z of {a1:.3g} against {a2:.3g} on {n} images", answer(a1, a2, n), want, {
                "both accuracies are uncertain, not the first alone.": d / np.sqrt(v1),
                "both accuracies are uncertain, not the second alone.": d / np.sqrt(v2),
                "standard errors add up in squares: √(SE₁² + SE₂²).":
                    d / (np.sqrt(v1) + np.sqrt(v2)),
                "this divides by the variance; divide by its root.": d / (v1 + v2),
                "divide each variance by n: an accuracy is a mean over the images.":
                    d / np.sqrt(n * (v1 + v2)),
                "z is 100 times too large: it has no unit, so nothing in it is in percent.":
                    100 * want,
                "z is 100 times too small: it has no unit, so nothing in it is in percent.":
                    want / 100,
                "the variance is divided by n; after the root that is √n, and not n.":
                    d / (np.sqrt(n * (v1 + v2)) / n),
                "the variance of a share is a(1 − a)/n.": d / np.sqrt((a1 + a2) / n),
                "variances add up, for a difference too.":
                    d / np.sqrt(abs(v1 - v2)) if v1 != v2 else np.inf,
                "that is the difference; divide it by its standard error.": d,
                "a difference is no accuracy: its variance is the sum of both variances.":
                    d / np.sqrt(abs(d) * (1 - abs(d)) / n),
                "that is the standard error of the difference.": np.sqrt(v1 + v2),
                "the variance of a difference is the sum of both variances, not their mean.":
                    d / np.sqrt((v1 + v2) / 2),
                "this takes the mean accuracy for both. It is exact only if they are equal; use "
                "each accuracy's own variance.": d / np.sqrt(2 * p * (1 - p) / n),
                "the sign: first minus second.": -want})


def interval(values: Array) -> tuple[float, float]:
    found = estimate(values)
    return found.mean, found.half


@exercise("11.2", "interval", answer="interval", points=2, library=interval, allow=STUDENT)
def check_interval(answer: Any, part: Any) -> None:
    rng = np.random.default_rng()
    sets = [np.array([0.41, 0.38, 0.44, 0.40, 0.43]), rng.normal(0.5, 0.03, 3),
            rng.normal(0.4, 0.02, 12)]
    tried = [(values, unpack(answer(values), "the mean, the half width")) for values in sets]
    with part(0.5):
        for values, mine in tried:
            half = interval(values)[1]
            equal("the mean", mine[0], values.mean(), {
                "these are the ends of the interval; return its mean and its half width.":
                    values.mean() - half,
                "that is the sum.": values.sum(),
                "that is the median.": np.median(values),
                "the order is mean, half width.": half})
    with part(1.5):
        for values, mine in tried:
            S, s = len(values), values.std(ddof=1)
            t = t_quantile(0.975, S - 1)
            equal(f"the half width for {S} runs", mine[1], interval(values)[1], {
                "s needs S − 1 in the denominator (ddof=1).": t * values.std() / np.sqrt(S),
                "that is for another *run*; the mean is known √S times better.": t * s,
                "1.96 is for many runs; for few, use Student's t.": 1.96 * s / np.sqrt(S),
                "S − 1 degrees of freedom, not S.": t_quantile(0.975, S) * s / np.sqrt(S),
                "S − 1 degrees of freedom, not always 4: S is the number of runs.":
                    t_quantile(0.975, 4) * s / np.sqrt(S),
                "S − 1 degrees of freedom, not S − 2.":
                    t_quantile(0.975, max(S - 2, 1)) * s / np.sqrt(S),
                "2.5 % on each side, so the quantile at 0.975.":
                    t_quantile(0.95, S - 1) * s / np.sqrt(S),
                "that is the standard error; the half width is t times as much.": s / np.sqrt(S),
                "that is the whole width; return half of it.": 2 * t * s / np.sqrt(S),
                "that is the variance in place of s; take its root.": t * s**2 / np.sqrt(S),
                "s/√S: the root is over S alone, and not over s.": t * np.sqrt(s / S),
                "divide by √(S), not by √(S − 1).": t * s / np.sqrt(S - 1),
                "divide by √S, not by S.": t * s / S})


def paired(first: Array, second: Array) -> tuple[float, float]:
    found = paired_difference(list(first), list(second)).estimate
    return found.mean, found.half


def pairs() -> tuple[Array, Array]:
    """Two methods over some seeds, whose luck is in both; now one is better, now the other."""
    rng = np.random.default_rng()
    S = int(rng.integers(7, 12))
    luck, d = rng.normal(0.41, 0.03, S), rng.normal(0.004, 0.01, S)
    d[:2] = abs(d[0]) + 0.004, -abs(d[1]) - 0.003
    return luck + d, luck


@exercise("11.3", "pairs", answer="paired", points=3, library=paired, allow=(
    *STUDENT, "minibn.teaching.exercises.chapter11.interval"))
def check_paired(answer: Any, part: Any) -> None:
    tried = []
    for _ in range(3):
        one, two = pairs()
        tried.append((one, two, unpack(answer(one, two), "the mean difference, the half width")))
    with part(1):
        for one, two, mine in tried:
            want, half = paired(one, two)
            equal("the mean difference", mine[0], want, {
                "the sign: first − second.": -want,
                "keep the signs: with some seeds the second method is better.":
                    np.abs(one - two).mean(),
                "these are the ends of the interval; return its mean and its half width.":
                    want - half,
                "the order is mean difference, half width.": half})
    with part(2):
        for one, two, mine in tried:
            S, d = len(one), one - two
            s, t = d.std(ddof=1), t_quantile(0.975, len(d) - 1)
            apart = np.hypot(one.std(ddof=1), two.std(ddof=1)) / np.sqrt(S)
            equal(f"the half width for {S} pairs", mine[1], paired(one, two)[1], {
                "that treats the two as independent. The seed's luck is in both and cancels in the "
                "differences.": t * apart,
                "that treats the two as independent, with 2S − 2 degrees of freedom. Use the "
                "differences, seed by seed.": t_quantile(0.975, 2 * S - 2) * apart,
                "a difference of half widths is no half width. Use the differences, seed by seed.":
                    interval(one)[1] - interval(two)[1],
                "the two intervals do not add up to that of the difference. Use the differences, "
                "seed by seed.": interval(one)[1] + interval(two)[1],
                "two half widths do not add up in squares either, because the seeds are shared. "
                "Use the differences.": np.hypot(interval(one)[1], interval(two)[1]),
                "keep the signs: with some seeds the second method is better.":
                    interval(np.abs(d))[1],
                "that pairs sorted runs; a pair has the same seed.":
                    interval(np.sort(one) - np.sort(two))[1],
                "s needs S − 1 in the denominator (ddof=1).": t * d.std() / np.sqrt(S),
                "that is for another *pair*; the mean is known √S times better.": t * s,
                "1.96 is for many runs; for few, use Student's t.": 1.96 * s / np.sqrt(S),
                "S − 1 degrees of freedom, not S.": t_quantile(0.975, S) * s / np.sqrt(S),
                "that is the standard error; the half width is t times as much.": s / np.sqrt(S),
                "that is the whole width; return half of it.": 2 * t * s / np.sqrt(S),
                "S is the number of pairs: take its length, not always 6.":
                    t_quantile(0.975, 5) * s / np.sqrt(6)})


def on_the_same_images(right_a: Array, right_b: Array) -> tuple[float, float]:
    only_a, only_b = np.mean(right_a & ~right_b), np.mean(right_b & ~right_a)
    d = only_a - only_b
    return float(d), float(np.sqrt((only_a + only_b - d**2) / len(right_a)))


@exercise("11.4", "the same images", answer="on_the_same_images", points=2,
          library=on_the_same_images)
def check_images(answer: Any, part: Any) -> None:
    rng = np.random.default_rng()
    hard = rng.random(2000) < 0.5                       # images that few networks get right
    alike = (np.where(hard, rng.random(2000) < 0.1, rng.random(2000) < 0.95),
             np.where(hard, rng.random(2000) < 0.13, rng.random(2000) < 0.85))
    tried = []
    # The far pair comes first: there d² is large, and with these shares no two slips have numbers
    # within the tolerance of each other, whatever is drawn.
    for a, b in ((rng.random(1500) < 0.95, rng.random(1500) < 0.25), alike):
        try:
            got = answer(a, b)
        except TypeError as refusal:
            require("boolean" not in str(refusal), "NumPy does not subtract True and False. Make "
                                                 "numbers of them first: .astype(float).")
            raise
        tried.append((a, b, unpack(got, "the difference, its standard error")))
    with part(1):
        for a, b, mine in tried:
            d, error = on_the_same_images(a, b)
            equal("the difference", mine[0], d, {
                "the sign: a − b.": -d,
                "that is the share on which they disagree; where only b is right counts −1.":
                    np.mean(a != b),
                "that is a's accuracy; subtract b's.": a.mean(),
                "that is a number of images; divide by n.": d * len(a),
                "in percent; return a share.": 100 * d,
                "that is the share of images that only a gets right; subtract those of b.":
                    np.mean(a & ~b),
                "the order is difference, standard error.": error})
    with part(1):
        for a, b, mine in tried:
            d, error = on_the_same_images(a, b)
            n, differ = len(a), np.mean(a != b)
            apart = np.sqrt((a.mean() * (1 - a.mean()) + b.mean() * (1 - b.mean())) / n)
            equal("its standard error", mine[1], error, {
                "√(SE(a)² + SE(b)²) is for *different* images. Here easy and hard images are "
                "shared, and only images on which the two disagree count.": apart,
                "that is the spread of one image; divide by √n.": error * np.sqrt(n),
                "divide by √n, not by n.": error / np.sqrt(n),
                "that is the variance; take the root.": error**2,
                "the square of the mean is missing: a variance is the mean of the squares − d².":
                    np.sqrt(differ / n),
                "the sign of d²: a variance is the mean of the squares − d².":
                    np.sqrt((differ + d**2) / n),
                "a variance is the mean of the squares minus d², not minus d.":
                    np.sqrt(max(differ - d, 0) / n),
                "that is the standard error of a's accuracy alone.":
                    np.sqrt(a.mean() * (1 - a.mean()) / n),
                "that is a half width; return the standard error.": 1.96 * error,
                "that is the share on which they disagree; its standard error would be another "
                "number, too.": differ}, tol=1e-3)


def seeds_needed(s: float, delta: float) -> int:
    return int(np.ceil(round((2.8 * s / delta) ** 2, 9)))


def seeds_with_student(s: float, delta: float) -> int:
    """The smallest S with Student's t in the place of 1.96 and 0.84."""
    S = 2
    while (t_quantile(0.975, S - 1) + t_quantile(0.8, S - 1)) * s / np.sqrt(S) > delta:
        S += 1
    return S


@exercise("11.5", "how many seeds", answer="seeds_needed", points=2, library=seeds_needed,
          allow=STUDENT)
def check_seeds(answer: Any, part: Any) -> None:
    rng = np.random.default_rng()
    s = np.array([3.0, 1.0, 1.0, 5.0, round(float(rng.uniform(1.5, 3)), 2)])
    delta = np.array([0.7, 0.3, 1.5, 2.0, round(float(rng.uniform(0.3, 0.7)), 2)])
    exact = (2.8 * s / delta) ** 2             # for (5, 2) a whole number, 49
    want = [seeds_needed(*pair) for pair in zip(s, delta, strict=True)]
    with part(2):
        mine = [answer(float(a), float(b)) for a, b in zip(s, delta, strict=True)]
        equal("S for (s, Δ) = " + ", ".join(f"({a:g}, {b:g})" for a, b in
                                            zip(s, delta, strict=True)), mine, want, {
            "that only makes the half width equal to Δ: half of the replications would miss it. "
            "0.84 is for the power.": np.ceil((1.96 * s / delta) ** 2),
            "that is the power alone; 1.96 is for the interval.": np.ceil((0.84 * s / delta) ** 2),
            "solve for S: √S = 2.8·s/Δ, so S is its square.": np.ceil(2.8 * s / delta),
            "round up: fewer seeds than the formula's are not enough.": np.floor(exact),
            "round up, not to the nearest: fewer seeds than the formula's are not enough.":
                np.round(exact),
            "where the formula gives a whole number, that many are enough: np.ceil, and not "
            "int(…) + 1.": np.floor(exact) + 1,
            "a whole number: round up.": exact,
            "round up last, after squaring.": np.ceil(2.8 * s / delta) ** 2,
            "that is with Student's t. It is more exact, but the task asks for the formula with "
            "1.96 + 0.84.": [seeds_with_student(*pair) for pair in zip(s, delta, strict=True)],
            "1.96 and 0.84 are added before squaring.":
                np.ceil((1.96**2 + 0.84**2) * (s / delta) ** 2),
            "1.96 + 0.84, not 1.96 − 0.84.": np.ceil((1.12 * s / delta) ** 2),
            "the root is over S alone: (2.8·s/Δ)².": np.ceil(2.8**2 * s / delta),
            "in pairs, s is the spread of the difference already: no factor 2.":
                np.ceil(2 * exact),
            "upside down: the smaller Δ is, the more seeds are needed.":
                np.ceil((2.8 * delta / s) ** 2)})


NAMES = ("brn", "brn no clip", "debias", "debias no clip")


def comparisons() -> dict[str, tuple[tuple[str, str], tuple[str, str]]]:
    return {"zero start": (("debias", "moving"), ("brn", "moving")),
            "clip": (("debias", "batch"), ("debias no clip", "batch")),
            "test mode": (("debias", "batch"), ("debias", "moving"))}


def differences(one: Any, other: Any) -> set[str]:
    """In which respects two of the things to compare differ."""
    respects = {"zero start": lambda run, mode: run.startswith("debias"),
                "clip": lambda run, mode: "no clip" not in run, "test mode": lambda run, mode: mode}
    return {name for name, of in respects.items() if of(*one) != of(*other)}


@exercise("11.7", "one thing at a time", answer="comparisons", points=2, library=comparisons)
def check_design(answer: Any, part: Any) -> None:
    found = answer()
    require(isinstance(found, Mapping), f"Return a dict. This is {what(found)}.")
    missing = [name for name in comparisons() if name not in found]
    require(not missing, f"There is nothing for {', '.join(missing)}.")
    for question, points in (("zero start", 0.5), ("clip", 0.75), ("test mode", 0.75)):
        with part(points):
            pair = found[question]
            if isinstance(pair, set | frozenset):                 # the order does not matter
                pair = tuple(pair)
            require(isinstance(pair, tuple | list) and len(pair) == 2
                    and all(isinstance(one, tuple | list) and len(one) == 2 and one[0] in NAMES
                            and one[1] in ("moving", "batch") for one in pair),
                    f"{question}: give ((run, mode), (run, mode)) with the names of the task.")
            different = differences(*pair)
            require(question in different, f"{question}: your two do not differ in it.")
            others = sorted(different - {question})
            require(not others, f"{question}: the two also differ in {' and '.join(others)}; what "
                                "you find could come from that.")
            runs = {run for run, _ in pair}
            if question == "zero start":
                require(not any("no clip" in run for run in runs), "zero start: with the clip on.")
            if question == "clip":
                require(all(run.startswith("debias") for run in runs), "clip: in renorm_debias.")
                require(all(mode == "batch" for _, mode in pair),
                        "clip: in the mode in which the paper tests.")
            if question == "test mode":
                require(runs == {"debias"}, "test mode: in renorm_debias as the paper trains it, "
                                            "with the clip.")
