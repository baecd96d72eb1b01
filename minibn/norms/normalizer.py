"""What the normalizing layers share: their size, ε, γ and β."""

from __future__ import annotations

import numpy as np

from minibn.backend import Array
from minibn.checks import (
    check_channels_last,
    check_dtype,
    check_integer,
    check_number,
    check_same_device,
)
from minibn.layer import Layer


class Normalizer(Layer):
    """The base of BN, BRN, renorm_debias, LayerNorm and GroupNorm.

    channels: C of the input (N, C) or (N, H, W, C); eps: ε inside σ, at least 0; dtype: of γ
    and β, float32 or float64.

    params: gamma (C,) from 1, beta (C,) from 0.
    """

    def __init__(self, channels: int, eps: float, dtype: object) -> None:
        super().__init__()
        self.channels = check_integer("channels", channels, least=1)
        self.eps = check_number("eps", eps, least=0)
        dtype = check_dtype(dtype)
        self.params = {"gamma": np.ones(self.channels, dtype),
                       "beta": np.zeros(self.channels, dtype)}

    def check_input(self, x: Array) -> tuple[Array, Array]:
        """γ and β, (C,) each, after a check that x is a float array (N, C) or (N, H, W, C).

        Raises ValueError or TypeError for another shape, dtype, number of channels or device.
        """
        check_channels_last("x", x, self.channels)
        check_same_device("x", x, self.params["gamma"])
        return self.params["gamma"], self.params["beta"]
