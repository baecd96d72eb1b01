"""What all tests share."""

import os

# Before NumPy is loaded: threads gain nothing on small arrays, and on a machine that has other work
# to do they wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

# A property holds or fails; how long an example takes on a busy machine says nothing of it.
settings.register_profile("minibn", deadline=None)
settings.load_profile("minibn")


@pytest.fixture
def rng():
    """A fresh generator with a fixed seed: a test draws the same numbers, alone or in company."""
    return np.random.default_rng(2024)
