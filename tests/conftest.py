"""What all tests share."""

import os

# Before NumPy is loaded: threads gain nothing on small arrays, and on a machine that has other work
# to do they wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Whoever starts the tests in the background (with & or nohup) has these two ignored, and processes
# that a test starts and interrupts would inherit that.
import signal  # noqa: E402

for name, action in {"SIGINT": signal.default_int_handler, "SIGHUP": signal.SIG_DFL}.items():
    number = getattr(signal, name, None)              # Windows has no SIGHUP
    if number is not None and signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, action)

import sys  # noqa: E402

import fake_cupy  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

import minibn  # noqa: E402
from minibn.backend import device_module  # noqa: E402

# A property holds or fails; how long an example takes on a busy machine says nothing of it.
settings.register_profile("minibn", deadline=None)
settings.load_profile("minibn")


@pytest.fixture(autouse=True)
def seeded():
    """Layers that a test builds without a seed have the same weights whenever it runs."""
    minibn.seed(0)


@pytest.fixture
def rng():
    """A fresh generator with a fixed seed: a test draws the same numbers, alone or in company."""
    return np.random.default_rng(2024)


@pytest.fixture
def stand_in(monkeypatch):
    """The stand-in for CuPy, installed as cupy."""
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy)
    return fake_cupy


@pytest.fixture(params=["stand-in", "real"])
def gpu(request):
    """The module of the arrays on the GPU: the stand-in, then CuPy where it works."""
    if request.param == "stand-in":
        return request.getfixturevalue("stand_in")
    try:
        return device_module("gpu")
    except RuntimeError as error:
        pytest.skip(str(error))
