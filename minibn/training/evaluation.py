"""Testing a model: accuracy in each test mode, and predictions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minibn.backend import to_device, to_host
from minibn.checks import check_choice
from minibn.data.batches import check_pixels, test_batches
from minibn.layer import Layer
from minibn.layers.sequential import Sequential
from minibn.losses import softmax
from minibn.norms.batch_renorm import Renormalizer
from minibn.training.history import PLAIN
from minibn.training.recipe import CROP

# Where the result does not depend on how the images are cut into batches, larger ones are quicker.
QUICK_BATCH = 100


class Tested(NamedTuple):
    """Share of images classified right, and mean share of clipped channels (None: no clip)."""

    accuracy: float
    clipped: float | None


def test_modes(model: Sequential) -> tuple[str, ...]:
    """The names under which a model's accuracy is reported, its own mode first."""
    modes = model.test_modes or (PLAIN,)
    own = [layer.test_mode for layer in renormalizers(model)][:1]
    return (*own, *(mode for mode in modes if mode not in own))


@contextmanager
def in_test_mode(model: Sequential, mode: str) -> Iterator[None]:
    """Make every normalization of the model test in this mode, and in its own again afterward."""
    check_choice("mode", mode, test_modes(model))
    own = {layer: layer.test_mode for layer in renormalizers(model)}
    for layer in own:
        layer.test_mode = mode
    try:
        yield
    finally:
        for layer, before in own.items():
            layer.test_mode = before


def renormalizers(model: Sequential) -> list[Renormalizer]:
    """The layers that have a correction r, d, those of BRN and renorm_debias, in forward order."""
    return [layer for _, layer in model.places() if isinstance(layer, Renormalizer)]


def test_accuracy(model: Sequential, images: np.ndarray, labels: np.ndarray, mean: np.ndarray,
                  std: np.ndarray, mode: str, batch_size: int, device: str = "cpu",
                  dtype: DTypeLike = np.float32, crop: int = CROP) -> Tested:
    """Test on the center crops of uint8 images (N, H, W, 3), in the order given.

    mean, std: the training set's channel statistics; mode: one of `test_modes(model)`;
    batch_size: the training's, which matters in mode "batch" alone; crop: the recipe's.
    """
    in_batches = mode == "batch"
    right: Any = 0                                 # Σ images classified right, on the device
    clipped = []
    batches = test_batches(images, labels, batch_size if in_batches else QUICK_BATCH, mean, std,
                           crop=crop, dtype=dtype)
    with in_test_mode(model, mode):
        for x, y in batches:
            logits = model.forward(to_device(x, device))
            right += (logits.argmax(1) == to_device(y, device)).sum()
            if in_batches:
                clipped.append(clipped_share(model))
    return Tested(int(right) / len(labels), float(np.mean(clipped)) if clipped else None)


def predict(model: Sequential, images: np.ndarray, mean: np.ndarray, std: np.ndarray, mode: str,
            batch_size: int, device: str = "cpu", dtype: DTypeLike = np.float32,
            crop: int = CROP) -> np.ndarray:
    """Class probabilities (N, classes), float64, of uint8 images (N, H, W, 3), H and W ≥ crop.

    Images are cut to their center.  In mode "batch" a prediction depends on its batch mates.
    """
    check_pixels(images)
    unknown = np.zeros(len(images), np.int64)
    parts = []
    with in_test_mode(model, mode):
        for x, _ in test_batches(images, unknown, batch_size, mean, std, crop, dtype):
            logits = to_host(model.forward(to_device(x, device))).astype(np.float64)
            parts.append(softmax(logits))
    return np.concatenate(parts)


def clipped_share(model: Sequential) -> float:
    """The mean over layers of the share of clipped channels in the last forward pass."""
    return float(np.mean([layer.clipped for layer in renormalizers(model)]))


def count_parameters(model: Layer) -> int:
    """How many numbers the optimizer changes."""
    return sum(p.size for p in model.params.values())


# Their names make pytest take them for tests.
test_modes.__test__ = False  # type: ignore[attr-defined]
test_accuracy.__test__ = False  # type: ignore[attr-defined]
