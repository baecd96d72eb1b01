"""Quantiles, intervals and detectable differences against tables and simulations."""

import numpy as np
import pytest

from minibn.replication.statistics import (
    difference_on_images,
    estimate,
    paired_difference,
    t_distribution,
    t_quantile,
)

# Any table of Student's t.
TABLE = {(0.975, 1): 12.7062, (0.975, 2): 4.3027, (0.975, 4): 2.7764, (0.975, 7): 2.3646,
         (0.975, 9): 2.2622, (0.975, 30): 2.0423, (0.8, 1): 1.3764, (0.8, 4): 0.9410,
         (0.8, 9): 0.8834, (0.95, 5): 2.0150, (0.995, 10): 3.1693}


@pytest.mark.parametrize(("p", "nu"), TABLE)
def test_t_quantiles_are_the_tables(p, nu):
    assert t_quantile(p, nu) == pytest.approx(TABLE[p, nu], abs=6e-5)
    assert t_distribution(t_quantile(p, nu), nu) == pytest.approx(p, abs=1e-9)


def test_the_median_is_zero_and_many_degrees_are_the_normal_distribution():
    assert t_quantile(0.5, 3) == pytest.approx(0, abs=1e-9)
    assert t_quantile(0.975, 100_001) == pytest.approx(1.95996, abs=1e-4)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_intervals_hold_the_truth_19_times_in_20(n, rng):
    hits = [abs(found.mean - 2) <= found.half
            for found in map(estimate, rng.normal(2, 0.7, (4000, n)))]
    assert np.mean(hits) == pytest.approx(0.95, abs=0.012)


@pytest.mark.parametrize("n", [5, 10])
def test_the_detectable_difference_is_shown_4_times_in_5(n, rng):
    # With the true spread in place of the sample's: only the mean varies.
    noise = rng.normal(0, 1, (4000, n))
    size = (t_quantile(0.975, n - 1) + t_quantile(0.8, n - 1)) / np.sqrt(n)
    shown = [found.mean - found.half > 0 for found in map(estimate, noise + size)]
    assert np.mean(shown) == pytest.approx(0.8, abs=0.025)
    standard = (noise[0] - noise[0].mean()) / noise[0].std(ddof=1)
    assert paired_difference(standard, np.zeros(n)).detectable == pytest.approx(size)


def test_pairs_take_out_what_they_share(rng):
    shared, a, b = rng.normal(0, 10, 8), rng.normal(1, 0.1, 8), rng.normal(0, 0.1, 8)
    found = paired_difference(shared + a, shared + b)
    assert found.estimate.low > 0.7 and found.wins == 8 and found.detectable < 0.4


def test_one_seed_has_no_interval():
    assert estimate([3.0]) == (3.0, np.inf, 1)
    assert paired_difference([3.0], [2.0]).detectable == np.inf


@pytest.mark.parametrize("values", [[], [np.nan, 1.0], [np.inf]])
def test_what_is_no_sample_is_refused(values):
    with pytest.raises(ValueError, match="finite numbers"):
        estimate(values)


def test_pairs_need_partners():
    with pytest.raises(ValueError, match="2 and 1"):
        paired_difference([1, 2], [1])


def test_intervals_over_seeds_and_images_hold_the_truth_of_the_population(rng):
    """Images differ in how much the methods differ on them; the mean over all images is 0.05."""
    hits, narrow = [], []
    for _ in range(400):
        skill = rng.normal(0.05, 0.25, 300)                        # of the first, per image
        first = rng.random((6, 300)) < 0.5 + skill / 2
        second = rng.random((6, 300)) < 0.5 - skill / 2
        found = difference_on_images(first, second).estimate
        seeds_only = paired_difference(first.mean(1), second.mean(1)).estimate
        assert found.mean == pytest.approx(seeds_only.mean)
        assert found.half >= seeds_only.half - 1e-12
        hits.append(abs(found.mean - 0.05) < found.half)
        narrow.append(abs(seeds_only.mean - 0.05) < seeds_only.half)
    assert np.mean(hits) > 0.93
    assert np.mean(narrow) < np.mean(hits)


def test_students_t_is_scipys():
    stats = pytest.importorskip("scipy.stats", reason="needs the extra: test")
    for nu in (1, 2, 3, 7, 11, 40):
        for p in (0.5, 0.8, 0.95, 0.975, 0.9995):
            assert t_quantile(p, nu) == pytest.approx(stats.t.ppf(p, nu), rel=1e-8, abs=1e-8)
        for t in (0.0, 0.3, 2.0, 12.0):
            assert t_distribution(t, nu) == pytest.approx(stats.t.cdf(t, nu), abs=1e-12)


def test_intervals_are_scipys(rng):
    stats = pytest.importorskip("scipy.stats", reason="needs the extra: test")
    for n in (2, 5, 12):
        x = rng.normal(3, 2, n)
        low, high = stats.t.interval(0.95, n - 1, x.mean(), stats.sem(x))
        found = estimate(x)
        assert (found.low, found.high) == pytest.approx((low, high), rel=1e-8)
