"""Probes of a network in training, for Figure 6: activations, r, d and the clipped share.

A probe passes the first training images through the network in batches of the training's size, as
a training step would see them but for crop and flip, and puts moving averages and counters back
afterward: a run with probes has the same result as one without.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minibn.backend import Array, to_device, to_host
from minibn.data.batches import test_batches
from minibn.training import Run
from minibn.training.evaluation import renormalizers
from minibn.training.reestimate import state_kept

IMAGES = 50
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)     # quantiles over channels


def is_due(update: int, updates_per_epoch: int) -> bool:
    """Whether to probe after this many updates: at powers of two, and after every epoch."""
    return update & (update - 1) == 0 or update % updates_per_epoch == 0


def probe(run: Run, update: int) -> dict[str, Any]:
    """What the training forward pass holds after `update` updates.

    Returns `mean` and `variance`, for the outputs of conv5, norm5 and relu5: the quantiles LEVELS
    over channels of each channel's mean and variance over images and places; `r`, `d`: the
    same quantiles over the channels and batches of norm5; `clipped`: share of channels whose r or
    d met its bound, mean over all layers (these three only for BRN and renorm_debias);
    `weights`: the norm of every layer's kernel.
    """
    layers = run.model.layers
    watched = [name for name in layers if name in ("conv5", "norm5", "relu5", "elu5")]
    sums = {name: Moments() for name in watched}

    def watch(name: str, output: Array) -> None:
        if name in sums:
            sums[name].add(to_host(output))

    corrections: dict[str, list[np.ndarray]] = {"r": [], "d": []}
    clipped = []
    data, count = run.data, max(IMAGES, run.recipe.batch_size)
    batches = test_batches(data.train_images[:count], data.train_labels[:count],
                           run.recipe.batch_size, run.mean, run.std, run.recipe.crop,
                           run.recipe.dtype)
    for x, _ in batches:
        with state_kept(run.model):
            run.model.forward(to_device(x, run.device), training=True, watch=watch)
        clipped += [layer.clipped for layer in renormalizers(run.model)]
        for name, values in corrections.items():
            if hasattr(layers.get("norm5"), name):
                values.append(to_host(getattr(layers["norm5"], name)))
    found: dict[str, Any] = {
        "update": update,
        "mean": {name: quantiles(moments.mean) for name, moments in sums.items()},
        "variance": {name: quantiles(moments.variance) for name, moments in sums.items()},
        "weights": weight_norms(run),
    }
    if clipped:
        found |= {name: quantiles(np.concatenate(values))
                  for name, values in corrections.items()}
        found["clipped"] = float(np.mean(clipped))
    return found


def weight_norms(run: Run) -> dict[str, float]:
    """The Euclidean norm of every layer's kernel, to six digits, by layer."""
    return {name.removesuffix(".w"): float(f"{np.linalg.norm(to_host(w).astype(np.float64)):.6g}")
            for name, w in run.model.params.items() if name.endswith(".w")}


class Moments:
    """Mean and variance of every channel over all arrays added, (C,) float64."""

    def __init__(self) -> None:
        self.count = 0
        self.sum: Any = 0.0
        self.squares: Any = 0.0

    def add(self, x: np.ndarray) -> None:
        """Take in x (N, H, W, C)."""
        values = x.reshape(-1, x.shape[-1]).astype(np.float64)
        self.count += len(values)
        self.sum = self.sum + values.sum(0)
        self.squares = self.squares + (values ** 2).sum(0)

    @property
    def mean(self) -> np.ndarray:
        return self.sum / self.count

    @property
    def variance(self) -> np.ndarray:
        # Activations are of order 1, so the difference of squares loses nothing in float64.
        return self.squares / self.count - self.mean ** 2


def quantiles(values: np.ndarray) -> list[float | None]:
    """The quantiles LEVELS, to five digits; None for what JSON cannot hold (infinity, NaN)."""
    return [float(f"{q:.5g}") if np.isfinite(q) else None
            for q in np.quantile(values, LEVELS)]
