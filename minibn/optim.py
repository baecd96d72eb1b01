"""Stochastic gradient descent with momentum, and the paper's step schedule (§4.2)."""

from __future__ import annotations

from minibn.backend import Array, array_module
from minibn.checks import TooEarly, check_flag, check_integer, check_like, check_number
from minibn.dispatch import accelerated
from minibn.layer import Layer

NORM_PARAMS = ("gamma", "beta")


@accelerated
def momentum_update(p: Array, v: Array, g: Array, lr: float, momentum: float) -> None:
    """v ← momentum·v + g,  p ← p − lr·v, in place (§4.2).

    p, v, g: a parameter, its velocity and its gradient, of one shape and dtype (not checked).
    """
    v *= momentum
    v += g
    p -= lr * v


class SGD:
    """v ← momentum·v + g,  p ← p − lr·v, in place, for every parameter p with gradient g.

    model: a layer or model; lr > 0, may be assigned anew at any time; momentum in [0, 1);
    weight_decay ≥ 0 adds weight_decay·p to g, but not for the γ and β of normalizations unless
    decay_norms is set.

    velocity: v for each parameter by its name, of its shape and dtype, from 0.
    Raises ValueError or TypeError for other arguments.  Source: §4.2 (momentum 0.9).
    """

    def __init__(self, model: Layer, lr: float, momentum: float = 0.9,
                 weight_decay: float = 0.0, *, decay_norms: bool = False) -> None:
        if not isinstance(model, Layer):
            raise TypeError(f"model must be a layer, not {type(model).__name__}")
        self.model = model
        self.lr = lr
        self.momentum = check_number("momentum", momentum, least=0, below=1)
        self.weight_decay = check_number("weight_decay", weight_decay, least=0)
        self.decay_norms = check_flag("decay_norms", decay_norms)
        self.velocity: dict[str, Array] = {
            name: array_module(p).zeros_like(p) for name, p in model.params.items()}

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return self._lr

    @lr.setter
    def lr(self, lr: float) -> None:
        self._lr = check_number("lr", lr, above=0)

    def step(self) -> None:
        """Change every parameter by its gradient.

        Raises TooEarly before the first backward, ValueError or TypeError for a gradient of
        another shape, dtype or device than its parameter; then nothing has changed.
        """
        params, grads = self.model.params, self.model.grads
        momentum = check_number("momentum", self.momentum, least=0, below=1)
        weight_decay = check_number("weight_decay", self.weight_decay, least=0)
        for name, p in params.items():
            if name not in grads:
                raise TooEarly(f"there is no gradient of {name} yet: call backward before step")
            # The model may have moved to another device since the velocities were made.
            check_like(f"the velocity of {name}", self.velocity[name], p)
            check_like(f"the gradient of {name}", grads[name], p)
        for name, p in params.items():
            v, g = self.velocity[name], grads[name]
            if weight_decay and (self.decay_norms or not name.endswith(NORM_PARAMS)):
                g = g + weight_decay * p
            momentum_update(p, v, g, self.lr, momentum)


def step_schedule(lr: float, epoch: int, every: int, factor: float = 0.1) -> float:
    """The learning rate of an epoch: lr·factor^(epoch // every).

    lr > 0: the first learning rate; epoch ≥ 0, counted from 0; every ≥ 1: epochs between two drops;
    factor > 0.  The paper (§4.2) divides by 10 every 64, 26 and 26 epochs at batch size 128, 10 and
    5.  Raises ValueError or TypeError for other arguments.
    """
    lr = check_number("lr", lr, above=0)
    epoch = check_integer("epoch", epoch, least=0)
    every = check_integer("every", every, least=1)
    return lr * check_number("factor", factor, above=0) ** (epoch // every)
