"""Dropout: in training, each value is zeroed with probability `rate`, the others scaled up.

    y = x·mask,  mask = 0 with probability `rate`, else 1/(1 − rate);  dx = dy·mask

Then E[y] = x, so in testing y = x.

Source: Srivastava et al. 2014; NiN (§4.2 of the paper) has two such layers.
"""

from __future__ import annotations

import numpy as np

from minibn.backend import Array, array_module
from minibn.checks import check_float, check_integer, check_number, check_upstream
from minibn.layer import Layer
from minibn.randomness import generator


class Dropout(Layer):
    """Dropout with its own random numbers.

    rate: the share of zeroed values, 0 ≤ rate < 1; seed: an int, or None for one that the shared
    generator draws (`minibn.seed`).  The mask of training step t is drawn, on the CPU, from the
    generator seeded with (seed, t): a run that resumes at step t draws what it would have drawn.

    state: step, an int.
    """

    def __init__(self, rate: float, seed: int | None = None) -> None:
        super().__init__()
        self.rate = check_number("rate", rate, least=0, below=1)
        if seed is None:
            seed = int(generator(None).integers(2**63))
        self.seed = check_integer("seed", seed, least=0)
        self.state = {"step": 0}

    def forward(self, x: Array, training: bool = False) -> Array:
        """x·mask in training, x itself in testing; x: float32 or float64, of any shape.

        Raises TypeError for another dtype.
        """
        check_float("x", x)
        if not training:
            return x
        rate = check_number("rate", self.rate, least=0, below=1)      # may be assigned anew
        self.state["step"] += 1
        rng = np.random.default_rng([self.seed, self.state["step"]])
        kept = rng.random(x.shape, np.float32) >= rate
        xp = array_module(x)
        mask = xp.asarray(kept).astype(x.dtype) / (1 - rate)
        self.cache = mask.astype(x.dtype, copy=False)
        return x * self.cache

    def backward(self, dy: Array) -> Array:
        """dy·mask.  Raises ValueError or TypeError for a dy of another shape or dtype."""
        mask = self.remembered()
        check_upstream("dy", dy, mask.shape, like=mask)
        return dy * mask
