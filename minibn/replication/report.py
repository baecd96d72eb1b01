"""The replication's report: tables, verdicts and their reasons, as Markdown, from the results.

Every number in it comes from a result file; `python -m minibn report` writes it anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from minibn.replication.ablations import open_questions
from minibn.replication.again import again
from minibn.replication.claims import judge, threshold
from minibn.replication.comparison import comparison, faults
from minibn.replication.conditions import (
    EXPERIMENTS,
    Condition,
)
from minibn.replication.metrics import epochs_to
from minibn.replication.presets import Preset, conditions_of
from minibn.replication.results import Results
from minibn.replication.search import choose_rates, conditions_to_search, searched
from minibn.replication.statistics import estimate
from minibn.replication.verdicts import Judged
from minibn.replication.wording import (
    batch_name,
    clipped,
    literal,
    markdown,
    names,
    number,
    percent,
    plus_minus,
    shown,
)

# The experiments that are drawn, in the report's order; the tables repeat the figures' conditions.
DRAWN = ("fig1", "fig2", "fig3", "fig4", "fig5", "fig6", "clip", "decay", "accumulate", "small",
         "others", "elu", "rates")
SAME_AS = {"fig1": "Table 2 and ", "fig2": "Table 3 and ", "fig3": "Table 4 and "}
INSIDE = """\
Top rows: mean and variance over images and places of each channel; lines are the median channel,
bands the middle 90 % of the channels, both averaged over seeds.  Bottom: r and d at norm5, and the
share of channels in which r or d meets its bound, over all layers.  A probe passes 50 fixed
training images through the network in training mode, at powers of two of the updates and after
every epoch.  The paper shows the ReLU's output alone; the columns beside it show what reaches it:
what conv5 gives, and that normalized, which in BN has mean β and variance γ² whatever conv5
gives."""
REMARKS = {
    "fig5": "A batch of one normalizes every channel of an image by that image alone, after the "
            "last convolution as well.  The global average pool then sees maps whose mean BN has "
            "set to β, the same for every image, so only their shape can still tell classes "
            "apart.  r and d give BRN and renorm_debias the image's own mean back.  (Runs that are "
            "stuck do not show this effect.)",
}


def report(results: Results, preset: Preset, paper_cost: str = "",
           second: Results | None = None) -> str:
    """The whole page.

    paper_cost: what `replicate --preset paper --estimate` printed; second: the results of doing
    everything once more.
    """
    judged = judge(results, preset)
    parts = [
        f"# Appendix: the {preset.name} runs" if preset.name == "scaled" else
        f"# The replication, preset {preset.name}",
        faults(results, preset) if preset.name == "scaled" else "",
        "## What was run", opening(results, preset),
        "## renorm_debias against BN and BRN", comparison(results, preset),
        "## The paper's claims", claims_table(judged),
        "## Figures and tables", *experiment_sections(results, preset),
        "## What the paper leaves open", open_questions(results, preset),
        "## Learning rates", search_section(results, preset),
        *(["## The whole once more", again(results, second, preset)] if second else []),
        "## Limits", limits(results, preset),
        *(["## What the paper's own sizes would cost",
           "```\n" + paper_cost.strip().replace("`", "'") + "\n```"]
          if paper_cost.strip() else []),
        "## Provenance", provenance(results),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


# The sections

def opening(results: Results, preset: Preset) -> str:
    """What was done, in a paragraph."""
    runs = [r for r in results if r.job.kind == "run"]
    trouble = [r for r in runs if r.status == "diverged" or r.stuck]
    subset = preset.subset
    data = ("drawn images" if subset.data == "synthetic" else
            f"CIFAR-100, {subset.classes or 100} classes, {subset.train or 50_000:,} training and "
            f"{subset.test or 10_000:,} test images")
    widths = ", ".join(f"{name} {width}" for name, width in preset.width.items())
    epochs = ", ".join(f"{epochs} at batch {batch}" for batch, epochs in preset.epochs.items())
    missing = [f"{condition.key} ({len(results.of(condition.key))} of {wanted} seeds)"
               for condition, wanted in wanted_seeds(preset)
               if len(results.of(condition.key)) < wanted]
    lines = [
        f"Preset `{preset.name}`: {data}; width of the first convolution: {widths} (the paper: 96 "
        f"and 192); epochs: {epochs} (the paper: 100); one drop of the learning rate by 10 after "
        f"about three quarters. {len(runs)} runs, and {len(results) - len(runs)} more to choose "
        f"learning rates and the threshold; together {sum(r.seconds for r in results) / 3600:.1f} "
        "hours of computing time.",
        f"Diverged, or stuck (last training loss within 2 % of ln(classes)): "
        f"{names(trouble) if trouble else 'none'}. Such runs are counted, never dropped.",
        "± is a 95 % interval over seeds (Student's t). Accuracies are those after the last epoch, "
        "in the method's own test mode (BN, BRN: moving averages; renorm_debias: Algorithm 1 on "
        "test batches of the training's size), in % of the test images. Two methods are compared "
        "seed by seed: equal initial weights, equal images in equal order.",
        'Columns of the tables: "rate" is the learning rate. "Other mode" is the final accuracy '
        "in the other test mode (BRN: Algorithm 1's, renorm_debias: moving averages). \"Clipped\" "
        "is the share of channels in which r or d met its bound, mean over the epochs (in "
        "training, of every 20th update). In \"epochs to threshold\", a run that never reaches the "
        "threshold counts with one epoch more than it had. In the figures, bands are 95 % "
        "intervals over seeds.",
    ]
    for network in preset.width:
        at = threshold(results, preset, network)
        if at < 1:
            lines.append(
                f"The threshold of {network} is {at:.0%}, "
                + ("the paper's." if network in preset.threshold else
                   "the best test accuracy of a pilot run (BN, batch 5, a seed of its own) in the "
                   "first 23/26 of its epochs before the drop of the rate, rounded down. (In the "
                   "paper BN reaches 60 % at epoch 23 of 26.) The time to it is interpolated "
                   "between the tests, from chance at epoch 0."))
    if missing:
        lines.append(f"Not (fully) run: {'; '.join(missing)}.")
    return "\n\n".join(lines)


def claims_table(judged: Iterable[Judged]) -> str:
    """Claim, what was measured, verdict."""
    rows = [[one.claim, one.where,
             "<br>".join(f"{part.what}: {shown(part.difference, part.unit)}"
                         + (f" → {part.verdict}" if len(one.parts) > 1 else "")
                         for part in one.parts) + (f"<br>{one.note}" if one.note else ""),
             f"**{one.verdict}**"] for one in judged]
    return ("Differences are signed so that the claim expects them above 0 (except for equality, "
            "where it expects them within ± 1 point). In brackets: pairs above 0, and the smallest "
            "true difference that this many seeds would show in 80 % of replications.\n\n"
            + markdown(["claim", "in the paper", "measured", "verdict"], rows))


def experiment_sections(results: Results, preset: Preset) -> list[str]:
    """A table and a figure for each experiment with results."""
    sections = []
    for name in DRAWN:
        experiment = EXPERIMENTS[name]
        conditions = [condition for condition in experiment.conditions if results.of(condition.key)]
        if not conditions:
            continue
        table = (INSIDE if name == "fig6" else
                 conditions_table(results, preset, conditions, name) + "\n\n"
                 + REMARKS.get(name, ""))
        runs = [r for condition in conditions for r in results.of(condition.key)]
        if all(r.stuck or r.status == "diverged" for r in runs):
            picture = "No run learned anything, so there is no figure."
        else:
            picture = f"![{experiment.title}](figures/{name}.png)"
        sections.append(f"### {SAME_AS.get(name, '')}{experiment.title}\n\n{table.strip()}\n\n"
                        f"{picture}")
    return sections


def conditions_table(results: Results, preset: Preset, conditions: Sequence[Condition],
                     name: str) -> str:
    """One line for each condition: final accuracy in both modes, epochs, the paper's numbers."""
    experiment = EXPERIMENTS[name]
    rows = []
    for condition in conditions:
        found = results.of(condition.key)
        at = threshold(results, preset, condition.network)
        other = next((m for m in found[0].history.test_accuracy if m != found[0].mode), None)
        reached = sum(np.isfinite(r.crossing(at)) for r in found)
        rows.append([
            f"{condition.method}{', ELU' if condition.activation == 'elu' else ''}",
            batch_name(condition),
            f"{found[0].job.recipe.lr:g}", str(len(found)),
            percent(estimate([r.final() for r in found])),
            percent(estimate([r.final(other) for r in found])) if other else "",
            clipped(found),
            number(experiment.paper.get(condition.key)),
            "" if at == 1 else (
                plus_minus(estimate([epochs_to(at)(r) for r in found]), 1) if reached else
                f"> {found[0].job.recipe.epochs}") + f" ({reached} of {len(found)})",
            number(experiment.paper_epochs.get(condition.key))])
    head = ["method", "batch", "rate", "seeds", "final %", "other mode %", "clipped, train/test %",
            "paper %", "epochs to threshold (reached)", "paper's epochs to 60 %"]
    keep = [i for i in range(len(head)) if i < 5 or any(row[i] for row in rows)]
    return markdown([head[i] for i in keep], [[row[i] for i in keep] for row in rows])


def search_section(results: Results, preset: Preset) -> str:
    """Held-out accuracy of every rate that was tried."""
    rows = []
    for condition in conditions_to_search(conditions_of(EXPERIMENTS)):
        found = searched(results, condition.key)
        try:
            chosen = choose_rates(preset, [condition], results)[condition.key]
        except ValueError:                       # its search has not been run to the end
            chosen = None
        if found:
            rows.append([condition.key, ", ".join(
                f"{'**' if lr == chosen else ''}{lr:g}: {100 * accuracy:.1f}"
                f"{'**' if lr == chosen else ''}" for lr, accuracy in sorted(found.items())),
                "" if chosen is None or chosen not in (max(found), min(found)) else
                "at the end of its range"])
    if not rows:
        return "No search: every run has the paper's rate, 0.1."
    return (
        f"Held-out accuracy (%, {preset.validation} training images that no run trains on, mean of "
        "the last two of "
        f"{preset.search_epochs[5]} epochs at batch 5), one run for each rate, with a seed of its "
        "own; chosen rates in bold. At equal settings all methods choose among the same rates"
        + beyond_the_grid(results, preset) + ". BN, BRN and renorm_debias share the rate with the "
        "best mean over the three, and LayerNorm, GroupNorm and WeightNorm take it, too. A method "
        "has another rate only if it is better there by more than a standard error of a "
        "difference. The reason for sharing: so short a search on so few images often does not "
        "separate two rates, and rates that differ by chance would spoil the comparison. The "
        "price: the shared rate may suit one method less. "
        "Variants of the clip have the rate of the method that they vary.\n\n"
        + markdown(["condition", "rate: held-out accuracy", "the chosen one is"], rows)
        + "\n\n![Held-out accuracy against the learning rate](figures/search.png)")


def beyond_the_grid(results: Results, preset: Preset) -> str:
    """Which conditions were also tried at rates that are not in the choice."""
    also = {}
    for condition in conditions_to_search(conditions_of(EXPERIMENTS)):
        others = sorted(set(searched(results, condition.key)) - set(preset.grid(condition)))
        if others:
            also[condition.key] = ", ".join(f"{lr:g}" for lr in others)
    if not also:
        return ""
    return (" (" + "; ".join(f"{one} was tried at {rates}, too" for one, rates in also.items())
            + "; these rates could not be chosen)")


def limits(results: Results, preset: Preset) -> str:
    """How far the verdicts reach, and what was settled when."""
    batches = preset.epochs[5] * preset.updates(5)
    share = 460 / batches
    return "\n".join([
        f"- A run at batch 5 has {batches:,} batches here, and 1,000,000 in the paper. The bias "
        f"correction of α = 0.99 falls below 1 % after about 460 batches: {share:.0%} of a run "
        "here, 0.05 % of one in the paper. The scaled preset therefore gives the zero start far "
        "more room to matter than the paper's own sizes do.",
        "- Narrow networks, few images, few epochs and a single drop of the rate: accuracy still "
        "rises at the end and is far below the paper's, so a difference in final accuracy may be "
        "one of speed.",
        "- Batch 128 makes so few updates of so few images that it is trained three times as many "
        "epochs, with α = 0.9 instead of 0.99; so its comparison with batch 10 is not one of the "
        "batch size alone.",
        "- Intervals over seeds hold for these training images. The main comparison is also made "
        "with an interval that allows for other test images.",
        "- Learning rates come from one short run each; where the best one lies at the end of its "
        "range (see the table), a better one may lie outside.",
        "- Decided before any replication was run: sizes, threshold, the rule of the verdicts. "
        "Decided after the search at batch 5 had been seen, but before any replication: that "
        "compared methods share a rate, and the ranges of the rates. Decided after the first "
        "replications had been seen: the control with α = 0.9, and that batch 128 is shown and not "
        "judged.",
        *([f"- Seeds were added after the results of a first round had been seen. In that round "
           f"Table 4 had {preset.first_round} seeds, Figures 1 and 4 had 5 and the others 3, and "
           "the main question was inconclusive. With the new seeds came one rule: a claim about "
           "the cause of an effect that was not found is inconclusive. Nothing else was changed. "
           "The new seeds alone have a row in the first table."]
          if preset.first_round else []),
        "- The training losses of BN and of the renormalized methods are not comparable: BN's uses "
        "the statistics of the batch, the others' moving averages.",
    ])


def provenance(results: Results) -> str:
    """Versions, commits, machines."""
    def seen(key: str) -> str:
        return ", ".join(f"{literal(value)} ({count})" for value, count in
                         Counter(str(r.made.get(key)) for r in results).most_common())

    lines = [f"- {title}: {seen(key)}" for key, title in (
        ("commit", "commits of the code (number of runs)"), ("minibn", "minibn"),
        ("numpy", "NumPy"), ("python", "Python"), ("processor", "processor"),
        ("blas_threads", "BLAS threads"))]
    return "\n".join([*lines, "",
                      "`python -m minibn replicate --from FILE --check` does a run again and "
                      "compares every number."])


def wanted_seeds(preset: Preset) -> list[tuple[Condition, int]]:
    """Each condition with the number of seeds that the preset gives it."""
    wanted: dict[Condition, int] = {}
    for name, experiment in EXPERIMENTS.items():
        for condition in experiment.conditions:
            wanted[condition] = max(wanted.get(condition, 0), preset.seeds_for(name))
    return list(wanted.items())
