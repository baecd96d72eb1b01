"""Exercises 4.1 to 4.4: a zero-started average, its weights, its variance and its error."""

from __future__ import annotations

from typing import Any

import numpy as np

from minibn.teaching.compare import equal, is_one_of, require, unpack, usable, what
from minibn.teaching.registry import exercise

Array = Any

VALUES = np.random.default_rng(0).normal(3, 1, 12)
STEPS = np.arange(1, 13)


def average(v: Array, alpha: float) -> tuple[Array, Array]:
    """Raw and corrected averages, by the sum of eq. 10 and not step by step."""
    n = np.arange(len(v))
    weights = np.tril(alpha ** np.maximum(n[:, None] - n, 0))
    raw = (1 - alpha) * (weights @ np.asarray(v, float))
    return raw, raw / (1 - alpha ** (n + 1))


def in_place(v: Array, alpha: float) -> tuple[Array, Array]:
    """Slip 1: the corrected value goes back into s. What is stored before and after it."""
    s, before, after = 0.0, [], []
    for t, v_t in enumerate(v, 1):
        before.append(alpha * s + (1 - alpha) * v_t)
        s = before[-1] / (1 - alpha**t)
        after.append(s)
    return np.array(before), np.array(after)


@exercise("4.1", "average and correct", answer="average", points=2, library=average)
def check_average(answer: Any, part: Any) -> None:
    slip1 = "you wrote the corrected value back into s (slip 1 of notebook 04)."
    number = "α is an argument: do not write a number in its place."
    want = {alpha: average(VALUES, alpha) for alpha in (0.9, 0.6)}
    got = {alpha: unpack(answer(VALUES, alpha), "raw, corrected") for alpha in want}
    raw, corrected = want[0.9]
    before, after = in_place(VALUES, 0.9)
    with part(1):
        equal("the raw average", got[0.9][0], raw, {
            "this is the corrected average: the raw one comes first.": corrected,
            "α is the share of the OLD average that is kept; you gave it to the new value.":
                average(VALUES, 0.1)[0],
            "it should start at 0, not at 1 (that is BRN's σ).": raw + 0.9**STEPS,
            "it should start at 0, not at the first value.": raw + 0.9**STEPS * VALUES[0],
            slip1: after,
            "the next step started from the corrected value (slip 1 of notebook 04).": before,
            "the new value needs the factor 1 − α.": raw / 0.1})
        equal("the raw average with another α", got[0.6][0], want[0.6][0], {number: raw})
        whole = np.array([4, 7, 1])            # cut off at each step or afterward, it is the same
        right = average(whole, 0.6)[0]
        equal("the raw average of whole numbers", unpack(answer(whole, 0.6), "raw, corrected")[0],
              right, {
                  "an array like v holds whole numbers, and a value that is written into it is cut "
                  "off: use np.zeros(len(v)), which holds floats.": np.trunc(right)})
    # The corrected average of the answer's own raw one: a mistake in s costs its points once.
    own = usable(got[0.9][0], raw)
    with part(1):
        equal("the corrected average", got[0.9][1], own / (1 - 0.9**STEPS), {
            slip1: after,
            "this is the raw average; divide by the sum of the weights.": own,
            "this is the raw average: the corrected one comes second.": raw,
            "1 − α is the weight of one batch; the weights of t batches add up to 1 − αᵗ.":
                own / 0.1,
            "αᵗ was advanced twice in a step (slip 2 of notebook 04).":
                own / (1 - 0.9 ** (2 * STEPS)),
            "αᵗ was advanced twice in a step (slip 2 of notebook 04), as for μ.":
                own / (1 - 0.9 ** (2 * STEPS - 1)),
            "t counts from 1: after the first value it is 1, not 2.":
                own / (1 - 0.9 ** (STEPS + 1)),
            "divide by 1 − αᵗ, do not multiply.": own * (1 - 0.9**STEPS)})
        own = usable(got[0.6][0], want[0.6][0])
        equal("the corrected average with another α", got[0.6][1], own / (1 - 0.6**STEPS), {
            "α is an argument: do not write a number in its place, nor in αᵗ.":
                own / (1 - 0.9**STEPS)})


def weights(alpha: float, t: int) -> Array:
    """The powers of α, divided by their sum."""
    powers = alpha ** np.arange(t)[::-1]
    return powers / powers.sum()


@exercise("4.2", "weights", answer="weights", points=2, library=weights)
def check_weights(answer: Any, part: Any) -> None:
    want, total = weights(0.8, 6), 1 - 0.8**6
    got = answer(0.8, 6)
    half = {                                                   # right but for their sum
        "these are those of the raw average; they do not add up to 1.": want * total,
        "the factor 1 − α is missing.": want / 0.2,
        "these are the powers of α alone: the factor (1 − α)/(1 − αᵗ) is missing.":
            want / 0.2 * total}
    other = {
        "they run the wrong way: the newest value, w_t, has the largest weight.": want[::-1],
        "they run the wrong way, and they are those of the raw average.": (want * total)[::-1],
        "one power of α too many: the newest value has α⁰, which is 1.": want * 0.8,
        "one power of α too many, in raw weights: the newest value has α⁰.": want * 0.8 * total,
        "the exponent is the age t − i, which runs from t − 1 down to 0.":
            0.2 * 0.8 ** np.arange(1, 7) / total,
        "the sum of these weights is 1, but the corrected average is no plain mean.":
            np.full(6, 1 / 6),
        "it is an array, one weight for each value.": want.sum()}
    with part(1):
        if not is_one_of(got, half.values()):
            equal("the weights", got, want, other)
    with part(1):
        equal("the weights", got, want, half | other)
        equal("the weights at t = 1", answer(0.8, 1), [1.0])
        equal("the weights for α = 0.5, t = 3", answer(0.5, 3), weights(0.5, 3),
              {"α is an argument: do not write a number in its place.": weights(0.8, 3)})


def variance(alpha: float, t: Array) -> Array:
    """The sum of the squared weights, added up."""
    sums = [(weights(alpha, int(n)) ** 2).sum() for n in np.ravel(t)]
    return np.array(sums).reshape(np.shape(t))


@exercise("4.3", "variance", answer="variance", points=2, library=variance)
def check_variance(answer: Any, part: Any) -> None:
    t = np.array([1, 2, 5, 20])
    want, q = variance(0.9, t), 0.9**t
    got = answer(0.9, t)
    if np.ndim(got) == 0 and not isinstance(got, str) and got is not None:
        got = np.full(t.shape, got)                            # a formula without t
    equal("Var[ŝ_t]", got, want, {
        "this is the limit for large t; at t = 1 the average is v₁, with variance 1.":
            0.1 / 1.9 + 0 * t,
        "this is the variance of the raw average: dividing s by c divides its variance by c².":
            want * (1 - q) ** 2,
        "dividing s by c divides its variance by c², not by c.": want * (1 - q),
        "these weights are not squared; they add up to 1.": 1.0 + 0 * t,
        "this is the standard deviation: leave the root out.": np.sqrt(want),
        "it is upside down: that is the number of values the average is worth.": 1 / want,
        "the series in α² has the sum (1 − α²ᵗ)/(1 − α²): 1 − α² = (1 − α)(1 + α).":
            (1 + q) / (1 - q) * 0.1 / 1.0,
        "(1 − α)² over 1 − α² leaves (1 − α)/(1 + α), not its inverse.":
            1.9 / 0.1 * (1 + q) / (1 - q),
        "1 − α²ᵗ over (1 − αᵗ)² leaves (1 + αᵗ)/(1 − αᵗ), not its inverse.":
            0.1 / 1.9 * (1 - q) / (1 + q),
        "the weights themselves are divided by 1 − αᵗ: their squares by its square.":
            want * (1 - q) ** 2 / (1 - 0.81**t),
        "that is the variance of a plain mean of t values.": 1 / t})
    equal("Var[ŝ_t] for α = 0.5", answer(0.5, t), variance(0.5, t), {
        "α is an argument: do not write a number in its place.": want})
    one_number("Var[ŝ_t] for t = 5", answer(0.9, 5), variance(0.9, 5))


def one_number(name: str, got: Any, want: Array) -> None:
    """For one t there is one number, which a notebook can print with ":.3f"."""
    require(np.ndim(got) == 0, f"{name}: if t is one number, return one number. This is "
                               f"{what(got)}.")
    equal(name, got, want)


def mean_square_errors(mean: float, sd: float, alpha: float, t: Array) -> tuple[Array, Array]:
    scatter = sd**2 * variance(alpha, t)
    share = alpha ** np.asarray(t)
    return (share * mean) ** 2 + (1 - share) ** 2 * scatter, scatter


@exercise("4.4", "mean square errors", answer="mean_square_errors", points=2,
          library=mean_square_errors)
def check_errors(answer: Any, part: Any) -> None:
    sd = 1.7                                      # not 2, of which 2² is also 2·2
    got = unpack(answer(0.7, sd, 0.9, 5), "raw, corrected")
    (raw, corrected), q = mean_square_errors(0.7, sd, 0.9, 5), 0.9**5
    bias, scatter = (q * 0.7) ** 2, (1 - q) ** 2 * corrected
    t = np.array([1, 5, 20])
    many = mean_square_errors(0.7, sd, 0.9, t)

    def several() -> Any:
        return unpack(answer(0.7, sd, 0.9, t), "raw, corrected")

    with part(1):
        equal("the raw average's error", got[0], raw, {
            "this is the corrected average's: the raw one comes first.": corrected,
            "the bias goes in squared.": q * 0.7 + scatter,
            "the bias is −αᵗ·mean; its square is positive.": scatter - bias,
            "the bias is E[s_t] − mean = −αᵗ·mean; (1 − αᵗ)·mean is E[s_t] itself.":
                ((1 - q) * 0.7) ** 2 + scatter,
            "the scatter is missing: this is bias² alone.": bias,
            "the bias is missing: this is the variance alone.": scatter,
            "it scatters less than the corrected one, by the factor (1 − αᵗ)².": bias + corrected,
            "its variance has the factor (1 − αᵗ)², squared.": bias + (1 - q) * corrected,
            "sd is a standard deviation; the error needs sd².": bias + scatter / sd,
            "the bias grows with `mean`; sd has no part in it.": (q * sd) ** 2 + scatter,
            "the scatter grows with sd²; the mean has no part in it.":
                bias + scatter / sd**2 * 0.49,
            "αᵗ, not α: the share of the start falls with every step.":
                (0.9 * 0.7) ** 2 + scatter,
            "mean SQUARE error: leave the root out.": np.sqrt(raw)})
        equal("the raw average's errors for an array t", several()[0], many[0])
    with part(1):
        equal("the corrected average's error", got[1], corrected, {
            "this is the raw average's: the corrected one comes second.": raw,
            "sd is a standard deviation; the error needs sd².": corrected / sd,
            "sd is missing: Var[v] is sd², not 1.": corrected / sd**2,
            "the corrected average has no bias: its error is its variance.": corrected + bias,
            "that is the variance of the raw average.": scatter,
            "mean SQUARE error: leave the root out.": np.sqrt(corrected)})
        equal("the corrected average's errors for an array t", several()[1], many[1])
