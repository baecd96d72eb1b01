"""The report's side questions: what the paper leaves open, each a list of paired differences."""

from __future__ import annotations

from minibn.replication.conditions import (
    BN_5,
    BN_SHORT,
    BRN_5,
    BRN_NO_CLIP,
    BRN_RAMP,
    BRN_SHORT,
    DEBIAS_5,
    DEBIAS_NO_CLIP,
    DEBIAS_SHORT,
    Condition,
    trio,
)
from minibn.replication.metrics import (
    Metric,
    final,
    final_in,
    first_epoch,
    mean_accuracy,
)
from minibn.replication.presets import Preset
from minibn.replication.results import Results
from minibn.replication.statistics import estimate, paired_difference
from minibn.replication.verdicts import Part, compare, decide
from minibn.replication.wording import markdown, plus_minus, scaled, shown


def open_questions(results: Results, preset: Preset) -> str:
    """Side questions: each a list of paired differences."""
    def row(what: str, first: Condition, second: Condition, metric: Metric = final,
            unit: str = "points") -> list[str]:
        return [what, shown(compare(results, first.key, second.key, metric), unit)]

    def modes(condition: Condition) -> list[str]:
        found = results.of(condition.key)
        if len(found) < 2:
            return [f"{condition.method}: mode batch − mode moving", "–"]
        values = [r.final("batch") - r.final("moving") for r in found]
        mean = estimate(values)
        return [f"{condition.method}: test mode batch − test mode moving",
                f"{plus_minus(scaled(mean), 2)} points"]

    change = [
        row("zero start with correction instead of (0, 1), both tested by moving averages",
            DEBIAS_5, BRN_5, final_in("moving")),
        row("the same, accuracy after the first epoch", DEBIAS_5, BRN_5, first_epoch),
        modes(DEBIAS_5), modes(BRN_5),
        row("BRN: no clip − constant clip", BRN_NO_CLIP, BRN_5),
        row("BRN: Ioffe's ramp − constant clip", BRN_RAMP, BRN_5),
        row("renorm_debias: no clip − constant clip", DEBIAS_NO_CLIP, DEBIAS_5),
        row("BRN without clip − renorm_debias without clip", BRN_NO_CLIP, DEBIAS_NO_CLIP,
            final_in("moving")),
    ]
    averages = [[what, *(shown(compare(results, first.key, second.key, metric), "points")
                         for metric in (first_epoch, mean_accuracy, final))]
                for what, first, second in (
                    ("BN: α = 0.9 − α = 0.99", BN_SHORT, BN_5),
                    ("renorm_debias: α = 0.9 − α = 0.99", DEBIAS_SHORT, DEBIAS_5),
                    ("renorm_debias − BN, both α = 0.99", DEBIAS_5, BN_5),
                    ("renorm_debias − BN, both α = 0.9", DEBIAS_SHORT, BN_SHORT),
                    ("renorm_debias − BRN, both α = 0.9", DEBIAS_SHORT, BRN_SHORT))]
    order = []
    for batch in (5, 2, 1):
        bn, brn, debias = trio("all_cnn", batch)
        order.append([str(batch), *(shown(compare(results, a.key, b.key, final), "points")
                                    for a, b in ((brn, bn), (debias, bn), (debias, brn)))])
    together = []
    for conditions in (trio("all_cnn", 5), trio("all_cnn", 5, accumulate=10)):
        bn, brn, debias = conditions
        together.append([str(bn.images_per_update), *(
            shown(compare(results, a.key, b.key, final), "points")
            for a, b in ((brn, bn), (debias, bn)))])
    beside = []
    for batch in (5, 1):
        for norm in ("ln", "gn", "wn"):
            condition, bn = Condition("all_cnn", norm, batch), Condition("all_cnn", "bn", batch)
            beside.append([f"{condition.method} − BN", str(batch), *(
                shown(compare(results, condition.key, bn.key, metric), "points")
                for metric in (final, first_epoch))])
    elu = []
    for relu, other in zip(trio("all_cnn", 5),
                           trio("all_cnn", 5, variant="elu", activation="elu"), strict=True):
        elu.append([relu.method, shown(compare(results, other.key, relu.key, final), "points")])
    return "\n\n".join([
        "![Differences of final accuracy](figures/differences.png)",
        "### Which change does what?", markdown(["change", "final accuracy"], change),
        "### How much of it is BN's stale average?",
        "BN is tested with averages that start at mean 0 and variance 1. After the first epoch of "
        f"{preset.updates(5)} batches, {0.99 ** preset.updates(5):.0%} of these initial values are "
        "left in them; with α = 0.9 nothing is. If renorm_debias gains on BN with α = 0.99 and not "
        "with α = 0.9, the likely cause is that BN is tested with averages that are too old. In "
        "the paper, whose epochs have 10,000 batches, they are not. " + cured(results),
        markdown(["difference", "after the first epoch", "mean over all epochs", "final"],
                 averages),
        "### Does the order of the methods change? ALL-CNN at batch 5, 2 and 1",
        "Each method has the rate of its search; at batch 2 and 1 these rates may differ (see the "
        "table of the search). Where BN's runs are stuck, differences from BN show that alone.",
        markdown(["batch", "BRN − BN", "renorm_debias − BN", "renorm_debias − BRN"], order),
        "### Does BRN suffer from small updates?",
        "One update on ten batches of 5, each normalized separately, against one update on one "
        "batch.",
        markdown(["images in an update", "BRN − BN", "renorm_debias − BN"], together),
        "### Normalizations that do not look at the batch",
        markdown(["difference", "batch", "final accuracy", "after the first epoch"], beside),
        "### ELU − ReLU, batch 5", markdown(["method", "final accuracy"], elu)])


def cured(results: Results) -> str:
    """How much of renorm_debias's gain on BN goes when α is 0.9, paired by seed."""
    changes = []
    for what, metric in (("the mean over all epochs", mean_accuracy), ("final accuracy", final)):
        gains = [{d.seed: metric(d) - metric(b) for d, b in results.pairs(debias, bn)}
                 for debias, bn in ((DEBIAS_5.key, BN_5.key), (DEBIAS_SHORT.key, BN_SHORT.key))]
        seeds = sorted(set(gains[0]) & set(gains[1]))
        if len(seeds) > 1:
            change = paired_difference([gains[0][s] for s in seeds], [gains[1][s] for s in seeds])
            changes.append(f"{shown(change, 'points')} in {what} (above 0: {decide(change)})")
    return f"With α = 0.9 the gain is smaller by {'; '.join(changes)}." if changes else ""


def open_parts(results: Results) -> list[tuple[str, Part]]:
    """The differences of final accuracy that the overview figure draws."""
    rows = []
    for batch, network in ((5, "all_cnn"), (2, "all_cnn"), (1, "all_cnn"), (5, "nin"), (1, "nin")):
        bn, brn, debias = trio(network, batch)
        for first, second in ((brn, bn), (debias, bn), (debias, brn)):
            rows.append((f"{network}, batch {batch}: {first.method} − {second.method}",
                         first, second))
    bn, brn, debias = trio("all_cnn", 5, accumulate=10)
    rows += [("ten batches an update: BRN − BN", brn, bn),
             ("ten batches an update: renorm_debias − BN", debias, bn),
             ("BRN: no clip − clip", BRN_NO_CLIP, BRN_5), ("BRN: ramp − clip", BRN_RAMP, BRN_5)]
    rows += [(f"batch {batch}: {Condition('all_cnn', norm, batch).method} − BN",
              Condition("all_cnn", norm, batch), Condition("all_cnn", "bn", batch))
             for batch in (5, 1) for norm in ("ln", "gn", "wn")]
    parts = []
    for label, first, second in rows:
        found = compare(results, first.key, second.key, final)
        if found is not None:
            parts.append((label, Part(label, "points", found, decide(found))))
    return parts
