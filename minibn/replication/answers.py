"""The answer of the registered replication in sentences: the first lines of its report."""

from __future__ import annotations

from minibn.replication.analysis import (
    EXCLUDED,
    INCONCLUSIVE,
    LARGER,
    LEAST_PAIRS,
    NO_DIFFERENCE,
    PAPER,
    REVERSED,
    SMALLER,
    Contrast,
)
from minibn.replication.arms import METHODS, PAPER_RATE, Size
from minibn.replication.findings import (
    differences,
    final_of,
    lag,
    main_contrasts,
    main_runs,
    paper_rate_runs,
    progress,
    ratios,
    transient,
)
from minibn.replication.numbers import (
    interval,
    listed,
    percent,
    points,
    signed,
    times,
    title,
)
from minibn.replication.rates import SearchMissing, own_rate
from minibn.replication.results import Results
from minibn.replication.statistics import Estimate, estimate

IN_WORDS = {
    PAPER: "a gain of the paper's size",
    LARGER: "a gain larger than the paper's",
    SMALLER: "a gain smaller than the paper's",
    EXCLUDED: "a gain of the paper's size is excluded",
    INCONCLUSIVE: "inconclusive",
}
REMARKS = {NO_DIFFERENCE: "the difference is at most 0.4 points", REVERSED: "the order is reversed",
           "": ""}

HEADLINE = "**{so_far}{lead} Final accuracy: {final}. Speed: {speed}.**"
SO_FAR = "Not final, with {done} of {total} main runs. "
FINAL = ("**Final accuracy.** With each method at its own best learning rate, {means} test "
         "accuracy, mean of the last two of {epochs} epochs ({n} seeds). renorm_debias minus BN is "
         "{bn} (95 % interval {range_bn}; the paper {paper_bn}): {verdict_bn}. renorm_debias minus "
         "BRN is {brn} ({range_brn}; the paper {paper_brn}): {verdict_brn}.")
SPEED = ("**Speed.** In test accuracy, mean over the first {epochs} epochs, renorm_debias minus BN "
         "is {bn} ({range_bn}; the paper's 15 epochs against 23 correspond to {paper_bn} points on "
         "these curves): {verdict_bn}. renorm_debias minus BRN is {brn} ({range_brn}; 15 against "
         "18 correspond to {paper_brn}): {verdict_brn}.{ratios}")
RATIOS = (" To reach 90 % of the accuracy that BN has just before the drop of the rate, "
          "renorm_debias needs {bn} the updates of BN (the paper 0.65) and {brn} those of BRN "
          "(the paper 0.83).")
RATE = ("**Learning rate.** The search chose {rates}. At the paper's rate, {paper}, {means} final "
        "accuracy; renorm_debias minus BN is {bn} ({range}; {n} seeds).")
CHOSEN = "**Learning rate.** The search on held-out training images chose {rates}."
LAG = ("**Lagging averages.** BN is tested with averages that lag behind its weights. If its "
       "statistics are estimated anew with frozen weights, BN's accuracy changes by {gain} "
       "({range_gain}), mean over the first {epochs} epochs, and by {end} ({range_end}) at the "
       "end. renorm_debias minus BN tested in this way is {left} ({range_left}) over the first "
       "epochs and {left_end} ({range_left_end}) at the end.")
EARLY = ("**Early difference.** renorm_debias and BRN differ in the start of their averages alone; "
         "after some 460 updates that is below 1 %. renorm_debias minus BRN is {mean} "
         "({range_mean}), mean over the first epoch, and {last} ({range_last}) at its end ({n} "
         "seeds).{rates}{literal}")
OWN_RATES = (" Here each has its own learning rate, {brn} and {renorm_debias}, so the rates are a "
             "second cause of the difference.")
LITERAL = (" With rate {rate} for both, the two differences are {mean} ({range_mean}) and {last} "
           "({range_last}).")


def answers(size: Size, results: Results) -> list[str]:
    """Up to five sentences or short groups of them, as far as the runs go."""
    found = [final_answer(size, results), speed_answer(size, results), rate_answer(size, results),
             lag_answer(size, results), early_answer(size, results)]
    return [one for one in found if one]


def headline(size: Size, results: Results) -> str:
    """The answer and the four verdicts in a line; "" with too few runs."""
    final, speed = by_outcome(size, results, "final"), by_outcome(size, results, "speed")
    if final is None or speed is None:
        return ""
    main = progress(size, results)["A"]
    so_far = "" if main.complete else SO_FAR.format(done=main.done, total=main.total)
    return HEADLINE.format(
        so_far=so_far, lead=lead([*final.values(), *speed.values()]),
        final=against_both(final), speed=against_both(speed))


def lead(found: list[Contrast]) -> str:
    """Yes, no or in part: a count of the four verdicts, defined in results/medium/DESIGN.md."""
    better = sum(one.verdict in (PAPER, LARGER, SMALLER) for one in found)
    worse = sum(one.remark == REVERSED for one in found)
    if better == len(found):
        return "Yes: renorm_debias is better in all four comparisons."
    first = "In part" if better else "No" if worse else "No gain is shown"
    if worse == len(found):
        return "No: renorm_debias is worse in all four comparisons."
    return (f"{first}: renorm_debias is better in {better or 'none'} of the four comparisons"
            + (f" and worse in {worse}." if worse else "."))


def against_both(found: dict[str, Contrast]) -> str:
    """The verdicts of one outcome against BN and against BRN."""
    words = {other: in_words(one) for other, one in found.items()}
    if words["bn"] == words["brn"]:
        return f"{words['bn']}, against BN and against BRN"
    return f"against BN, {words['bn']}; against BRN, {words['brn']}"


def status(size: Size, results: Results) -> str:
    """What is not finished, in a sentence; "" where everything is."""
    arms = progress(size, results)
    missing = [f"{name} ({one.done} of {one.total})" for name, one in arms.items()
               if not one.complete]
    if not missing:
        return ""
    done = sum(one.done for one in arms.values())
    first = ("Arm A, the main comparison, is not finished, so the numbers below may still change. "
             if arms["A"].done and not arms["A"].complete else
             "Arm A, the main comparison, has no finished run yet, so there is no answer yet. "
             if not arms["A"].done else "")
    return (f"{first}Finished runs: {done} of {sum(one.total for one in arms.values())}. "
            f"Not complete: {', '.join(missing)}. DETAILS.md says what each arm is.")


def by_outcome(size: Size, results: Results, outcome: str) -> dict[str, Contrast] | None:
    """The contrasts of a primary outcome by the other method; None with too few pairs."""
    try:
        found = {one.other: one for one in main_contrasts(size, results)
                 if one.outcome == outcome}
    except SearchMissing:
        return None
    enough = all(one.difference is not None and one.difference.estimate.n >= LEAST_PAIRS
                 for one in found.values())
    return found if enough else None


def in_words(contrast: Contrast) -> str:
    """The verdict and its remark."""
    remark = REMARKS[contrast.remark]
    return IN_WORDS[contrast.verdict] + (f", {remark}" if remark else "")


def means(runs: dict, metric) -> str:
    """"BN has 43.1 %, BRN 43.0 % and renorm_debias 43.3 %"."""
    parts = [f"{title(norm)} {'has ' if i == 0 else ''}"
             f"{percent(estimate([metric(r) for r in runs[norm]]).mean)}"
             for i, norm in enumerate(METHODS)]
    return listed(parts)


def final_answer(size: Size, results: Results) -> str:
    """The second primary outcome."""
    found = by_outcome(size, results, "final")
    if found is None:
        return ""
    runs = main_runs(size, results)
    return FINAL.format(
        means=means(runs, final_of), epochs=size.epochs, n=len(runs["bn"]),
        **numbers_of(found))


def speed_answer(size: Size, results: Results) -> str:
    """The first primary outcome, and the ratio of updates."""
    found = by_outcome(size, results, "speed")
    if found is None:
        return ""
    reached = ratios(size, results)
    words = "" if not reached else RATIOS.format(bn=times(reached["bn", 0.9]),
                                                 brn=times(reached["brn", 0.9]))
    return SPEED.format(epochs=size.drops[0], ratios=words, **numbers_of(found))


def numbers_of(found: dict[str, Contrast]) -> dict[str, str]:
    """Differences, the paper's sizes and verdicts, as the templates name them."""
    values: dict[str, str] = {}
    for other, one in found.items():
        assert one.difference is not None                      # by_outcome has looked
        values |= {other: points(one.difference), f"range_{other}": interval(one.difference),
                   f"verdict_{other}": in_words(one),
                   f"paper_{other}": signed(100 * one.paper, 1)}
    return values


def rate_answer(size: Size, results: Results) -> str:
    """The rates, and what happens at the paper's."""
    try:
        rates = [f"{own_rate(size, norm, 5, results):g} for {title(norm)}" for norm in METHODS]
    except SearchMissing:
        return ""
    runs = paper_rate_runs(size, results)
    apart = differences(runs, final_of)
    if "bn" not in apart or not all(runs.values()):
        return CHOSEN.format(rates=listed(rates))
    return RATE.format(rates=listed(rates), paper=f"{PAPER_RATE:g}", means=means(runs, final_of),
                       bn=points(apart["bn"]), range=interval(apart["bn"]),
                       n=apart["bn"].estimate.n)


def lag_answer(size: Size, results: Results) -> str:
    """BN with reestimated statistics."""
    found = lag(size, results)
    if not found or found["gain final"].estimate.n < LEAST_PAIRS:
        return ""
    names = {"gain": "gain speed", "end": "gain final", "left": "left speed",
             "left_end": "left final"}
    return LAG.format(epochs=size.drops[0], **with_ranges(
        {name: found[key].estimate for name, key in names.items()}))


def early_answer(size: Size, results: Results) -> str:
    """Arm B."""
    found = transient(size, results)
    if "own" not in found or len(found["own"].differences) < LEAST_PAIRS:
        return ""
    literal = "" if "paper" not in found else LITERAL.format(rate=f"{PAPER_RATE:g}", **with_ranges(
        {"mean": found["paper"].mean, "last": found["paper"].last}))
    own = found["own"]
    rates = {norm: f"{own_rate(size, norm, 5, results):g}" for norm in ("brn", "renorm_debias")}
    return EARLY.format(n=len(own.differences), literal=literal,
                        rates=OWN_RATES.format(**rates) if len(set(rates.values())) > 1 else "",
                        **with_ranges({"mean": own.mean, "last": own.last}))


def with_ranges(found: dict[str, Estimate]) -> dict[str, str]:
    """Every estimate under its name, and its interval under range_NAME."""
    return ({name: points(one) for name, one in found.items()}
            | {f"range_{name}": interval(one) for name, one in found.items()})
