"""Exercises 6.5 to 6.10: pooling, the loss, counting, gradient checks of others' code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minibn
from minibn import functional as F
from minibn.gradcheck import check_gradient
from minibn.teaching.compare import equal, require
from minibn.teaching.exercises import chapter06_hidden as hidden
from minibn.teaching.registry import exercise

Array = Any


def max_pool_backward(dy: Array, x: Array, y: Array, k: int, s: int) -> Array:
    return F.max_pool2d_backward(dy, F.max_pool2d(x, k, s)[1])


@exercise("6.5", "max pooling", answer="max_pool_backward", points=2, library=max_pool_backward)
def check_pool(answer: Any, part: Any) -> None:
    draws = np.random.default_rng(65)
    for apart, cases in ((True, [(2, 2, 6, 4), (3, 3, 6, 9)]),
                         (False, [(3, 2, 9, 11), (2, 1, 4, 5), (5, 3, 14, 11)])):
        with part(1):
            for k, s, H, W in cases:
                maps = draws.permutation(2 * H * W * 3).reshape(2, H, W, 3) - 3.0 * H * W
                y = F.max_pool2d(maps, k, s)[0]
                dy = draws.normal(size=y.shape)
                overwritten, everywhere, last, unmoved, zero = (
                    np.zeros_like(maps) for _ in range(5))
                for i, j in np.ndindex(y.shape[1:3]):
                    place = slice(None), slice(s * i, s * i + k), slice(s * j, s * j + k)
                    value, upstream = y[:, i, j][:, None, None], dy[:, i, j][:, None, None]
                    won = maps[place] == value
                    overwritten[place] = np.where(won, upstream, overwritten[place])
                    last[place] = won * upstream
                    everywhere[place] += upstream
                    zero[place] += won
                    place = slice(None), slice(i, i + k), slice(j, j + k)
                    unmoved[place] += (maps[place] == value) * upstream
                got = answer(dy, maps, y, k, s)
                equal(f"dx for k = {k}, s = {s}", got, max_pool_backward(dy, maps, y, k, s), {
                    "only the winner gets dy, not the whole window.": everywhere,
                    "that is the average's gradient.": everywhere / k**2,
                    "that counts the windows a pixel has won; each gives it its dy.": zero,
                    "the stride is ignored: window (i, j) begins at row i·s, column j·s.": unmoved,
                    **({} if apart else {
                        "a pixel that won two windows gets both gradients: add, do not assign.":
                            overwritten,
                        "windows overlap: assigning wipes out what the window before has left. "
                        "Add.": last})})


def softmax_gradient(z: Array, labels: Array) -> Array:
    z = np.array(z, float)
    return F.softmax_cross_entropy_backward(1.0, F.softmax_cross_entropy(z, labels)[1])


@exercise("6.6", "softmax cross-entropy", answer="softmax_gradient", points=3,
          library=softmax_gradient)
def check_softmax(answer: Any, part: Any) -> None:
    z = np.random.default_rng(66).normal(size=(5, 4))
    labels, truth = np.array([2, 0, 3, 1, 2]), np.eye(4)[[2, 0, 3, 1, 2]]
    dz = softmax_gradient(z, labels)
    p, columns = dz * 5 + truth, np.exp(z) / np.exp(z).sum(0)
    with part(2):
        equal("dz", answer(z, labels), dz, {
            "1/N is missing: the loss is a mean over the images.": dz * 5,
            "divide by N, the images, and not by the number of all logits.": dz / 4,
            "divide by N, the images, and not by the number of classes.": dz * 5 / 4,
            "probability minus truth, not truth minus probability.": -dz,
            "1/N and the sign: (p − truth)/N.": -dz * 5,
            "the right class is missing: subtract 1 there.": p / 5,
            "the right class is missing (subtract 1 there), and so is 1/N.": p,
            "subtract 1 at the right class, not the class's number.":
                (p - truth * labels[:, None]) / 5,
            "subtract 1 in one column for each row: p[np.arange(N), labels]; p[:, labels] means "
            "all rows.": (p - 1) / 5,
            "subtract 1/N at the right class: p is divided by N, and so is the truth.":
                p / 5 - truth,
            "softmax runs over the classes of one image (axis 1).": (columns - truth) / 5})
    with part(1):
        large = answer(np.array([[1000.0, -1000.0], [-1000.0, -1001.0]]), np.array([1, 0]))
        require(large is None or np.isfinite(np.asarray(large, float)).all(),
                "for logits of ±1000, exp overflows, or a whole row becomes 0. Subtract each "
                "row's own maximum first.")
        low = 1 / (1 + np.e)
        equal("dz for logits ±1000", large, [[0.5, -0.5], [-low / 2, low / 2]], {
            "clipping the logits loses what lies between them. Subtract each row's maximum.":
                [[0.5, -0.5], [-0.25, 0.25]],
            "1/N is missing: the loss is a mean over the images.": [[1, -1], [-low, low]]})


def counted(width: int, classes: int, norm: str = "bn", names: tuple[str, ...] = ("w",)) -> int:
    """In the library's model."""
    params = minibn.all_cnn(classes, norm, width).params
    return sum(p.size for key, p in params.items() if key.split(".")[1] in names)


def all_cnn_weights(width: int, classes: int) -> int:
    return counted(width, classes)


@exercise("6.7", "count", answer="all_cnn_weights", points=1, library=all_cnn_weights)
def check_count(answer: Any, part: Any) -> None:
    sizes = [(96, 100), (12, 10)]
    want = np.array([counted(*size) for size in sizes])
    equal("weights for (96, 100) and (12, 10)", [answer(*size) for size in sizes], want, {
        "that includes biases; a normalization behind makes them useless, so there are none.":
            [counted(*size, norm="none", names=("w", "b")) for size in sizes],
        "each weight stands at 9 places of the 3×3 kernel.": want / 9,
        "a 3×3 kernel has 9 places, not 3.": want / 3,
        "conv1 has 3 input channels.": [n + 9 * a * (a - 3)
                                        for n, (a, _) in zip(want, sizes, strict=True)],
        "conv9 is missing: 2a → classes.": [n - 9 * 2 * a * c
                                            for n, (a, c) in zip(want, sizes, strict=True)],
        "conv1 is missing: 3 → a.": [n - 27 * a for n, (a, _) in zip(want, sizes, strict=True)],
        "count the convolutions from 2a to 2a: conv5, conv6, conv7 and conv8 are four.":
            [n - 36 * a * a for n, (a, _) in zip(want, sizes, strict=True)]})


def wrong_backward(forward: Callable[[Array], Array], backward: Callable[[Array, Array], Array],
                   shape: tuple[int, ...]) -> bool:
    draws = np.random.default_rng(1)
    x = draws.normal(size=shape)
    dy = draws.normal(size=forward(x).shape)
    return check_gradient(forward, x, dy, backward(dy, x)) > 1e-5


@exercise("6.8", "planted bugs", answer="wrong_backward", points=3, library=wrong_backward,
          allow=("minibn.gradcheck",), seconds=60)
def check_bugs(answer: Any, part: Any) -> None:
    for names in hidden.GROUPS:
        with part(1):
            for name in names:
                layer = hidden.LAYERS[name]
                got = answer(layer.forward, layer.backward, hidden.SHAPE)
                require(np.ndim(got) == 0 and isinstance(got, bool | np.bool_),
                        f"return True or False. For {name} came {got!r}.")
                require(bool(got) == layer.wrong, layer.hint)


def bn_dx(dy: Array, x: Array) -> Array:
    C = x.shape[-1]
    return F.batch_norm_backward(dy, F.batch_norm(x, np.ones(C), np.zeros(C), 1e-5)[1])[0]


@exercise("6.9", "bn repaired", answer="bn_dx", points=2, library=bn_dx)
def check_bn(answer: Any, part: Any) -> None:
    draws = np.random.default_rng(69)
    maps, dy = draws.normal(1, 2, (2, 6, 6, 3)), draws.normal(size=(2, 6, 6, 3))
    sigma = np.sqrt(maps.var((0, 1, 2)) + 1e-5)
    xbar, want = (maps - maps.mean((0, 1, 2))) / sigma, bn_dx(dy, maps)

    def mean(a: Array) -> Array:
        return a.mean((0, 1, 2))

    equal("dx", answer(dy, maps), want, {
        "that is what the colleague has; the way through σ is missing.": (dy - mean(dy)) / sigma,
        "he had the mean term; keep it.": (dy - xbar * mean(dy * xbar)) / sigma,
        "both mean terms are missing.": dy / sigma,
        "a factor x̄ is missing before mean(dy·x̄).": (dy - mean(dy) - mean(dy * xbar)) / sigma,
        "the new term has a minus.": (dy - mean(dy) + xbar * mean(dy * xbar)) / sigma,
        "the mean term has a minus, too.": (dy + mean(dy) - xbar * mean(dy * xbar)) / sigma,
        "mean(dy·x̄), with the normalized x̄ and not x.":
            (dy - mean(dy) - xbar * mean(dy * maps)) / sigma,
        "x̄·mean(…), with the normalized x̄ and not x.":
            (dy - mean(dy) - maps * mean(dy * xbar)) / sigma,
        "means, not sums.": (dy - 72 * mean(dy) - xbar * 72 * mean(dy * xbar)) / sigma,
        "each channel has its own means: over the axes 0, 1 and 2.":
            (dy - dy.mean() - xbar * (dy * xbar).mean()) / sigma,
        "divide by σ at the end.": want * sigma,
        "divide by σ, not by σ².": want / sigma})


def average_dx(dy: Array, x: Array) -> Array:
    return F.avg_pool2d_backward(dy, F.avg_pool2d(x, 3, 2, ceil_mode=True)[1])


@exercise("6.10", "average repaired", answer="average_dx", points=2, library=average_dx)
def check_average(answer: Any, part: Any) -> None:
    draws = np.random.default_rng(690)
    maps = draws.normal(size=(2, 6, 6, 3))
    dy = draws.normal(size=(2, 3, 3, 3))
    ones, summed, assigned, whole = average_dx(np.ones_like(dy), maps), *(
        np.zeros_like(maps) for _ in range(3))
    for i, j in np.ndindex(3, 3):
        place = slice(None), slice(2 * i, 2 * i + 3), slice(2 * j, 2 * j + 3)
        size = maps[place][0, ..., 0].size
        summed[place] += dy[:, i, j][:, None, None]
        assigned[place] = dy[:, i, j][:, None, None] / size
        whole[place] += dy[:, i, j][:, None, None] / maps[place].size
    equal("dx", answer(dy, maps), average_dx(dy, maps), {
        "that is what the colleague has: at the border there are fewer than 9 values to share "
        "with.": summed / 9,
        "windows overlap: add, do not assign.": assigned,
        "each value gets dy divided by the number of values in its window.": summed,
        "count the rows and columns of the window; images and channels do not share.": whole,
        "dy is missing: each window passes on its own dy.": ones})
