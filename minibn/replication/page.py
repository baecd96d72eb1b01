"""The report's first page, and the same in a few lines for README.md.

Three minutes for a reader who decides: the answer, one figure, one table, and what was not tested.
"""

from __future__ import annotations

import textwrap

from minibn.replication.analysis import PAPER_TIME, Contrast
from minibn.replication.answers import REMARKS, answers, by_outcome, headline, status
from minibn.replication.arms import Size
from minibn.replication.drawings import answer_figure
from minibn.replication.findings import (
    Ratio,
    batch_sizes,
    by_rate,
    main_runs,
    progress,
    ratios,
    transient,
)
from minibn.replication.numbers import counted, signed, times, title, with_interval
from minibn.replication.results import Results
from minibn.replication.wording import markdown

NOT_RUN, TOO_FEW = "not run yet", "too few runs"

PAGE = """\
# Does renorm_debias help at batch size 5?

{status}The paper reports that on CIFAR-100 at batch size 5 `renorm_debias` converges faster than \
Batch Normalization (BN) and Batch Renormalization (BRN) and ends slightly higher. `renorm_debias` \
is BRN whose moving averages start at zero and are divided by the sum of their weights. This page \
tests the paper's claims with {size}. Question, rules and verdicts were fixed before the main \
runs, in [the design](medium/DESIGN.md).

## The answer

{headline}{answers}

{figure}\
## Claim by claim

{table}

"Here" is a difference of test accuracy with its 95 % interval over seeds: renorm_debias minus the \
other method, in the last two rows BN at the larger batch minus BN at batch 5. The other two rows \
are ratios of updates. The design defines the verdicts. A gain counts if its p-value, adjusted for \
four tests, is below 0.05. It has "the paper's size" if the interval contains the paper's number. \
"Excluded" means that there is no gain and that the whole interval lies below the paper's number. \
Rows without a verdict are secondary.

## What was not tested

- The paper's own size: four times this width, 100 epochs, its schedule. Tables 2 to 4 are not \
repeated at that size.
- NiN at batch size 5 and 1.
- Other data sets, and moving averages with another decay than α = 0.99.
- The paper does not say how it initializes, augments and regularizes. The choices here are in the \
design.

## More

[Details](DETAILS.md): every arm, the search, the test modes, norms of the weights, and where the \
numbers come from. [Appendix](APPENDIX.md): the earlier, smaller runs and their faults. All pages \
and figures are written from the result files by `python -m minibn report`.
"""
FIGURE = """\
![Accuracy against the learning rate, and the first epoch](figures/answer.png)

*{caption}*

"""
AGAINST_RATE = ("final test accuracy against the learning rate; below, dashed, held-out accuracy "
                "of the short search runs", "test accuracy, mean over the first {epochs} epochs")
SEARCH_ALONE = "held-out accuracy of the search against the learning rate"
IN_FIRST = "renorm_debias minus BRN in the first epoch"
BARS = ("Bars and bands: 95 % intervals over seeds, from three seeds on. Dotted: the paper's "
        "learning rate.")
PANELS = {1: ("",), 2: ("Left: ", "Right: "), 3: ("Left: ", "Middle: ", "Right: ")}
README = """\
The registered replication ([design](results/medium/DESIGN.md)) has {runs}. {status}\
[results/REPORT.md](results/REPORT.md) is the page to read. In short:
"""
README_BEFORE = """\
The registered replication ([design](results/medium/DESIGN.md)) trains an ALL-CNN of width {width} \
on all of CIFAR-100. {done} of {total} runs are finished, and none of the main comparison, so it \
has no answer yet. [results/REPORT.md](results/REPORT.md) and these lines are written anew as \
runs come in.
"""
NOTHING = ("No main run is finished, because the search of the learning rates comes first. This "
           "page is written anew as runs come in. The earlier, smaller runs cannot answer the "
           "question; the [appendix](APPENDIX.md) says what they show.")


def page(size: Size, results: Results) -> str:
    """REPORT.md."""
    found, unfinished = answers(size, results), status(size, results)
    first = headline(size, results)
    return PAGE.format(
        status=f"**{unfinished}**\n\n" if unfinished else "",
        size=runs_in_words(size, results), headline=f"{first}\n\n" if first else "",
        figure=FIGURE.format(caption=caption_of(size, results)) if drawn(size, results) else "",
        answers="\n".join(f"{i}. {one}" for i, one in enumerate(found, 1)) or NOTHING,
        table=claims_table(size, results))


def drawn(size: Size, results: Results) -> bool:
    """Whether there is anything for the figure to show."""
    return answer_figure(size, results) is not None


def caption_of(size: Size, results: Results) -> str:
    """What the figure shows, panel by panel."""
    whole = any(by_rate(size, results).values())
    shown = [one.format(epochs=size.drops[0]) for one in AGAINST_RATE] if whole else [SEARCH_ALONE]
    shown += [IN_FIRST] if transient(size, results) else []
    panels = zip(PANELS[len(shown)], shown, strict=True)
    return " ".join([*(f"{capital(place + one)}." for place, one in panels), BARS])


def readme_lines(size: Size, results: Results) -> str:
    """README's section: the page in a few lines, wrapped."""
    arms, found = progress(size, results), answers(size, results)
    done, total = (sum(numbers) for numbers in zip(*arms.values(), strict=True))
    if not arms["A"].done:
        parts = [wrapped(README_BEFORE.format(width=size.width, done=done, total=total))]
    else:
        unfinished = "" if done == total else f"{done} of {total} runs are finished. "
        parts = [wrapped(README.format(runs=runs_in_words(size, results), status=unfinished))]
        parts += [wrapped(first)] if (first := headline(size, results)) else []
    parts += ["\n".join(wrapped(f"- {one}", "  ") for one in found[:3])] if found else []
    if drawn(size, results):
        parts.append(wrapped(f"![{caption_of(size, results)}](results/figures/answer.png)"))
    return "\n\n".join(parts)


def wrapped(text: str, indent: str = "") -> str:
    """At most 100 characters a line."""
    return textwrap.fill(text.strip(), 100, subsequent_indent=indent, break_long_words=False,
                         break_on_hyphens=False)


def capital(text: str) -> str:
    """The first letter large."""
    return text[0].upper() + text[1:]


def runs_in_words(size: Size, results: Results) -> str:
    """"42 runs of 15 epochs on all of CIFAR-100, with an ALL-CNN of width 24"."""
    done = sum(one.done for one in progress(size, results).values())
    data = "all of CIFAR-100" if size.subset.data == "cifar100" else "drawn images"
    return (f"{counted(done, 'finished run')} of a narrow network (ALL-CNN of width {size.width} "
            f"instead of 96, up to {size.epochs} epochs instead of 100) on {data}")


# The table

def claims_table(size: Size, results: Results) -> str:
    """Claim, paper, here with interval, verdict."""
    final, speed = by_outcome(size, results, "final"), by_outcome(size, results, "speed")
    reached, done = ratios(size, results), progress(size, results)["A"].complete
    pairs = len(main_runs(size, results)["bn"])
    rows = []
    for other in ("bn", "brn"):
        rows.append([f"renorm_debias ends higher than {title(other)}",
                     {"bn": "66.2 against 65.8 %", "brn": "66.2 against 64.9 %"}[other],
                     *contrast_cells(final[other] if final else None, done, pairs)])
    for other in ("bn", "brn"):
        rows.append([f"renorm_debias is faster than {title(other)}: accuracy over the first "
                     f"{size.drops[0]} epochs",
                     {"bn": "15 against 23 epochs", "brn": "15 against 18 epochs"}[other]
                     + paper_points(speed[other] if speed else None),
                     *contrast_cells(speed[other] if speed else None, done, pairs)])
    for other in ("bn", "brn"):
        rows.append([f"updates to 90 % of BN's accuracy before the drop of the rate, renorm_debias "
                     f"relative to {title(other)}",
                     f"{PAPER_TIME[other]:.2f}", *ratio_cells(reached.get((other, 0.9)), pairs)])
    larger = batch_sizes(size, results)
    for batch, paper in ((10, "+1.4 points"), (128, "+1.2 points")):
        found = larger.get(batch)
        rows.append([f"BN ends higher at batch {batch} than at batch 5", paper,
                     NOT_RUN if found is None else with_interval(found), "–"])
    return markdown(["claim", "paper", "here", "verdict"], rows)


def contrast_cells(contrast: Contrast | None, done: bool, pairs: int) -> list[str]:
    """Difference and verdict of a primary test; done: whether its arm is complete; pairs: seeds
    that all methods have."""
    if contrast is None or contrast.difference is None:
        return [TOO_FEW if pairs else NOT_RUN, "–"]
    remark = REMARKS[contrast.remark]
    return [with_interval(contrast.difference),
            f"**{contrast.verdict}**" + (f"; {remark}" if remark else "")
            + ("" if done else " (not final)")]


def paper_points(contrast: Contrast | None) -> str:
    """The paper's times as points of accuracy here."""
    return "" if contrast is None else f" (as points here: {signed(100 * contrast.paper, 1)})"


def ratio_cells(ratio: Ratio | None, pairs: int) -> list[str]:
    """A secondary ratio; pairs: seeds that all methods have."""
    if ratio is None:
        return [NOT_RUN if pairs == 0 else TOO_FEW if pairs == 1 else
                "the pilots are missing, or not above chance", "–"]
    never = f"{ratio.censored} of {ratio.n} never reached it" if ratio.censored else ""
    return [times(ratio), "; ".join(filter(None, (ratio.remark, never))) or "–"]
