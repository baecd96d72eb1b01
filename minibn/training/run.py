"""The training loop.

    for every epoch
        for every batch            data/batches.py
            logits = model.forward(x, training=True)
            loss   = softmax_cross_entropy(logits, y)
            model.backward(…)      every layer assigns its gradients
            optimizer.step()       every parameter moves
        test in each mode          evaluation.py
        write down, save           history.py, checkpoint.py
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
from tqdm import tqdm

from minibn.backend import Array, device_module, to_device
from minibn.data.batches import check_labels, training_batches
from minibn.data.dataset import Dataset
from minibn.losses import (
    check_label_range,
    softmax_cross_entropy,
    softmax_cross_entropy_backward,
)
from minibn.optim import SGD
from minibn.training.evaluation import (
    Tested,
    clipped_share,
    renormalizers,
    test_accuracy,
    test_modes,
)
from minibn.training.history import History
from minibn.training.recipe import Recipe

# The loss is read every so many updates, because each read waits for the GPU.
LOOK_EVERY = 20


class Diverged(ArithmeticError):
    """The loss is no longer finite; `history` holds the epochs before."""

    def __init__(self, message: str, history: History) -> None:
        super().__init__(message, history)         # both: pickle needs all arguments of __init__
        self.history = history

    def __str__(self) -> str:
        return str(self.args[0])


class Run:
    """A model in training, with all that a checkpoint must keep to resume it.

    recipe: the settings of the training; data: the images; device: "cpu" or "gpu".

    Attributes: model, optimizer and history; rng, the generator of the order, crops and flips of
    the images; mean and std (C,), the training images' channel statistics.

    Raises ValueError for a training set smaller than one update, a crop larger than the images and
    labels out of range; a missing GPU is an error of `minibn.backend.device_module`.
    """

    def __init__(self, recipe: Recipe, data: Dataset, device: str = "cpu") -> None:
        for name, value, kind in (("recipe", recipe, Recipe), ("data", data, Dataset)):
            if not isinstance(value, kind):
                raise TypeError(f"{name} must be a {kind.__name__}, not {type(value).__name__}")
        device_module(device)                      # a missing GPU is best reported at once
        self.recipe = recipe
        self.data = data
        self.device = device
        self.model = recipe.model(classes=len(data.class_names))
        self.model.to(device)
        self.optimizer = SGD(self.model, recipe.lr, recipe.momentum, recipe.weight_decay,
                             decay_norms=recipe.decay_norms)
        # Not default_rng(seed): the weights were drawn from that one.
        self.rng = np.random.default_rng([recipe.seed, 1])
        self.mean, self.std = data.statistics
        self.history = History(test_accuracy={mode: [] for mode in test_modes(self.model)})
        if self.updates_per_epoch < 1:
            raise ValueError(
                f"one update needs {recipe.batch_size * recipe.accumulate} images (batch_size "
                f"{recipe.batch_size} x accumulate {recipe.accumulate}), but the training set "
                f"has {len(data.train_images)}")
        for images in (data.train_images, data.test_images):
            if min(images.shape[1:3]) < recipe.crop:
                height, width = images.shape[1:3]
                raise ValueError(f"crop must be at most {min(height, width)}, as the images of "
                                 f"{data.name} are {width} × {height} pixels, not {recipe.crop}")
        for name, images in (("train_labels", data.train_images),
                             ("test_labels", data.test_images)):
            labels = getattr(data, name)
            check_labels(name, labels, len(images))
            check_label_range(name, labels, len(data.class_names))

    @property
    def updates_per_epoch(self) -> int:
        """Updates in an epoch; images left over for less than one update are not used."""
        return len(self.data.train_images) // (self.recipe.batch_size * self.recipe.accumulate)

    def epoch(self, bar: tqdm | None = None) -> None:
        """Train one epoch, test, and add both to the history; `bar` advances with every update.

        Raises Diverged when the loss is no longer finite.
        """
        start = time.perf_counter()
        history = self.history
        self.optimizer.lr = self.recipe.lr_at(history.epochs)
        loss, accuracy, clipped = self._train_epoch(bar)
        tests = {mode: self._test(mode) for mode in history.test_accuracy}
        history.train_loss.append(loss)
        history.train_accuracy.append(accuracy)
        history.learning_rate.append(self.optimizer.lr)
        if clipped is not None:
            history.clipped_train.append(clipped)
        for mode, tested in tests.items():
            history.test_accuracy[mode].append(tested.accuracy)
            if tested.clipped is not None:
                history.clipped_test.append(tested.clipped)
        history.seconds.append(time.perf_counter() - start)

    def _test(self, mode: str) -> Tested:
        """Accuracy and clipped share on the test images in this mode."""
        return test_accuracy(self.model, self.data.test_images, self.data.test_labels, self.mean,
                             self.std, mode, self.recipe.batch_size, self.device,
                             self.recipe.dtype, self.recipe.crop)

    def _train_epoch(self, bar: tqdm | None) -> tuple[float, float, float | None]:
        """Loss (nats) and accuracy, means over the epoch, and the share of clipped channels, a mean
        over the updates at which the loss is read (None: no layer clips)."""
        k, clips = self.recipe.accumulate, bool(renormalizers(self.model))
        total: Any = 0.0                           # Σ loss over batches, on the device
        right: Any = 0                             # Σ images classified right, on the device
        clipped = []
        batches = self._batches()
        for update in range(1, self.updates_per_epoch + 1):
            sums: dict[str, Array] = {}
            for x, y in islice(batches, k):
                logits = self.model.forward(x, training=True)
                loss, cache = softmax_cross_entropy(logits, y, check_range=False)
                # 1/k: the update is made on the mean loss of its k batches.
                self.model.backward(softmax_cross_entropy_backward(1 / k, cache))
                total += loss
                right += (logits.argmax(1) == y).sum()
                if k > 1:
                    add_gradients(sums, self.model.grads)
            for name, gradient in sums.items():    # none with k = 1
                self.model.grads[name] = gradient
            self.optimizer.step()

            if update % LOOK_EVERY == 0 or update == self.updates_per_epoch:
                mean_loss = float(total) / (update * k)
                images = update * k * self.recipe.batch_size
                if not np.isfinite(mean_loss):
                    raise Diverged(self._where(update) + ": try a smaller learning rate",
                                   self.history)
                if clips:
                    clipped.append(clipped_share(self.model))
                if bar is not None:
                    bar.set_postfix(loss=f"{mean_loss:.3f}", acc=f"{int(right) / images:.1%}",
                                    refresh=False)
            if bar is not None:
                bar.update()
        return mean_loss, int(right) / images, float(np.mean(clipped)) if clips else None

    def _batches(self) -> Iterator[tuple[Array, Array]]:
        data = self.data
        batches = training_batches(data.train_images, data.train_labels, self.recipe.batch_size,
                                   self.rng, self.mean, self.std, crop=self.recipe.crop,
                                   flip=self.recipe.flip, dtype=self.recipe.dtype)
        for x, y in batches:
            yield to_device(x, self.device), to_device(y, self.device)

    def _where(self, update: int) -> str:
        return (f"the loss is not finite at update {update} of epoch {self.history.epochs + 1} "
                f"({self.recipe.norm}, batch size {self.recipe.batch_size}, "
                f"learning rate {self.optimizer.lr:g})")


def quiet_overflow() -> np.errstate:
    """No NumPy warnings for infinity and NaN: the loop checks the loss and reports them."""
    return np.errstate(over="ignore", invalid="ignore")


def add_gradients(sums: dict[str, Array], grads: dict[str, Array]) -> None:
    """sums += grads; the arrays of the first call are copied."""
    for name, gradient in grads.items():
        if name in sums:
            sums[name] += gradient
        else:
            sums[name] = gradient.copy()
