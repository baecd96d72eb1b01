"""Properties that hold whatever the sizes: hypothesis looks for shapes that break them."""

import numpy as np
import pytest
import reference as ref
from cases import CASES
from hypothesis import assume, given
from hypothesis import strategies as st

from minibn import functional

small = st.integers(1, 4)
seeds = st.integers(0, 2**32 - 1)


@st.composite
def convolutions(draw):
    """Random x, w, stride and padding for which at least one place fits."""
    rng = np.random.default_rng(draw(seeds))
    h, w = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    size, stride, padding = draw(st.sampled_from([1, 3, 5])), draw(small), draw(st.integers(0, 2))
    assume(min(h, w) + 2 * padding >= size)
    n, c_in, c_out = draw(small), draw(small), draw(small)
    return (rng, rng.normal(size=(n, h, w, c_in)), rng.normal(size=(size, size, c_in, c_out)),
            stride, padding)


@st.composite
def poolings(draw):
    """Random x, size, stride and ceil_mode; x of distinct values, so that no maximum is tied."""
    rng = np.random.default_rng(draw(seeds))
    size, stride, ceil_mode = draw(small), draw(small), draw(st.booleans())
    h, w = draw(st.integers(size, 9)), draw(st.integers(size, 9))
    return rng, rng.normal(size=(draw(small), h, w, draw(small))), size, stride, ceil_mode


def inner(a, b):
    return pytest.approx(np.sum(a * b), rel=1e-9, abs=1e-9)


# Shapes and values --------------------------------------------------------------------------------

@given(convolutions())
def test_convolution_agrees_with_the_sum_over_its_kernel(example):
    _, x, w, stride, padding = example
    y, _ = functional.conv2d(x, w, None, stride, padding)
    size = w.shape[0]
    assert y.shape == (len(x), *[(length + 2 * padding - size) // stride + 1
                                 for length in x.shape[1:3]], w.shape[-1])
    assert y == pytest.approx(ref.conv2d(x, w, None, stride, padding), rel=1e-9, abs=1e-9)


@given(poolings())
def test_pooling_agrees_with_its_windows_one_by_one(example):
    _, x, *rest = example
    for name in ("max_pool2d", "avg_pool2d"):
        y, _ = getattr(functional, name)(x, *rest)
        assert y == pytest.approx(getattr(ref, name)(x, *rest), rel=1e-12, abs=1e-12)


@given(seeds, small, st.integers(1, 3), st.integers(1, 3), st.booleans())
def test_group_norm_for_every_number_of_groups(seed, groups, per_group, n, images):
    rng = np.random.default_rng(seed)
    channels = groups * per_group
    x = rng.normal(1, 2, (n, 3, 2, channels) if images else (n, channels))
    gamma, beta = rng.normal(size=(2, channels))
    y, cache = functional.group_norm(x, gamma, beta, groups, 1e-3)
    assert y == pytest.approx(ref.group_norm(x, gamma, beta, groups, 1e-3), rel=1e-9, abs=1e-9)
    dx, dgamma, dbeta = functional.group_norm_backward(rng.normal(size=x.shape), cache)
    assert dx.shape == x.shape and dgamma.shape == dbeta.shape == (channels,)
    by_group = dx.reshape(n, -1, groups, per_group)            # no group notices a constant
    assert np.abs(by_group.sum((1, 3))).max() < 1e-9


# Adjoints: a backward pass is the transpose of its linear map, ⟨dy, J·v⟩ = ⟨Jᵀ·dy, v⟩ -------------

@given(convolutions())
def test_convolution_backward_is_its_transpose(example):
    """Convolution is linear in the image and in the kernel: two adjoint pairs."""
    rng, x, w, stride, padding = example
    b = rng.normal(size=w.shape[-1])
    y, cache = functional.conv2d(x, w, b, stride, padding)
    dy = rng.normal(size=y.shape)
    dx, dw, db = functional.conv2d_backward(dy, cache)
    v_x, v_w = rng.normal(size=x.shape), rng.normal(size=w.shape)
    assert np.sum(dx * v_x) == inner(dy, functional.conv2d(v_x, w, None, stride, padding)[0])
    assert np.sum(dw * v_w) == inner(dy, functional.conv2d(x, v_w, None, stride, padding)[0])
    assert db == pytest.approx(dy.sum((0, 1, 2)), rel=1e-9, abs=1e-9)


@given(poolings())
def test_average_pooling_backward_is_its_transpose(example):
    rng, x, *rest = example
    y, cache = functional.avg_pool2d(x, *rest)
    dy, v = rng.normal(size=y.shape), rng.normal(size=x.shape)
    dx = functional.avg_pool2d_backward(dy, cache)
    assert np.sum(dx * v) == inner(dy, functional.avg_pool2d(v, *rest)[0])


@given(poolings())
def test_max_pooling_routes_every_gradient_to_one_entry(example):
    """Nothing is lost, nothing made; and near x, max pooling is linear: y = Jᵀ… = J·x."""
    rng, x, *rest = example
    y, cache = functional.max_pool2d(x, *rest)
    dy = rng.normal(size=y.shape)
    dx = functional.max_pool2d_backward(dy, cache)
    assert np.sum(dx) == pytest.approx(np.sum(dy), rel=1e-9, abs=1e-9)
    assert np.sum(dx * x) == inner(dy, y)


@given(seeds, small, small, small)
def test_linear_backward_is_its_transpose(seed, n, inputs, outputs):
    rng = np.random.default_rng(seed)
    x, v = rng.normal(size=(2, n, inputs))
    w, dy = rng.normal(size=(inputs, outputs)), rng.normal(size=(n, outputs))
    _, cache = functional.linear(x, w, None)
    assert np.sum(functional.linear_backward(dy, cache)[0] * v) == inner(
        dy, functional.linear(v, w, None)[0])


@given(seeds, small, small, st.floats(0.1, 10), st.floats(-5, 5))
def test_batch_norm_sees_neither_scale_nor_shift(seed, n, channels, scale, shift):
    """BN(a·x + b) = BN(x) for ε = 0, and so dx is orthogonal to 1 and to x̂, whatever dy is."""
    rng = np.random.default_rng(seed)
    x, dy = rng.normal(size=(2, 3 * n, channels))
    one, zero = np.ones(channels), np.zeros(channels)
    y, cache = functional.batch_norm(x, one, zero, 0)
    again, _ = functional.batch_norm(scale * x + shift, one, zero, 0)
    assert again == pytest.approx(y, rel=1e-6, abs=1e-6)
    dx, _, _ = functional.batch_norm_backward(dy, cache)
    size = np.abs(dx).max() + 1
    assert np.abs(dx.sum(0)).max() < 1e-9 * size
    assert np.abs((dx * y).sum(0)).max() < 1e-8 * size


# Promises of every pure function ------------------------------------------------------------------

def one_of_each(cases):
    return list({case.name: case for case in cases if case.shapes[0][0] > 1}.values())


every_function = pytest.mark.parametrize("case", one_of_each(CASES), ids=lambda case: case.name)


def run(case, rng, dtype):
    """Forward and backward on read-only arrays, which any write would upset; all results."""
    arguments = case.arguments(rng, dtype)
    constants = tuple(c.copy() if isinstance(c, np.ndarray) else c for c in case.constants)
    for a in (*arguments, *constants):
        if isinstance(a, np.ndarray):
            a.flags.writeable = False
    y, cache = case.forward(*arguments, *constants)
    dy = np.asarray(rng.normal(size=np.shape(y)).astype(dtype))
    dy.flags.writeable = False
    gradients = case.backward(dy, cache)
    gradients = [gradients] if len(arguments) == 1 else gradients
    return arguments, y, [g for g in gradients if g is not None]


@every_function
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes_shapes_and_arguments_are_kept(case, dtype, rng):
    arguments, y, gradients = run(case, rng, dtype)
    assert np.asarray(y).dtype == dtype
    for a, g in zip((a for a in arguments if a is not None), gradients, strict=True):
        assert g.dtype == dtype and g.shape == a.shape


@every_function
def test_results_are_never_written_again(case, rng):
    _, y, gradients = run(case, rng, np.float64)
    copies = [np.copy(a) for a in (y, *gradients)]
    run(case, rng, np.float64)
    assert all(np.array_equal(a, b) for a, b in zip((y, *gradients), copies, strict=True))


@every_function
def test_results_share_no_memory_with_each_other_or_the_arguments(case, rng):
    arguments, y, gradients = run(case, rng, np.float64)
    arrays = [a for a in (*arguments, y, *gradients) if isinstance(a, np.ndarray)]
    for i, a in enumerate(arrays):
        assert not any(np.shares_memory(a, b) for b in arrays[:i])


@every_function
def test_backward_may_be_asked_twice(case, rng):
    """A cache is used, not used up."""
    arguments = case.arguments(rng)
    y, cache = case.forward(*arguments, *case.constants)
    dy = rng.normal(size=np.shape(y))
    first, second = case.backward(dy, cache), case.backward(dy, cache)
    first, second = ([g] if len(arguments) == 1 else g for g in (first, second))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True) if a is not None)
