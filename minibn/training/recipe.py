"""Everything that defines a training run, in one record that goes into every result file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from minibn.checks import check_choice, check_dtype, check_flag, check_integer, check_number
from minibn.layers.sequential import Sequential
from minibn.models import ACTIVATIONS, MODELS
from minibn.norms import NORMS, check_norm_options
from minibn.optim import step_schedule

CROP = 24  # the side of the paper's input (Table 1)


def plain(value: Any) -> Any:
    """A number of NumPy's as Python's own, which JSON can hold; anything else as it is."""
    if isinstance(value, (tuple, list)):
        return type(value)(plain(part) for part in value)
    return value.item() if isinstance(value, np.generic) else value


def check_drops(drops: Any) -> tuple[int, ...]:
    """Numbers of epochs in ascending order, as a tuple."""
    if not isinstance(drops, (tuple, list)):
        raise TypeError(f"lr_drops must be a list of epochs, not {drops!r}")
    checked = tuple(check_integer("an epoch of lr_drops", drop, least=1) for drop in drops)
    if list(checked) != sorted(set(checked)):
        raise ValueError(f"lr_drops must ascend, not {drops!r}")
    return checked


@dataclass(frozen=True)
class Recipe:
    """A network, its normalization and how it is trained.

    network, norm: names in `MODELS` and `NORMS`; norm_options: keyword arguments of the
    normalization's layer; width: channels of the first convolution; batch_size: images in a batch,
    each normalized by itself; accumulate: batches whose mean gradient makes one update;
    lr: learning rate, divided by 10 every `lr_every` epochs (None: never), or after each of the
    epochs `lr_drops`; seed: of weights, dropout and the order of images; crop: side of the
    network's input in pixels, cut at random places in training and from the center in testing
    (smaller images need a smaller crop).

    Equal seeds give equal initial weights and an equal order of images under every norm.
    Raises ValueError or TypeError for values out of range.
    """

    network: str = "all_cnn"
    norm: str = "bn"
    norm_options: dict[str, Any] = field(default_factory=dict)
    width: int = 96
    activation: str = "relu"
    final_relu: bool = True
    batch_size: int = 5
    accumulate: int = 1
    epochs: int = 100
    lr: float = 0.1
    lr_every: int | None = None
    lr_drops: tuple[int, ...] = ()
    momentum: float = 0.9
    weight_decay: float = 0.0
    decay_norms: bool = False
    flip: bool = True
    seed: int = 0
    dtype: str = "float32"
    crop: int = CROP

    def __post_init__(self) -> None:
        check_choice("network", self.network, tuple(MODELS))
        check_choice("norm", self.norm, tuple(NORMS))
        check_choice("activation", self.activation, tuple(ACTIVATIONS))
        check_norm_options(self.norm, self.norm_options)
        options = {name: plain(value) for name, value in self.norm_options.items()}
        checked: dict[str, Any] = {name: check_integer(name, getattr(self, name), least=1)
                                   for name in ("width", "batch_size", "accumulate", "epochs",
                                                "crop")}
        checked["seed"] = check_integer("seed", self.seed, least=0)
        checked["lr"] = check_number("lr", self.lr, above=0)
        checked["momentum"] = check_number("momentum", self.momentum, least=0, below=1)
        checked["weight_decay"] = check_number("weight_decay", self.weight_decay, least=0)
        if self.lr_every is not None:
            checked["lr_every"] = check_integer("lr_every", self.lr_every, least=1)
        checked["lr_drops"] = check_drops(self.lr_drops)
        if self.lr_drops and self.lr_every is not None:
            raise ValueError("give lr_every or lr_drops, not both")
        checked["dtype"] = check_dtype(self.dtype).name
        checked["norm_options"] = options          # a copy: the caller may go on with the dict
        for name in ("final_relu", "decay_norms", "flip"):
            checked[name] = check_flag(name, getattr(self, name))
        for name, value in checked.items():        # plain numbers, whatever NumPy's they were
            object.__setattr__(self, name, value)  # the record is frozen from here on

    def model(self, classes: int) -> Sequential:
        """The network with its initial weights, for this many classes."""
        return MODELS[self.network](
            classes, self.norm, self.width, self.seed, activation=self.activation,
            final_relu=self.final_relu, norm_options=self.norm_options, dtype=self.dtype)

    def lr_at(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 0."""
        if self.lr_every is not None:
            return step_schedule(self.lr, epoch, self.lr_every)
        return self.lr * 0.1 ** sum(epoch >= drop for drop in self.lr_drops)

    def as_dict(self) -> dict[str, Any]:
        """The record as JSON can hold it (a tuple in norm_options becomes a list)."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """The recipe that `as_dict` wrote; ValueError for names that no recipe has."""
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"a recipe has no {', '.join(sorted(unknown))}")
        return cls(**values)
