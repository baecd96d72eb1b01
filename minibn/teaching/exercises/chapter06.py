"""Exercises 06: a convolutional network. 6.1 to 6.10, its parts, have their own files."""

from __future__ import annotations

from typing import Any

import numpy as np

from minibn.teaching.compare import equal, is_one_of, require
from minibn.teaching.exercises import chapter06_layers
from minibn.teaching.exercises.chapter06_conv import convolve, convolve_backward
from minibn.teaching.registry import exercise

Array = Any
Params = dict[str, Array]


def gradients(params: Params, x: Array, labels: Array) -> Params:
    """By the library's layers."""
    h1, first = convolve(x, params["w1"], 2, 1)
    h2, second = convolve(np.maximum(h1, 0), params["w2"], 1, 1)
    a2 = np.maximum(h2, 0)
    f = a2.mean((1, 2))
    dz = chapter06_layers.softmax_gradient(f @ params["w3"] + params["b3"], labels)
    da2 = np.broadcast_to((dz @ params["w3"].T)[:, None, None] / h2[0, ..., 0].size, h2.shape)
    da1, dw2, _ = convolve_backward(da2 * (h2 > 0), second)
    dw1 = convolve_backward(da1 * (h1 > 0), first)[1]
    return {"w1": dw1, "w2": dw2, "w3": f.T @ dz, "b3": dz.sum(0)}


def slips(params: Params, x: Array, labels: Array, relu1: bool = True, relu2: bool = True,
          mean: bool = True, turn: bool = True) -> Params:
    """The gradients with steps of the backward pass left out."""
    h1, first = convolve(x, params["w1"], 2, 1)
    h2, second = convolve(np.maximum(h1, 0), params["w2"], 1, 1)
    f = np.maximum(h2, 0).mean((1, 2))
    dz = chapter06_layers.softmax_gradient(f @ params["w3"] + params["b3"], labels)
    da2 = np.broadcast_to((dz @ params["w3"].T)[:, None, None], h2.shape)
    da2 = da2 / (h2[0, ..., 0].size if mean else 1) * (h2 > 0 if relu2 else 1)
    da1, dw2, _ = convolve_backward(da2, second)
    if not turn:
        da1 = convolve(da2, params["w2"].swapaxes(2, 3), 1, 1)[0]
    dw1 = convolve_backward(da1 * (h1 > 0 if relu1 else 1), first)[1]
    return {"w1": dw1, "w2": dw2, "w3": f.T @ dz, "b3": dz.sum(0)}


@exercise("6.11", "the gradients of a network", answer="gradients", points=4, library=gradients,
          seconds=60)
def check_gradients(answer: Any, part: Any) -> None:
    draws = np.random.default_rng(610)
    # N = 2, 3 and 4 channels, maps of 5×7, K = 6: no two sizes are equal by chance.
    params = {"w1": draws.normal(size=(3, 3, 3, 4)), "w2": draws.normal(size=(3, 3, 4, 8)) / 3,
              "w3": draws.normal(size=(8, 6)), "b3": draws.normal(size=6)}
    x, labels = draws.normal(size=(2, 10, 14, 3)), np.array([2, 0])
    got, want = answer(params, x, labels), gradients(params, x, labels)
    require(isinstance(got, dict) and set(got) == set(want),
            "Return a dict with the keys w1, w2, w3 and b3.")
    n = len(x)
    with part(1):
        equal("the gradient of b3", got["b3"], want["b3"], {
            "1/N is missing: softmax_gradient has it.": want["b3"] * n,
            "a sum over the images: each has its row in dz.": want["b3"] / n})
        equal("the gradient of w3", got["w3"], want["w3"], {
            "1/N is missing: softmax_gradient has it.": want["w3"] * n,
            "the shape is that of w3: fᵀ times dz.": want["w3"].T})
    no_relu2, no_mean = (slips(params, x, labels, **{name: False}) for name in ("relu2", "mean"))
    neither = slips(params, x, labels, relu2=False, mean=False)
    with part(1):
        equal("the gradient of w2", got["w2"], want["w2"], {
            "the second ReLU is missing: where h2 was not positive, nothing passes.":
                no_relu2["w2"],
            "the global average shares the gradient out: divide by the number of pixels.":
                no_mean["w2"],
            "the second ReLU and the 1/pixels of the average are missing.": neither["w2"],
            "1/N comes in once, with the loss; it is in dz already.": want["w2"] / n})
    own = {
        "the second ReLU is missing: where h2 was not positive, nothing passes.": no_relu2["w1"],
        "the global average shares the gradient out: divide by the number of pixels.":
            no_mean["w1"],
        "the second ReLU and the 1/pixels of the average are missing.": neither["w1"]}
    mistakes = {
        "the first ReLU is missing: where h1 was not positive, nothing passes.":
            slips(params, x, labels, relu1=False)["w1"],
        "the way back through w2 turns the kernel: input_gradient of 6.4.":
            slips(params, x, labels, turn=False)["w1"],
        "both ReLUs are missing.": slips(params, x, labels, relu1=False, relu2=False)["w1"]}
    # A mistake further up has cost its point there.
    with part(1):
        if not is_one_of(got["w1"], own.values()):
            equal("the gradient of w1", got["w1"], want["w1"], mistakes)
    with part(1):
        equal("the gradient of w1", got["w1"], want["w1"], own | mistakes)

