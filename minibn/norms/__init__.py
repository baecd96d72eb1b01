"""The normalizations, one file each, and the table that names them.

A new normalization needs a file here and a line in `NORMS`.  Models, commands, experiments and
tests read the table.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any, NamedTuple

from minibn.layer import Layer
from minibn.norms.batch_norm import BatchNorm
from minibn.norms.batch_renorm import BatchRenorm
from minibn.norms.group_norm import GroupNorm
from minibn.norms.layer_norm import LayerNorm
from minibn.norms.renorm_debias import RenormDebias
from minibn.norms.weight_norm import WeightNorm


class Norm(NamedTuple):
    """How a normalization stands in a network."""

    title: str                                # its name in figures and tables
    layer: Callable[..., Layer] | None        # takes the number of channels, with `wraps` a layer
    conv_bias: bool                           # whether the convolution before it keeps its bias
    wraps: bool = False                       # around the convolution instead of behind it


NORMS: dict[str, Norm] = {
    # conv_bias=False: BN subtracts the mean over the batch, and a constant bias with it.
    "bn": Norm("BN", BatchNorm, conv_bias=False),
    "brn": Norm("BRN", BatchRenorm, conv_bias=False),
    "renorm_debias": Norm("renorm_debias", RenormDebias, conv_bias=False),
    "ln": Norm("LayerNorm", LayerNorm, conv_bias=True),
    "gn": Norm("GroupNorm", GroupNorm, conv_bias=True),
    "wn": Norm("WeightNorm", WeightNorm, conv_bias=True, wraps=True),
    "none": Norm("none", None, conv_bias=True),
}


def check_norm_options(norm: str, options: dict[str, Any]) -> None:
    """Check that `options` is a dict of keyword arguments that the normalization's layer takes.

    norm: a name in NORMS.  Raises TypeError for no dict, ValueError for an unknown option, and what
    the layer raises for a wrong value.
    """
    if not isinstance(options, dict):
        raise TypeError(f"norm_options must be a dict, not {options!r}")
    layer = NORMS[norm].layer
    # The network itself passes channels or layer, and dtype.
    known = () if layer is None else tuple(
        name for name in signature(layer).parameters if name not in ("channels", "layer", "dtype"))
    for name in options:
        if name not in known:
            raise ValueError(f"norm_options: {norm} has no option {name!r}; it has "
                             f"{', '.join(known) or 'none'}")
    # Whether a number of groups fits depends on the channels; the network itself will ask.
    values = {name: value for name, value in options.items() if name != "groups"}
    if values:
        try:
            layer(1, **values)  # type: ignore[misc]
        except (ValueError, TypeError) as error:
            raise type(error)(f"norm_options: {error}") from error
