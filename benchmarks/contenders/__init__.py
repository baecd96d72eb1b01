"""The training step in each library, one file per library.

Every contender is a class `C(batch, width, norm, device)` with

    step()         one forward, loss, backward and momentum update on the next batch; returns the
                   loss as the library's own scalar, not waited for
    wait()         returns when the device has finished all steps
    parameters()   and, where the library keeps them, gradients(): dicts of NumPy arrays under
                   minibn's names and in its layout, for the test that all compute the same
"""

from __future__ import annotations

import functools
import importlib
import sys
from pathlib import Path

# The benchmarks measure the minibn that they lie beside, installed or not.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

# name -> (module, class, further arguments)
TABLE = {
    "minibn": ("minibn_step", "MinibnStep", {}),
    "torch": ("torch_step", "TorchStep", {}),
    "torch-channels-last": ("torch_step", "TorchStep", {"channels_last": True}),
    "torch-compile": ("torch_step", "TorchStep", {"compiled": True}),
    "jax": ("jax_step", "JaxStep", {}),
    "autograd": ("autograd_step", "AutogradStep", {}),
    "autograd-flat": ("autograd_step", "AutogradStep", {"flat": True}),
    "matmul": ("matmul", "MatrixProduct", {}),
}


def load(name: str):
    """Import a contender's library; what comes back builds it: `load(name)(batch, width, …)`.

    Raises ModuleNotFoundError where the library is not installed.
    """
    module, class_name, arguments = TABLE[name]
    contender = getattr(importlib.import_module(f"contenders.{module}"), class_name)
    return functools.partial(contender, **arguments)
