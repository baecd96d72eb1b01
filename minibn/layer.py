"""What every layer is: a forward pass, a backward pass and three dicts of arrays."""

from __future__ import annotations

from typing import Any

from minibn.backend import Array, to_device
from minibn.checks import TooEarly
from minibn.kernels.workspace import Workspace


class Layer:
    """The base of all layers.

    params  arrays that the optimizer changes, in place
    grads   their gradients, same keys; assigned anew by every `backward`, never accumulated
    state   what a checkpoint keeps and no optimizer touches: moving averages, step counters

    A layer remembers its last training forward in `cache`; `backward` uses it.  Whether a
    forward pass is for training is an argument of the call, never a global.
    """

    # The ways in which the layer can normalize when it does not train; () where there is one.
    test_modes: tuple[str, ...] = ()
    # Whether backward takes input_gradient=False, and then saves the work for dx.
    may_skip_input_gradient = False

    def __init__(self) -> None:
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}
        self.state: dict[str, Any] = {}
        self.cache: Any = None

    def forward(self, x: Array, training: bool = False) -> Array:
        """The layer's output for `x`; with training=True also remembers what backward needs."""
        raise NotImplementedError

    def backward(self, dy: Array) -> Array:
        """The gradient of the input, given that of the output; assigns `grads`."""
        raise NotImplementedError

    def share(self, workspace: Workspace) -> None:
        """Take scratch memory from this workspace from now on, if the layer needs any."""

    def to(self, device: str) -> Layer:
        """Move parameters and state to "cpu" or "gpu", in place; returns the layer."""
        for arrays in (self.params, self.grads, self.state):
            for key, value in arrays.items():
                if hasattr(value, "dtype"):
                    arrays[key] = to_device(value, device)
        self.cache = None
        return self

    def remembered(self) -> Any:
        """The cache of the last training forward.

        Raises TooEarly (a RuntimeError and a ValueError) if there was none.
        """
        if self.cache is None:
            raise TooEarly(
                f"{type(self).__name__}.backward needs forward(x, training=True) before it"
            )
        return self.cache
