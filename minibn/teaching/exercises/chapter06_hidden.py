"""Layers with right and wrong backward passes, for exercise 6.8; the notebook has others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minibn import functional as F
from minibn.teaching.exercises.chapter06_conv import convolve, convolve_backward

Array = Any
SHAPE = (2, 6, 6, 3)
AXES = (0, 1, 2)
W = np.random.default_rng(68).normal(size=(3, 3, 3, 4))
ONES, ZEROS = np.ones(3), np.zeros(3)


class Layer(NamedTuple):
    """A forward pass, a backward pass, whether that is wrong, and what a wrong verdict is told."""

    forward: Callable[[Array], Array]
    backward: Callable[[Array, Array], Array]
    wrong: bool
    hint: str


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def relu_backward(dy: Array, x: Array) -> Array:
    return np.where(x > 0, dy, 0.0)


def maximum(x: Array) -> Array:
    return F.max_pool2d(x, 2, 2)[0]


def maximum_backward(dy: Array, x: Array) -> Array:
    return F.max_pool2d_backward(dy, F.max_pool2d(x, 2, 2)[1])


def square(x: Array) -> Array:
    return x**2


def square_backward(dy: Array, x: Array) -> Array:
    return 2 * np.abs(x) * dy


def layer_norm(x: Array) -> Array:
    return F.layer_norm(x, ONES, ZEROS)[0]


def layer_norm_backward(dy: Array, x: Array) -> Array:
    return F.layer_norm_backward(dy, F.layer_norm(x, ONES, ZEROS)[1])[0]


def batch_norm(x: Array) -> Array:
    return (x - x.mean(AXES)) / np.sqrt(x.var(AXES) + 1e-5)


def no_way_through_mean(dy: Array, x: Array) -> Array:
    xbar = batch_norm(x)
    return (dy - xbar * (dy * xbar).mean(AXES)) / np.sqrt(x.var(AXES) + 1e-5)


def convolution(x: Array) -> Array:
    return convolve(x, W, 2, 1)[0]


def convolution_backward(dy: Array, x: Array) -> Array:
    return convolve_backward(dy, convolve(x, W, 2, 1)[1])[0]


def pooled(x: Array) -> Array:
    return F.max_pool2d(x, 3, 2)[0]


def assigned(dy: Array, x: Array) -> Array:
    y, dx = pooled(x), np.zeros_like(x)
    for i, j in np.ndindex(y.shape[1:3]):
        place = slice(None), slice(2 * i, 2 * i + 3), slice(2 * j, 2 * j + 3)
        won = x[place] == y[:, i, j][:, None, None]
        dx[place] = np.where(won, dy[:, i, j][:, None, None], dx[place])
    return dx


LAYERS = {
    "a ReLU": Layer(relu, relu_backward, False, "a ReLU was called wrong, and it is right. It has "
                    "a kink at 0: does your x hold zeros?"),
    "a maximum": Layer(maximum, maximum_backward, False, "a maximum was called wrong, and it is "
                       "right. Among equal values it has a kink: does your x hold ties?"),
    "a square": Layer(square, square_backward, True, "a square with a wrong backward was called "
                      "right: it is wrong for negative x. Does your x have both signs?"),
    "a LayerNorm": Layer(layer_norm, layer_norm_backward, False, "a LayerNorm was called wrong, "
                         "and it is right. With dy = 1 both sides of its check are zero but for "
                         "rounding, and their relative error says nothing. Or is your bound too "
                         "small? In float64 a right backward can have an error of 1e-6."),
    "a normalization": Layer(batch_norm, no_way_through_mean, True, "a normalization with a wrong "
                             "backward was called right. One term is missing there; it is zero "
                             "for some dy. Is your dy random, and has it a mean of its own?"),
    "a convolution": Layer(convolution, convolution_backward, False, "a convolution was called "
                           "wrong, and it is right. Is dy of the shape of forward(x)?"),
    "a pooling layer": Layer(pooled, assigned, True, "a pooling layer with a wrong backward was "
                             "called right: where windows overlap it loses gradients. Do you check "
                             "all entries?"),
}
# Right and wrong ones in each group, so that a constant answer earns nothing.
GROUPS = (("a ReLU", "a maximum", "a square"), ("a LayerNorm", "a normalization"),
          ("a convolution", "a pooling layer"))
