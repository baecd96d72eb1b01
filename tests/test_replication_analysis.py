"""The registered analysis on made-up experiments whose truth is known, error rates included."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from test_replication_arms import PEAKS, made_up, peaked, searched

from minibn.replication.analysis import (
    EXCLUDED,
    INCONCLUSIVE,
    LARGER,
    NO_DIFFERENCE,
    PAPER,
    PAPER_FINAL,
    PAPER_TIME,
    REVERSED,
    SMALLER,
    contrasts,
    decided,
    final,
    slowed,
    verdict,
)
from minibn.replication.arms import ARMS, MEDIUM, METHODS, run_job
from minibn.replication.findings import Ratio, main_contrasts, ratio_to
from minibn.replication.page import ratio_cells
from minibn.replication.results import Results
from minibn.replication.statistics import Estimate, holm, p_value

EPOCHS, BEFORE, CHANCE = 15, 10, 0.01
SPREAD = 0.005                           # standard deviation of a run's final accuracy
KEYS = [(outcome, other) for outcome in ("speed", "final") for other in ("bn", "brn")]


def curve(pace=1.0, top=0.0):
    """A learning curve: `pace` stretches its time, `top` shifts its end after the drop."""
    t = np.arange(1, EPOCHS + 1)
    rising = CHANCE + 0.44 * (1 - np.exp(-t * pace / 4))
    return np.where(t <= BEFORE, rising, 0.52 + top)


def experiment(rng, paces=None, tops=None, spread=None, n=8):
    """Curves of one made-up experiment; paces, tops, spread: by method."""
    found = {}
    for norm in METHODS:
        noise = (spread or {}).get(norm, SPREAD) * rng.normal(0, 1, (n, 1))
        found[norm] = (curve((paces or {}).get(norm, 1.0), (tops or {}).get(norm, 0.0)) + noise
                       + rng.normal(0, 0.003, (n, EPOCHS)))
    return found


def analyzed(curves):
    return {(one.outcome, one.other): one for one in contrasts(curves, BEFORE, CHANCE)}


# renorm_debias has the plain curve; the others lag behind it by the paper's ratio of times.
LIKE_THE_PAPER = {"paces": PAPER_TIME, "tops": {other: -gain for other, gain in
                                                PAPER_FINAL.items()}}


def rates(rng, times=600, **settings):
    """How often each contrast has each verdict, and the share of experiments with a difference."""
    counts = {key: {} for key in KEYS}
    any_different = 0
    for _ in range(times):
        found = analyzed(experiment(rng, **settings))
        for key, one in found.items():
            counts[key][one.verdict] = counts[key].get(one.verdict, 0) + 1 / times
        any_different += any(one.adjusted < 0.05 for one in found.values()) / times
    return counts, any_different


def test_the_papers_size_in_points_is_the_cost_of_its_slower_curve():
    lag = {other: curve()[:BEFORE].mean() - curve(pace)[:BEFORE].mean()
           for other, pace in PAPER_TIME.items()}
    for other, pace in PAPER_TIME.items():
        assert slowed(curve(), pace, BEFORE, CHANCE) == pytest.approx(lag[other], rel=0.01)
    assert slowed(curve(), 1.0, BEFORE, CHANCE) == pytest.approx(0, abs=1e-12)
    line = CHANCE + 0.02 * np.arange(1, EPOCHS + 1)
    assert slowed(line, 0.5, BEFORE, CHANCE) == pytest.approx(0.02 * 5.5 / 2)


def test_without_a_difference_it_is_found_in_one_experiment_of_twenty_at_most(rng):
    counts, any_different = rates(rng)
    assert any_different == pytest.approx(0.05, abs=0.03) and any_different < 0.075
    for found in counts.values():
        assert found.get(PAPER, 0) + found.get(LARGER, 0) < 0.04
    # The paper's times and its gain over BRN are far from 0, so they are excluded.
    for key in KEYS[:2] + KEYS[3:]:
        assert counts[key][EXCLUDED] > 0.95


def test_an_effect_of_the_papers_size_is_not_excluded(rng):
    counts, _ = rates(rng, **LIKE_THE_PAPER)
    for key in KEYS:
        assert counts[key].get(EXCLUDED, 0) + counts[key].get(SMALLER, 0) < 0.06
    assert counts["final", "brn"][PAPER] > 0.8          # 1.3 points, against 0.5 of spread
    assert counts["final", "bn"].get(PAPER, 0) < 0.4    # 0.4 points are hard to see with 8 seeds
    for other in ("bn", "brn"):
        assert counts["speed", other][PAPER] + counts["speed", other].get(LARGER, 0) > 0.9


def test_a_smaller_effect_is_called_smaller(rng):
    third = {other: 1 - (1 - ratio) / 3 for other, ratio in PAPER_TIME.items()}
    counts, _ = rates(rng, paces=third, spread=dict.fromkeys(METHODS, 0.002))
    for other in ("bn", "brn"):
        assert counts["speed", other][SMALLER] > 0.9


def test_unequal_spread_does_not_raise_the_error_rates(rng):
    spread = {"bn": 0.02, "brn": 0.005, "renorm_debias": 0.002}
    _, any_different = rates(rng, spread=spread)
    assert any_different < 0.075
    counts, _ = rates(rng, spread=spread, **LIKE_THE_PAPER)
    for key in KEYS:
        assert counts[key].get(EXCLUDED, 0) + counts[key].get(SMALLER, 0) < 0.06


def test_intervals_cover_the_truth_19_times_in_20(rng):
    truth = {("final", other): gain for other, gain in PAPER_FINAL.items()}
    truth |= {("speed", other): (curve() - curve(pace))[:BEFORE].mean()
              for other, pace in PAPER_TIME.items()}
    hits = {key: 0.0 for key in KEYS}
    for _ in range(600):
        for key, one in analyzed(experiment(rng, **LIKE_THE_PAPER)).items():
            found = one.difference.estimate
            hits[key] += (found.low < truth[key] < found.high) / 600
    for share in hits.values():
        assert share == pytest.approx(0.95, abs=0.03)


def test_a_diverged_run_stays_in_every_interval(rng):
    runs = ARMS["A"].runs[0]
    results = list(searched(MEDIUM, peaked))
    for norm in METHODS:
        for seed in runs.seeds[:8]:
            job = run_job(MEDIUM, runs, norm, PEAKS[norm], seed)
            results.append(made_up(job, curve() + rng.normal(0, SPREAD)))
    clean = {(c.outcome, c.other): c for c in main_contrasts(MEDIUM, Results(results))}
    last = results[-1]
    for history in last.history.test_accuracy.values():
        del history[4:]                            # the loss was not finite in the fifth epoch
    results[-1] = replace(last, status="diverged")
    found = {(c.outcome, c.other): c for c in main_contrasts(MEDIUM, Results(results))}
    for key, one in found.items():
        before = clean[key].difference.estimate
        now = one.difference.estimate
        assert now.n == before.n == 8
        assert now.mean < before.mean and now.half > 3 * before.half
    assert found["final", "bn"].verdict == INCONCLUSIVE
    lost = curve()[-2:].mean() - CHANCE
    assert found["final", "bn"].difference.estimate.mean == pytest.approx(-lost / 8, abs=0.01)


# The words

@pytest.mark.parametrize(("low", "high", "different", "expected"), [
    (0.2, 0.6, True, PAPER), (0.5, 0.9, True, LARGER), (0.1, 0.3, True, SMALLER),
    (0.1, 0.3, False, EXCLUDED), (-0.2, 0.3, False, EXCLUDED), (-0.5, -0.1, True, EXCLUDED),
    (-0.1, 0.5, False, INCONCLUSIVE), (0.05, 0.5, False, INCONCLUSIVE),
    (-0.2, 0.4, False, INCONCLUSIVE)])
def test_the_verdict_of_an_interval(low, high, different, expected):
    found = Estimate((low + high) / 2, (high - low) / 2, 8)
    assert verdict(found, 0.4, different) == expected


def test_remarks_name_equality_and_reversal(rng):
    same = analyzed(experiment(rng, spread=dict.fromkeys(METHODS, 0.0005)))
    assert same["final", "brn"].remark == NO_DIFFERENCE
    behind = analyzed(experiment(rng, tops={"renorm_debias": -0.03}))
    assert (behind["final", "bn"].verdict, behind["final", "bn"].remark) == (EXCLUDED, REVERSED)
    ahead = analyzed(experiment(rng, tops={"renorm_debias": 0.03}))["final", "bn"]
    assert (ahead.verdict, ahead.remark) == (LARGER, "")
    at_the_bound = decided(behind["final", "bn"]._replace(adjusted=0.05))
    assert at_the_bound.remark == ""                        # 0.05 itself is not below 0.05


def test_ratios_from_nine_to_eleven_tenths_count_as_no_difference():
    remarks = {(0.9, 1.1): NO_DIFFERENCE, (0.89, 1.05): "", (0.95, 1.11): "", (0.92, 0.98):
               NO_DIFFERENCE}
    for (low, high), remark in remarks.items():
        ratio = Ratio(1.0, low, high, 8, 0)
        assert ratio.remark == remark
        assert ratio_cells(ratio, 8)[1] == (remark or "–")
    assert ratio_cells(Ratio(1.0, 0.95, 1.05, 8, 2), 8)[1] == (
        "no difference; 2 of 8 never reached it")


def test_the_final_accuracy_is_the_mean_of_the_last_two_epochs():
    assert final(np.array([[0.1, 0.2, 0.4]])).tolist() == pytest.approx([0.3])


def test_two_pairs_and_fewer_have_no_verdict(rng):
    for n in (0, 1, 2):
        with warnings.catch_warnings():
            warnings.simplefilter("error")                 # with no runs no mean is taken
            found = analyzed(experiment(rng, tops={"renorm_debias": 0.2}, n=n))
        assert {one.verdict for one in found.values()} == {INCONCLUSIVE}
    assert analyzed(experiment(rng, n=3, tops={"renorm_debias": 0.2}))["final", "bn"].verdict == (
        LARGER)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.5, 0.6]) == [1.0, 1.0, 1.0] and holm([]) == []


def test_p_is_uniform_where_there_is_nothing(rng):
    found = np.array([p_value(x) for x in rng.normal(0, 1, (2000, 6))])
    for level in (0.01, 0.05, 0.2, 0.5):
        assert (found < level).mean() == pytest.approx(level, abs=4 * np.sqrt(level / 2000))
    assert p_value([0.0, 0.0, 0.0]) == 1 and p_value([2.0, 2.0, 2.0]) == 0


# Times to a threshold

def test_the_ratio_of_times_is_found_again(rng):
    runs = ARMS["A"].runs[0]
    first, second = ([made_up(run_job(MEDIUM, runs, "bn", 0.01, seed), curve(pace))
                      for seed in range(101, 107)] for pace in (1.0, PAPER_TIME["bn"]))
    found = ratio_to(0.3, first, second)
    assert found.mean == pytest.approx(PAPER_TIME["bn"], rel=0.02)
    assert found.low <= found.mean <= found.high and (found.n, found.censored) == (6, 0)
    never = [made_up(r.job, 0.2) for r in first]
    assert ratio_to(0.3, never, second).censored == 6
    at_most = 16 / second[0].crossing(0.3)
    assert ratio_to(0.3, never, second).mean == pytest.approx(at_most)
    assert ratio_to(0.3, first[:1], second[:1]) is None
    assert ratio_to(first[0].chance, first, second) is None         # 0 updates over 0 updates


# SciPy

def test_p_holm_and_intervals_are_scipys(rng):
    stats = pytest.importorskip("scipy.stats", reason="needs the extra: test")
    for n in (3, 8, 12):
        x, y = rng.normal(0.1, 1, (2, n))
        known = stats.ttest_rel(x, y)
        assert p_value(x - y) == pytest.approx(known.pvalue, rel=1e-9)
        found = contrasts({"renorm_debias": x[:, None] * np.ones(EPOCHS),
                           "bn": y[:, None] * np.ones(EPOCHS),
                           "brn": y[:, None] * np.ones(EPOCHS)}, BEFORE, CHANCE)
        interval = known.confidence_interval(0.95)
        assert found[0].difference.estimate.low == pytest.approx(interval.low, rel=1e-9)
        assert found[0].difference.estimate.high == pytest.approx(interval.high, rel=1e-9)
    # Holm rejects in the order of p as long as p · (number left) stays below α.
    for p in rng.uniform(0, 0.1, (200, 4)):
        rejected, left = set(), 4
        for i in np.argsort(p):
            if p[i] * left >= 0.05:
                break
            rejected.add(int(i))
            left -= 1
        assert rejected == {i for i, a in enumerate(holm(p)) if a < 0.05}
