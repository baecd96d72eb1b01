"""The random numbers of layers that are built without a seed."""

from __future__ import annotations

import numpy as np

from minibn.checks import check_integer

_shared = np.random.default_rng()     # starts from the operating system's entropy


def seed(value: int) -> None:
    """Make a program repeatable: call it once, before the first layer is built.

    Layers built without a seed draw their weights from one shared generator, one after the other,
    so any two of them differ.  This call restarts that generator from `value`, an int ≥ 0.  A layer
    or model that is built with a seed does not use the shared generator.
    """
    global _shared
    _shared = np.random.default_rng(check_integer("value", value, least=0))


def generator(seed: int | np.random.Generator | None) -> np.random.Generator:
    """The generator that an argument `seed` stands for: an int, a generator, or None (shared).

    Raises ValueError or TypeError for anything else.
    """
    if seed is None:
        return _shared
    if isinstance(seed, np.random.Generator):
        return seed
    return np.random.default_rng(check_integer("seed", seed, least=0))
