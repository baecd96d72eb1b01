"""A user's program for mypy: what is right passes, and every line marked as wrong is found wrong.

`make lint` checks it with --warn-unused-ignores, so that a mistake which nobody notices any more is
an error there.
"""

import numpy as np

import minibn
from minibn import functional
from minibn.backend import Array
from minibn.data import make_synthetic


class Scale(minibn.Layer):
    """y = γ·x."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.params["gamma"] = np.ones(channels, np.float32)

    def forward(self, x: Array, training: bool = False) -> Array:
        if training:
            self.cache = x
        return self.params["gamma"] * x

    def backward(self, dy: Array) -> Array:
        x = self.remembered()
        self.grads["gamma"] = (dy * x).sum(tuple(range(dy.ndim - 1)))
        return self.params["gamma"] * dy


def step(x: np.ndarray, labels: np.ndarray) -> float:
    model = minibn.Sequential(minibn.Conv2d(3, 8, 3), minibn.BatchNorm(8), Scale(8),
                              minibn.GlobalAvgPool(), minibn.Linear(8, 10))
    loss, cache = functional.softmax_cross_entropy(model.forward(x, training=True), labels)
    model.backward(functional.softmax_cross_entropy_backward(1.0, cache))
    minibn.SGD(model, lr=0.1).step()
    return float(loss)


data = make_synthetic(train=20, test=10)
y = minibn.ReLU().forward(data.train_images)
height: int = y.shape[1]

minibn.ReLU().forward([1.0, 2.0])  # type: ignore[arg-type]
minibn.ReLU().forward("an image")  # type: ignore[arg-type]
minibn.ReLU().forward(y, trainig=True)  # type: ignore[call-arg]
y.to_device("gpu")  # type: ignore[attr-defined]
y.numpy()  # type: ignore[attr-defined]
name: str = y.dtype  # type: ignore[assignment]
minibn.Conv2d(3, 8)  # type: ignore[call-arg]
functional.relu(data)  # type: ignore[arg-type]
