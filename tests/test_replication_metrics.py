"""Every metric on runs whose numbers are known, finished and diverged."""

import math
from dataclasses import replace

import numpy as np
import pytest
from pretend_results import SCALED, pretend

from minibn.replication import metrics
from minibn.replication.presets import replications
from minibn.replication.statistics import (
    difference_on_images,
    estimate,
    holm,
    p_value,
    paired_difference,
    t_quantile,
)
from minibn.training.history import History

JOB, = replications(SCALED, ("fig3",), {key: 0.01 for key in (
    "all_cnn-bn-b5", "all_cnn-brn-b5", "all_cnn-renorm_debias-b5")}, 1)[2:3]
CURVE = (0.12, 0.30, 0.24, 0.45)                            # of ten classes: chance is 0.1
LOSSES = (2.2, 1.9, 2.0, 1.5)


def run(epochs=4, of=4, status="done"):
    """A run of renorm_debias with the first `epochs` of CURVE and LOSSES."""
    job = replace(JOB, recipe=replace(JOB.recipe, epochs=of))
    curve = list(CURVE[:epochs])
    modes = {"batch": curve, "moving": [a / 2 for a in curve]}
    history = History(list(LOSSES[:epochs]), curve, modes,
                      [0.1] * epochs, [], [], [1.0] * epochs)
    return replace(pretend(JOB, 0.5, np.random.default_rng(0)), job=job, history=history,
                   status=status)


DIVERGED = run(2, 4, "diverged")
CHANCE, BY_CHANCE = 0.1, math.log(10)


@pytest.mark.parametrize(("metric", "done", "diverged"), [
    (metrics.final, 0.45, CHANCE),
    (lambda run: metrics.final_in("moving")(run), 0.225, CHANCE),
    (metrics.best, 0.45, 0.30),
    (metrics.mean_accuracy, np.mean(CURVE), np.mean([0.12, 0.30, CHANCE, CHANCE])),
    (metrics.first_epoch, 0.12, 0.12),
    (metrics.mean_loss, np.mean(LOSSES), np.mean([2.2, 1.9, BY_CHANCE, BY_CHANCE])),
    (metrics.last_loss, 1.5, BY_CHANCE),
    (metrics.final_mean, (0.24 + 0.45) / 2, CHANCE),
    (metrics.roughness, np.mean([0.24, 0.27]), np.mean([0.38, 0.2])),
    (lambda run: metrics.epochs_to(0.21)(run), 1.5, 1.5),
    (lambda run: metrics.epochs_to(0.30)(run), 2.0, 2.0),
    (lambda run: metrics.epochs_to(0.345)(run), 3.5, 5),
    (lambda run: metrics.epochs_to(0.11)(run), 0.5, 0.5),
    (lambda run: metrics.epochs_to(0.05)(run), 0.0, 0.0),
    (lambda run: metrics.epochs_to(0.6)(run), 5, 5)],
    ids=["final", "final_in", "best", "mean_accuracy", "first_epoch", "mean_loss", "last_loss",
         "final_mean", "roughness", "between", "at", "late", "before the first", "at once",
         "never"])
def test_a_metric_is_its_definition(metric, done, diverged):
    assert metric(run()) == pytest.approx(done, rel=1e-12)
    assert metric(DIVERGED) == pytest.approx(diverged, rel=1e-12)
    for result in (run(), DIVERGED):
        assert isinstance(metric(result), float | int)


def test_the_final_mean_of_another_mode():
    assert metrics.final_mean(run(), "moving") == pytest.approx((0.24 + 0.45) / 4)


def test_short_runs_are_smooth():
    assert metrics.roughness(run(2, 2)) == 0.0 and metrics.final_mean(run(1, 1)) == 0.12


def test_the_last_loss_is_the_last_also_where_an_earlier_one_was_lower():
    """The claim of the lowest loss is about the end."""
    assert metrics.last_loss(run(3, 3)) == 2.0 > min(LOSSES[:3])
    assert metrics.last_loss(run(0, 2, "diverged")) == pytest.approx(BY_CHANCE)


def test_activations_are_means_over_the_ends_of_epochs():
    result = run()
    each = result.job.updates_per_epoch
    probes = [{"update": update, "mean": {"relu5": [9, 9, value, 9, 9], "conv5": [7] * 5},
               "variance": {"relu5": [9, 9, 10 * value, 9, 9]}}
              for update, value in ((1, 50), (5, 70), (each, 2), (each + 1, 60), (2 * each, 4))]
    found = replace(result, probes=probes)
    assert metrics.activation("mean")(found) == 3 and metrics.activation("variance")(found) == 30
    assert metrics.activation("mean", "conv5")(found) == 7
    assert np.isnan(metrics.activation("mean")(replace(result, probes=probes[:1])))
    gathered = replace(job := found.job, recipe=replace(job.recipe, accumulate=2))
    probes[-1]["update"] = each // 2                         # an epoch has half as many updates
    assert metrics.activation("mean")(replace(found, job=gathered)) == 3
    whole = replace(job, recipe=replace(job.recipe, batch_size=1), subset=replace(
        job.subset, classes=None, train=None, test=None))
    probes[-1]["update"] = 50_000
    assert metrics.activation("mean")(replace(found, job=whole)) == 4
    probes[-1]["update"] = 2 * each
    probes[2]["mean"]["relu5"][2] = None
    assert np.isnan(metrics.activation("mean")(found))
    assert metrics.activation("variance")(found) == 30


def test_whether_it_learned_anything():
    def stuck(loss, **changes):
        result = run(**changes)
        result.history.train_loss[-1] = loss
        return result.stuck

    limit = 0.98 * math.log(10)
    assert stuck(limit + 1e-9) and not stuck(limit - 1e-9)
    assert not stuck(5.0, epochs=2, status="diverged")


# The statistics, by hand

def test_a_tied_pair_is_no_win():
    assert paired_difference([1.0, 2.0, 3.0], [1.0, 1.0, 4.0]).wins == 1
    assert paired_difference([2.0], [2.0]).wins == 0 and paired_difference([2.0], [1.0]).wins == 1
    ties = np.array([[1, 0, 1, 0], [1, 1, 1, 0], [0, 0, 0, 1]], bool)
    others = np.array([[0, 1, 1, 0], [1, 0, 0, 0], [1, 1, 0, 1]], bool)
    assert difference_on_images(ties, others).wins == 1      # 0, +2 and −2 images


def test_an_estimate_and_a_difference_by_hand():
    found = estimate([1.0, 2.0, 6.0])                        # s = √7, t = 4.302653
    assert found == pytest.approx((3.0, 4.30265273 * math.sqrt(7 / 3), 3), rel=1e-8)
    assert (found.low, found.high) == (found.mean - found.half, found.mean + found.half)
    pairs = paired_difference([2.0, 4.0, 9.0], [1.0, 2.0, 3.0])
    assert pairs.estimate == found and pairs.wins == 3
    assert pairs.detectable == pytest.approx((4.30265273 + 1.06066017) * math.sqrt(7 / 3), rel=1e-8)
    for first, second in (([1.0], [1.0, 2.0]), ([], [])):
        with pytest.raises(ValueError):
            paired_difference(first, second)


def test_a_difference_on_images_by_hand():
    """Mean squares of d = [[1, 0, 0], [1, 1, −1]]: seeds 0, images 7/6, rest 1/2, of 6 cells."""
    first = np.array([[1, 0, 0], [1, 1, 0]], bool)
    second = np.array([[0, 0, 0], [0, 0, 1]], bool)
    found = difference_on_images(first, second)
    error = math.sqrt((0 + 7 / 6 - 1 / 2) / 6)
    assert found.estimate.mean == pytest.approx(1 / 3) and found.estimate.n == 2
    assert found.estimate.half == pytest.approx(12.7062047 * error, rel=1e-8)
    assert found.detectable == pytest.approx((12.7062047 + 1.37638192) * error, rel=1e-8)


def test_images_do_not_make_an_interval_narrower_than_seeds_do():
    """d = [[1, 1], [0, 0]]: MS of seeds 1; of images and of the rest 0."""
    d = np.array([[1, 1], [0, 0]], bool)
    found = difference_on_images(d, np.zeros((2, 2), bool))
    assert found.estimate.half == pytest.approx(12.7062047 * math.sqrt(1 / 4), rel=1e-8)
    d = np.array([[1, 0], [0, 1]], bool)                     # seeds 0, images 0, rest 1
    assert difference_on_images(d, np.zeros((2, 2), bool)).estimate.half == 0


def test_two_values_have_an_interval():
    assert estimate([1.0, 3.0]) == pytest.approx((2.0, 12.7062047, 2), rel=1e-8)


def test_three_seeds_on_images_by_hand():
    """d = [[1, 1], [1, 0], [0, 0]]: MS of seeds 1/2, images 1/6, rest 1/6: seeds alone count."""
    d = np.array([[1, 1], [1, 0], [0, 0]], bool)
    found = difference_on_images(d, np.zeros((3, 2), bool))
    assert found.estimate == pytest.approx((0.5, 4.30265273 * math.sqrt(1 / 2 / 6), 3), rel=1e-8)
    assert found.detectable == pytest.approx(5.3633129 * math.sqrt(1 / 2 / 6), rel=1e-8)
    # d = [[1, 1, 0], [1, 1, 0], [1, 0, 0]]: seeds 1/9, images 7/9, rest 1/9: all three count.
    d = np.array([[1, 1, 0], [1, 1, 0], [1, 0, 0]], bool)
    half = difference_on_images(d, np.zeros((3, 3), bool)).estimate.half
    assert half == pytest.approx(4.30265273 * math.sqrt((1 / 9 + 7 / 9 - 1 / 9) / 9), rel=1e-8)


def test_p_values_are_those_of_the_intervals():
    """Where an interval of 95 % ends at 0, p is 0.05."""
    values = np.array([1.0, 2.0, 6.0])
    shifted = values - values.mean() + estimate(values).half
    assert p_value(shifted) == p_value(-shifted) == pytest.approx(0.05, abs=1e-9)
    assert p_value([1.0, 3.0]) == pytest.approx(2 * math.atan(1 / 2) / math.pi)   # t = 2, ν = 1
    assert p_value([3.0, 3.0]) == 0.0 and p_value([0.0, 0.0]) == 1.0
    assert p_value([1.0, -1.0]) == pytest.approx(1.0)


def test_holm_multiplies_by_the_number_that_is_left():
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.6, 0.02]) == pytest.approx([0.6, 0.04]) and holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02] and holm([]) == []


def test_quantiles_need_a_probability_and_degrees_of_freedom():
    for p, nu in ((0.49, 3), (1.0, 3), (0.9, 0), (0.9, 1.5)):
        with pytest.raises((ValueError, TypeError)):
            t_quantile(p, nu)
    assert t_quantile(0.5, 1) == pytest.approx(0, abs=1e-9)
    assert t_quantile(0.999, 1) == pytest.approx(318.308839, rel=1e-8)    # tan(0.499·π)
