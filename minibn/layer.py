"""The base class of all layers: a forward pass, a backward pass and three dicts of arrays.

docs/own_layer.md shows how to write one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from minibn.backend import Array, to_device
from minibn.checks import TooEarly

Self = TypeVar("Self", bound="Layer")


class Layer:
    """The base of all layers.  A layer of your own has `__init__`, `forward` and `backward`.

        class Scale(minibn.Layer):
            def __init__(self, channels):
                super().__init__()
                self.params["gamma"] = np.ones(channels, np.float32)

            def forward(self, x, training=False):
                if training:
                    self.cache = x                         # what backward needs
                return self.params["gamma"] * x

            def backward(self, dy):
                x = self.remembered()
                self.grads["gamma"] = (dy * x).sum(tuple(range(x.ndim - 1)))
                return self.params["gamma"] * dy

    params  arrays that the optimizer changes, in place
    grads   their gradients, same keys; assigned anew by every `backward`, never accumulated
    state   what the optimizer does not change but a file must keep: moving averages and counters
            (arrays and numbers)

    A layer remembers its last training forward in `cache`; `backward` uses it.  Whether a
    forward pass is for training is an argument of the call, never a global.
    """

    # The ways in which the layer can normalize in testing; () for a layer without a choice.
    test_modes: tuple[str, ...] = ()
    # Whether backward takes input_gradient=False, which saves the computation of dx.
    may_skip_input_gradient = False

    def __init__(self) -> None:
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}
        self.state: dict[str, Any] = {}
        self.cache: Any = None

    def forward(self, x: Array, training: bool = False) -> Array:
        """The layer's output for `x`; with training=True also remembers what backward needs."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, dy: Array) -> Array:
        """dx, given dy, the gradient of the loss with respect to the output; assigns `grads`.

        dy has the shape and dtype of the output, dx those of x.
        """
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def remembered(self) -> Any:
        """The cache of the last training forward.

        Raises TooEarly (a RuntimeError and a ValueError) if there was none.
        """
        if self.cache is None:
            raise TooEarly(
                f"{type(self).__name__}.backward needs forward(x, training=True) before it"
            )
        return self.cache

    def save(self, path: str | Path) -> None:
        """Write params and state to a NumPy archive (.npz), atomically and without pickle.

        Raises TypeError for a value that is no array and no number, OSError where `path` cannot
        be written.
        """
        from minibn import model_file  # with it come zipfile and json
        model_file.save(path, self)

    def load(self: Self, path: str | Path) -> Self:
        """Read params and state of a file that `save` wrote, in place; returns the layer.

        It reads checkpoints of training as well.
        Raises OSError where the file cannot be opened, ValueError where it is another kind of file
        or of another model.  The error names the first difference, and the layer is unchanged.
        """
        from minibn import model_file
        model_file.load(path, self)
        return self

    def inside(self) -> Iterator[tuple[str, Layer]]:
        """Every layer that this one holds, at any depth, with its place as "attribute.attribute".

        Found in the attributes and in the lists, tuples and dicts among them.
        """
        for name, value in vars(self).items():
            if name in ("params", "grads", "state", "cache"):
                continue
            parts = value.items() if isinstance(value, dict) else (
                enumerate(value) if isinstance(value, (list, tuple)) else [(None, value)])
            for key, part in parts:
                if isinstance(part, Layer):
                    place = name if key is None else f"{name}.{key}"
                    yield place, part
                    yield from ((f"{place}.{deeper}", layer) for deeper, layer in part.inside())

    def parts(self) -> Iterator[tuple[str, Layer]]:
        """The layers of a chain with their names; a single layer gives itself, with the name ""."""
        yield "", self

    def to(self, device: str) -> Layer:
        """Move parameters and state to "cpu" or "gpu", in place, with those of the layers inside.

        Returns the layer.
        """
        for _, layer in self.inside():
            layer.to(device)
        for arrays in (self.params, self.grads, self.state):
            for key, value in arrays.items():
                if hasattr(value, "dtype"):
                    arrays[key] = to_device(value, device)
        self.cache = None
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}({shapes(self)})"


def shapes(layer: Layer) -> str:
    """A layer's parameters in words: "w (3, 3, 3, 12), b (12,)"."""
    return ", ".join(f"{name} {p.shape}" for name, p in getattr(layer, "params", {}).items())
