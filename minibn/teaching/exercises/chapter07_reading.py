"""Exercises 7.5 to 7.8: read learning curves, choose rates, and what peeking gains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minibn.teaching.compare import equal, numbers, require, what
from minibn.teaching.registry import exercise

WORDS = ("healthy", "stuck", "diverged", "too short", "overfits")
DIAGNOSES = {
    "A": ("overfits", "compare the directions of its loss and of its accuracy after epoch 10."),
    "B": ("too short", "its loss falls at the last epochs as fast as at the first."),
    "C": ("stuck", "compare its loss with log 10, the loss of a network that knows nothing."),
    "D": ("healthy", "its loss and its accuracy have become flat."),
    "E": ("diverged", "mind the scale of its loss."),
}


def diagnoses() -> dict[str, str]:
    return {name: word for name, (word, _) in DIAGNOSES.items()}


@exercise("7.5", "read the curves", answer="diagnoses", points=2, library=diagnoses)
def check_curves(answer: Any, part: Any) -> None:
    found = answer()
    require(isinstance(found, Mapping), f"Return a dict such as {{'A': 'stuck', …}}. This is "
                                        f"{what(found)}.")
    missing = [name for name in DIAGNOSES if name not in found]
    require(not missing, f"There is no diagnosis for {', '.join(missing)}: the keys are A to E.")
    for names in ("AD", "BCE"):                         # so that one word for all earns nothing
        with part(1):
            hints = [hint_for(name, found[name]) for name in names]
            require(not any(hints), " ".join(filter(None, hints)))


def hint_for(name: str, said: Any) -> str:
    """What is wrong with a diagnosis; "" for a right one."""
    word, hint = DIAGNOSES[name]
    if not isinstance(said, str) or said.strip().lower() not in WORDS:
        return f"{name}: {what(said)} is not one of the words {', '.join(map(repr, WORDS))}."
    return "" if said.strip().lower() == word else f"{name}: {hint}"


def epochs_to(accuracy: Sequence[float], threshold: float) -> int | None:
    for epoch, value in enumerate(accuracy, 1):
        if value >= threshold:
            return epoch
    return None


@exercise("7.6", "epochs to a threshold", answer="epochs_to", points=1, library=epochs_to)
def check_epochs(answer: Any, part: Any) -> None:
    rng = np.random.default_rng()
    run, wavy = [0.1, 0.4, 0.62, 0.58, 0.66], [0.1, 0.62, 0.3, 0.2, 0.4, 0.66, 0.3, 0.61]

    def is_(curve: list[float], threshold: float, wrong: Any, hint: str) -> None:
        got = answer(curve, threshold)
        require(not (same(got, wrong) and not same(got, epochs_to(curve, threshold))), hint)

    with part(1):
        is_(run, 0.6, 2, "one too few: `accuracy[0]` is the accuracy after one epoch, not after 0.")
        rising = [0.1, 0.4, 0.62, 0.66]
        if same(answer(rising, 0.6), 3):                # right as long as the accuracy only rises
            is_(run, 0.6, 4, "that counts all epochs below the threshold, also the later ones. "
                             "Return the *first* epoch that reached it.")
        is_(run, 0.6, 4, "one too many: `accuracy[0]` is the accuracy after the first epoch.")
        is_(run, 0.6, 5, "return the *first* epoch that reached the threshold. The later fall does "
                         "not matter.")
        is_(run, 0.6, 0.62, "that is an accuracy; return the number of epochs.")
        require(same(answer(run, 0.4), 2), f"for the accuracies {run} and the threshold 0.4 it "
                "should be 2. An accuracy equal to the threshold has reached it.")
        require(answer(run, 0.9) is None, "if the threshold was never reached, return None (and "
                                          "not the number of epochs, 0 or −1).")
        require(same(answer(wavy, 0.6), 2), f"for the accuracies {wavy} and the threshold 0.6 it "
                "should be 2. Return the *first* epoch; a learning curve is not sorted.")
        for _ in range(20):
            curve = [float(a) for a in np.round(rng.uniform(0, 0.7, 9), 2)]
            threshold = float(rng.choice([*curve, 0.33, 0.69]))
            want = epochs_to(curve, threshold)
            require(same(answer(curve, threshold), want),
                    f"for the accuracies {curve} and the threshold {threshold} it should be "
                    f"{want}.")


def same(got: Any, want: Any) -> bool:
    """Whether `got` is this number (of whatever type) or this None."""
    if want is None or got is None:
        return got is want
    try:
        return bool(np.ndim(got) == 0 and not isinstance(got, str) and float(got) == want)
    except (TypeError, ValueError):
        return False


Table = Mapping[str, Sequence[float]]


def choose_rates(rates: Sequence[float], held_out: Table, test: Table) -> dict[str, float]:
    return {method: rates[int(np.argmax(values))] for method, values in held_out.items()}


@exercise("7.7", "choose the rates", answer="choose_rates", points=2, library=choose_rates)
def check_rates(answer: Any, part: Any) -> None:
    rng = np.random.default_rng()
    rates = (0.003, 0.01, 0.03, 0.1)

    def best(table: Table) -> dict[str, float]:
        return choose_rates(rates, table, table)

    def mix(f: Any, held_out: Table, test: Table) -> Table:
        return {m: f(held_out[m], test[m]) for m in held_out}

    def draw() -> Table:
        return {m: tuple(float(a) for a in np.round(
            rng.permutation([0.2, 0.3, 0.4, 0.5]) + rng.uniform(0, 0.04, 4), 3))
            for m in ("BN", "LN", "GN")}

    tables: list[tuple[Table, Table]] = [(
        {"BN": (0.34, 0.41, 0.38, 0.22), "BRN": (0.36, 0.40, 0.43, 0.10),
         "renorm_debias": (0.42, 0.40, 0.35, 0.10)},
        {"BN": (0.35, 0.39, 0.40, 0.25), "BRN": (0.37, 0.44, 0.41, 0.10),
         "renorm_debias": (0.40, 0.43, 0.37, 0.10)})]
    tables += [(draw(), draw()) for _ in range(4)]
    found = [rates_of(answer(rates, *pair), pair[0]) for pair in tables]
    right = [best(held_out) for held_out, _ in tables]
    # A mistake is named only if all tables show it: in one table it may look like another.
    mistakes: list[tuple[Any, str]] = [
        (lambda held_out, test: {m: int(np.argmax(v)) for m, v in held_out.items()},
         "these are places in `rates`; return the rates that stand there."),
        (lambda held_out, test: {m: max(v) for m, v in held_out.items()},
         "these are accuracies; return the rates that gave them."),
        (lambda held_out, test: best(test), "these are the best rates on the *test* images. Then "
         "the test images have taken part in the training."),
        (lambda held_out, test: best(mix(np.add, held_out, test)),
         "the test images have influenced the choice. Use the held-out images alone."),
        (lambda held_out, test: best(mix(np.maximum, held_out, test)),
         "the test images have influenced the choice. Use the held-out images alone."),
        (lambda held_out, test: {m: rates[int(np.argmin(v))] for m, v in held_out.items()},
         "these are the rates with the lowest accuracies."),
        (lambda held_out, test: dict.fromkeys(
            held_out, rates[int(np.argmax(np.mean(list(held_out.values()), 0)))]),
         "this is one rate for all methods, the best on average. Such a rule can be fair, too, but "
         "the task asks for each method's own best rate.")]
    with part(1.5):
        for mistake, hint in mistakes:
            require(found != [mistake(*pair) for pair in tables], hint)
        require(any(len(set(one.values())) > 1 for one in found), "all methods always have the "
                "same rate. The task asks for each method's own best rate.")
        for mine, best_ones, (held_out, _) in zip(found, right, tables, strict=True):
            wrong = [m for m in held_out if mine[m] != best_ones[m]]
            require(not wrong, f"for the held-out accuracies {held_out} the rate of "
                    f"{' and '.join(wrong)} is not the one with the highest accuracy.")
    with part(0.5):
        for values, want in (((0.3, 0.4, 0.4, 0.2), 0.01), ((0.1, 0.2, 0.4, 0.4), 0.03)):
            one: Table = {"BN": values}
            chosen = rates_of(answer(rates, one, {"BN": (0.1, 0.2, 0.3, 0.5)}), one)
            require(chosen == {"BN": want}, f"for the held-out accuracies {values} two rates are "
                    "equally good; then the smaller rate wins.")


def rates_of(found: Any, table: Table) -> dict[str, float]:
    require(isinstance(found, Mapping), "Return a dict that has a rate for each method. This is "
                                        f"{what(found)}.")
    require(set(found) == set(table), "the keys should be the methods "
                                      f"{', '.join(table)}, not {', '.join(map(str, found))}.")
    for method, rate in found.items():
        require(isinstance(rate, int | float | np.number | np.ndarray) and np.ndim(rate) == 0,
                f"{method}: a rate is a number, not {what(rate)}.")
    return {method: float(rate) for method, rate in found.items()}


class Recorder(np.random.Generator):
    """A generator that notes which counts are drawn from it."""

    def __init__(self, seed: int) -> None:
        super().__init__(np.random.PCG64(seed))
        self.draws: list[tuple[Any, Any, Any]] = []

    def binomial(self, n: Any, p: Any, size: Any = None) -> Any:
        self.draws.append((n, p, size))
        return super().binomial(n, p, size)


def gain_by_peeking(R: int, n: int, trials: int, rng: np.random.Generator) -> float:
    measured = rng.binomial(n, 0.4, (trials, R)) / n
    return float((measured.max(1) - 0.4).mean())


def expected_gain(R: int, n: int) -> float:
    """The exact mean of (best of R − 0.4): E[max] = Σ_k P(max > k), from the binomial shares."""
    k = np.arange(n + 1)
    log = np.cumsum(np.log(np.maximum(np.arange(n + 1), 1)))            # log k!
    share = np.exp(log[n] - log[k] - log[n - k] + k * np.log(0.4) + (n - k) * np.log(0.6))
    return float((1 - np.minimum(np.cumsum(share), 1) ** R)[:-1].sum() / n - 0.4)


@exercise("7.8", "what peeking gains", answer="gain_by_peeking", points=2, library=gain_by_peeking,
          allow=("minibn.teaching.exercises.chapter07_reading.Recorder",), seconds=60.0)
def check_peeking(answer: Any, part: Any) -> None:
    trials, cases = 20_000, ((4, 500), (10, 500), (4, 1))      # n = 1: far from normal numbers
    seed = int(np.random.default_rng().integers(1, 2**31))
    unit = np.array([np.sqrt(0.24 / n) for _, n in cases])
    with part(1):
        gains, draws = [], []
        for R, n in cases:
            rng = Recorder(seed)
            gains.append(answer(R, n, trials, rng))
            require(np.ndim(gains[-1]) == 0, "return one number, the mean over the trials.")
            draws += [m for m, _, _ in rng.draws if np.ndim(m) == 0 and m != n]
        got = numbers("the gain", gains)
        want = np.array([expected_gain(R, n) for R, n in cases])
        require(np.abs(got / unit).max() > 0.05, "it is about 0, the mean of all measured "
                "accuracies minus 0.4. Take the best of the R accuracies in each trial.")
        require(not np.all(got < 0), "it is negative: take the best of the R accuracies, and "
                                     "subtract 0.4 from it.")
        counts = np.array([n for _, n in cases])
        for value, hint in (
                (want + 0.4, "subtract the true accuracy 0.4."),
                (100 * want, "that is in percent; return a share."),
                ((want + 0.4) * counts - 0.4, "divide the counts by n before you subtract 0.4."),
                (want * counts, "divide by n: an accuracy is a share, not a count."),
                (trials * want, "that is a sum over the trials, not a mean.")):
            require(not np.allclose(got, value, rtol=0.06), hint)
        require(not np.all(got[:2] / unit[:2] > 2.5), "it is far too large. In each trial, take "
                "the best of the R accuracies minus 0.4; then take the mean over the trials.")
        other = f"counts were drawn from {draws[0]} images; draw from n. " if draws else ""
        normal = [np.random.default_rng(0).normal(0, 1, (trials, R)).max(1).mean()
                  for R, _ in cases] * unit
        equal(f"{other}the gain for (R, n) = {', '.join(map(str, cases))}, as a multiple of the "
              "standard error", got / unit, want / unit, {
            hint: mistake / unit for hint, mistake in {
                "it fits normal numbers; draw counts, with `rng.binomial`.": normal,
                "R is the argument, not always 4.":
                    np.array([expected_gain(4, n) for _, n in cases]),
                "it fits the best of R + 1 accuracies.":
                    np.array([expected_gain(R + 1, n) for R, n in cases]),
                "it fits the best of R − 1 accuracies.":
                    np.array([expected_gain(R - 1, n) for R, n in cases])}.items()},
              tol=5 / np.sqrt(trials) / (want / unit).max())
    with part(1):
        once, again, other_seed = (answer(4, 10_000, 200, Recorder(s))
                                   for s in (seed, seed, seed + 1))
        require(once == again, "with the same `rng` it returns another number each time: something "
                               "is drawn from another source.")
        require(once != other_seed, "it does not depend on `rng`: the task asks for a simulation "
                                    "that draws from it.")
        for step in range(5):
            count = 10 * (float(answer(4, 10, 1, Recorder(seed + step))) + 0.4)
            require(abs(count - round(count)) < 1e-6, "for trials = 1 it should be the best of R "
                    "shares out of n, minus 0.4. It is not: is `trials` the number of trials?")
