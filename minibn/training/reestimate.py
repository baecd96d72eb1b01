"""BN's statistics estimated anew, with frozen weights: a test without stale averages.

BN's moving averages follow the weights with a delay.  With α = 0.99 they hold about the last 100
batches, during which the weights have moved.  Here the weights stand still, and the batch mean and
the unbiased batch variance are averaged, with equal weights, over the batches of a fixed set of
training images.  A test with these averages minus a test with the moving averages is the price of
the delay.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from minibn.backend import to_device
from minibn.data.batches import test_batches
from minibn.layers.sequential import Sequential
from minibn.norms.batch_norm import BatchNorm
from minibn.training.run import Run

REESTIMATED = "reestimated"  # the name of this test in results


def batch_norms(model: Sequential) -> list[BatchNorm]:
    """The BN layers, in forward order."""
    return [layer for _, layer in model.places() if isinstance(layer, BatchNorm)]


@contextmanager
def reestimated(run: Run, images: int) -> Iterator[None]:
    """The run's BN layers have averages that fit its weights; afterward they have their own again.

    images: how many training images to estimate from: the first ones, cut to their center, in
    batches of the training's size.

    A training forward pass with decay (k − 1)/k makes a moving average the mean of k batches:
    (k − 1)/k · (mean of the first k − 1) + 1/k · (the k-th).
    """
    layers, data = batch_norms(run.model), run.data
    decays = [layer.decay for layer in layers]
    batches = test_batches(data.train_images[:images], data.train_labels[:images],
                           run.recipe.batch_size, run.mean, run.std, run.recipe.crop,
                           run.recipe.dtype)
    with state_kept(run.model):
        try:
            for k, (x, _) in enumerate(batches, 1):
                for layer in layers:
                    layer.decay = (k - 1) / k
                run.model.forward(to_device(x, run.device), training=True)
            yield
        finally:
            for layer, decay in zip(layers, decays, strict=True):
                layer.decay = decay


@contextmanager
def state_kept(model: Sequential) -> Iterator[None]:
    """Whatever happens to moving averages and counters in here is taken back."""
    state = model.state
    before = {name: value if isinstance(value, int) else value.copy()
              for name, value in state.items()}
    try:
        yield
    finally:
        for name, value in before.items():
            if isinstance(value, int):
                state[name] = value
            else:
                state[name][...] = value
