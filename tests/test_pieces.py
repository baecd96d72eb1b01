"""How work is cut into pieces and lines, and how memory is laid: neither changes a result."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibn import functional
from minibn.kernels import blocking, standardize
from minibn.kernels.conv import overlap

MEANS = [1, 100]   # in deviations: the mean is left to the sums, or subtracted before


def test_memory_begins_on_a_cache_line():
    """Only where it is large: a small array is made quickest in NumPy's own way."""
    for dtype in (np.float32, np.float64):
        for shape in ((blocking.PIECE,), (3, 5, 7, 1024), (blocking.PIECE // 4 + 1, 1)):
            for _ in range(5):
                a = blocking.empty(shape, dtype)
                assert a.shape == shape and a.dtype == dtype
                assert a.flags.c_contiguous and a.flags.aligned and a.flags.writeable
                assert a.ctypes.data % blocking.CACHE_LINE == 0
        a[...] = 1
        assert a.sum() == a.size
    like = blocking.empty_like(np.ones((2, 3)))
    assert like.shape == (2, 3) and like.dtype == np.float64
    assert blocking.empty((0, 4), np.float32).shape == (0, 4)


@given(length=st.integers(0, 400), each=st.integers(1, 50), piece=st.integers(1, 3000))
def test_parts_follow_each_other_and_are_small_enough(length, each, piece):
    parts = blocking.parts(length, each, piece)
    assert [i for part in parts for i in range(length)[part]] == list(range(length))
    if length:
        sizes = [part.stop - part.start for part in parts]
        assert min(sizes) >= 1 and max(sizes) - min(sizes) <= 1
        assert max(sizes) * each <= piece + each       # equal parts: one element more at most
        assert len(parts) == 1 or length * each > piece


@given(length=st.integers(1, 9), start=st.integers(-9, 9), step=st.integers(1, 4),
       count=st.integers(1, 9))
def test_overlap_is_what_lies_inside(length, start, step, count):
    inside = [(k, start + k * step) for k in range(count) if 0 <= start + k * step < length]
    places, pixels = overlap(length, start, step, count)
    assert list(zip(range(count)[places], range(length)[pixels], strict=True)) == inside


@pytest.mark.parametrize("rows", [1, 31, 97, 576, 992, 2880, 4096, 7919, 73728])
@pytest.mark.parametrize("channels", [1, 3, 12, 96, 129, 192, 5000])
def test_lines_are_long_and_many_or_single_rows(rows, channels):
    k = standardize.rows_in_a_line(rows, channels)
    assert rows % k == 0
    assert k == 1 or (k * channels >= standardize.LONG and rows // k >= standardize.MANY)
    smaller = [j for j in range(1, k) if rows % j == 0 and j * channels >= standardize.LONG]
    assert k == 1 or not smaller                           # the shortest line that is long enough


def test_lines_as_few_as_worth_while():
    assert standardize.MANY == 8
    assert standardize.rows_in_a_line(8 * 48, 96) == 48    # eight lines of 4,608 values
    assert standardize.rows_in_a_line(7 * 8, 550) == 1     # seven would be too few


@pytest.mark.parametrize("shape", [(1, 700, 8), (1, 10**6, 3), (1, 40, 6000), (9, 30, 5000),
                                   (3000, 40, 8), (2, 300, 10**4)], ids=str)
def test_few_lines_are_added_up_in_float32(shape):
    cut = standardize._pieces_to_sum(np.broadcast_to(np.float32(0), shape))
    sizes = [(s.stop - s.start, r.stop - r.start) for s, r in cut]
    assert sum(sets * rows for sets, rows in sizes) == shape[0] * shape[1]
    assert max(rows for _, rows in sizes) <= standardize.LINES
    piece = standardize.SUMMED
    assert max(sets * rows * shape[2] for sets, rows in sizes) <= piece + shape[1] * shape[2]
    whole = shape[1] <= standardize.LINES and np.prod(shape) <= piece
    assert len(cut) == 1 or not (whole and shape[0] == 1)      # not more than needed


@pytest.mark.parametrize("sigma", [1e-3, 1.0, 50.0])
@pytest.mark.parametrize("mean, centered", [(0, False), (-3.9, False), (3.9, False), (4.1, True),
                                           (-30, True)])
def test_means_above_four_deviations_are_subtracted_first(monkeypatch, sigma, mean, centered):
    """One channel decides for all: here the second of three."""
    around = []
    first_rows = standardize._mean_of_first_rows
    monkeypatch.setattr(standardize, "_mean_of_first_rows",
                        lambda *a: around.append(a) or first_rows(*a))
    signs = np.tile([[-1.0], [1.0]], (50, 1))                  # of deviation 1
    x = sigma * (signs + [0, mean, 1])
    found, var = standardize.moments(x, sets=1, groups=3)
    assert bool(around) == centered
    np.testing.assert_allclose(found, sigma * np.array([[0, mean, 1]]), atol=1e-12 * sigma)
    np.testing.assert_allclose(np.sqrt(var), [[sigma] * 3], rtol=1e-10)
    first, rest = standardize._in_two_steps(found, np.sqrt(var), np.dtype(np.float32), 1)
    assert (first is not None) == centered
    np.testing.assert_array_equal(rest + (first[:, 0] if centered else 0), found)


def test_zeros_need_not_be_centered(monkeypatch):
    monkeypatch.delattr(standardize, "_mean_of_first_rows")    # not called
    mean, var = standardize.moments(np.zeros((16, 2)), sets=1, groups=2)
    assert (mean == 0).all() and (var == 0).all()
    assert standardize._in_two_steps(mean, np.sqrt(var), np.dtype(np.float32), 1)[0] is None


@pytest.mark.parametrize("shape", [(3, 192, 192, 4), (2, 8, 8, 2100)], ids=str)
@pytest.mark.parametrize("name", ["batch_norm", "layer_norm", "group_norm"])
@pytest.mark.parametrize("mean", MEANS)
def test_long_lines_change_nothing(monkeypatch, rng, name, shape, mean):
    x, dy = rng.standard_normal((2, *shape)) + mean
    gamma, beta = rng.standard_normal((2, shape[-1]))
    more = (2,) if name == "group_norm" else ()
    forward, backward = (getattr(functional, name + end) for end in ("", "_backward"))
    sets = 1 if name == "batch_norm" else len(x)
    assert standardize.rows_in_a_line(x[..., 0].size // sets, shape[-1]) > 1
    y, cache = forward(x, gamma, beta, *more)
    found = [y, *backward(dy, cache)]
    monkeypatch.setattr(standardize, "rows_in_a_line", lambda rows, channels: 1)
    y, cache = forward(x, gamma, beta, *more)
    for got, want in zip(found, [y, *backward(dy, cache)], strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-11 * np.abs(want).max())


def cut(length, bounds):
    """0 … length − 1 in parts that end at the bounds that are within."""
    edges = [0, *(b for b in bounds if b < length), length]
    return [slice(*edge) for edge in itertools.pairwise(edges)]


@pytest.mark.parametrize("bounds", [(3,), (1, 3), (2, 3, 7)], ids=str)
@pytest.mark.parametrize("axis", ["sets", "rows"])
@pytest.mark.parametrize("name", ["batch_norm", "layer_norm", "group_norm"])
@pytest.mark.parametrize("mean", MEANS)
def test_pieces_of_any_size_change_nothing(monkeypatch, rng, name, axis, bounds, mean):
    """Two pieces and more, larger ones before smaller ones and after them."""
    x, dy = rng.standard_normal((2, 8, 2, 4, 6)) + mean
    gamma, beta = rng.standard_normal((2, 6))
    more = (2,) if name == "group_norm" else ()
    forward, backward = (getattr(functional, name + end) for end in ("", "_backward"))
    y, cache = forward(x, gamma, beta, *more)
    whole = [y, *backward(dy, cache)]

    def pieces(shape, piece=0):
        sets, rows, _ = shape
        if axis == "sets":
            return [(s, slice(0, rows)) for s in cut(sets, bounds)]
        return [(slice(s, s + 1), r) for s in range(sets) for r in cut(rows, bounds)]

    monkeypatch.setattr(standardize, "pieces", pieces)
    y, cache = forward(x, gamma, beta, *more)
    for got, want in zip([y, *backward(dy, cache)], whole, strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-12 * np.abs(want).max())
