"""What the layers of BRN and renorm_debias share: bounds, test modes, updates of the averages."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minibn.backend import Array, to_device
from minibn.checks import check_choice, check_number
from minibn.layer import Layer
from minibn.norms.batch_norm import normalize
from minibn.norms.moving_average import Averages, check_decay
from minibn.norms.normalizer import Normalizer


class Renormalizer(Normalizer):
    """The base of BatchRenorm and RenormDebias.

    r and d hold the correction (C,) of the last pass in training or in test mode "batch", and
    `clipped` is the share of channels in which one of them met its bound.
    """

    def __init__(self, channels: int, decay: float, r_max: float | None, d_max: float | None,
                 eps: float, test_mode: str, dtype: object) -> None:
        super().__init__(channels, eps, dtype)
        self.decay = check_decay(decay)
        self.r_max = None if r_max is None else check_number("r_max", r_max, least=1)
        self.d_max = None if d_max is None else check_number("d_max", d_max, least=0)
        if r_max is None:                                  # eqs. 7 and 8 as printed: no clip at all
            self.d_max = None
        self.test_mode = test_mode
        self.r: Array = np.ones(channels)
        self.d: Array = np.zeros(channels)

    @property
    def test_mode(self) -> str:
        """"moving": (x − μ)/σ.  "batch": as in training, with μ and σ frozen.

        Raises ValueError when it is set to another mode.
        """
        return self._test_mode

    @test_mode.setter
    def test_mode(self, mode: str) -> None:
        self._test_mode = check_choice("test_mode", mode, self.test_modes)

    def forward(self, x: Array, training: bool = False) -> Array:
        """y, of the shape and dtype of x; a training pass also updates the averages.

        Raises ValueError or TypeError for an x of another shape or dtype.
        """
        gamma, beta = self.check_input(x)
        if not training and self.test_mode == "moving":
            return normalize(x, *self.averages(), gamma, beta)
        y, cache, averages = self.renormalized(x, training)
        self.r, self.d = cache.r, cache.d
        if training:
            self.cache = cache
            self.state["moving_mean"][...] = averages.mean
            self.state["moving_std"][...] = averages.std
            self.state["step"] = averages.step
        return y

    def averages(self) -> tuple[Array, Array]:
        """μ and σ as testing uses them, (C,) each."""
        raise NotImplementedError

    def renormalized(self, x: Array, training: bool) -> tuple[Array, Any, Averages]:
        """y, the cache for the backward pass, and the averages after this pass.

        Only training changes the averages.
        """
        raise NotImplementedError

    def bounds(self) -> tuple[float | None, float | None]:
        """r_max and d_max now; None for no bound."""
        return self.r_max, self.d_max

    @property
    def clipped(self) -> float:
        """The share of channels, 0 to 1, in which r or d met its bound."""
        r_max, d_max = (check_bound("bound", bound, 0) for bound in self.bounds())
        met = (self.r >= r_max) | (self.r <= 1 / r_max) | (abs(self.d) >= d_max)
        return float(met.mean())

    def to(self, device: str) -> Layer:
        """Move to "cpu" or "gpu", r and d as well."""
        self.r, self.d = to_device(self.r, device), to_device(self.d, device)
        return super().to(device)


def check_bound(name: str, bound: float | None, least: float) -> float:
    """`bound` as a float of at least `least`; None is infinite: nothing is clipped."""
    return math.inf if bound is None else check_number(name, bound, least=least)
