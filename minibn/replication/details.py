"""The second page of the report: every arm of the registered replication, and its provenance."""

from __future__ import annotations

from collections.abc import Sequence

from minibn.replication.arms import ARMS, LADDER, METHODS, PAPER_RATE, Size, search_of
from minibn.replication.drawings import figures
from minibn.replication.findings import (
    SHARES,
    Ratio,
    batch_sizes,
    by_rate,
    differences,
    final_of,
    lag,
    main_contrasts,
    main_runs,
    paper_rate_runs,
    pilots,
    progress,
    ratios,
    runs_of,
    speed_of,
    transient,
)
from minibn.replication.metrics import final_mean
from minibn.replication.numbers import (
    percent_of,
    signed,
    times,
    title,
    with_interval,
)
from minibn.replication.provenance import HOW, NOT_RUN, provenance, troubles
from minibn.replication.rates import scores
from minibn.replication.results import Result, Results
from minibn.replication.statistics import estimate
from minibn.replication.stopping import EQUAL, FIRST_SEEDS, half_width, pooled_deviation
from minibn.replication.wording import clipped, markdown

HEAD = """\
# Details of the registered replication

The first page is [REPORT.md](REPORT.md); the rules are in [the design](medium/DESIGN.md). \
Accuracies are in % of all test images, in each method's own test mode where no other is named. \
Intervals are 95 %, over seeds, of Student's t."""
SEARCH = """\
## Arm S: the search

Held-out accuracy (%) after {epochs} epochs, mean over {seeds} seeds; the chosen rate in bold. The \
best rate must have a tried neighbor on either side."""
MAIN = """\
## Arm A: the main comparison

Speed is the test accuracy, mean over epochs 1 to {first}; final is the mean of the last two \
epochs. "moving", "batch" and "reestimated" are final accuracies in the test modes of the design. \
Clipped is the share of channels whose r or d met its bound, mean over the epochs, in training / \
in test mode "batch"."""
CURVES = "*Means over seeds with 95 % intervals. Dotted: the drops of the learning rate.*"
TESTS = """\
The four primary tests: renorm_debias minus the other method, seed by seed. p is two-sided, of the \
paired t-test; "p, Holm" is adjusted for the four tests."""
RATIO = """\
### Updates to a threshold

The thresholds are {shares} % of {top} %, the mean accuracy of BN's pilots (arm P) after epoch \
{epoch}. The numbers are geometric means of the ratio of updates, renorm_debias over the other \
method; "never" counts the pairs in which a run did not reach the threshold."""
STOPPING = """\
### The stopping rule

The first {n} seeds of the three methods have a pooled standard deviation of {s:.2f} points in \
final accuracy, so half the interval of a difference would be {half:.2f} points. The bound is \
{bound:.1f} points: {decision}."""
LAG = """\
## Averages that lag

BN is tested with moving averages, which lag behind its weights. "Reestimated" statistics are \
estimated anew with frozen weights. The first difference is what BN gains by that, the second what \
is left of the difference between renorm_debias and BN."""
TRANSIENT = """\
## Arm B: the first epoch

renorm_debias − BRN in test accuracy, after so many updates, at each method's own rate and at the \
paper's rate for both."""
RATES = """\
## Arms A, A2 and C: the learning rate

All runs at batch 5 over all epochs, by method and rate; speed and final in %."""
PAPER_RATE_TEXT = """\
At the paper's rate, {rate}, renorm_debias minus the other method:"""
WEIGHTS = """\
The figure shows the norm of the convolutions' kernels. A kernel before a normalization can grow \
without changing the normalization's output. An update of the same length then turns a longer \
kernel by a smaller angle, as a smaller learning rate would."""
OTHERS = """\
## Arms D, F and E: batch size and width

Final accuracy (%). D is BN at other batch sizes, F all three at batch 2 with {short} epochs, E \
all three at width {wide}."""


def details(size: Size, results: Results) -> str:
    """DETAILS.md."""
    drawn = figures(size, results)
    parts = [
        HEAD, "## What was run", progress_table(size, results),
        SEARCH.format(epochs=size.search[0], seeds=len(search_of(5).seeds[:size.seeds])),
        search_table(size, results, 5),
        *main_section(size, results, drawn),
        LAG, lag_table(size, results),
        TRANSIENT, transient_table(size, results),
        *rates_section(size, results, drawn),
        OTHERS.format(short=size.short[0], wide=size.wide), others_table(size, results),
        "## Runs that diverged or learned nothing", troubles(results),
        "## Provenance", HOW if size.name == "medium" else "", provenance(results)]
    return "\n\n".join(part for part in parts if part) + "\n"


def picture(name: str, alt: str, drawn: dict) -> str:
    """A figure, if it was drawn."""
    return f"![{alt}](figures/{name}.png)" if name in drawn else ""


def progress_table(size: Size, results: Results) -> str:
    """How far every arm is."""
    rows = [[f"**{arm}**", ARMS[arm].title, f"{one.done} of {one.total}"]
            for arm, one in progress(size, results).items()]
    hours = sum(r.seconds for r in results) / 3600
    return (markdown(["arm", "question", "finished runs"], rows)
            + f"\n\n{len(results)} runs, {hours:.1f} hours of computing time. A run that several "
            "arms share is counted in each of them in the table.")


def search_table(size: Size, results: Results, batch: int) -> str:
    """Scores by rate, the best in bold."""
    search, rows = search_of(batch), []
    found = {norm: scores(size, search, norm, results) for norm in search.norms}
    tried = [lr for lr in LADDER if any(lr in one for one in found.values())]
    if not tried:
        return NOT_RUN
    for norm, one in found.items():
        top = max(one.values(), default=0)
        rows.append([title(norm), *(
            "" if lr not in one else f"**{100 * one[lr]:.1f}**" if one[lr] == top
            else f"{100 * one[lr]:.1f}" for lr in tried)])
    return markdown(["method", *(f"{lr:g}" for lr in tried)], rows)


# Arm A

def main_section(size: Size, results: Results, drawn: dict) -> list[str]:
    """Outcomes, tests, thresholds and the stopping rule."""
    runs = main_runs(size, results)
    head = MAIN.format(first=size.drops[0])
    if not runs["bn"]:
        return [head, NOT_RUN]
    rows = []
    for norm in METHODS:
        found = runs[norm]
        rows.append([title(norm), f"{found[0].job.recipe.lr:g}", str(len(found)),
                     percent_of(estimate([speed_of(size)(r) for r in found])),
                     percent_of(estimate([final_of(r) for r in found])),
                     *(final_in(found, mode) for mode in ("moving", "batch", "reestimated")),
                     clipped(found)])
    table = markdown(["method", "rate", "seeds", "speed", "final", "moving", "batch",
                      "reestimated", "clipped %"], rows)
    return [head, table,
            picture("curves", "Test accuracy against epochs, and differences from BN", drawn),
            CURVES if "curves" in drawn else "",
            TESTS, tests_table(size, results),
            picture("claims", "Differences and ratios with the paper's numbers", drawn),
            *ratio_section(size, results), stopping_text(runs) if size.seeds is None else ""]


def final_in(found: Sequence[Result], mode: str) -> str:
    """Final accuracy in one test mode; "" where the method has no such mode."""
    if mode == "reestimated":
        values = [float(r.tested(mode)[1][-2:].mean()) for r in found
                  if r.tests and mode in r.tests[-1]["accuracy"] and r.status == "done"]
    else:
        values = [final_mean(r, mode) for r in found if mode in r.history.test_accuracy]
    return percent_of(estimate(values)) if values else ""


def tests_table(size: Size, results: Results) -> str:
    """The primary tests with p before and after Holm's adjustment."""
    rows = []
    for one in main_contrasts(size, results):
        if one.difference is not None:
            rows.append([one.outcome, title(one.other), with_interval(one.difference),
                         f"{signed(100 * one.paper, 1)} points",
                         f"{one.difference.wins} of {one.difference.estimate.n}",
                         f"{one.p:.3f}", f"{one.adjusted:.3f}", one.verdict,
                         one.remark or "–"])
    return markdown(["outcome", "other", "difference", "the paper's size", "pairs above 0", "p",
                     "p, Holm", "verdict", "remark"], rows)


def ratio_section(size: Size, results: Results) -> list[str]:
    """Ratios of updates at every threshold."""
    found, top = ratios(size, results), pilots(size, results)
    if top is None or not found:
        return ["### Updates to a threshold", NOT_RUN]

    def cells(ratio: Ratio | None) -> list[str]:
        return (["not above chance", "–"] if ratio is None else
                [times(ratio), f"{ratio.censored} of {ratio.n}"])

    rows = [[f"{100 * share:.0f} %", *cells(found.get(("bn", share))),
             *cells(found.get(("brn", share)))] for share in SHARES]
    rows.append(["the paper", "0.65", "", "0.83", ""])
    return [RATIO.format(shares=", ".join(f"{100 * share:.0f}" for share in SHARES),
                         top=f"{100 * top:.1f}", epoch=size.pilot[0]),
            markdown(["threshold", "over BN", "never", "over BRN", "never"], rows)]


def stopping_text(runs: dict[str, list[Result]]) -> str:
    """What the rule saw and decided."""
    groups = [[final_mean(r) for r in found[:FIRST_SEEDS]] for found in runs.values()]
    if min(map(len, groups)) < FIRST_SEEDS:
        return ""
    deviation = pooled_deviation(groups)
    half = half_width(deviation, FIRST_SEEDS)
    decision = "12 seeds are run" if half > EQUAL else f"{FIRST_SEEDS} seeds are enough"
    return STOPPING.format(n=FIRST_SEEDS, s=100 * deviation, half=100 * half, bound=100 * EQUAL,
                           decision=decision)


# The other arms

def lag_table(size: Size, results: Results) -> str:
    """BN's reestimated test."""
    found = lag(size, results)
    if not found:
        return NOT_RUN
    rows = [[outcome, with_interval(found[f"gain {outcome}"]),
             with_interval(found[f"left {outcome}"])] for outcome in ("speed", "final")]
    return markdown(["outcome", "BN reestimated − BN moving", "renorm_debias − BN reestimated"],
                    rows)


def transient_table(size: Size, results: Results) -> str:
    """Difference after each of the tests of the first epoch."""
    found = transient(size, results)
    if not found:
        return NOT_RUN
    names = {"own": "own rates", "paper": f"rate {PAPER_RATE:g}"}
    updates = next(iter(found.values())).updates
    rows = [[f"{update:,}", *(with_interval(estimate(one.differences[:, i].tolist()))
                              for one in found.values())] for i, update in enumerate(updates)]
    rows.append(["mean", *(with_interval(one.mean) for one in found.values())])
    return markdown(["updates", *(f"{names[name]} ({len(one.differences)} seeds)"
                                  for name, one in found.items())], rows)


def rates_section(size: Size, results: Results, drawn: dict) -> list[str]:
    """Whole runs by rate, the differences at the paper's, and the norms of the weights."""
    rows = [[title(norm), f"{lr:g}", str(len(found)),
             percent_of(estimate([speed_of(size)(r) for r in found])),
             percent_of(estimate([final_of(r) for r in found]))]
            for norm, runs in by_rate(size, results).items() for lr, found in runs.items()]
    if not rows:
        return [RATES, NOT_RUN]
    literal = paper_rate_runs(size, results)
    apart = [[title(other), with_interval(one), str(one.estimate.n)]
             for other, one in differences(literal, final_of).items()]
    parts = [RATES, markdown(["method", "rate", "seeds", "speed", "final"], rows)]
    if apart:
        parts += [PAPER_RATE_TEXT.format(rate=f"{PAPER_RATE:g}"),
                  markdown(["other", "final accuracy", "seeds"], apart)]
    if "weights" in drawn:
        parts += [WEIGHTS, picture("weights", "Norm of the kernels against updates", drawn)]
    return parts


def others_table(size: Size, results: Results) -> str:
    """Arms D, F and E."""
    rows = []
    for arm in ("D", "F", "E"):
        for runs in ARMS[arm].runs:
            found = runs_of(size, results, runs)
            for norm, line in found.items():
                if line:
                    rows.append([arm, title(norm), str(runs.batch),
                                 str(size.wide if runs.wide else size.width),
                                 f"{line[0].job.recipe.lr:g}", str(len(line)),
                                 percent_of(estimate([final_of(r) for r in line]))])
            rows += [[arm, f"renorm_debias − {title(other)}", str(runs.batch), "", "",
                      str(one.estimate.n), with_interval(one)]
                     for other, one in differences(found, final_of).items()]
    rows += [["D", f"BN, batch {batch} − batch 5", "", "", "", str(one.estimate.n),
              with_interval(one)] for batch, one in batch_sizes(size, results).items()]
    if not rows:
        return NOT_RUN
    return markdown(["arm", "method", "batch", "width", "rate", "seeds", "final"], rows)
