"""3×3 convolution with fewer multiplications: Winograd's minimal filtering F(m×m, 3×3).

In one dimension, m outputs of a 3-tap filter g see n = m + 2 inputs d: y_i = Σ_k d_{i+k}·g_k, which
costs 3m products.  n are enough.  The reason is polynomials: multiplying q(x), of m coefficients,
by g(x), of 3, gives a polynomial of n coefficients s.  Evaluate q and g at n points, multiply
point by point, and interpolate:

    s = E_n⁻¹ [(E_m q) ⊙ (E_3 g)]        E_k: n×k, row j = (1, p_j, p_j², …) for the point p_j;
                                         the point "infinity" picks the highest coefficient

This map q → s is a matrix S(g) with S[i + k, i] = g_k.  Its transpose takes d to Σ_k d_{i+k}·g_k,
which is just our y, so transposing the product of matrices gives

    y = Aᵀ [(G g) ⊙ (Bᵀ d)]              Aᵀ = E_mᵀ (m×n),  G = E_3 (n×3),  Bᵀ = E_n⁻ᵀ (n×n)

In two dimensions each matrix acts on rows and on columns, that is, as a Kronecker product on the n²
values of a tile.  For all tiles t of all images, with sums over channels c and filters f:

    V = Bᵀ⊗Bᵀ · d        n² × t × c      d: tiles of n×n inputs, m apart
    U = G⊗G · w          n² × c × f
    M = V·U              n² × t × f      n² matrix products, one for each point
    y = Aᵀ⊗Aᵀ · M        m² × t × f      tiles of m×m outputs

Of the multiplications of the direct sum n²/(9m²) are left: 1/4 at m = 4.  Every step is linear, so
the backward pass is each step's transpose, in reverse order:

    dM = A⊗A · dy        dU = Vᵀ·dM      dV = dM·Uᵀ
    dw = Gᵀ⊗Gᵀ · dU      dd = B⊗B · dV   dx = every dd added back to the pixel it came from

dU needs V again.  A small V is kept from the forward pass; a large one is made again, as keeping it
would take more memory than everything else (V is n²/m² times as large as x).

Rounding grows with the size of the matrices' entries: with the points used here the result in
float32 is good to about 3e-6 of its largest value, against 6e-7 for the direct sum.  NaN or
infinity in a pixel reaches all results of the tiles that it lies in, not only its neighbors'.

Source: Lavin & Gray 2016, "Fast algorithms for convolutional neural networks"; the algorithm is
Toom's and Cook's.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy import ndarray as Array

from minibn.kernels.blocking import empty, parts, strided
from minibn.kernels.im2col import pad
from minibn.kernels.openblas import multiply_stacks
from minibn.kernels.workspace import scratch

TAPS = 3
POINTS = (0.0, 1.0, -1.0, 2.0, -0.5)   # and infinity; of those tried, the least rounding error

# With fewer channels or tiles, making tiles costs more than the multiplications they save.
LEAST_CHANNELS = 24
LEAST_TILES = 80
# Floats in the tiles of a block (6 MB): more for an efficient product, fewer for the cache.
TOGETHER = 1536 * 1024
# Floats in the tiles that are copied and transformed in one go (1 MB).
COPIED = 256 * 1024
# Floats of V that a convolution keeps at most for its backward pass (32 MB).
KEPT = 8 * 1024 * 1024


class Transforms(NamedTuple):
    """The three matrices of F(m×m, 3×3), acting on flattened tiles."""

    of_input: Array    # Bᵀ⊗Bᵀ: (n², n²)
    of_kernel: Array   # G⊗G:   (n², 9)
    of_output: Array   # Aᵀ⊗Aᵀ: (m², n²)


@lru_cache
def transforms(m: int) -> Transforms:
    """The matrices for tiles of m×m outputs, m from 2 to 4, in float64."""
    n = m + TAPS - 1
    points = POINTS[:n - 1]

    def evaluation(coefficients: int) -> np.ndarray:               # E_k: (n, k)
        powers = np.vander(points, coefficients, increasing=True)
        infinity = np.eye(coefficients)[-1:]
        return np.vstack([powers, infinity])

    a_t, g, b_t = evaluation(m).T, evaluation(TAPS), np.linalg.inv(evaluation(n)).T
    # A factor may move between a row of G and the same row of Bᵀ: give both the same size.
    balance = np.sqrt(np.abs(b_t).sum(1) / np.abs(g).sum(1))[:, None]
    g, b_t = g * balance, b_t / balance
    return Transforms(np.kron(b_t, b_t), np.kron(g, g), np.kron(a_t, a_t))


@lru_cache
def transforms_in(dtype: np.dtype, m: int) -> Transforms:
    """The same in the images' dtype."""
    return Transforms(*(matrix.astype(dtype) for matrix in transforms(m)))


def tile_size(x: Array, w: Array, stride: int, padding: int) -> int | None:
    """The side m of the tiles with which conv2d(x, w, …) is quicker than directly, or None.

    Tiles are for 3×3 kernels at stride 1: the largest that cover the result without a rest and
    are still so many that their products are worth while.
    """
    kh, kw, channels, filters = w.shape
    if kh != TAPS or kw != TAPS or stride != 1 or min(channels, filters) < LEAST_CHANNELS:
        return None
    images, height, width, _ = x.shape
    height, width = height + 2 * padding - TAPS + 1, width + 2 * padding - TAPS + 1
    for m in (4, 3, 2):
        tiles = images * (height // m) * (width // m)
        if height % m == width % m == 0 and tiles >= LEAST_TILES:
            return m
    return None


def transform(matrix: Array, values: Array, out: Array) -> Array:
    """out = matrix (a, b) times values (b, …): new values from those of each tile.

    The first axis of values, or the first two, have b places; those of out have a.
    """
    a, b = matrix.shape
    np.matmul(matrix, values.reshape(b, -1), out=out.reshape(a, -1))
    return out


class Tiled:
    """A convolution y = x ∗ w of images (N, H, W, C) by tiles of m×m results.

    x: (N, H, W, C); w: (3, 3, C, F), of the dtype of x; padding: zeros around x.
    """

    def __init__(self, x: Array, w: Array, padding: int, m: int) -> None:
        self.x, self.w, self.padding = x, w, padding
        self.m, self.n = m, m + TAPS - 1
        self.down, self.along = ((length + 2 * padding - TAPS + 1) // m
                                 for length in x.shape[1:3])           # tiles of an image
        self.of_input, self.of_kernel, self.of_output = transforms_in(x.dtype, m)

    def forward(self, y: Array, keep: bool) -> list[Array] | None:
        """Writes y (N, H', W', F); returns V of each block, unless it is large or keep is False."""
        u = self._points_of_kernel()
        keep = keep and len(self.x) * self._points_each() <= KEPT
        kept: list[Array] | None = [] if keep else None
        for i in self._blocks():
            v = self._points_of_input(self.x[i], kept)                 # V: (n², t, C)
            products = self._array("products", (self.n**2, v.shape[1], self.w.shape[3]))
            multiply_stacks(v, u, products)                            # M = V·U: (n², t, F)
            self._results(products, y[i])
        return kept

    def backward(self, dy: Array, dx: Array | None, kept: list[Array] | None) -> Array:
        """Writes dx (shape of x), unless it is None; returns dw (shape of w).

        dy: of the shape of y; kept: V of each block, or None to make them again.
        """
        u_t = self._points_of_kernel().swapaxes(1, 2)                  # Uᵀ: (n², F, C)
        du = self._array("sum", (self.n**2, *self.w.shape[2:]))
        for k, i in enumerate(self._blocks()):
            dm = self._points_of_output(dy[i])                         # dM: (n², t, F)
            v = kept[k] if kept else self._points_of_input(self.x[i])  # V:  (n², t, C)
            term = self._array("term", du.shape) if k else du
            multiply_stacks(v.swapaxes(1, 2), dm, term)                # dU = Vᵀ·dM
            if k:
                du += term
            if dx is not None:
                dv = multiply_stacks(dm, u_t, self._array("points", v.shape))  # dV = dM·Uᵀ
                self._add_back(dv, dx[i])
        dw = self.of_kernel.T @ du.reshape(self.n**2, -1)
        return dw.reshape(self.w.shape)

    def _blocks(self) -> list[slice]:
        """The images, cut into blocks whose tiles are multiplied together."""
        return parts(len(self.x), self._points_each(), piece=TOGETHER)

    def _pieces(self, images: int) -> Iterator[tuple[slice, slice]]:
        """The images of a block, cut into pieces whose tiles are copied and transformed while they
        are in the cache of a core: slices of the images and of their tiles."""
        each = self.down * self.along
        for i in parts(images, self._points_each(), piece=COPIED):
            yield i, slice(i.start * each, i.stop * each)

    def _points_each(self) -> int:
        """The values of V that an image has."""
        return self.down * self.along * self.n**2 * self.w.shape[2]

    def _points_of_kernel(self) -> Array:
        """U = G⊗G·w: (n², C, F), in scratch memory."""
        w = self.w.reshape(TAPS**2, *self.w.shape[2:])
        return transform(self.of_kernel, w, self._array("kernel", (self.n**2, *w.shape[1:])))

    def _points_of_input(self, x: Array, kept: list[Array] | None = None) -> Array:
        """V = Bᵀ⊗Bᵀ·d of some images: (n², t, C), in scratch memory or added to `kept`."""
        shape = (self.n**2, len(x) * self.down * self.along, x.shape[3])
        if kept is None:
            v = self._array("points", shape)
        else:
            v = empty(shape, x.dtype)
            kept.append(v)
        for i, t in self._pieces(len(x)):
            seen = self._overlapping(pad(x[i], self.padding))
            d = self._array("tiles", seen.shape)
            d[...] = seen
            transform(self.of_input, d, v[:, t])
        return v

    def _results(self, products: Array, y: Array) -> None:
        """y = Aᵀ⊗Aᵀ·M of some images: writes y (N, H', W', F)."""
        for i, t in self._pieces(len(y)):
            seen = self._side_by_side(y[i])
            tiles = self._array("tiles", seen.shape)
            seen[...] = transform(self.of_output, products[:, t], tiles)

    def _points_of_output(self, dy: Array) -> Array:
        """dM = A⊗A·dy of some images: (n², t, F), in scratch memory."""
        dm = self._array("products", (self.n**2, len(dy) * self.down * self.along, dy.shape[3]))
        for i, t in self._pieces(len(dy)):
            seen = self._side_by_side(dy[i])
            tiles = self._array("tiles", seen.shape)
            tiles[...] = seen
            transform(self.of_output.T, tiles, dm[:, t])
        return dm

    def _add_back(self, dv: Array, dx: Array) -> None:
        """dx = every dd = B⊗B·dV added back to the pixel it came from; overlapping tiles add up."""
        (_, height, width, channels), edge, m = dx.shape, self.padding, self.m
        for i, t in self._pieces(len(dx)):
            images = i.stop - i.start
            padded = self._array("padded", (images, height + 2 * edge, width + 2 * edge, channels))
            padded[:, self.down * m:] = 0
            padded[:, :, self.along * m:] = 0
            seen = self._overlapping(padded)
            d = transform(self.of_input.T, dv[:, t], self._array("tiles", seen.shape))
            seen[:m, :m] = d[:m, :m]           # side by side; what is left reaches into the next
            seen[m:, :m] += d[m:, :m]
            seen[:m, m:] += d[:m, m:]
            seen[m:, m:] += d[m:, m:]
            dx[i] = padded[:, edge:edge + height, edge:edge + width]

    def _overlapping(self, padded: Array) -> Array:
        """The n×n tiles of padded images, m apart: a view (n, n, images, down, along, C)."""
        image, row, column, item = padded.strides
        return strided(
            padded, (self.n, self.n, len(padded), self.down, self.along, padded.shape[3]),
            (row, column, image, self.m * row, self.m * column, item))

    def _side_by_side(self, y: Array) -> Array:
        """The m×m tiles of results, as a view (m, m, images, down, along, F)."""
        split = y.reshape(len(y), self.down, self.m, self.along, self.m, -1)
        return split.transpose(2, 4, 0, 1, 3, 5)

    def _array(self, name: str, shape: tuple[int, ...]) -> Array:
        return scratch(name, shape, self.x.dtype)
