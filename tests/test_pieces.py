"""How work is cut into pieces and lines, and how memory is laid: neither changes a result."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibn import backend, functional
from minibn.layers.conv import overlap
from minibn.norms import standardize

MEANS = [1, 100]   # in deviations: the mean is left to the sums, or subtracted before


def test_memory_begins_on_a_cache_line():
    """Only where it is large: a small array is made quickest in NumPy's own way."""
    for dtype in (np.float32, np.float64):
        for shape in ((backend.PIECE,), (3, 5, 7, 1024), (backend.PIECE // 4 + 1, 1)):
            for _ in range(5):
                a = backend.empty(shape, dtype, np)
                assert a.shape == shape and a.dtype == dtype
                assert a.flags.c_contiguous and a.flags.aligned and a.flags.writeable
                assert a.ctypes.data % backend.CACHE_LINE == 0
        a[...] = 1
        assert a.sum() == a.size
    like = backend.empty_like(np.ones((2, 3)))
    assert like.shape == (2, 3) and like.dtype == np.float64
    assert backend.empty((0, 4), np.float32, np).shape == (0, 4)


@given(length=st.integers(0, 400), each=st.integers(1, 50), piece=st.integers(1, 3000))
def test_parts_follow_each_other_and_are_small_enough(length, each, piece):
    parts = backend.parts(length, each, np, piece)
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

    def pieces(shape, xp, piece=0):
        sets, rows, _ = shape
        if axis == "sets":
            return [(s, slice(0, rows)) for s in cut(sets, bounds)]
        return [(slice(s, s + 1), r) for s in range(sets) for r in cut(rows, bounds)]

    monkeypatch.setattr(standardize, "pieces", pieces)
    y, cache = forward(x, gamma, beta, *more)
    for got, want in zip([y, *backward(dy, cache)], whole, strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-12 * np.abs(want).max())
