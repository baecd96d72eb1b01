"""The kernels for a GPU against the textbook functions that they replace, on CuPy."""

import inspect
from importlib import import_module

import numpy as np
import pytest
from cases import CASES

from minibn import functional, kernels
from minibn.backend import device_module
from minibn.norms.batch_norm import batch_statistics, normalize
from minibn.optim import momentum_update

ROUNDING = {"float64": 1e-10, "float32": 1e-5}    # of the largest value
TEXTBOOK = {"batch_statistics": batch_statistics, "normalize": normalize,
            "momentum_update": momentum_update}
KERNEL_CASES = [case for case in CASES
                if {case.name, case.name + "_backward"} & set(kernels.CUPY_TABLE)]
HARD = {  # what float32 sums cannot do: the mean, σ, and what is added to the first row
    "large mean": (1e4, 1.0, 0.0), "small σ": (1.0, 1e-4, 0.0),
    "first row far away": (0.0, 1.0, 1e6),
}


@pytest.fixture
def cupy():
    try:
        return device_module("gpu")
    except RuntimeError as error:
        pytest.skip(str(error))


def textbook_of(name):
    """The function in the package that the kernel of this name stands in for."""
    return TEXTBOOK.get(name) or getattr(functional, name, None) or getattr(
        import_module("minibn.norms.batch_renorm"), name)


@pytest.mark.parametrize("name", kernels.CUPY_TABLE)
def test_a_kernel_takes_what_its_textbook_function_takes(name, cupy):
    def parameters(function):
        found = inspect.signature(function).parameters.values()
        return [(p.name, p.kind, p.default) for p in found]

    assert parameters(kernels.find(name, cupy.ndarray)) == parameters(textbook_of(name).textbook)


def on_device(values, cupy):
    return [cupy.asarray(v) if isinstance(v, np.ndarray) else v for v in values]


def assert_close(found, expected, dtype, least=0.0):
    for one, other in zip(found, expected, strict=True):
        if other is None:
            assert one is None
            continue
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        one, other = one.get(), other.get()
        size = max(least, np.abs(other).max(initial=0))
        assert np.abs(one - other).max(initial=0) <= ROUNDING[dtype] * size


@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize("case", KERNEL_CASES, ids=str)
def test_a_kernel_gives_what_its_textbook_function_gives(case, dtype, cupy, rng):
    """Results and gradients; and each backward pass takes the other's cache."""
    args = on_device([*case.arguments(rng, dtype), *case.constants], cupy)
    y, cache = case.forward(*args)

    dy = cupy.asarray(rng.normal(size=y.shape).astype(dtype))
    gradients = case.backward(dy, cache)
    with kernels.disabled():
        expected, textbook_cache = case.forward(*args)
        assert type(cache) is type(textbook_cache)
        expected_gradients = case.backward(dy, textbook_cache)
        crossed = case.backward(dy, cache)
    least = float(abs(dy).max())              # BN's gradient all but cancels in a batch of two
    assert_close([y], [expected], dtype)
    assert_close(gradients, expected_gradients, dtype, least)
    assert_close(crossed, expected_gradients, dtype, least)
    assert_close(case.backward(dy, textbook_cache), expected_gradients, dtype, least)


@pytest.mark.parametrize("enabled", [True, False], ids=["kernel", "textbook"])
@pytest.mark.parametrize("name", HARD)
def test_statistics_of_many_float32_values_are_exact(name, enabled, cupy, rng):
    """73,728 rows, as at batch 128 on maps of 24×24: 1e-12 of the variance, not float32's 1e-5."""
    mean, sigma, far = HARD[name]
    x = rng.normal(mean, sigma, (73_728, 3)).astype(np.float32)
    x[0] += far
    exact = x.astype(np.longdouble)
    mu = exact.mean(0)
    var = ((exact - mu) ** 2).mean(0)
    run = batch_statistics if enabled else batch_statistics.textbook
    found_mu, found_var = (v.get() for v in run(cupy.asarray(x)))
    assert np.abs(found_mu - mu).max() <= 1e-12 * np.sqrt(var).max() + 1e-15 * abs(mean)
    assert np.abs(found_var / var - 1).max() <= 1e-12


def test_a_sum_does_not_depend_on_the_run(cupy, rng):
    """Threads add in a fixed order, so a run can be repeated bit for bit."""
    x = cupy.asarray(rng.normal(size=(5000, 7)).astype(np.float32))
    first = [v.get() for v in batch_statistics(x)]
    for _ in range(3):
        for again, value in zip(batch_statistics(x), first, strict=True):
            assert np.array_equal(again.get(), value)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_what_is_not_finite_is_passed_on(value, cupy, rng):
    x = rng.normal(size=(6, 3)).astype(np.float32)
    x[2, 1] = value
    args = on_device([x, np.ones(3, np.float32), np.zeros(3, np.float32)], cupy)
    y, cache = functional.batch_norm(*args)
    dx, *_ = functional.batch_norm_backward(cupy.ones_like(y), cache)
    for found in (y, dx):
        assert np.isnan(found.get()).tolist() == [[False, True, False]] * 6


def test_rows_that_do_not_follow_each_other_in_memory(cupy, rng):
    """A view of every other row, and a transposed one."""
    x = cupy.asarray(rng.normal(size=(8, 6)).astype(np.float32))
    for view in (x[::2], x.T, x[:, ::2]):
        gamma = cupy.ones(view.shape[1], "float32")
        y, cache = functional.batch_norm(view, gamma, gamma)
        expected, other = functional.batch_norm(view.copy(), gamma, gamma)
        assert_close([y], [expected], "float32")
        assert_close(functional.batch_norm_backward(y[::-1], cache),
                     functional.batch_norm_backward(y[::-1].copy(), other), "float32")


def test_an_update_is_in_place(cupy, rng):
    p, v, g = (cupy.asarray(rng.normal(size=(3, 4)).astype(np.float32)) for _ in range(3))
    expected = [a.copy() for a in (p, v, g)]
    momentum_update(p, v, g, 0.1, 0.9)
    momentum_update.textbook(*expected, 0.1, 0.9)
    assert_close([p, v, g], expected, "float32")


def test_a_convolution_too_large_for_32_bits_is_left_to_the_textbook(cupy, monkeypatch, rng):
    from minibn.kernels import cupy_conv

    x, w = on_device([rng.normal(size=(2, 5, 5, 3)), rng.normal(size=(3, 3, 3, 4))], cupy)
    expected, cache = functional.conv2d(x, w, None, 2, 1)
    gradients = functional.conv2d_backward(expected, cache)
    monkeypatch.setattr(cupy_conv, "MOST", 100)
    assert cupy_conv.conv2d(x, w) is NotImplemented
    assert cupy_conv.conv2d_backward(expected, cache) is NotImplemented
    y, cache = functional.conv2d(x, w, None, 2, 1)
    assert_close([y], [expected], "float64")
    assert_close(functional.conv2d_backward(expected, cache), gradients, "float64")
