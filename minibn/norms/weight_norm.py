"""WeightNorm: the length and the direction of each output channel's weights, apart.

    w = g·v/‖v‖        norm over all axes but the last, so one g for each output channel

Backward.  dw is given, n = ‖v‖ and u = v/n, so w = g·u.  Sums are over all axes but the last.

    dg = Σ dw·u

A small change δ of v changes u by J·δ = (δ − u·Σ u·δ)/n.  J is symmetric, so the gradient goes back
through the same map, dv = J·(g·dw):

    dv = (g·dw − u·Σ u·g·dw)/n = (g/n)·(dw − u·dg)

dv is orthogonal to v, so a step along it can only lengthen v.

Source: Salimans & Kingma 2016, reference [10] of the paper.
"""

from __future__ import annotations

from minibn.backend import Array, array_module
from minibn.checks import check_float, check_upstream, check_vector
from minibn.layer import Layer


def weight_norm(v: Array, g: Array) -> tuple[Array, tuple]:
    """w = g·v/‖v‖ for each output channel.

    v: (…, C_out), float32 or float64, of two axes or more; g: (C_out,).
    Returns w, of the shape and dtype of v, and the cache (u, n, g) for `weight_norm_backward`.
    Raises ValueError where a channel of v is zero, because it has no direction, and ValueError or
    TypeError for other shapes and dtypes.
    """
    check_float("v", v)
    if v.ndim < 2 or v.size == 0:
        raise ValueError(f"v must have shape (…, C_out), two axes or more, not {v.shape}")
    check_vector("g", g, v.shape[-1], like=v)
    n = norm(v)                                                        # (C_out,)
    if (n == 0).any():
        raise ValueError("v must not be zero in any output channel: it has no direction there")
    u = v / n                                                          # (…, C_out)
    return (g * u).astype(v.dtype, copy=False), (u, n, g)


def weight_norm_backward(dw: Array, cache: tuple) -> tuple[Array, Array]:
    """dv (shape and dtype of v) and dg (C_out,), given dw of the shape and dtype of v.

    Raises ValueError or TypeError for a dw of another shape or dtype.
    """
    u, n, g = cache
    check_upstream("dw", dw, u.shape, like=u)
    dg = (dw * u).reshape(-1, len(n)).sum(0)                           # (C_out,)
    dv = g / n * (dw - u * dg)                                         # (…, C_out)
    return dv.astype(u.dtype, copy=False), dg.astype(g.dtype, copy=False)


def norm(v: Array) -> Array:
    """‖v‖ over all axes but the last: (…, C_out) → (C_out,).

    v is divided by its largest entry first, so that squares neither overflow nor vanish.
    """
    xp = array_module(v)
    rows = xp.abs(v.reshape(-1, v.shape[-1]))
    largest = rows.max(0)
    safe = xp.where(largest > 0, largest, 1).astype(v.dtype)
    return safe * xp.sqrt(xp.square(rows / safe).sum(0))


class WeightNorm(Layer):
    """A convolution or linear layer whose weights are w = g·v/‖v‖.

    layer: a `Conv2d` or `Linear`.  From now on it belongs to this layer, which computes its w at
    every forward pass.  v starts as the layer's w and g as ‖v‖, so at first the output is the same.

    params: v (shape of w), g (C_out,), and b (C_out,) where the layer has a bias.
    Raises TypeError for a layer without weights w.
    """

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        if not isinstance(layer, Layer) or "w" not in layer.params:
            raise TypeError("layer must be one with weights w (Conv2d, Linear), "
                            f"not {type(layer).__name__}")
        self.layer = layer
        self.may_skip_input_gradient = layer.may_skip_input_gradient
        v = layer.params["w"]
        self.params = {"v": v, "g": norm(v)}
        if "b" in layer.params:
            self.params["b"] = layer.params["b"]

    def forward(self, x: Array, training: bool = False) -> Array:
        """The layer's output with w = g·v/‖v‖."""
        w, cache = weight_norm(self.params["v"], self.params["g"])
        self.layer.params["w"] = w
        if "b" in self.params:
            self.layer.params["b"] = self.params["b"]
        if training:
            self.cache = cache
        return self.layer.forward(x, training)

    def backward(self, dy: Array, **options: bool) -> Array:
        """dx; assigns grads["v"], grads["g"] and, with a bias, grads["b"].

        options: those of the layer inside, input_gradient=False for one that may skip dx.
        """
        cache = self.remembered()
        dx = self.layer.backward(dy, **options)
        grads = self.layer.grads
        self.grads["v"], self.grads["g"] = weight_norm_backward(grads["w"], cache)
        if "b" in self.params:
            self.grads["b"] = grads["b"]
        return dx

    def to(self, device: str) -> Layer:
        """Move to "cpu" or "gpu", together with the layer inside."""
        self.layer.to(device)
        return super().to(device)
