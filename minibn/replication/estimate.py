"""What a run would take: from a few measured batches of the very network."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minibn.backend import synchronize, to_device
from minibn.losses import softmax_cross_entropy, softmax_cross_entropy_backward
from minibn.optim import SGD
from minibn.replication.conditions import Cell
from minibn.replication.presets import Preset
from minibn.training.evaluation import QUICK_BATCH, in_test_mode, test_modes

CIFAR_TRAIN, CIFAR_TEST = 50_000, 10_000


class Estimate(NamedTuple):
    """Seconds: of a training batch with its update, of testing one image (all modes), of a run."""

    step: float
    test: float
    run: float


def estimate(preset: Preset, cell: Cell, device: str = "cpu") -> Estimate:
    """Measure the median of a few batches and add up a run; data loading is not included."""
    recipe = preset.recipe(cell, preset.grid(cell)[0], seed=0)
    classes = preset.subset.classes or 100
    model = recipe.model(classes)
    model.to(device)
    optimizer = SGD(model, recipe.lr, recipe.momentum)
    rng = np.random.default_rng(0)

    def batch(count: int) -> tuple:
        x = rng.standard_normal((count, recipe.crop, recipe.crop, 3)).astype(recipe.dtype)
        return to_device(x, device), to_device(rng.integers(0, classes, count), device)

    x, y = batch(recipe.batch_size)

    def train() -> None:
        _, cache = softmax_cross_entropy(model.forward(x, training=True), y)
        model.backward(softmax_cross_entropy_backward(1.0, cache))
        optimizer.step()
        synchronize(next(iter(model.params.values())))

    def look_at() -> None:
        synchronize(model.forward(images))

    step, test = median_time(train), 0.0
    for mode in test_modes(model):
        images = batch(recipe.batch_size if mode == "batch" else QUICK_BATCH)[0]
        with in_test_mode(model, mode):
            test += median_time(look_at) / len(images)
    batches = (preset.subset.train or CIFAR_TRAIN) // recipe.batch_size
    epoch = batches * step + (preset.subset.test or CIFAR_TEST) * test
    return Estimate(step, test, recipe.epochs * epoch)


def median_time(work: Callable[[], None]) -> float:
    """Median seconds of a call, after one that makes room in memory: 3 to 15 calls, about 2 s."""
    work()
    seconds: list[float] = []
    while len(seconds) < 3 or (sum(seconds) < 2 and len(seconds) < 15):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))
