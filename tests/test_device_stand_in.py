"""What CuPy does otherwise than NumPy, and that the stand-in of `fake_cupy.py` does the same."""

import fake_cupy
import numpy as np
import pytest

from minibn.backend import array_module, device_module

# What both refuse, and what both allow ----------------------------------------------------------

@pytest.mark.parametrize("mix", [
    lambda x, a: x + a, lambda x, a: a + x, lambda x, a: a @ x, lambda x, a: x == a,
    lambda x, a: x @ a, lambda x, a: np.asarray(x), lambda x, a: np.add(a, x),
    lambda x, a: a.__setitem__(..., x), lambda x, a: a.__iadd__(x), lambda x, a: x.__iadd__(a),
    lambda x, a: np.stack([a, x]), lambda x, a: x + [1, 2],
    lambda x, a: array_module(x).exp(a), lambda x, a: array_module(x).maximum(x, a),
    lambda x, a: array_module(x).matmul(x, x, out=a), lambda x, a: array_module(x).where(a, x, x),
])
def test_arrays_of_two_devices_do_not_mix(gpu, mix):
    with pytest.raises(TypeError):
        mix(gpu.asarray(np.eye(2)), np.eye(2))


def test_numbers_are_welcome(gpu):
    x = gpu.asarray(np.array([1.0, 2.0], np.float32))
    for result in (2 * x, x * 2.0, np.float32(2) * x, x * np.float32(2), gpu.maximum(x, 0) + x):
        assert result.dtype == np.float32
        assert np.array_equal(gpu.asnumpy(result), [2, 4])


def test_a_single_value_stays_on_the_device(gpu):
    x = gpu.asarray(np.arange(6.0).reshape(2, 3))
    for value in (x.sum(), x.mean((0, 1)), x.max(), x[1, 2], (x > 3).any(), x.sum() + 1):
        assert isinstance(value, gpu.ndarray) and value.shape == ()
    assert float(x[1, 2]) == 5
    entry = x[1, 2]
    entry += 1                                            # a view, where NumPy has a copy
    assert float(x[1, 2]) == 6


def test_an_index_out_of_range_wraps(gpu):
    """Which is why the loss looks at its labels."""
    x, index = gpu.asarray(np.arange(3.0)), gpu.asarray(np.array([0, 4, -1]))
    assert np.array_equal(gpu.asnumpy(x[index]), [0, 1, 2])
    x[index] = 7
    assert np.array_equal(gpu.asnumpy(x), [7, 7, 7])
    with pytest.raises(IndexError):
        x[3]


@pytest.mark.filterwarnings("error")
def test_a_division_by_zero_is_silent(gpu):
    assert float(1 / gpu.zeros(1)[0]) == np.inf


@pytest.mark.parametrize("mix", [
    lambda x: np.sort(x), lambda x: x[np.arange(2)],
    lambda x: x.__setitem__(..., np.zeros(2)), lambda x: fake_cupy.matmul(x, x, out=x),
])
def test_the_stand_in_is_stricter_than_cupy(mix):
    with pytest.raises((TypeError, ValueError)):
        mix(fake_cupy.zeros(2))


def test_the_stand_in_has_no_other_names():
    x = fake_cupy.zeros(2)
    for owner, name in [(fake_cupy, "tensordot"), (fake_cupy, "errstate"), (fake_cupy, "random"),
                        (x, "__array_namespace__"), (x, "tolist"), (x, "std")]:
        assert not hasattr(owner, name)


# The same results -------------------------------------------------------------------------------

X = np.arange(24.0).reshape(2, 3, 4)
ROW_MAJOR = {  # results that lie in C order, though their operands do not
    "x.T + x.T": lambda xp, x: x.T + x.T,
    "x.T * 2": lambda xp, x: x.T * 2,
    "-x.swapaxes": lambda xp, x: -x.swapaxes(0, 1),
    "x.T > 3": lambda xp, x: x.T > 3,
    "row + x.T": lambda xp, x: x.T[0] + x.T,
    "reversed + 1": lambda xp, x: x[:, ::-1].swapaxes(0, 2) + 1,
    "sum": lambda xp, x: x.T.sum(0),
    "mean": lambda xp, x: x.swapaxes(0, 1).mean(0, keepdims=True),
    "max": lambda xp, x: x.T.max(0),
    "argmax": lambda xp, x: x.T.argmax(0),
    "exp": lambda xp, x: xp.exp(x.T / 24),
    "maximum": lambda xp, x: xp.maximum(x.T, 3.0),
    "where": lambda xp, x: xp.where(x.T > 3, x.T, 0.0),
    "clip": lambda xp, x: xp.clip(x.T, 2, 5),
    "x.clip": lambda xp, x: x.T.clip(2, 5),
    "abs": lambda xp, x: abs(-x.T),
    "numpy.exp": lambda xp, x: np.exp(x.T / 24),
    "numpy.maximum": lambda xp, x: np.maximum(x.T, 3.0),
    "numpy.where": lambda xp, x: np.where(x.T > 3, x.T, 0.0),
    "numpy.zeros_like of a shape": lambda xp, x: np.zeros_like(x, shape=(4, 5, 6)),
    "product": lambda xp, x: x.T @ x.T.swapaxes(1, 2),
    "index array": lambda xp, x: x.T[xp.asarray(np.array([0, 1]))],
    "index array behind": lambda xp, x: x[:, xp.asarray(np.array([0, 1]))],
    "asarray": lambda xp, x: xp.asarray(X.swapaxes(0, 1)),
    "ascontiguousarray": lambda xp, x: xp.ascontiguousarray(x.T),
}
COLUMN_MAJOR = {  # results that keep the order of x.T
    "astype": lambda xp, x: x.T.astype(np.float32),
    "zeros_like": lambda xp, x: xp.zeros_like(x.T),
    "numpy.pad": lambda xp, x: np.pad(x.T, ((0, 0), (1, 1), (2, 0))),
    "copy K": lambda xp, x: x.T.copy("K"),
    "asarray": lambda xp, x: xp.asarray(np.asfortranarray(X)),
}
REFUSED = {
    "astype casting": lambda xp, x: x.astype(np.float32, casting="safe"),
    "astype subok": lambda xp, x: x.astype(np.float32, subok=False),
    "float into integers": lambda xp, x: xp.zeros(3, np.int64).__iadd__(1.5),
    "float of many": lambda xp, x: float(x),
}
OTHERS = {  # dtypes and values
    "float32 · float": lambda xp, x: x.astype(np.float32) * 2.0,
    "float32 · float64": lambda xp, x: x.astype(np.float32) * np.float64(2),
    "float32 · array of float64": lambda xp, x: x.astype(np.float32) * x,
    "float32 += array of float64": lambda xp, x: x.astype(np.float32).__iadd__(x),
    "integers / integers": lambda xp, x: xp.arange(3) / xp.arange(1, 4),
    "mean of float32 in float64": lambda xp, x: x.astype(np.float32).mean(0, dtype=np.float64),
    "sum of booleans": lambda xp, x: (x > 3).sum(),
    "numpy.sliding_window_view": lambda xp, x: np.lib.stride_tricks.sliding_window_view(
        x, (2, 2), axis=(1, 2)),
    "number · array": lambda xp, x: np.float64(2) * x.astype(np.float32),
    "broadcast": lambda xp, x: xp.broadcast_to(x[0, 0], (2, 4)) + 1,
    "assigned": lambda xp, x: (x.__setitem__((0, 0), xp.arange(4)), x)[1],
}


@pytest.mark.parametrize("name", ROW_MAJOR)
def test_results_lie_in_row_major_order(name, gpu):
    assert ROW_MAJOR[name](gpu, gpu.asarray(X)).flags.c_contiguous


@pytest.mark.parametrize("name", COLUMN_MAJOR)
def test_copies_keep_their_order(name, gpu):
    assert not COLUMN_MAJOR[name](gpu, gpu.asarray(X)).flags.c_contiguous


@pytest.mark.parametrize("name", REFUSED)
def test_what_numpy_takes_is_refused(name, gpu):
    with pytest.raises((TypeError, ValueError)):
        REFUSED[name](gpu, gpu.asarray(X))


@pytest.mark.parametrize("name, f", [*ROW_MAJOR.items(), *COLUMN_MAJOR.items(), *OTHERS.items()])
def test_the_stand_in_gives_what_cupy_gives(name, f):
    """The dtype, the shape, the place of each value in memory, and the values but for rounding."""
    try:
        cupy = device_module("gpu")
    except RuntimeError as error:
        pytest.skip(str(error))
    real, ours = f(cupy, cupy.asarray(X)), f(fake_cupy, fake_cupy.asarray(X))
    assert (ours.dtype, ours.shape) == (real.dtype, real.shape)
    long = [axis for axis, length in enumerate(real.shape) if length > 1]
    assert [ours.strides[axis] for axis in long] == [real.strides[axis] for axis in long]
    np.testing.assert_allclose(ours.get(), real.get(), rtol=1e-6)
