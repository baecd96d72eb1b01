"""The training step with autograd differentiating a NumPy forward: nothing derived by hand.

Two things cost it dearly.  Its derivatives of `mean` and `maximum` come back in float64, whatever
went in, so most of its backward pass runs in float64.  And its derivative of `@` is written for any
number of dimensions: `windows @ w`, as one would write it, runs several times slower than `np.dot`
of the windows flattened to a matrix.  Both are measured (`flat`).
"""

from __future__ import annotations

import itertools

import autograd.numpy as np
import problem
from autograd import value_and_grad


def convolution(x, w, stride, flat):
    """3×3, padding 1: the nine strided windows side by side, then one matrix product.

    Slices, not `sliding_window_view`: autograd knows how to differentiate only the former.
    """
    _, height, width, channels = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), "constant")
    windows = np.concatenate(
        [
            padded[:, i : i + height : stride, j : j + width : stride]
            for i in range(3)
            for j in range(3)
        ],
        axis=3,
    )                                                     # (N, H', W', 9·C_in)
    w = w.reshape(9 * channels, -1)
    if not flat:
        return windows @ w                                # (N, H', W', C_out)
    return np.dot(windows.reshape(-1, 9 * channels), w).reshape(*windows.shape[:3], -1)


def batch_norm(x, gamma, beta):
    centered = x - np.mean(x, axis=(0, 1, 2))
    variance = np.mean(centered**2, axis=(0, 1, 2))
    return gamma * centered / np.sqrt(variance + problem.EPS) + beta


def loss_of(weights, x, labels, strides, flat):
    for i, stride in enumerate(strides, start=1):
        x = convolution(x, weights[f"conv{i}.w"], stride, flat)
        x = np.maximum(batch_norm(x, weights[f"norm{i}.gamma"], weights[f"norm{i}.beta"]), 0.0)
    logits = np.mean(x, axis=(1, 2))                      # (N, classes)
    logits = logits - np.max(logits, axis=1, keepdims=True)
    log_sum = np.log(np.sum(np.exp(logits), axis=1))
    return np.mean(log_sum - logits[np.arange(len(labels)), labels])


class AutogradStep:
    def __init__(self, batch, width, norm, device, flat=False):
        if norm != "bn" or device != "cpu":
            raise ValueError("autograd is compared with norm bn on the CPU only")
        self.weights = problem.initial_weights(width)
        self.velocity = {name: np.zeros_like(w) for name, w in self.weights.items()}
        self.strides = [stride for _, _, stride in problem.convolutions(width)]
        self.batches = itertools.cycle(problem.batches(batch))
        self.loss_and_gradients = value_and_grad(loss_of)
        self.flat = flat
        self.wait = lambda: None

    def step(self):
        x, labels = next(self.batches)
        loss, self.grads = self.loss_and_gradients(
            self.weights, x, labels, self.strides, self.flat
        )
        for name, g in self.grads.items():
            v = self.velocity[name]
            v *= problem.MOMENTUM
            v += g
            self.weights[name] -= problem.LEARNING_RATE * v
        return loss

    def parameters(self):
        return self.weights

    def gradients(self):
        return self.grads
