"""Exercises 4.8 to 4.10: an average that starts at a constant, and at its first value."""

from __future__ import annotations

from typing import Any

import numpy as np

from minibn.teaching.compare import equal, is_one_of
from minibn.teaching.exercises.chapter04_zero_start import one_number, variance
from minibn.teaching.registry import exercise

Array = Any


def expected_from(c: float, mean: float, alpha: float, t: Array) -> Array:
    return mean + alpha ** np.asarray(t) * (c - mean)


@exercise("4.8", "another start", answer="expected_from", points=2, library=expected_from)
def check_expected(answer: Any, part: Any) -> None:
    c, mean, t = 1.7, 0.4, 6
    q, got = 0.9**6, answer(1.7, 0.4, 0.9, 6)
    equal("E[s_t]", got, expected_from(c, mean, 0.9, t), {
        "that is eq. 11, for a start at 0; the term with s_0 = c is missing.": (1 - q) * mean,
        "that is what is left of the start; the batches are missing.": q * c,
        "the start and the batches are exchanged: αᵗ is the weight of the start.":
            (1 - q) * c + q * mean,
        "the weights of the batches add up to 1 − αᵗ, not to 1.": q * c + mean,
        "each step multiplies c by α: after t steps αᵗ·c remains.": c + (1 - q) * mean,
        "one power of α too few: in the first step c is multiplied by α already.":
            0.9**5 * c + (1 - 0.9**5) * mean,
        "one power of α too many: after t steps c was multiplied by α t times.":
            0.9**7 * c + (1 - 0.9**7) * mean,
        "α, not αᵗ: the weight of the start falls with every step.": 0.9 * c + 0.1 * mean,
        "that is the bias E[s_t] − E[v]; add E[v].": q * (c - mean),
        "that is the limit for large t.": mean,
        "the sign: E[s_t] − E[v] = αᵗ(c − E[v]).": mean - q * (c - mean),
        "that is E[s_t] divided by 1 − αᵗ; only E[s_t] is asked.":
            expected_from(c, mean, 0.9, t) / (1 - q)})
    equal("E[s_t] with α = 0.5, t = 2", answer(2.0, -1.0, 0.5, 2), -0.25, {
        "α is an argument: do not write a number in its place.": -1 + 0.81 * 3})


def debias(s: Array, c: float, alpha: float, t: Array) -> Array:
    share = alpha ** np.asarray(t)
    return (s - share * c) / (1 - share)


@exercise("4.9", "debiased from another start", answer="debias", points=2, library=debias)
def check_debias(answer: Any, part: Any) -> None:
    s, c, q = np.array([1.1, 1.3, 0.9]), 1.7, 0.9**6
    got = answer(s, c, 0.9, 6)
    half = {
        "subtract what is left of the start first: αᵗ·c.": s / (1 - q),
        "now divide by the sum of the weights of the batches, 1 − αᵗ.": s - q * c}
    other = {
        "the start has the weight αᵗ, not 1: what is left of it is αᵗ·c.":
            (s - c) / (1 - q),
        "the start's share is αᵗ·c; (1 − αᵗ) belongs to the batches.":
            (s - (1 - q) * c) / (1 - q),
        "divide by 1 − αᵗ, do not multiply.": (s - q * c) * (1 - q),
        "divide by 1 − αᵗ: αᵗ is the weight of the start.": (s - q * c) / q,
        "subtract the start's part; you added it.": (s + q * c) / (1 - q),
        "subtract αᵗ·c before you divide.": s / (1 - q) - q * c,
        "α, not αᵗ.": (s - 0.9 * c) / 0.1,
        "after t steps c was multiplied by α t times.": (s - 0.9**5 * c) / (1 - 0.9**5),
        "divide by 1 − αᵗ, the weight of t batches, and not by 1 − α.": (s - q * c) / 0.1,
        "this does not change s.": s,
        "the sign: E[v] = (E[s] − αᵗc)/(1 − αᵗ).": (q * c - s) / (1 - q)}
    with part(1):
        if not is_one_of(got, half.values()):
            equal("the debiased average", got, debias(s, c, 0.9, 6), other)
    with part(1):
        equal("the debiased average", got, debias(s, c, 0.9, 6), half | other)
        equal("the debiased average for c = 0", answer(s, 0.0, 0.5, 3), s / 0.875, {
            "α is an argument: do not write a number in its place.": s / (1 - 0.9**3)})


def variance_from_first(alpha: float, t: Array) -> Array:
    """The sum of the squared weights of v_1 … v_t in the average that starts at v_1."""
    sums = []
    for n in np.ravel(t):
        rest = (1 - alpha) * alpha ** np.arange(int(n) - 1)
        sums.append((1 - rest.sum()) ** 2 + (rest**2).sum())
    return np.array(sums).reshape(np.shape(t))


@exercise("4.10", "start at the first value", answer="variance_from_first", points=3,
          library=variance_from_first)
def check_first(answer: Any, part: Any) -> None:
    t = np.array([1, 2, 5, 20])
    a, w = 0.9, 0.9 ** (t - 1)
    want, got = variance_from_first(a, t), answer(a, t)
    if np.ndim(got) == 0 and not isinstance(got, str) and got is not None:
        got = np.full(t.shape, got)
    half = {
        "the weight of v_1 goes in squared.": w + 0.1 / 1.9 * (1 - w**2),
        "the other values are v_2 to v_t: their sum has t − 1 terms.":
            w**2 + 0.1 / 1.9 * (1 - a ** (2 * t)),
        "the series in α² has the sum (1 − α²ᵗ⁻²)/(1 − α²): its ratio is α², not α.":
            w**2 + 0.1 * (1 - w),
        "this is the standard deviation: leave the root out.": np.sqrt(want)}
    other = {
        "the weights must be squared.": np.ones(4),
        "the weight of v_1 is αᵗ + (1 − α)αᵗ⁻¹ = αᵗ⁻¹; you have only what the start has, αᵗ.":
            (a**t) ** 2 + 0.1 / 1.9 * (1 - w**2),
        "v_1 counts once, with its whole weight αᵗ⁻¹: first add its two weights, then square.":
            (a**t) ** 2 + 0.1 / 1.9 * (1 - a ** (2 * t)),
        "v_1 is missing: its weight is αᵗ⁻¹.": 0.1 / 1.9 * (1 - w**2),
        "only v_1 is there: v_2 to v_t are missing.": w**2,
        "that is the variance of the corrected average with a zero start (4.3).": variance(a, t),
        "that is the variance of the raw average with a zero start.":
            variance(a, t) * (1 - a**t) ** 2,
        "that is the limit for large t; at t = 1 it is 1.": 0.1 / 1.9 + 0 * t,
        "that is the variance of a plain mean of t values.": 1 / t}
    with part(1):
        if not is_one_of(got, half.values()):
            equal("Var[s_t] from s_0 = v_1", got, want, other)
    with part(2):
        equal("Var[s_t] from s_0 = v_1", got, want, half | other)
        equal("Var[s_t] for α = 0.5", answer(0.5, t), variance_from_first(0.5, t), {
            "α is an argument: do not write a number in its place.": want})
        one_number("Var[s_t] for t = 5", answer(0.9, 5), variance_from_first(0.9, 5))
