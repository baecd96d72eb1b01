"""The main comparison of the scaled runs, and what is wrong with it: the appendix's first part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from minibn.replication.claims import threshold
from minibn.replication.conditions import BN_5, BRN_5, DEBIAS_5, RATES, Condition, trio
from minibn.replication.findings import Ratio, ratio_to
from minibn.replication.metrics import (
    best,
    epochs_to,
    final,
    final_in,
    first_epoch,
    mean_accuracy,
)
from minibn.replication.numbers import times, with_interval
from minibn.replication.presets import Preset
from minibn.replication.results import Result, Results
from minibn.replication.verdicts import compare, compare_images
from minibn.replication.wording import markdown, shown

CORRECTED = 460                          # updates until α = 0.99's correction is below 1 %
FAULTS = """\
These runs came first. They show the transient of the first updates, and they cannot answer \
whether renorm_debias helps. Their faults:

- **Too short.** The bias correction of the moving averages (α = 0.99) is above 1 % in about the \
first {corrected} updates. That is {share} % of a run of {updates:,} updates here, and 0.05 % of \
the paper's.
- **One learning rate for all.** BN, BRN and renorm_debias share the rate {rate}, which is too \
small for BN.{gains}
- **A noisy threshold.** It is the highest accuracy of one pilot run. {late} % of BN's runs \
cross it only after the drop of the learning rate.
- **Words that say too little.** "Holds" means only that an interval does not contain 0; it says \
nothing of the paper's size. renorm_debias needs {debias_brn} the epochs of BRN to the threshold, \
which excludes the paper's 15/18 = 0.83. BRN needs {brn_bn} the epochs of BN, which agrees with \
the paper's 18/23 = 0.78.
- **Not independent.** {again}"""
GAINS = " At {lr:g} instead, final accuracy changes by {changes} ({n} seeds)."
AGAIN = ("The second round (`scaled-again`) has the same seeds. What differs is the version of the "
         "code, and not the processor, though the files of the two rounds name different ones: on "
         "the first round's processor, runs of either round repeat to the last digit with that "
         "round's version of the code.")


def faults(results: Results, preset: Preset) -> str:
    """What is wrong with the scaled runs, with the numbers that show it."""
    bn, brn, debias = (results.of(condition.key) for condition in (BN_5, BRN_5, DEBIAS_5))
    if len(bn) < 2 or len(brn) < 2 or len(debias) < 2:
        return ""
    at, updates = threshold(results, preset, "all_cnn"), preset.epochs[5] * preset.updates(5)
    late = np.mean([r.crossing(at) > preset.lr_every[5] for r in bn])
    return FAULTS.format(
        corrected=CORRECTED, share=round(100 * CORRECTED / updates), updates=updates,
        rate=f"{bn[0].job.recipe.lr:g}", gains="".join(gains(results, lr) for lr in RATES),
        late=round(100 * late), debias_brn=shown_ratio(ratio(at, debias, brn)),
        brn_bn=shown_ratio(ratio(at, brn, bn)), again=AGAIN)


def gains(results: Results, lr: float) -> str:
    """What each method gains by leaving the shared rate for this one."""
    cells = list(zip(trio("all_cnn", 5, lr=lr), (BN_5, BRN_5, DEBIAS_5), strict=True))
    found = [(shared.method, compare(results, here.key, shared.key, final))
             for here, shared in cells]
    known = [(method, one) for method, one in found if one is not None]
    if len(known) < len(found):
        return ""
    return GAINS.format(lr=lr, n=known[0][1].estimate.n, changes=", ".join(
        f"{with_interval(one)} for {method}" for method, one in known))


def ratio(at: float, first: list[Result], second: list[Result]) -> Ratio | None:
    """Ratio of times over the seeds that both have."""
    shared = {r.seed for r in first} & {r.seed for r in second}
    return ratio_to(at, *([r for r in one if r.seed in shared] for one in (first, second)))


def shown_ratio(found: Ratio | None) -> str:
    """"0.98 times (0.88 to 1.09)"."""
    return "unknown" if found is None else times(found)


def comparison(results: Results, preset: Preset) -> str:
    """renorm_debias against BN and BRN at batch 5, in every measure and at every rate."""
    at = threshold(results, preset, "all_cnn")
    rows = [("final accuracy", final, "points"),
            ("final accuracy, both tested by moving averages", final_in("moving"), "points"),
            ("best accuracy of any epoch", best, "points"),
            ("accuracy, mean over all epochs", mean_accuracy, "points"),
            ("accuracy after the first epoch", first_epoch, "points"),
            (f"epochs to {at:.0%} (minus: sooner)", epochs_to(at), "epochs")]
    table = [[what, *(shown(compare(results, DEBIAS_5.key, other, metric), unit)
                      for other in (BN_5.key, BRN_5.key))] for what, metric, unit in rows]
    table.append(["final accuracy, allowing for other test images", *(
        shown(compare_images(results, DEBIAS_5.key, other), "points")
        for other in (BN_5.key, BRN_5.key))])
    later = results.after(preset.first_round)
    if preset.first_round and later.pairs(DEBIAS_5.key, BN_5.key):
        table.append([f"final accuracy, seeds from {preset.first_round + 1} on", *(
            shown(compare(later, DEBIAS_5.key, other, final), "points")
            for other in (BN_5.key, BRN_5.key))])
    for lr in RATES:
        if results.of(at_rate(DEBIAS_5, lr)):
            table += [[f"{what}, all at rate {lr:g}", *(
                shown(compare(results, at_rate(DEBIAS_5, lr), at_rate(other, lr), metric), unit)
                for other in (BN_5, BRN_5))] for what, metric, unit in (rows[0], rows[3])]
    return ("renorm_debias minus the other method, paired by seed: mean ± half its 95 % interval. "
            "In brackets: the number of pairs above 0, and the smallest true difference that this "
            "many seeds would show in 80 % of replications.\n\n"
            + markdown(["ALL-CNN, batch 5", "− BN", "− BRN"], table))


def at_rate(condition: Condition, lr: float) -> str:
    """The key of the same condition at a given rate."""
    return replace(condition, lr=lr).key
