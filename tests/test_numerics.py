"""How exact: float32 against float64 where float32 is hard pressed, with the error that is allowed.

The float64 reference is computed from the same float32 numbers, so what is measured is the
arithmetic alone.  An error is the largest difference over the largest entry.
"""

import math

import numpy as np
import pytest
from cases import needs_kernels
from reference import batch_norm as exact_batch_norm

import minibn
from minibn import functional
from minibn.gradcheck import relative_error
from minibn.norms.batch_norm import batch_statistics
from minibn.norms.moving_average import correct_bias, update_average, weight

EPSILON = np.finfo(np.float32).eps                             # 1.2e-7


def both(function, *arguments, constants=()):
    """The results of a pure pair in float32 and in float64, dy random."""
    results = []
    for dtype in (np.float32, np.float64):
        forward = getattr(functional, function)
        backward = getattr(functional, function + "_backward")
        y, cache = forward(*(a.astype(dtype) for a in arguments), *constants)
        dy = np.random.default_rng(1).normal(size=y.shape).astype(np.float32).astype(dtype)
        gradients = backward(dy, cache)
        results.append([y, *(gradients if isinstance(gradients, tuple) else [gradients])])
    return zip(*results, strict=True)


def offset_images(rng, shape, mean=1e4, std=1.0):
    """float32 values of a large mean and a small spread, each channel with its own."""
    x = rng.normal(size=shape) * std + mean * (1 + rng.random(shape[-1]))
    return x.astype(np.float32)


# A mean of 10⁴, a deviation of 1 ------------------------------------------------------------------

NORMS = {"batch_norm": (), "batch_renorm": (np.full(8, 0.7), np.full(8, -1.3)), "layer_norm": (),
         "group_norm": (2,)}


@pytest.mark.parametrize("shape", [(5, 8), (5, 24, 24, 8), (50, 12, 12, 8), (3000, 8)], ids=str)
@pytest.mark.parametrize("name", NORMS)
def test_normalization_far_from_zero(name, shape, rng):
    """Float32 near 10⁴ has steps of 1e-3: what is lost beyond that is at most 1e-6."""
    if name in ("layer_norm", "group_norm"):                   # their sets mix the channels
        x = (rng.normal(size=shape) + 1e4).astype(np.float32)
    else:
        x = offset_images(rng, shape)
    gamma, beta = rng.normal(1, 0.5, 8).astype("f4"), rng.normal(size=8).astype("f4")
    more = NORMS[name]
    if name == "group_norm":
        pairs = both(name, x, gamma, beta, constants=more)
    else:
        pairs = both(name, x, gamma, beta, *more)
    for found, exact in pairs:
        assert relative_error(found, exact) < 3e-6


@pytest.mark.parametrize("mean", [0, 1, -2.5, 3.9, 4.1, 30])
@pytest.mark.parametrize("shape", [(5, 24, 24, 8), (700, 8), (1, 6, 6, 8)], ids=str)
def test_means_of_a_few_deviations(shape, mean, rng):
    """Up to 4σ the mean is left to the sums: their rounding grows by 4² + 1 at most."""
    x = (rng.normal(size=shape) + mean * (1 - 0.1 * rng.random(8))).astype(np.float32)
    exact = x.reshape(-1, 8).astype(np.float64)
    found_mean, var = batch_statistics(x)
    assert np.abs(found_mean - exact.mean(0)).max() < 2e-6
    assert relative_error(var, exact.var(0)) < 4e-6
    gamma, beta = rng.normal(1, 0.5, 8).astype("f4"), rng.normal(size=8).astype("f4")
    for found, wanted in both("batch_norm", x, gamma, beta):
        assert relative_error(found, wanted) < 3e-6


@pytest.mark.parametrize("mean, std", [(1e20, 1e16), (0.0, 1e16), (1e25, 1e18)])
def test_squares_beyond_float32(mean, std, rng):
    """x² overflows in float32 where (x − a)² does not."""
    x = (mean + std * rng.normal(size=(40, 3))).astype(np.float32)
    found_mean, var = batch_statistics(x)
    exact = x.astype(np.float64)
    assert np.abs(found_mean - exact.mean(0)).max() < 1e-5 * std
    assert relative_error(var, exact.var(0)) < 1e-5


@pytest.mark.parametrize("name, more", [("batch_norm", ()), ("layer_norm", ()),
                                        ("group_norm", (1,))])
def test_what_overflows_is_seen(name, more, rng):
    """An infinite σ would make y a clean 0."""
    x = 1e160 * rng.normal(size=(64, 3))
    with np.errstate(over="ignore", invalid="ignore"):
        y = getattr(functional, name)(x, np.ones(3), np.zeros(3), *more)[0]
    assert np.isnan(y).all()


@pytest.mark.parametrize("size", [1e20, 1e30])
def test_squares_beyond_float32_are_taken_in_float64(size, rng):
    x = (size * rng.normal(size=(64, 3))).astype(np.float32)
    y = functional.batch_norm(x, np.ones(3, np.float32), np.zeros(3, np.float32))[0]
    exact = x.astype(np.float64)
    assert relative_error(y, (exact - exact.mean(0)) / exact.std(0)) < 1e-6


@pytest.mark.parametrize("side", [24, 128])
def test_the_mean_of_an_image_far_from_zero(side, rng):
    x = (1e4 + rng.normal(size=(2, side, side, 8))).astype(np.float32)
    found = functional.global_avg_pool2d(x)[0]
    assert found.dtype == np.float32
    assert np.abs(found - x.astype(np.float64).mean((1, 2))).max() <= 5e-4   # half a last digit


def test_the_moments_of_a_whole_layer(rng):
    """(128, 24, 24, 96): a plain float32 mean is off by several σ here, its variance tenfold."""
    x = rng.standard_normal((128, 24, 24, 96), np.float32)
    x += 1e4
    mean, var = batch_statistics(x)
    rows = x.reshape(-1, 96)
    exact_mean = np.array([rows[:, c].mean(dtype=np.float64) for c in range(96)])
    exact_var = np.array([rows[:, c].var(dtype=np.float64) for c in range(96)])
    assert np.abs(mean - exact_mean).max() < 1e-6           # in units of σ
    assert relative_error(var, exact_var) < 1e-6
    plain = rows.mean(0)                                       # what the library may not do
    assert np.abs(plain - exact_mean).max() > 0.1


def test_many_rows_of_few_channels(rng):
    """73,728 rows of 2 channels: sums line by line, added up in float64, are good to 1e-8.

    One float32 sum over all rows of a piece would be off by 4e-7 in the variance.
    """
    x = (rng.standard_normal((128, 24, 24, 2)) + 3).astype(np.float32)
    dy = rng.standard_normal(x.shape).astype(np.float32)
    gamma, beta = np.ones(2, "f4"), np.zeros(2, "f4")
    mean, var = batch_statistics(x)
    rows, dy_rows = (a.reshape(-1, 2).astype(np.float64) for a in (x, dy))
    assert np.abs(mean - rows.mean(0)).max() < 1e-8         # σ is 1
    assert relative_error(var, rows.var(0)) < 2e-8
    _, dgamma, dbeta = functional.batch_norm_backward(
        dy, functional.batch_norm(x, gamma, beta)[1])
    normal = (rows - rows.mean(0)) / np.sqrt(rows.var(0) + 1e-5)
    for found, exact in ((dgamma, (dy_rows * normal).sum(0)), (dbeta, dy_rows.sum(0))):
        assert np.abs(found - exact).max() < 5e-7 * math.sqrt(len(rows))


@pytest.mark.parametrize("mean", [0, 1, -1e4, 1e6])
def test_a_constant_channel_has_variance_zero(mean):
    x = np.full((7, 5, 5, 3), mean, np.float32)
    found_mean, var = batch_statistics(x)
    assert np.all(found_mean == np.float32(mean)) and np.all(var == 0)


@pytest.mark.parametrize("make", [minibn.BatchNorm, minibn.BatchRenorm, minibn.RenormDebias,
                                  minibn.LayerNorm, minibn.GroupNorm])
def test_layers_on_constant_channels(make, rng):
    """x̄ = 0, so y is γ·d + β, and only BRN's first d is not 0: its average has seen 1 % of 10⁴.
    dx is large, as 1/√ε is, but its sum is 0 to rounding."""
    layer = make(4)
    layer.params["beta"] += 0.5
    x = np.broadcast_to(np.float32(1e4), (6, 3, 3, 4)).copy()
    y = layer.forward(x, training=True)
    d = 5 if make is minibn.BatchRenorm else 0
    assert y == pytest.approx(np.full(y.shape, d + 0.5), rel=1e-6)
    dx = layer.backward(rng.normal(size=y.shape).astype("f4"))
    assert abs(dx.astype(float).sum()) < 1e-6 * np.abs(dx).sum()


@pytest.mark.parametrize("std", [1e-2, 1e-3, 1e-4, 1e-6])
def test_deviations_as_small_as_epsilon(std, rng):
    """σ near 1e-4 is below √ε = 3e-3, so ε decides; both must be added in float64."""
    x = (rng.normal(size=(20, 6, 6, 3)) * std).astype(np.float32)
    gamma, beta = np.ones(3, "f4"), np.zeros(3, "f4")
    for found, exact in both("batch_norm", x, gamma, beta):
        assert relative_error(found, exact) < 3e-6
    y, _ = functional.batch_norm(x.astype(float), gamma.astype(float), beta.astype(float))
    wide = x.astype(np.float64)
    assert y == pytest.approx((wide - wide.mean((0, 1, 2)))
                              / np.sqrt(wide.var((0, 1, 2)) + 1e-5), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("make", [minibn.BatchNorm, minibn.BatchRenorm, minibn.RenormDebias])
def test_batches_of_one_row(make, dtype, rng):
    """One value per channel: μ_B = x, σ_B = √ε; hundreds of steps stay finite, dx is exactly 0."""
    layer = make(5, dtype=dtype)
    for _ in range(300):
        x = (1e4 + rng.normal(size=(1, 5))).astype(dtype)
        y = layer.forward(x, training=True)
        assert np.isfinite(y).all()
        assert np.all(layer.backward(np.ones_like(y)) == 0)
    if make is minibn.RenormDebias:                            # the average of 300 means
        mu, std = layer.averages()
        assert np.abs(mu - 1e4).max() < 1 and std == pytest.approx(math.sqrt(1e-5), rel=1e-12)


def test_the_reference_agrees_in_float64(rng):
    """The float64 that float32 is measured with is itself right, far from zero."""
    x = offset_images(rng, (20, 6, 6, 3)).astype(np.float64)
    gamma, beta = rng.normal(size=3), rng.normal(size=3)
    y, _ = functional.batch_norm(x, gamma, beta)
    assert relative_error(y, exact_batch_norm(x, gamma, beta, 1e-5)) < 1e-10


# Logits of ±10⁴ -----------------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_of_enormous_logits(dtype):
    """exp(10⁴) overflows any float; the loss does not: 0 for a right guess, the gap for a wrong."""
    logits = np.array([[1e4, -1e4, 0], [1e4, -1e4, 0], [-1e4, -1e4, -1e4], [1e4, 1e4, -1e4]], dtype)
    for labels, loss in (([0, 0, 1, 0], (2 * 0 + math.log(3) + math.log(2)) / 4),
                         ([0, 1, 1, 0], (2e4 + math.log(3) + math.log(2)) / 4)):
        found, cache = functional.softmax_cross_entropy(logits, np.array(labels))
        assert float(found) == pytest.approx(loss, rel=1e-6)
        dz = functional.softmax_cross_entropy_backward(1.0, cache)
        p = np.array([[1, 0, 0], [1, 0, 0], [1 / 3] * 3, [0.5, 0.5, 0]])
        assert dz == pytest.approx((p - np.eye(3)[labels]) / 4, rel=1e-6, abs=1e-9)


def test_cross_entropy_in_float32(rng):
    logits = (rng.normal(size=(64, 100)) * 30).astype(np.float32)
    labels = rng.integers(0, 100, 64)
    for found, exact in both("softmax_cross_entropy", logits, constants=(labels,)):
        assert relative_error(found, exact) < 3e-6


# Moving averages ----------------------------------------------------------------------------------

@pytest.mark.parametrize("step", [1, 2, 10, 1000, 10**5, 10**7])
@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99, 0.999, 0.999999])
def test_the_weight_of_all_values_so_far(decay, step):
    """1 − αᵗ to the last digits, where 1 − α**t in floats has lost up to ten of them."""
    from fractions import Fraction
    alpha = Fraction(decay)
    if step <= 1000:
        exact = float(1 - alpha**step)
    else:                                                      # t·ln α, ln α by its series
        beta = 1 - alpha
        log = -sum(float(beta**k) / k for k in range(1, 400 if beta < 0.6 else 1))
        exact = 1.0 if decay == 0 else -math.expm1(step * log)
    assert weight(decay, step) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("decay", [0.0, 0.99, 0.999999])
def test_the_correction_keeps_a_constant_to_step_ten_million(decay):
    """s_t = v·(1 − αᵗ) in closed form; ŝ_t must give v back at any t."""
    v = np.array([1e-4, 1.0, 1e4])
    for step in (1, 2, 7, 10**3, 10**5, 10**7):
        assert correct_bias(v * weight(decay, step), decay, step) == pytest.approx(v, rel=1e-12)


@pytest.mark.parametrize("decay", [0.99, 0.999999])
def test_averages_of_long_training(decay, rng):
    """A float32 layer, 20,000 steps: its raw average is the exact sum of eq. 10 to 1e-10."""
    layer = minibn.RenormDebias(1, decay=decay)
    values = (10 + rng.normal(size=(20_000, 4, 1))).astype(np.float32)
    for x in values:
        layer.forward(x, training=True)
    means = values.astype(np.float64).mean((1, 2))
    t = len(means)
    weights = (1 - decay) * np.exp(np.arange(t)[::-1] * math.log(decay))
    raw, step = layer.state["moving_mean"], layer.state["step"]
    assert step == t
    assert float(raw[0]) == pytest.approx(math.fsum(weights * means), rel=1e-7)
    assert float(layer.averages()[0][0]) == pytest.approx(
        math.fsum(weights * means) / math.fsum(weights), rel=1e-7)


def test_an_average_still_moves_at_step_ten_million():
    """In float32 1 − α = 1e-6 times a small difference would be rounded away; here it counts."""
    layer = minibn.RenormDebias(1, decay=0.999999)
    layer.state.update(step=10**7, moving_mean=np.array([1.0]), moving_std=np.array([1.0]))
    layer.forward(np.array([[1.02], [0.98], [1.03]], np.float32), training=True)
    mean = np.array([1.02, 0.98, 1.03], np.float32).astype(float).mean()
    assert layer.state["step"] == 10**7 + 1
    assert layer.state["moving_mean"][0] - 1 == pytest.approx(1e-6 * (mean - 1), rel=1e-4)
    assert np.float32(1 - 1e-6) * np.float32(1) + np.float32(1e-6 * mean) == np.float32(1)


def test_two_hundred_thousand_updates_lose_nothing(rng):
    """Rounding in the raw average does not grow with t: α shrinks every error as it does values."""
    decay, average, exact = 0.999, np.zeros(1), 0.0
    values = rng.normal(5, 1, 200_000)
    for v in values:
        average = update_average(average, v, decay)
    weights = (1 - decay) * np.exp(np.arange(len(values))[::-1] * math.log(decay))
    exact = math.fsum(weights * values)
    assert float(average[0]) == pytest.approx(exact, rel=1e-12)


@needs_kernels
# Convolution --------------------------------------------------------------------------------------

@pytest.mark.parametrize("size", [6, 8, 12, 24])
@pytest.mark.parametrize("channels, filters", [(24, 32), (96, 96)])
def test_convolution_by_tiles_against_the_direct_sum(size, channels, filters, rng, monkeypatch):
    """Few multiplications cost digits: 1e-5 of the largest value, where the direct sum has 2e-6."""
    x = rng.normal(size=(12, size, size, channels)).astype(np.float32)
    w = (rng.normal(size=(3, 3, channels, filters)) / math.sqrt(9 * channels)).astype(np.float32)
    y, cache = functional.conv2d(x, w, None, 1, 1)
    dy = rng.normal(size=y.shape).astype(np.float32)
    tiled = [y, *functional.conv2d_backward(dy, cache)[:2]]
    monkeypatch.setattr("minibn.kernels.conv.tile_size", lambda *arguments: None)
    direct, exact = [], []
    for results, dtype in ((direct, np.float32), (exact, np.float64)):
        y, cache = functional.conv2d(x.astype(dtype), w.astype(dtype), None, 1, 1)
        results += [y, *functional.conv2d_backward(dy.astype(dtype), cache)[:2]]
    for a, b, c in zip(tiled, direct, exact, strict=True):
        assert relative_error(a, c) < 1e-5
        assert relative_error(b, c) < 2e-6
    assert not np.array_equal(tiled[0], direct[0])             # they are two ways


def test_tiles_in_float64_are_exact_to_rounding(rng, monkeypatch):
    x, w = rng.normal(size=(4, 12, 12, 32)), rng.normal(size=(3, 3, 32, 32))
    tiled, _ = functional.conv2d(x, w, None, 1, 1)
    monkeypatch.setattr("minibn.kernels.conv.tile_size", lambda *arguments: None)
    direct, _ = functional.conv2d(x, w, None, 1, 1)
    assert relative_error(tiled, direct) < 1e-13


# Weights whose squares overflow or vanish ---------------------------------------------------------

@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1.0, 1e20, 1e30])
def test_weight_norm_of_tiny_and_huge_weights(scale, rng):
    v = (rng.normal(size=(3, 3, 2, 4)) * scale).astype(np.float32)
    g = np.ones(4, np.float32)
    w, _ = functional.weight_norm(v, g)
    wide = v.astype(np.float64)
    assert relative_error(w, wide / np.sqrt((wide**2).sum((0, 1, 2)))) < 3 * EPSILON
