"""Proof 2: central differences, which know nothing of derivatives, agree with every backward.

r and d are constants to the backward pass, so they stay frozen here; the last tests show what
happens when they are not, and that the check notices a wrong gradient.
"""

import numpy as np
import pytest
import reference as ref
from cases import every_case

import minibn
from minibn import functional
from minibn.gradcheck import check_gradient, numeric_gradient, relative_error

TOLERANCE = 1e-6


@every_case
def test_pure_pair(case, rng):
    arguments = case.arguments(rng)
    y, cache = case.forward(*arguments, *case.constants)
    dy = rng.normal(size=np.shape(y))
    gradients = case.backward(dy, cache)
    if len(arguments) == 1:
        gradients = [gradients]

    for i, gradient in enumerate(gradients):
        if gradient is not None:
            def f(a, i=i):
                return case.forward(*arguments[:i], a, *arguments[i + 1:], *case.constants)[0]

            assert_close(f, arguments[i], dy, gradient)


def assert_close(f, x, dy, dx):
    """A slope below 1e-5 drowns in the rounding of the difference: it is compared as it stands."""
    if np.abs(dx).max() < 1e-5:
        assert np.abs(numeric_gradient(f, x, dy) - dx).max() < 1e-9
    else:
        assert check_gradient(f, x, dy, dx) < TOLERANCE


@pytest.mark.parametrize("make", [minibn.BatchRenorm, minibn.RenormDebias])
def test_layer_with_frozen_r_and_d(make, rng):
    layer = make(3, eps=1e-3, dtype=np.float64)
    gamma, beta = layer.params["gamma"], layer.params["beta"]
    gamma[:], beta[:] = rng.normal(size=(2, 3))
    for _ in range(3):
        x = rng.normal(0.5, 2.0, (4, 3, 2, 3))
        layer.forward(x, training=True)
    dy = rng.normal(size=x.shape)
    dx = layer.backward(dy)

    def frozen(x):
        return functional.batch_renorm(x, gamma, beta, layer.r, layer.d, 1e-3)[0]

    assert check_gradient(frozen, x, dy, dx) < TOLERANCE


def test_differencing_through_r_and_d_gives_another_function(rng):
    """If r and d follow x, eq. 7 is (x − μ)/σ: μ_B and σ_B cancel, and their slopes with them."""
    x, dy = rng.normal(0.5, 2.0, (6, 3)), rng.normal(size=(6, 3))
    mu, sigma, eps = 0.2, 1.5, 1e-3

    def statistics(x):
        return x.mean(0), np.sqrt(x.var(0) + eps)

    def r_and_d(x):
        mu_b, sigma_b = statistics(x)
        return sigma_b / sigma, (mu_b - mu) / sigma

    def moving(x):
        return functional.batch_renorm(x, np.ones(3), np.zeros(3), *r_and_d(x), eps)[0]

    _, cache = functional.batch_renorm(x, np.ones(3), np.zeros(3), *r_and_d(x), eps)
    dx, _, _ = functional.batch_renorm_backward(dy, cache)
    assert check_gradient(moving, x, dy, dx) > 0.1             # not the derivative of `moving` …
    assert check_gradient(moving, x, dy, dy / sigma) < TOLERANCE   # … which is that of (x − μ)/σ


# The check itself ---------------------------------------------------------------------------------

def square(x):
    return x ** 2


def test_accepts_a_right_gradient_and_notices_a_wrong_one(rng):
    x, dy = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 3, 4))
    assert check_gradient(square, x, dy, 2 * x * dy) < 1e-8
    assert relative_error(numeric_gradient(square, x, dy), 2 * x * dy) < 1e-8
    assert check_gradient(square, x, dy, 2.002 * x * dy) > 5e-4
    one_wrong = 2 * x * dy
    one_wrong[1, 2, 3] += 0.1
    assert check_gradient(square, x, dy, one_wrong) > 1e-3


def test_a_kink_is_seen_as_half_a_slope():
    """At 0 a central difference of ReLU gives 1/2; that ReLU′(0) = 0 is a convention."""
    slope = numeric_gradient(ref.relu, np.zeros(1), np.ones(1))
    assert slope == pytest.approx(0.5)


def test_all_ones_upstream_proves_nothing_for_a_normalization(rng):
    x = rng.normal(size=(5, 3))
    y, cache = functional.batch_norm(x, np.ones(3), np.zeros(3), 1e-5)
    assert np.abs(functional.batch_norm_backward(np.ones_like(y), cache)[0]).max() < 1e-14


X = np.linspace(-1, 1, 6).reshape(2, 3)


@pytest.mark.parametrize("complaint, change", [
    ("x must be a float64 array", {"x": X.astype(np.float32)}),
    ("x must be a NumPy", {"x": [1.0, 2.0]}),
    ("x is empty", {"x": X[:0]}),
    ("dy must have the shape", {"dy": np.ones(3)}),
    ("dx must have the shape", {"dx": np.ones((3, 2))}),
    ("directions", {"directions": 0}),
    ("step", {"step": 0.0}),
    ("step", {"step": float("nan")}),
])
def test_bad_input(complaint, change):
    good = {"f": square, "x": X, "dy": X, "dx": 2 * X * X}
    assert check_gradient(**good) < 1e-8
    with pytest.raises((ValueError, TypeError), match=complaint):
        check_gradient(**{**good, **change})


def test_a_function_with_a_memory_is_refused(rng):
    layer = minibn.BatchRenorm(3, dtype=np.float64)            # its r and d move with every call
    x = rng.normal(size=(4, 3))
    with pytest.raises(ValueError, match="pure function"):
        check_gradient(lambda x: layer.forward(x, training=True), x, x, x)


@pytest.mark.parametrize("a, b, error", [
    ([1.0, 2.0], [1.0, 2.0], 0.0),
    ([0.0, 0.0], [0.0, 0.0], 0.0),
    ([1.0, 2.0], [1.0, 4.0], 0.5),
])
def test_relative_error(a, b, error):
    assert relative_error(np.array(a), np.array(b)) == error


def test_relative_error_of_nan_is_nan_and_of_two_shapes_an_error():
    assert np.isnan(relative_error(np.array([np.nan, 1]), np.array([1.0, 1])))
    assert np.isnan(relative_error(np.zeros(2), np.array([0, np.nan])))
    with pytest.raises(ValueError, match="one shape, not"):
        relative_error(np.ones(2), np.ones(3))


def test_an_error_of_nothing_is_no_proof():
    with pytest.raises(ValueError, match="a is empty"):
        relative_error(np.ones((0, 3)), np.ones((0, 3)))
