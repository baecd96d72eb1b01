"""What OpenBLAS is asked directly gives what NumPy gives; where it is missing, NumPy gives it."""

from types import SimpleNamespace

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from minibn.kernels import openblas as blas
from minibn.kernels.openblas import add_scaled, decay_and_add, multiply_stacks

ROUNDING = {np.float32: 1e-5, np.float64: 1e-13}


@pytest.fixture(params=["OpenBLAS", "NumPy alone"])
def library(request, monkeypatch):
    """With the calls that there are, and without any."""
    if request.param == "NumPy alone":
        monkeypatch.setattr(blas, "_routine", lambda name, dtype: None)
    return request.param


def openblas_of_numpy():
    """The version of the OpenBLAS that came with NumPy, as (0, 3, 31); () where none did."""
    for loaded in ThreadpoolController().lib_controllers:
        if loaded.internal_api == "openblas" and "numpy" in loaded.filepath and loaded.version:
            return tuple(int(n) for n in loaded.version.split(".")[:3])
    return ()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_calls_are_found_where_numpy_brings_them(dtype):
    version = openblas_of_numpy()
    if version < (0, 3, 29):
        pytest.skip("NumPy came with another BLAS, or with one before gemm_batch")
    for name in ("gemm_batch", "axpy"):
        assert blas._routine(name, np.dtype(dtype))
    assert blas._routine("gemm_batch", np.dtype(np.float16)) is None
    assert blas._routine("no_such_call", np.dtype(dtype)) is None
    assert blas.service("get_num_threads")() >= 1 and blas.service("no_such_service") is None


def test_no_other_library_is_asked(monkeypatch):
    ours = [loaded for loaded in ThreadpoolController().lib_controllers
            if "numpy" in loaded.filepath]
    others = [SimpleNamespace(internal_api="mkl", filepath=loaded.filepath) for loaded in ours]
    others.append(SimpleNamespace(internal_api="openblas", filepath="/opt/scipy.libs/openblas.so"))
    loaded = SimpleNamespace(lib_controllers=others)
    monkeypatch.setattr(blas, "ThreadpoolController", lambda: loaded)
    assert blas._find("cblas_saxpy64_") is None


def lying(rng, shape, how, dtype):
    """A stack of matrices that lie in memory as `how` says."""
    count, rows, columns = shape
    if how == "transposed":
        return rng.standard_normal((count, columns, rows)).astype(dtype).swapaxes(1, 2)
    if how == "wider":                                           # rows with a gap behind each
        return rng.standard_normal((count, rows, columns + 3)).astype(dtype)[:, :, :columns]
    if how == "repeated":
        one = rng.standard_normal((rows, columns)).astype(dtype)
        return np.broadcast_to(one, shape)
    if how == "scattered":                                       # no layout that BLAS knows
        return rng.standard_normal((count, rows, 2 * columns)).astype(dtype)[:, :, ::2]
    return rng.standard_normal(shape).astype(dtype)


# Products below, at and above the size at which gemm_batch is used; of vectors; of nothing at all.
SIZES = [(3, 2, 4, 5), (2, 100, 100, 100), (2, 101, 100, 100), (1, 128, 128, 128),
         (5, 60, 200, 100), (2, 1, 5100, 200), (2, 200, 5100, 1),
         (0, 101, 100, 100), (3, 0, 2, 2)]
HOW = [("", ""), ("transposed", ""), ("", "transposed"), ("transposed", "transposed"),
       ("wider", "wider"), ("repeated", ""), ("", "repeated"), ("scattered", ""), ("", "scattered")]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("how", HOW)
def test_stacks(library, rng, dtype, size, how):
    count, rows, inner, columns = size
    a = lying(rng, (count, rows, inner), how[0], dtype)
    b = lying(rng, (count, inner, columns), how[1], dtype)
    want = np.matmul(a, b, dtype=float)
    for how_out in ("", "wider", "transposed"):
        out = np.full_like(lying(rng, want.shape, how_out, dtype), np.nan)
        assert multiply_stacks(a, b, out) is out
        np.testing.assert_allclose(out, want, rtol=0,
                                   atol=ROUNDING[dtype] * np.abs(want).max(initial=1))


def test_stacks_share_their_products_out(rng, monkeypatch):
    """gemm_batch is called for large products alone, and not where it would write across."""
    called = []
    monkeypatch.setattr(blas, "_routine",
                        lambda name, dtype: lambda *arguments: called.append(name))
    a = rng.standard_normal((2, 101, 100))
    b, out = rng.standard_normal((2, 100, 100)), np.zeros((2, 101, 100))
    multiply_stacks(a, b, out)
    assert called == ["gemm_batch"] and not out.any()
    multiply_stacks(a[:, :100], b, np.zeros((2, 100, 100)))                    # not large
    multiply_stacks(a, b, np.zeros((2, 100, 101)).swapaxes(1, 2))
    multiply_stacks(a, b[:1], out)                                             # repeated by NumPy
    multiply_stacks(a.astype(np.float32), b, out)
    assert called == ["gemm_batch"]
    for how_a, how_b in (("transposed", "transposed"), ("wider", "repeated")):
        called.clear()
        multiply_stacks(lying(rng, a.shape, how_a, float), lying(rng, b.shape, how_b, float), out)
        assert called == ["gemm_batch"]


def test_what_does_not_fit_is_refused_as_numpy_refuses_it(rng):
    """No call reads or writes beyond an array, or what must not be changed."""
    a, b, out = (rng.standard_normal((2, n, 100)) for n in (200, 100, 200))
    for wrong in ((a, b[:, :99], out), (a, b, out[:, :99]), (a[:1].repeat(3, 0), b, out)):
        with pytest.raises(ValueError):
            multiply_stacks(*wrong)
    y, x = np.zeros(blas.MANY), np.ones(blas.MANY)
    for act in (decay_and_add, add_scaled):
        with pytest.raises(ValueError):
            act(y, 0.5, x[:-1])
    for array in (out, y):
        array.flags.writeable = False
    with pytest.raises(ValueError):
        multiply_stacks(a, b, out)
    for act in (decay_and_add, add_scaled):
        with pytest.raises(ValueError):
            act(y, 0.5, x)
    assert not y.any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5,), (blas.MANY - 1,), (blas.MANY,), (3, 3, 64, 96), (0,)])
def test_sums_in_place(library, rng, dtype, shape):
    y, x = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
    wide = [np.stack([v, v], -1) for v in (y, x)]
    for mine, other in ((y.copy(), x), (wide[0][..., 0], wide[1][..., 0])):
        want = 0.9 * mine.astype(float) + other.astype(float)
        assert decay_and_add(mine, 0.9, other) is None
        np.testing.assert_allclose(mine, want, rtol=0, atol=4 * np.finfo(dtype).eps)
        want -= 0.1 * other.astype(float)
        assert add_scaled(mine, -0.1, other) is None
        np.testing.assert_allclose(mine, want, rtol=0, atol=8 * np.finfo(dtype).eps)
    assert np.array_equal(wide[0][..., 1], y)            # the neighbors are as they were


def test_sums_are_given_to_openblas_where_they_are_long(rng, monkeypatch):
    called = []
    monkeypatch.setattr(blas, "_routine",
                        lambda name, dtype: lambda *arguments: called.append(name))
    y, x = np.ones(blas.MANY), np.ones(blas.MANY)
    decay_and_add(y, 0.5, x)
    add_scaled(y, 0.5, x)
    assert called == ["axpy"] * 3 and (y == 1).all()
    decay_and_add(y[1:], 0.5, x[1:])
    add_scaled(y[1:], 0.5, x[1:])
    assert called == ["axpy"] * 3 and (y[1:] == 2).all()


def test_short_vectors_are_decayed_and_added_by_numpy(rng):
    """y·decay + x to the last digit, which y + (decay − 1)·y + x is not."""
    y, x = rng.normal(size=(2, 5000)).astype(np.float32)
    expected, other = y * np.float32(0.9) + x, y + np.float32(0.9 - 1) * y + x
    decay_and_add(y, 0.9, x)
    assert np.array_equal(y, expected) and not np.array_equal(y, other)
