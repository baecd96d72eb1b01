"""Exercises 6.1 to 6.4: the size of a map, convolution as one matrix product, its gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from minibn import functional as F
from minibn.teaching.compare import equal, is_one_of, require, unpack
from minibn.teaching.registry import exercise

Array = Any

rng = np.random.default_rng(6)
X, W, B = rng.normal(size=(2, 6, 6, 3)), rng.normal(size=(3, 3, 3, 4)), rng.normal(size=4)
# Maps that are not square, and k, C, C' all different.
UNEVEN = rng.normal(size=(2, 6, 5, 5)), rng.normal(size=(2, 2, 5, 3)), rng.normal(size=3)
CONVOLUTIONS = [(X, W, B, 1, 1), (X, W, B, 2, 0), (*UNEVEN, 1, 1)]


def windows(x: Array, k: int, s: int = 1, P: int = 0) -> Array:
    """(N, H, W, C) -> (N, H', W', k, k, C), as the notebook gives it."""
    x = np.pad(x, ((0, 0), (P, P), (P, P), (0, 0)))
    view = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(1, 2))
    return view[:, ::s, ::s].transpose(0, 1, 2, 4, 5, 3)


def convolve(x: Array, w: Array, s: int, P: int) -> Any:
    """The library's convolution without a bias: y, cache."""
    return F.conv2d(x, np.ascontiguousarray(w), None, s, P)


def convolve_backward(dy: Array, cache: Any) -> Any:
    """dx, dw, db."""
    return F.conv2d_backward(dy, cache)


def output_size(H: int, k: int, s: int, P: int = 0, ceil: bool = False) -> int:
    """Counted: a window begins at 0, s, 2s, …"""
    rows, size = H + 2 * P, 0
    while size * s + k <= rows or (ceil and size and (size - 1) * s + k < rows):
        size += 1
    return size


@exercise("6.1", "sizes", answer="output_size", points=2, library=output_size)
def check_sizes(answer: Any, part: Any) -> None:
    cases = [(24, 3, 1, 1), (24, 3, 2, 1), (12, 3, 2, 1), (24, 5, 1, 2), (24, 1, 1, 0),
             (7, 3, 2, 0), (11, 4, 3, 1)]
    with part(1):
        equal("sizes without ceil", [answer(*case) for case in cases],
              [output_size(*case) for case in cases], {
            "one is missing: between the first and the last window there is one step less than "
            "windows.": [(H + 2 * P - k) // s for H, k, s, P in cases],
            "padding goes on both sides.": [(H + P - k) // s + 1 for H, k, s, P in cases],
            "the padding is missing.": [(H - k) // s + 1 for H, k, s, P in cases],
            "the last window begins k before the end, not at it.":
                [(H + 2 * P) // s for H, k, s, P in cases],
            "the last window begins k before the end, not at it; and one is too many.":
                [(H + 2 * P) // s + 1 for H, k, s, P in cases],
            "without ceil, round down: all windows lie inside.":
                [output_size(*case, ceil=True) for case in cases],
            "a number of rows is whole: round down.":
                [(H + 2 * P - k) / s + 1 for H, k, s, P in cases],
            "the stride is missing.": [H + 2 * P - k + 1 for H, k, s, P in cases]})
    cases = [(24, 3, 2, 0), (12, 3, 2, 0), (7, 3, 2, 0), (10, 3, 2, 1)]
    with part(1):
        equal("sizes with ceil=True", [answer(*case, ceil=True) for case in cases],
              [output_size(*case, ceil=True) for case in cases], {
            "that is rounded down: 11 windows fit on 24 rows, but the border holds a half-filled "
            "twelfth.": [output_size(*case) for case in cases],
            "a window reaches over the border only where the steps do not come out even.":
                [output_size(*case) + 1 for case in cases],
            "the padding counts with ceil, too, on both sides.":
                [-(-(H - k) // s) + 1 for H, k, s, P in cases]})


def conv_of_windows(seen: Array, w: Array, b: Array) -> Array:
    return np.einsum("nijpqc,pqcd->nijd", seen, w) + b


@exercise("6.2", "convolution forward", answer="conv_of_windows", points=2,
          library=conv_of_windows)
def check_forward(answer: Any, part: Any) -> None:
    for x, w, b, s, P in CONVOLUTIONS:
        k, C, filters = w.shape[1:]
        seen, want = windows(x, k, s, P), F.conv2d(x, w, b, s, P)[0]
        flat = seen.reshape(-1, k * k * C)
        try:
            got = answer(seen, w, b)
        except ValueError as error:
            require(False, f"With k = {k}, C = {C}, C' = {filters} it fails ({error}). Take all "
                    "sizes from the shapes: seen is (N, H', W', k, k, C), w is (k, k, C, C').")
        equal(f"y for k = {k}, C = {C}, C' = {filters}", got, want, {
            "the bias is missing.": want - b,
            "the kernel is turned by 180° (that is the mathematicians' convolution, not 6.1).":
                F.conv2d(x, w[::-1, ::-1].copy(), b, s, P)[0],
            "rows and columns of the kernel are exchanged.":
                F.conv2d(x, w.swapaxes(0, 1).copy(), b, s, P)[0],
            "w has C' as its last axis already; do not transpose it before the reshape.":
                (flat @ np.moveaxis(w, 3, 0).reshape(-1, filters) + b).reshape(want.shape),
            "reshape w to (k·k·C, C') at once; to (C', k·k·C) and transposed mixes its entries.":
                (flat @ w.reshape(filters, -1).T + b).reshape(want.shape),
            "the bias is added, not subtracted.": want - 2 * b,
            "seen has its axes in the same order as w already; do not transpose it.":
                (np.moveaxis(seen, 5, 3).reshape(len(flat), -1) @ w.reshape(-1, filters) + b
                 ).reshape(want.shape)})


def kernel_gradient(dy: Array, seen: Array) -> tuple[Array, Array]:
    return np.einsum("nijpqc,nijd->pqcd", seen, dy), np.einsum("nijd->d", dy)


@exercise("6.3", "dw and db", answer="kernel_gradient", points=3, library=kernel_gradient)
def check_kernel(answer: Any, part: Any) -> None:
    draws, found = np.random.default_rng(63), []
    for x, w, _, s, P in CONVOLUTIONS:
        y, cache = convolve(x, w, s, P)
        dy = draws.normal(size=y.shape)
        got = unpack(answer(dy, windows(x, len(w), s, P)), "dw, db")
        found.append((got, convolve_backward(dy, cache)[1], dy))
    with part(2):
        for got, dw, dy in found:
            equal("dw", got[0], dw, {
                "sum over the images, not their mean: 1/N belongs to the loss.": dw / len(dy),
                "sum over all positions, not their mean.": dw / dy[..., 0].size,
                "turned by 180°: the turn belongs to dx.": dw[::-1, ::-1],
                "the shape is that of w: (k, k, C, C').": dw.reshape(-1, dw.shape[3]),
                "that is db: the order is dw, db.": dy.sum((0, 1, 2)),
                "rows and columns of the kernel are exchanged.": dw.swapaxes(0, 1)})
    with part(1):
        for got, dw, dy in found:
            db = dy.sum((0, 1, 2))
            equal("db", got[1], db, {
                "sum over the images, not their mean: 1/N belongs to the loss.": db / len(dy),
                "sum over all positions, not their mean.": db / dy[..., 0].size,
                "one bias serves all images and positions: sum over all of them.": dy.sum(0),
                "that is dw: the order is dw, db.": dw})


def input_gradient(dy: Array, w: Array, P: int) -> Array:
    H, W = (size + len(w) - 1 - 2 * P for size in dy.shape[1:3])
    like = np.zeros((len(dy), H, W, w.shape[2]))
    return convolve_backward(dy, convolve(like, w, 1, P)[1])[0]


@exercise("6.4", "dx", answer="input_gradient", points=3, library=input_gradient)
def check_input(answer: Any, part: Any) -> None:
    draws = np.random.default_rng(64)
    square = draws.normal(size=(3, 3, 4, 4))       # as many channels out as in: no shape helps
    dy = draws.normal(size=(2, 6, 5, 4))
    got, right = answer(dy, square, 1), input_gradient(dy, square, 1)

    def attempt(kernel: Array) -> Array:
        return convolve(dy, kernel, 1, 1)[0]

    half = {
        "the kernel is not turned.": attempt(square.swapaxes(2, 3)),
        "in- and output channels are not exchanged.": attempt(square[::-1, ::-1])}
    other = {
        "this is the forward pass on dy: turn the kernel and exchange its channels.":
            attempt(square),
        "all four axes are reversed; turn the first two and exchange the last two.":
            attempt(square[::-1, ::-1, ::-1, ::-1]),
        "only the rows are turned: [::-1, ::-1] turns rows and columns.":
            attempt(square[::-1].swapaxes(2, 3)),
        "a transposed kernel is not a turned one: w[::-1, ::-1].":
            attempt(square.swapaxes(0, 1).swapaxes(2, 3))}
    with part(1):
        if not is_one_of(got, half.values()):
            equal("dx", got, right, other)
    with part(1):
        equal("dx", got, right, half | other)
    with part(1):
        for kernel, P in [(square, 0), (W, 1), (draws.normal(size=(5, 5, 4, 3)), 2)]:
            k, C, filters = kernel.shape[1:]
            dy = draws.normal(size=(2, 6 + 2 * P - k + 1, 5 + 2 * P - k + 1, filters))
            got = answer(dy, kernel, P)
            require(got is not None, "dx: it is None. Is there a `return`?")
            require(np.shape(got)[1:3] == (6, 5), f"dx has {np.shape(got)[1:3]} pixels where x has "
                    f"(6, 5): look at the padding (k = {k}, P = {P}).")
            equal(f"dx for k = {k}, P = {P}, C = {C}, C' = {filters}", got,
                  input_gradient(dy, kernel, P))
