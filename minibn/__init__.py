"""minibn: the executable paper on small-batch normalization."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from minibn import functional, optim
from minibn.layer import Layer
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
from minibn.optim import SGD
from minibn.randomness import seed

if TYPE_CHECKING:
    from minibn import data
    from minibn.training import Recipe, train

__version__ = "0.1.0"

__all__ = [
    "AvgPool2d", "BatchNorm", "BatchRenorm", "Conv2d", "Dropout", "ELU", "GlobalAvgPool",
    "GroupNorm", "Layer", "LayerNorm", "Linear", "MaxPool2d", "ReLU", "Recipe", "RenormDebias",
    "SGD", "Sequential", "WeightNorm", "all_cnn", "data", "functional", "nin", "optim", "seed",
    "train",
]

# Imported at their first use.  `minibn.data` brings the parts of Python that read archives and the
# network, a third of the memory that importing takes; `minibn.training` a progress bar.
_LATER = {"data": "minibn.data", "Recipe": "minibn.training", "train": "minibn.training"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'minibn' has no attribute {name!r}")
    module = import_module(_LATER[name])
    return module if name == "data" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
