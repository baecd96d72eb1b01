"""He initialization: random weights that keep the size of activations through a ReLU network."""

from __future__ import annotations

import math

import numpy as np

from minibn.randomness import generator


def he_normal(shape: tuple[int, ...], seed: int | np.random.Generator | None, dtype: np.dtype
              ) -> np.ndarray:
    """Normal numbers of mean 0 and standard deviation √(2/fan_in), of this shape and dtype.

    fan_in, the number of inputs of one output, is the product of all axes but the last.
    They are drawn on the CPU in float64 and then rounded, so that a seed means the same weights on
    every device and in every dtype.
    seed: an int ≥ 0, a generator, or None for the shared generator (`minibn.seed`).
    Source: He et al. 2015, "Delving deep into rectifiers", eq. 10.
    """
    fan_in = math.prod(shape[:-1])
    return (generator(seed).standard_normal(shape) * math.sqrt(2 / fan_in)).astype(dtype)
