"""A table of a model's layers: classes, parameters and, for an input's shape, output shapes."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import numpy as np

from minibn.backend import Array, array_module
from minibn.checks import check_integer
from minibn.layer import Layer, shapes


class Table(str):
    """Text that a Python prompt shows as `print` does."""

    def __repr__(self) -> str:
        return str(self)


def summary(model: Layer, input_shape: tuple[int, ...] | None = None) -> Table:
    """The table of a model, as a str.

    input_shape: without the batch axis; None leaves the output shapes out.
    Raises ValueError or TypeError where the model does not take this shape.
    """
    header = ["", "name", "layer", "parameters", "output", "number"]
    rows: list[tuple[str, Layer, tuple[int, ...]]]
    if input_shape is None:
        rows = [(name, layer, ()) for name, layer in model.parts()]
    else:
        rows = list(outputs(model, one_input(model, input_shape)))
    lines = [header]
    for index, (name, layer, shape) in enumerate(rows):
        lines.append([str(index), name, type(layer).__name__, shapes(layer), str(shape),
                      f"{count(layer):,}"])
    if input_shape is None:
        lines = [line[:4] + line[5:] for line in lines]
    if any("." in name for name, *_ in rows):              # with models in the model, the row's
        lines = [line[1:] for line in lines]               # number would not be model[number]
    layers = "1 layer" if len(rows) == 1 else f"{len(rows)} layers"
    total = f"{type(model).__name__}: {layers}, {count(model):,} parameters"
    if input_shape is not None:
        total += f", input {tuple(input_shape)}"
    return Table("\n".join([total, *aligned(lines)]))


def outputs(model: Layer, x: Array) -> Iterator[tuple[str, Layer, tuple[int, ...]]]:
    """Every layer with the shape of its output for the batch x, without the batch axis."""
    for name, layer in model.parts():
        try:
            with np.errstate(all="ignore"):
                x = without_cache(layer).forward(x, training=True)
        except (ValueError, TypeError) as error:
            raise type(error)(f"{name} ({type(layer).__name__}) does not take the shape "
                              f"{x.shape[1:]}: {error}") from error
        yield name, layer, x.shape[1:]


def one_input(model: Layer, shape: Sequence[int]) -> Array:
    """A batch of one random input of this shape, of the dtype and on the device of the model."""
    if not isinstance(shape, (tuple, list)):
        raise TypeError(f"input_shape must be a tuple as (24, 24, 3), not {shape!r}")
    shape = tuple(check_integer("input_shape", size, least=1) for size in shape)
    x = np.random.default_rng(0).standard_normal((1, *shape))
    like = next((p for p in model.params.values() if p.dtype.kind == "f"), np.zeros(1, np.float32))
    return array_module(like).asarray(x.astype(like.dtype))


def without_cache(layer: Layer) -> Layer:
    """A deep copy that leaves out what the layer remembers of its last forward, often large."""
    holders = [one for one in (layer, *(inner for _, inner in layer.inside()))
               if "cache" in vars(one)]                    # a Sequential has no cache
    caches = [holder.cache for holder in holders]
    for holder in holders:
        holder.cache = None
    try:
        return copy.deepcopy(layer)
    finally:
        for holder, cache in zip(holders, caches, strict=True):
            holder.cache = cache


def count(layer: Layer) -> int:
    """How many numbers the optimizer changes: the sizes of all parameters, added up."""
    return sum(p.size for p in layer.params.values())


def aligned(lines: list[list[str]]) -> list[str]:
    """Columns of equal width, numbers (the first and the last column) to the right."""
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    numbers = (lines[0].index("") if "" in lines[0] else -1, len(widths) - 1)
    return ["  ".join(cell.rjust(width) if k in numbers else cell.ljust(width)
                      for k, (cell, width) in enumerate(zip(line, widths, strict=True))).rstrip()
            for line in lines]
