"""minibn: the executable paper on small-batch normalization."""

from importlib import import_module
from types import ModuleType

from minibn import functional, optim
from minibn.layers.activations import ELU, ReLU
from minibn.layers.conv import Conv2d
from minibn.layers.dropout import Dropout
from minibn.layers.linear import Linear
from minibn.layers.pooling import AvgPool2d, GlobalAvgPool, MaxPool2d
from minibn.layers.sequential import Sequential
from minibn.models import all_cnn, nin
from minibn.norms.batch_norm import BatchNorm
from minibn.norms.batch_renorm import BatchRenorm
from minibn.norms.group_norm import GroupNorm
from minibn.norms.layer_norm import LayerNorm
from minibn.norms.renorm_debias import RenormDebias
from minibn.norms.weight_norm import WeightNorm

__version__ = "0.1.0"

__all__ = [
    "AvgPool2d", "BatchNorm", "BatchRenorm", "Conv2d", "Dropout", "ELU", "GlobalAvgPool",
    "GroupNorm", "LayerNorm", "Linear", "MaxPool2d", "ReLU", "RenormDebias", "Sequential",
    "WeightNorm", "all_cnn", "data", "functional", "nin", "optim",
]


def __getattr__(name: str) -> ModuleType:
    """`minibn.data` at its first use: with it come parts of Python that read archives and the
    network, which are a third of the memory that importing takes."""
    if name == "data":
        return import_module("minibn.data")
    raise AttributeError(f"module 'minibn' has no attribute {name!r}")
