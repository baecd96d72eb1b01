"""Layers one after the other: a model is a layer."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any, NoReturn, SupportsIndex

from minibn.backend import Array
from minibn.checks import check_choice, check_flag
from minibn.layer import Layer
from minibn.layers.summary import Table, summary


class FlatDict(dict):
    """The dicts of several layers seen as one, with keys "name.key"; setting a key writes through.

    A model makes a new one at every access to params, grads or state, so it always shows the
    layers' present arrays.  Keys can be neither added nor removed.  A copy, deep or pickled, is a
    plain dict.

    layers: by name; which: "params", "grads" or "state".
    """

    def __init__(self, layers: dict[str, Layer], which: str) -> None:
        super().__init__((f"{name}.{key}", value) for name, layer in layers.items()
                         for key, value in getattr(layer, which).items())
        self._layers = layers
        self._which = which

    def __setitem__(self, flat_key: str, value: Any) -> None:
        if flat_key not in self:
            raise KeyError(f"no layer holds {flat_key!r} in its {self._which}")
        # Layers may be Sequential themselves, so the name is the part before the first dot.
        name, _, key = flat_key.partition(".")
        getattr(self._layers[name], self._which)[key] = value
        super().__setitem__(flat_key, value)

    def update(self, *others: Any, **values: Any) -> None:
        """Set several keys."""
        for flat_key, value in dict(*others, **values).items():
            self[flat_key] = value

    def _keep(self, *_: Any) -> NoReturn:
        raise TypeError(f"the {self._which} of a model are those of its layers: keys can be "
                        "neither added nor removed; update() sets several")

    __delitem__ = __ior__ = pop = popitem = clear = setdefault = _keep

    def __reduce__(self) -> tuple:
        return dict, (dict(self),)


def pass_back(layer: Layer, dy: Array, input_gradient: bool) -> Array | None:
    """The layer's backward; dx is left out if it is not needed and the layer can skip it."""
    if layer.may_skip_input_gradient:
        return layer.backward(dy, input_gradient=input_gradient)  # type: ignore[call-arg]
    return layer.backward(dy)


class Sequential(Layer):
    """Layers one after the other.

    layers: layers, named layer1, layer2, …, or (name, layer) pairs.  params, grads and state are
    those of all layers, keyed "name.key", in forward order.  The layers' arrays themselves are in
    them; setting an entry sets the layer's.

    `model["norm1"]` and `model[0]` are the layer of that name and the first layer; `len(model)` is
    the number of layers, and iteration gives them in forward order.  `print(model)` shows a table
    of the layers, `print(model.summary((24, 24, 3)))` also the shape after each.
    `model.test_mode = "moving"` sets the test mode of every normalization that has one.

    input_gradient: whether `backward` computes the gradient of the model's input by default.

    Raises ValueError for names that are not unique or have a dot and for a layer in two places,
    TypeError for what is no layer.  Setting an attribute that a model does not have raises
    AttributeError; a subclass may have attributes of its own.
    """

    may_skip_input_gradient = True

    def __init__(self, *layers: Layer | tuple[str, Layer], input_gradient: bool = True) -> None:
        # No super().__init__(): params, grads and state are properties, and a model has no cache.
        if not layers:
            raise ValueError("Sequential needs at least one layer")
        self.layers: dict[str, Layer] = {}
        self.input_gradient = check_flag("input_gradient", input_gradient)
        for index, entry in enumerate(layers, start=1):
            pair = entry if isinstance(entry, tuple) else (f"layer{index}", entry)
            if len(pair) != 2:
                raise TypeError(f"layers must each be a layer or a pair (name, layer), not {pair}")
            name, layer = pair
            if not isinstance(name, str):
                raise TypeError(f"the name of a layer must be a str, not {name!r}")
            if not isinstance(layer, Layer):
                raise TypeError(f"{name} must be a Layer, not {type(layer).__name__}")
            if not hasattr(layer, "params"):
                raise TypeError(f"{name} has no params: the __init__ of {type(layer).__name__} "
                                "must call super().__init__() first")
            if name in self.layers or "." in name:
                raise ValueError(f"layer names must be unique and without dots, not {name!r}")
            self.layers[name] = layer
        places: dict[int, str] = {}
        for place, layer in self.places():
            if id(layer) in places:        # it remembers one forward pass; backward needs both
                raise ValueError(f"{place} is {places[id(layer)]} again: make a layer for each "
                                 "place")
            places[id(layer)] = place

    def __getitem__(self, key: str | SupportsIndex) -> Layer:
        """The layer of this name, "block.norm1" inside a model in the model, or of this index.

        Raises KeyError for an unknown name, IndexError for an index out of range.
        """
        if not isinstance(key, str):
            index = operator.index(key)
            if not -len(self) <= index < len(self):
                raise IndexError(f"no layer {index} in a model of {len(self)}")
            return list(self.layers.values())[index]
        if key in self.layers:
            return self.layers[key]
        name, _, deeper = key.partition(".")
        inner = self.layers.get(name)
        if deeper and isinstance(inner, Sequential):
            return inner[deeper]
        raise KeyError(f"no layer {key!r}{_did_you_mean(key, list(self.layers))}")

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers.values())

    def __contains__(self, layer: object) -> bool:
        """Whether this layer, or one of this name, is in the model."""
        return layer in self.layers or any(layer is other for other in self)

    def __setattr__(self, name: str, value: Any) -> None:
        known = name in ("layers", "input_gradient") or hasattr(type(self), name)
        if type(self) is Sequential and not known:
            names = [n for n in dir(self) if not n.startswith("_")]
            raise AttributeError(f"a Sequential has no attribute {name!r}"
                                 f"{_did_you_mean(name, names)}")
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        return summary(self)

    def summary(self, input_shape: tuple[int, ...]) -> Table:
        """A table of the layers with the shape after each, for one input of this shape.

        input_shape: without the batch axis, as (24, 24, 3) for images of 24 × 24 pixels.  Returns
        a str, to be printed.  The shapes come from a training pass through copies of the layers,
        so layers of your own need nothing for it, and the model stays as it is.
        Raises ValueError or TypeError where the model does not take this shape.
        """
        return summary(self, input_shape)

    def places(self) -> Iterator[tuple[str, Layer]]:
        """Every layer at any depth with its name; those inside another as "name.inner"."""
        for name, layer in self.layers.items():
            yield name, layer
            yield from ((f"{name}.{place}", inner) for place, inner in layer.inside())

    inside = places                                        # of Layer: the same for a model

    def parts(self) -> Iterator[tuple[str, Layer]]:
        """The layers in forward order, those of a model in the model as "model.layer".

        A model in the model whose class has a forward of its own is one part.
        """
        for name, layer in self.layers.items():
            if isinstance(layer, Sequential) and type(layer).forward is not Sequential.forward:
                yield name, layer
            else:
                yield from ((f"{name}.{inner}".rstrip("."), part) for inner, part in layer.parts())

    @property
    def params(self) -> FlatDict:  # type: ignore[override]
        """All layers' parameters, "name.key"."""
        return FlatDict(self.layers, "params")

    @property
    def grads(self) -> FlatDict:  # type: ignore[override]
        """All layers' gradients, "name.key"."""
        return FlatDict(self.layers, "grads")

    @property
    def state(self) -> FlatDict:  # type: ignore[override]
        """All layers' state, "name.key"."""
        return FlatDict(self.layers, "state")

    @property
    def test_modes(self) -> tuple[str, ...]:  # type: ignore[override]
        """The test modes of the layers that have any; () where none has."""
        return next((layer.test_modes for _, layer in self._with_modes()), ())

    @property
    def test_mode(self) -> str | None:
        """How the normalizations test, "moving" or "batch"; None where they differ or have none.

        Setting it sets every normalization's.  Raises ValueError, and changes nothing, where one
        of them does not have the mode or the model has no normalization with a mode.
        """
        modes = {getattr(layer, "test_mode", layer.test_modes[0])
                 for _, layer in self._with_modes()}
        return modes.pop() if len(modes) == 1 else None

    @test_mode.setter
    def test_mode(self, mode: str) -> None:
        layers = list(self._with_modes())
        if not layers:
            raise ValueError(f"no layer of this model has test modes, so none can test in {mode!r}")
        for place, layer in layers:
            check_choice(f"test_mode of {place} ({type(layer).__name__})", mode, layer.test_modes)
        for _, layer in layers:
            if hasattr(layer, "test_mode"):        # BatchNorm has one mode and nothing to set
                layer.test_mode = mode

    def _with_modes(self) -> Iterator[tuple[str, Layer]]:
        return ((place, layer) for place, layer in self.places()
                if layer.test_modes and not isinstance(layer, Sequential))

    def forward(self, x: Array, training: bool = False,
                watch: Callable[[str, Array], None] | None = None) -> Array:
        """The last layer's output.

        watch: a function; watch(name, output) is called after every layer with its output.
        Raises what the layers raise.
        """
        for name, layer in self.layers.items():
            x = layer.forward(x, training)
            if watch is not None:
                watch(name, x)
        return x

    def backward(self, dy: Array, input_gradient: bool | None = None  # type: ignore[override]
                 ) -> Array | None:
        """The gradient of the model's input; assigns grads.

        input_gradient: whether it is needed, None for the model's own setting.  If not, the result
        is None where the first layer can skip it.
        """
        if input_gradient is None:
            input_gradient = self.input_gradient
        first, *others = self.layers.values()
        for layer in reversed(others):
            dy = pass_back(layer, dy, input_gradient=True)  # type: ignore[assignment]
        return pass_back(first, dy, input_gradient)

    def to(self, device: str) -> Layer:
        """Move all layers to "cpu" or "gpu", in place; returns the model."""
        for layer in self.layers.values():
            layer.to(device)
        return self


def _did_you_mean(name: str, names: list[str]) -> str:
    close = get_close_matches(name, names, n=3)
    return f": did you mean {' or '.join(close)}?" if close else ""
