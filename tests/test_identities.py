"""The identities of the normalizers: what the equations promise, asked of the layers.

α is `decay`; hats mark averages corrected by 1 − αᵗ. Batches have another mean and spread at every
step, so that averages, batch statistics and corrections never coincide by accident.
"""

import numpy as np
import pytest

from minibn import BatchNorm, BatchRenorm, GroupNorm, LayerNorm, RenormDebias, functional
from minibn.norms.moving_average import correct_bias, update_average

EPS, DECAY, C = 1e-3, 0.9, 4
SHAPES = [(6, C), (3, 4, 5, C)]
every_bound = pytest.mark.parametrize("r_max, d_max", [  # r_max=None: no clip, of d neither
    (3, 5), (1.2, 0.3), (1.2, None), (None, 0.3)])
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=["dense", "images"])
F64 = {"dtype": np.float64}


def close(a, b, tolerance=1e-12):
    """Every entry within `tolerance` of the largest, or of 1 if all are small."""
    return np.shape(a) == np.shape(b) and np.abs(a - b).max() <= tolerance * max(1, np.abs(b).max())


def batches(rng, shape, steps):
    """`steps` batches, each with a mean and a spread of its own for every channel."""
    for _ in range(steps):
        yield rng.normal(size=C) + rng.uniform(0.5, 2, size=C) * rng.normal(size=shape)


def statistics(x, eps=EPS):
    """μ_B and σ_B, ε inside."""
    axes = tuple(range(x.ndim - 1))
    return x.mean(axes), np.sqrt(x.var(axes) + eps)


def with_affine(layer, rng):
    layer.params["gamma"][:], layer.params["beta"][:] = rng.normal(size=(2, C))
    return layer, layer.params["gamma"], layer.params["beta"]


# The algorithms, line by line ---------------------------------------------------------------------

@pytest.mark.parametrize("shape", [*SHAPES, (2, C)])
def test_bn_keeps_moving_mean_and_unbiased_variance(shape, rng):
    """Inference of §2.1; eqs. 1–4 in training."""
    layer, gamma, beta = with_affine(BatchNorm(C, decay=DECAY, eps=EPS, **F64), rng)
    mean, var = np.zeros(C), np.ones(C)
    for t, x in enumerate(batches(rng, shape, 5), start=1):
        y = layer.forward(x, training=True)
        axes = tuple(range(x.ndim - 1))
        mean = DECAY * mean + (1 - DECAY) * x.mean(axes)
        var = DECAY * var + (1 - DECAY) * x.var(axes, ddof=1)
        mu_b, sigma_b = statistics(x)
        assert close(y, gamma * (x - mu_b) / sigma_b + beta)
        assert close(layer.state["moving_mean"], mean)
        assert close(layer.state["moving_var"], var)
        assert int(layer.state["step"]) == t
    assert close(layer.forward(x), gamma * (x - mean) / np.sqrt(var + EPS) + beta)


@every_shape
@pytest.mark.parametrize("update_first", [True, False])
@every_bound
def test_brn_follows_eqs_5_to_8(shape, update_first, r_max, d_max, rng):
    """Averages from (0, 1), r and d from the average after (the paper) or before the update."""
    layer, gamma, beta = with_affine(
        BatchRenorm(C, decay=DECAY, r_max=r_max, d_max=d_max, eps=EPS,
                    update_first=update_first, **F64), rng)
    mu, sigma = np.zeros(C), np.ones(C)
    for t, x in enumerate(batches(rng, shape, 5), start=1):
        y = layer.forward(x, training=True)
        mu_b, sigma_b = statistics(x)
        before = mu, sigma
        mu = DECAY * mu + (1 - DECAY) * mu_b
        sigma = DECAY * sigma + (1 - DECAY) * sigma_b
        assert_renormed(layer, x, y, *((mu, sigma) if update_first else before), r_max, d_max)
        assert close(layer.state["moving_mean"], mu) and close(layer.state["moving_std"], sigma)
        assert int(layer.state["step"]) == t
    assert close(layer.forward(x), gamma * (x - mu) / sigma + beta)


@every_shape
@pytest.mark.parametrize("eps_inside", [True, False])
@every_bound
def test_renorm_debias_follows_algorithm_1(shape, eps_inside, r_max, d_max, rng):
    """Averages from (0, 0), corrected by 1 − αᵗ as temporaries: the raw ones go on."""
    layer, _, _ = with_affine(
        RenormDebias(C, decay=DECAY, r_max=r_max, d_max=d_max, eps=EPS,
                     eps_inside=eps_inside, **F64), rng)
    mu, sigma = np.zeros(C), np.zeros(C)
    for t, x in enumerate(batches(rng, shape, 5), start=1):
        y = layer.forward(x, training=True)
        mu_b, sigma_b = statistics(x, EPS if eps_inside else 0.0)
        mu = DECAY * mu + (1 - DECAY) * mu_b
        sigma = DECAY * sigma + (1 - DECAY) * sigma_b
        corrected = mu / (1 - DECAY**t), sigma / (1 - DECAY**t)
        assert_renormed(layer, x, y, *corrected, r_max, d_max, eps_inside)
        assert close(layer.state["moving_mean"], mu) and close(layer.state["moving_std"], sigma)
        assert int(layer.state["step"]) == t


def assert_renormed(layer, x, y, mu, sigma, r_max, d_max, eps_inside=True):
    """Eqs. 7 and 8 with the given averages: y, and the r, d and clipped share that layers show."""
    mu_b, sigma_b = statistics(x, EPS if eps_inside else 0.0)
    free_r, free_d = sigma_b / sigma, (mu_b - mu) / sigma
    r, d = free_r, free_d
    if r_max is not None:
        r = np.clip(r, 1 / r_max, r_max)
        d = d if d_max is None else np.clip(d, -d_max, d_max)
    assert close(layer.r, r)
    assert close(layer.d, d)
    assert float(layer.clipped) == np.mean((r != free_r) | (d != free_d))
    xhat = (x - mu_b) / statistics(x)[1] * r + d               # the last division always has ε
    assert close(y, layer.params["gamma"] * xhat + layer.params["beta"])


# What follows from them ---------------------------------------------------------------------------

@every_shape
def test_the_first_step_of_renorm_debias_is_bn(shape, rng):
    """At t = 1 the corrected averages are the batch's own statistics: r = 1, d = 0."""
    debias, gamma, beta = with_affine(RenormDebias(C, eps=EPS, **F64), rng)
    x, dy = next(batches(rng, shape, 1)), rng.normal(size=shape)
    y, cache = functional.batch_norm(x, gamma, beta, EPS)
    assert close(debias.forward(x, training=True), y)
    assert close(debias.r, np.ones(C)) and np.abs(debias.d).max() < 1e-12
    dx, dgamma, dbeta = functional.batch_norm_backward(dy, cache)
    assert close(debias.backward(dy), dx)
    assert close(debias.grads["gamma"], dgamma) and close(debias.grads["beta"], dbeta)


@every_shape
@pytest.mark.parametrize("make", [BatchRenorm, RenormDebias])
def test_unclipped_training_output_is_normalized_by_the_average(make, shape, rng):
    """x̄·r + d = (x − μ)/σ, exactly: batch statistics cancel, in the values if not in gradients."""
    layer = make(C, decay=DECAY, r_max=None, eps=EPS, **F64)
    for t, x in enumerate(batches(rng, shape, 6), start=1):
        y = layer.forward(x, training=True)
        mu, sigma = layer.state["moving_mean"], layer.state["moving_std"]
        if make is RenormDebias:
            mu, sigma = (correct_bias(average, DECAY, t) for average in (mu, sigma))
        assert close(y, (x - mu) / sigma)
        assert float(layer.clipped) == 0


@every_shape
@pytest.mark.parametrize("make", [BatchNorm, BatchRenorm, RenormDebias])
def test_dx_sums_to_zero_in_every_channel(make, shape, rng):
    """A constant added to a channel changes nothing; with r and d frozen, neither in BRN."""
    layer, _, _ = with_affine(make(C, eps=EPS, **F64), rng)
    for x in batches(rng, shape, 3):
        layer.forward(x, training=True)
    dx = layer.backward(rng.normal(size=shape))
    assert np.abs(dx).max() > 1e-3
    assert np.abs(dx.sum(tuple(range(dx.ndim - 1)))).max() < 1e-12


@pytest.mark.parametrize("shape", [(5, 6), (3, 4, 5, 6), (1, 2, 2, 6)])
def test_group_norm_with_one_group_is_layer_norm(shape, rng):
    gamma, beta = rng.normal(size=(2, 6))
    x, dy = rng.normal(1, 2, shape), rng.normal(size=shape)
    one, one_cache = functional.group_norm(x, gamma, beta, 1, EPS)
    all_, all_cache = functional.layer_norm(x, gamma, beta, EPS)
    assert close(one, all_)
    for a, b in zip(functional.group_norm_backward(dy, one_cache),
                    functional.layer_norm_backward(dy, all_cache), strict=True):
        assert close(a, b)
    assert close(GroupNorm(6, groups=1, eps=EPS, **F64).forward(x),
                 LayerNorm(6, eps=EPS, **F64).forward(x))


@pytest.mark.parametrize("shape", [(5, C), (2, 3, 4, C)])
def test_group_norm_with_one_channel_a_group_is_instance_norm(shape, rng):
    """Statistics of each image and channel over space alone."""
    x = rng.normal(1, 2, shape)
    y, _ = functional.group_norm(x, np.ones(C), np.zeros(C), C, EPS)
    space = tuple(range(1, x.ndim - 1))
    assert close(y, (x - x.mean(space, keepdims=True))
                 / np.sqrt(x.var(space, keepdims=True) + EPS))


@every_shape
@pytest.mark.parametrize("make", [BatchRenorm, RenormDebias])
def test_brn_clipped_to_nothing_is_bn(make, shape, rng):
    """r_max = 1 and d_max = 0 leave r = 1, d = 0: training is batch normalization."""
    renorm, gamma, beta = with_affine(make(C, r_max=1, d_max=0, eps=EPS, **F64), rng)
    for x in batches(rng, shape, 3):
        y, cache = functional.batch_norm(x, gamma, beta, EPS)
        assert close(renorm.forward(x, training=True), y)
    dy = rng.normal(size=shape)
    dx, dgamma, dbeta = functional.batch_norm_backward(dy, cache)
    assert close(renorm.backward(dy), dx)
    assert close(renorm.grads["gamma"], dgamma) and close(renorm.grads["beta"], dbeta)


@every_shape
def test_gamma_and_beta_can_undo_the_normalization(shape, rng):
    """γ = √(Var[x] + ε), β = E[x]. (The paper prints γ = Var[x], which does not.)"""
    x = next(batches(rng, shape, 1))
    mean, sigma = statistics(x)
    assert close(functional.batch_norm(x, sigma, mean, EPS)[0], x)
    assert not close(functional.batch_norm(x, sigma**2, mean, EPS)[0], x, 1e-2)


# Moving averages ----------------------------------------------------------------------------------

@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9, 0.99, 0.999999])
def test_the_corrected_average_of_a_constant_is_exact_at_every_step(decay):
    value = np.array([0.05, -3.0, 1e4])
    average = np.zeros(3)
    for t in range(1, 500):
        average = update_average(average, value, decay)
        assert close(correct_bias(average, decay, t), value, 1e-12)


def test_the_average_is_the_weighted_sum_of_eq_10(rng):
    alpha, values = 0.8, rng.normal(size=(20, 3))
    average = np.zeros(3)
    for t, v in enumerate(values, start=1):
        average = update_average(average, v, alpha)
        weights = (1 - alpha) * alpha ** (t - np.arange(1, t + 1))
        assert close(average, weights @ values[:t])
        assert weights.sum() == pytest.approx(1 - alpha**t)


@pytest.mark.parametrize("steps", [1, 5, 30, 120])
def test_bias_and_variance_of_many_simulated_averages(steps, rng):
    """E[s_t] = (1 − αᵗ) E[v] (eq. 11), Var[ŝ_t] = Var[v] (1 − α)/(1 + α) · (1 + αᵗ)/(1 − αᵗ).

    20,000 runs; the mean may miss by five standard errors, and so may the variance, whose own
    is √(2/runs) of it for normal values.
    """
    alpha, runs, mean, std = 0.95, 20_000, 2.0, 0.7
    average = np.zeros(runs)
    for _ in range(steps):
        average = update_average(average, rng.normal(mean, std, runs), alpha)
    bias = 1 - alpha**steps
    assert abs(average.mean() - bias * mean) < 5 * average.std() / np.sqrt(runs)
    corrected = correct_bias(average, alpha, steps)
    assert abs(corrected.mean() - mean) < 5 * corrected.std() / np.sqrt(runs)
    variance = std**2 * (1 - alpha) / (1 + alpha) * (1 + alpha**steps) / bias
    assert abs(corrected.var() / variance - 1) < 5 * np.sqrt(2 / runs)


def test_there_is_nothing_to_correct_before_the_first_step():
    with pytest.raises(ValueError, match="step"):
        correct_bias(np.zeros(3), 0.99, 0)


def test_an_average_is_a_new_array(rng):
    average, value = rng.normal(size=(2, 3))
    copies = average.copy(), value.copy()
    assert update_average(average, value, 0.9) is not average
    assert correct_bias(average, 0.9, 3) is not average
    assert np.array_equal(average, copies[0]) and np.array_equal(value, copies[1])


# Where the methods part ---------------------------------------------------------------------------

def test_brn_is_clipped_for_224_steps_where_renorm_debias_never_is(rng):
    """True σ 0.05. BRN's average starts at 1 and falls as 0.05 + 0.95·0.99ᵗ: as long as that is
    above 0.15, for t ≤ ln(9.5)/−ln(0.99) = 224.0, r = σ_B/σ stays at its bound of 1/3."""
    x = 0.05 * np.array([[1.0], [-1.0]])
    brn, debias = BatchRenorm(1, eps=1e-12, **F64), RenormDebias(1, eps=1e-12, **F64)
    at_bound = []
    for _ in range(1000):
        brn.forward(x, training=True)
        at_bound.append(bool(brn.r[0] == pytest.approx(1 / 3)) and float(brn.clipped) == 1)
        noisy = 0.05 * rng.normal(size=(50, 1))
        debias.forward(noisy, training=True)
        assert float(debias.clipped) == 0
        assert 0.5 < debias.r[0] < 2
    assert at_bound == [True] * 224 + [False] * 776


@pytest.mark.parametrize("step, r_max, d_max", [
    (1, 1, 0), (4_999, 1, 0), (5_000, 1, 0),
    (15_000, 1 + 2 * 10 / 35, 2.5),
    (25_000, 1 + 2 * 20 / 35, 5),
    (40_000, 3, 5), (1_000_000, 3, 5)])
def test_ramp_of_ioffe(step, r_max, d_max):
    """Plain BN for 5,000 steps; then r_max goes 1→3 by 40,000 and d_max 0→5 by 25,000, linearly."""
    layer = BatchRenorm(1, ramp=(5_000, 40_000, 25_000), decay=0.99, eps=1e-12, **F64)
    layer.state["step"] = step - 1                             # the next step is number `step`
    for far in (1e3, -1e3):                                    # σ_B and μ_B far from (0, 1)
        layer.state["moving_mean"][:], layer.state["moving_std"][:] = 0, 1
        layer.state["step"] = step - 1
        layer.forward(far + 200 * np.array([[1.0], [-1.0]]), training=True)
        assert layer.r[0] == pytest.approx(r_max, rel=1e-12)
        assert layer.d[0] == pytest.approx(np.sign(far) * d_max, rel=1e-12)
    layer.state["moving_mean"][:], layer.state["moving_std"][:] = 0, 1
    layer.state["step"] = step - 1
    layer.forward(1e-3 * np.array([[1.0], [-1.0]]), training=True)
    assert layer.r[0] == pytest.approx(1 / r_max, rel=1e-12)


# Test modes ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("make", [BatchRenorm, RenormDebias])
@pytest.mark.parametrize("test_shape", [(1, C), (5, C), (1, 2, 2, C)])
def test_modes_agree_unclipped_even_for_one_image(make, test_shape, rng):
    """Algorithm 1 with μ, σ and t frozen is (x − μ)/σ where nothing is clipped."""
    layer, _, _ = with_affine(make(C, decay=DECAY, r_max=None, eps=EPS, **F64), rng)
    for x in batches(rng, (6, C), 5):
        layer.forward(x, training=True)
    before = {key: np.copy(value) for key, value in layer.state.items()}
    x = rng.normal(size=test_shape)
    outputs = []
    for layer.test_mode in ("batch", "moving"):
        outputs.append(layer.forward(x))
    assert close(*outputs, 1e-10)
    assert all(np.array_equal(layer.state[key], before[key]) for key in before)


@pytest.mark.parametrize("make", [BatchRenorm, RenormDebias])
def test_modes_differ_where_clipping_acts(make, rng):
    """… and with "batch" the prediction for one image then depends on the others."""
    layer = make(C, decay=DECAY, r_max=1.1, d_max=0.1, eps=EPS, **F64)
    for x in batches(rng, (20, C), 5):
        layer.forward(x, training=True)
    x, other = 3 + 4 * rng.normal(size=(2, 5, C))
    other[0] = x[0]
    layer.test_mode = "moving"
    moving = layer.forward(x)
    assert close(moving[0], layer.forward(other)[0])
    layer.test_mode = "batch"
    batch = layer.forward(x)
    assert not close(batch, moving, 0.1)
    assert not close(batch[0], layer.forward(other)[0], 0.01)


@pytest.mark.parametrize("make", [BatchRenorm, RenormDebias])
def test_mode_batch_is_the_training_formula_with_frozen_averages(make, rng):
    layer, gamma, beta = with_affine(make(C, decay=DECAY, r_max=1.5, d_max=0.4, eps=EPS,
                                          test_mode="batch", **F64), rng)
    for x in batches(rng, (8, C), 4):
        layer.forward(x, training=True)
    mu, sigma = layer.state["moving_mean"], layer.state["moving_std"]
    if make is RenormDebias:
        mu, sigma = mu / (1 - DECAY**4), sigma / (1 - DECAY**4)
    x = next(batches(rng, (8, C), 1))
    mu_b, sigma_b = statistics(x)
    r = np.clip(sigma_b / sigma, 1 / 1.5, 1.5)
    d = np.clip((mu_b - mu) / sigma, -0.4, 0.4)
    assert close(layer.forward(x), gamma * ((x - mu_b) / sigma_b * r + d) + beta)


@pytest.mark.parametrize("make, mode", [(BatchRenorm, "moving"), (RenormDebias, "batch")])
def test_default_mode(make, mode):
    assert make(C).test_mode == mode


def test_only_renorm_debias_must_be_trained_before_it_is_tested(rng):
    """(0, 1) is an average to start from; (0, 0) is none."""
    x = rng.normal(size=(5, C))
    assert close(BatchNorm(C, eps=EPS, **F64).forward(x), x / np.sqrt(1 + EPS))
    assert close(BatchRenorm(C, eps=EPS, **F64).forward(x), x)
    for mode in ("batch", "moving"):
        with pytest.raises((ValueError, RuntimeError), match="train"):
            RenormDebias(C, test_mode=mode).forward(x.astype(np.float32))


# One value per channel ----------------------------------------------------------------------------

@pytest.mark.parametrize("shape", [(1, C), (1, 1, 1, C)])
@pytest.mark.parametrize("make", [BatchNorm, BatchRenorm, RenormDebias])
def test_one_value_per_channel(make, shape, rng):
    """x̂ = d, so y = γ·d + β, and dx = 0."""
    layer, gamma, beta = with_affine(make(C, decay=DECAY, eps=EPS, **F64), rng)
    for x in batches(rng, shape, 3):
        y = layer.forward(x, training=True)
        d = getattr(layer, "d", np.zeros(C))
        assert close(y, np.broadcast_to(gamma * d + beta, shape))
        dy = rng.normal(size=shape)
        assert (layer.backward(dy) == 0).all()
        assert close(layer.grads["gamma"], dy.reshape(C) * d)
        assert close(layer.grads["beta"], dy.reshape(C))
    assert np.isfinite(layer.forward(x)).all()


def test_one_value_per_channel_moves_the_biased_variance(rng):
    """There is no unbiased variance of one value: BN then takes the biased one, 0."""
    layer = BatchNorm(C, decay=DECAY, eps=EPS, **F64)
    layer.forward(rng.normal(size=(1, C)), training=True)
    assert close(layer.state["moving_var"], np.full(C, DECAY))
