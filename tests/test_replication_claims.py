"""Verdicts: planted truths are found, noise is not taken for one, troubles are counted."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from pretend_results import SCALED, pretend_results

from minibn.__main__ import main
from minibn.replication.claims import judge, threshold
from minibn.replication.conditions import BN_5, BN_10, DEBIAS_5, EXPERIMENTS, trio
from minibn.replication.figures import report_figures
from minibn.replication.metrics import epochs_to, final, roughness
from minibn.replication.report import report
from minibn.replication.results import Results, write_result
from minibn.replication.statistics import Difference, Estimate
from minibn.replication.verdicts import (
    FAILS,
    HOLDS,
    OPEN,
    TOO_FEW,
    compare,
    compare_images,
    decide,
    decide_equal,
)
from minibn.replication.wording import shown
from minibn.training.history import History


def verdicts(results):
    return {one.key: one.verdict for one in judge(results, SCALED)}


def planted(values):
    """Final accuracies by norm; others 0.5."""
    return pretend_results(lambda condition: values.get(condition.norm, 0.5), search=False)


def test_a_planted_advantage_is_found_and_a_planted_disadvantage_too():
    better = verdicts(planted({"renorm_debias": 0.7}))
    worse = verdicts(planted({"renorm_debias": 0.3}))
    for key in ("final", "speed", "nin_loss", "batch_1"):
        assert (better[key], worse[key]) == (HOLDS, FAILS)
    assert better["nin_final"] == worse["nin_final"] == FAILS


def test_where_nothing_differs_little_is_claimed():
    found = verdicts(planted({}))
    told = [key for key, verdict in found.items() if verdict != OPEN and key != "nin_final"]
    assert len(told) <= 2, told


def test_smaller_batches_and_brn_are_judged_by_their_own_conditions():
    def by_batch(condition):
        return {128: 0.7, 10: 0.6, 5: 0.5}.get(condition.batch_size, 0.5)

    found = verdicts(pretend_results(by_batch, search=False))
    assert found["small_worse"] == HOLDS
    found = verdicts(planted({"brn": 0.4}))
    assert found["brn_early_late"] == FAILS          # lower late, but not faster


def test_accumulation_explains_a_deficit_that_it_takes_away():
    def gone(condition):
        return 0.4 if condition.norm == "brn" and condition.accumulate == 1 else 0.6

    def stays(condition):
        return 0.4 if condition.norm == "brn" else 0.6

    assert verdicts(pretend_results(gone, search=False))["accumulation"] == HOLDS
    def never(condition):
        return 0.6 if condition.norm == "brn" else 0.4

    assert verdicts(pretend_results(stays, search=False))["accumulation"] == OPEN
    assert verdicts(pretend_results(never, search=False))["accumulation"] == OPEN


@pytest.mark.parametrize(("low", "high", "verdict", "equal"), [
    (0.002, 0.008, HOLDS, HOLDS), (-0.008, -0.002, FAILS, HOLDS), (-0.005, 0.005, OPEN, HOLDS),
    (-0.005, 0.05, OPEN, OPEN), (0.02, 0.05, HOLDS, FAILS), (-0.05, -0.02, FAILS, FAILS)])
def test_the_rule(low, high, verdict, equal):
    difference = Difference(Estimate((low + high) / 2, (high - low) / 2, 5), 3, 0.01)
    assert decide(difference) == verdict
    assert decide_equal(difference, 0.01) == equal
    three, few = (difference._replace(estimate=difference.estimate._replace(n=n)) for n in (3, 2))
    assert (decide(three), decide_equal(three, 0.01)) == (verdict, equal)
    assert decide(few) == decide_equal(few, 0.01) == decide(None) == OPEN
    for mean in (0.5, -0.5):                           # an end on the margin is on neither side
        touching = Difference(Estimate(mean, 0.25, 5), 3, 0.01)
        assert decide_equal(touching, 0.25) == OPEN


def test_a_threshold_is_above_chance():
    results = pretend_results(search=False)
    results.of(BN_5.key, "pilot")[0].history.test_accuracy["moving"][:] = [0.1] * 8
    assert threshold(results, SCALED, "all_cnn") == pytest.approx(0.12)
    stuck = replace(results.of(BN_5.key)[0], history=History.from_dict({
        **results.of(BN_5.key)[0].history.as_dict(), "test_accuracy": {"moving": [0.1] * 8}}))
    assert epochs_to(0.12)(stuck) == 9


def test_a_diverged_run_is_in_the_interval_over_images_at_chance():
    results = pretend_results(search=False)
    whole = compare_images(results, DEBIAS_5.key, BN_5.key).estimate
    lost = replace(results.of(DEBIAS_5.key)[0], status="diverged", right="")
    found = Results([r for r in results if r.job.name != lost.job.name] + [lost])
    with_it = compare_images(found, DEBIAS_5.key, BN_5.key).estimate
    assert with_it.n == whole.n == 30
    assert with_it.mean == pytest.approx(
        whole.mean - (results.of(DEBIAS_5.key)[0].final() - 0.1) / 30, abs=1e-4)


def test_on_all_test_images_a_diverged_run_counts_at_chance_on_all(rng):
    def run(status):
        return SimpleNamespace(status=status, chance=0.01, right_on_images=lambda: right,
                               job=SimpleNamespace(subset=SimpleNamespace(test=None)))

    right = rng.random(10_000) < 0.5
    two = [(run("diverged"), run("done"))] * 2
    found = compare_images(SimpleNamespace(pairs=lambda first, second: two), "a", "b")
    assert found.estimate.mean == pytest.approx(0.01 - right.mean()) and found.estimate.n == 2
    assert compare_images(SimpleNamespace(pairs=lambda *names: two[:1]), "a", "b") is None


def test_what_was_not_run_is_not_judged():
    assert set(verdicts(Results([])).values()) == {TOO_FEW}
    some = verdicts(pretend_results(names=("table4",), search=False))
    assert some["nin_speed"] == some["batch_1"] == TOO_FEW
    assert TOO_FEW not in (some["speed"], some["final"])
    assert threshold(Results([]), SCALED, "all_cnn") == 1


def test_the_threshold_is_the_pilots_at_23_26_of_its_first_stage():
    results = pretend_results(search=False)
    pilot = results.of(BN_5.key, "pilot")[0]
    pilot.history.test_accuracy["moving"][:] = [0.2, 0.3, 0.4567, 0.44, 0.45, 0.6, 0.7, 0.8]
    assert threshold(results, SCALED, "all_cnn") == 0.45
    assert pilot.seed not in {r.seed for r in results if r.job.kind == "run"}


def test_runs_in_trouble_are_counted_at_chance_and_named():
    results = pretend_results(search=False)
    bn = results.of(BN_5.key)
    lost = replace(bn[0], status="diverged", right="")
    del lost.history.test_accuracy["moving"][3:], lost.history.train_loss[3:]
    stuck = bn[1]
    stuck.history.train_loss[-1] = float(np.log(10))
    found = Results([r for r in results if r.job.name != lost.job.name] + [lost])
    assert lost.final() == 0.1 and epochs_to(0.9)(lost) == 9 and lost.crossing(0.9) == np.inf
    assert len(found.pairs(BN_5.key, DEBIAS_5.key)) == len(bn)
    text = report(found, SCALED)
    assert "all_cnn-bn-b5 (diverged × 1)" in text and "all_cnn-bn-b5 (stuck × 1)" in text
    judge(found, SCALED)


@pytest.mark.parametrize("key", [BN_5.key, DEBIAS_5.key])
def test_a_run_that_diverged_in_its_first_epoch(key):
    """It has no activations and no clipped share: they are judged and reported of the others."""
    results = pretend_results(search=False)
    lost = replace(results.of(key)[0], status="diverged", right="",
                   history=History(test_accuracy={"moving": []}), probes=[])
    found = Results([r for r in results if r.job.name != lost.job.name] + [lost])
    activations = next(one for one in judge(found, SCALED) if one.key == "activations")
    pairs = len(found.pairs(BN_5.key, DEBIAS_5.key))
    assert [part.difference.estimate.n for part in activations.parts] == [pairs - 1, pairs - 1]
    assert "nan" not in report(found, SCALED).replace("Provenance", "")


def test_what_beats_its_interval_by_little_is_shown_to_do_so():
    close = Difference(Estimate(0.0473, 0.0467, 10), 8, 0.0649)
    assert shown(close, "nats") == "+0.0473 ± 0.0467 nats (8/10; 0.0649)"
    assert shown(close, "points") == "+4.73 ± 4.67 points (8/10; 6.49)"
    assert shown(Difference(Estimate(-0.02, 0.02, 5), 1, 0.03), "epochs").startswith("−0.020 ±")


def test_the_appendix_names_the_faults_with_their_numbers():
    """BN is planted to gain 5 points at rate 0.01, the others nothing."""
    def ends(condition):
        if (condition.norm, condition.lr) == ("bn", 0.01):
            return 0.55
        return 0.52 if condition.norm != "bn" else 0.5

    results = pretend_results(ends)
    text = report(results, SCALED)
    assert "first 460 updates. That is 29 % of a run of 1,600 updates" in " ".join(text.split())
    gain = float(text.split("At 0.01 instead, final accuracy changes by +")[1].split()[0])
    assert gain == pytest.approx(5, abs=1)
    assert text.count("At the rate that all three share") == 2
    late = np.mean([r.crossing(threshold(results, SCALED, "all_cnn")) > 6
                    for r in results.of(BN_5.key)])
    assert f"{100 * late:.0f} % of BN's runs cross it only after the drop" in text
    assert "Their faults" not in report(Results([]), SCALED)


def test_a_claim_whose_runs_are_all_stuck_says_that_nothing_was_tested():
    results = pretend_results(search=False)
    remark = "None of these runs learned anything"
    assert remark not in report(results, SCALED)
    for condition in ("nin-bn-b1", "nin-renorm_debias-b1"):
        for result in results.of(condition):
            result.history.train_loss[-1] = float(np.log(10))
    one = next(one for one in judge(results, SCALED) if one.key == "batch_1")
    assert one.note.startswith(remark) and remark in report(results, SCALED)


def test_runs_at_chance_have_no_figure():
    results = pretend_results(search=False)
    assert "fig5" in report_figures(results, SCALED)
    for result in results:
        if result.job.condition in {c.key for c in EXPERIMENTS["fig5"].conditions}:
            result.history.train_loss[-1] = float(np.log(10))
    drawn = report_figures(results, SCALED)
    assert "fig5" not in drawn and "No run learned anything" in report(results, SCALED)
    assert [axes.get_ylabel() for axes in drawn["fig3"].axes] == [
        "test accuracy", "accuracy minus BN's, paired (points)", "training loss (nats)"]


def test_a_threshold_that_nobody_reached_is_no_mean():
    results = pretend_results(lambda one: 0.15 if one.network == "nin" else 0.5, search=False)
    results.of("nin-bn-b5", "pilot")[0].history.test_accuracy["moving"][:] = [0.9] * 8
    assert "| > 8 (0 of 10) |" in report(results, SCALED)


def test_the_whole_once_more_shows_which_verdicts_stay(tmp_path, capsys):
    """renorm_debias is planted 4 points above BN at first, and 4 below when all is done again."""
    first = planted({"renorm_debias": 0.54})
    then = planted({"renorm_debias": 0.46})
    text = report(first, SCALED, second=then)
    section = text.split("## The whole once more")[1].split("\n## ")[0]
    claim = "At batch 5 renorm_debias ends slightly higher than BN."
    assert f"| **{claim}** | **holds** | **does not hold** |" in section
    changed = section.split("These changed: ")[1].split("\n")[0]
    assert claim in changed and "Smaller batches end lower" not in changed
    assert "The search chose the same learning rates." in section
    bn, _, debias = (condition.key for condition in trio("all_cnn", 5, lr=0.03))
    row = [shown(compare(found, debias, bn, final), "points") for found in (first, then)]
    assert f"| final accuracy, both at rate 0.03 | {row[0]} | {row[1]} |" in section
    assert "The whole once more" not in report(first, SCALED)
    for job in list(then):
        if job.job.condition == BN_10.key and job.job.kind == "run":
            write_result(tmp_path / "a-again", replace(job, job=replace(
                job.job, recipe=replace(job.job.recipe, lr=0.77))))
        write_result(tmp_path / "a", job)
    words = ["report", "--preset", "scaled", "--results", str(tmp_path / "a"), "--out",
             str(tmp_path / "out")]
    assert main(words) == 0
    written = (tmp_path / "out" / "REPORT.md").read_text(encoding="utf-8")
    rate = then.of(BN_10.key)[0].job.recipe.lr
    assert f"other learning rates for some: all_cnn-bn-b10 {rate:g}, then 0.77." in written
    assert main([*words, "--again", str(tmp_path / "none")]) == 2
    assert "no results in" in capsys.readouterr().err


def test_how_far_a_run_and_its_repetition_lie_apart():
    """Every final accuracy is moved by 3 points: within a seed 3.0, between seeds as it was."""
    first = pretend_results(search=False)
    then = Results([replace(r, history=replace(r.history, test_accuracy={
        mode: [a + 0.03 for a in curve] for mode, curve in r.history.test_accuracy.items()}))
        for r in first])
    text = report(first, SCALED, second=then)
    assert "differ in final accuracy by 3.0 points" in text
    spreads = [np.var([r.final() for r in first.of(condition)], ddof=1)
               for condition in sorted({r.job.condition for r in first if r.job.kind == "run"})]
    expected = 100 * np.sqrt(2 * np.mean(spreads))
    assert f"of one condition with different seeds differ by {expected:.1f} points." in text


def test_a_look_that_met_infinity_is_left_out():
    results = pretend_results(search=False)
    results.of(BN_5.key)[0].probes[-1]["mean"] = {"relu5": [None] * 5}
    activations = next(one for one in judge(results, SCALED) if one.key == "activations")
    mean, variance = (part.difference.estimate.n for part in activations.parts)
    assert mean == variance - 1 == len(results.pairs(BN_5.key, DEBIAS_5.key)) - 1


def test_crossings_lie_between_the_tests():
    result = pretend_results(search=False).of(BN_10.key)[0]
    result.history.test_accuracy["moving"][:] = [0.2, 0.4, 0.3, 0.5, 0.6, 0.7, 0.7, 0.7]
    assert result.crossing(0.1) == 0
    assert result.crossing(0.15) == pytest.approx(0.5)
    assert result.crossing(0.45) == pytest.approx(3.75)
    assert roughness(result) == pytest.approx(np.mean([0.3, 0.3, 0.1, 0, 0.1, 0]) + 0, abs=1e-2)


def test_the_report_is_whole_and_says_what_is_missing(tmp_path, capsys):
    whole = pretend_results()
    for result in whole:
        write_result(tmp_path / "in", result)
    arguments = ["report", "--preset", "scaled", "--results", str(tmp_path / "in"), "--out",
                 str(tmp_path / "out")]
    assert main(arguments) == 0
    text = (tmp_path / "out" / "REPORT.md").read_text(encoding="utf-8")
    for word in (" nan", "+nan", "None", "Not (fully) run"):
        assert word not in text
    for judged in judge(whole, SCALED):
        assert judged.claim in text
    pictures = {line.split("](")[1].rstrip(")") for line in text.splitlines()
                if line.startswith("![")}
    assert pictures >= {f"figures/{name}.png" for name in (
        "fig1", "fig2", "fig3", "fig4", "fig5", "fig6", "search")}
    assert all((tmp_path / "out" / picture).stat().st_size < 300_000 for picture in pictures)
    first = text
    assert main(arguments) == 0
    assert (tmp_path / "out" / "REPORT.md").read_text(encoding="utf-8") == first
    assert "Not (fully) run" in report(pretend_results(names=("table4",), seeds=3), SCALED)


def test_seeds_that_nobody_had_seen_stand_by_themselves():
    conditions = ("all_cnn-renorm_debias-b5", "all_cnn-bn-b5")
    whole = pretend_results(names=("table4",), seeds=13)
    later = whole.after(SCALED.first_round)
    assert [a.seed for a, _ in later.pairs(*conditions)] == [11, 12, 13]
    difference = shown(compare(later, *conditions, final), "points")
    row = f"| final accuracy, seeds from 11 on | {difference} |"
    assert row in report(whole, SCALED)
    assert "seeds from" not in report(pretend_results(names=("table4",), seeds=10), SCALED)


def test_a_report_of_nothing_is_a_mistake(tmp_path, capsys):
    assert main(["report", "--preset", "scaled", "--results", str(tmp_path)]) == 2
    assert "no results" in capsys.readouterr().err
