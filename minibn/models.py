"""The paper's two networks: ALL-CNN (Table 1) and NiN (§4.2, after Lin, Chen & Yan 2014).

Both take images (N, 24, 24, 3) and give logits (N, classes).  A normalization and an activation
follow every convolution; the layers' names are conv1, norm1, relu1, conv2, …
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minibn.checks import check_choice, check_dtype, check_flag, check_integer
from minibn.layer import Layer
from minibn.layers.activations import ELU, ReLU
from minibn.layers.conv import Conv2d
from minibn.layers.dropout import Dropout
from minibn.layers.pooling import GlobalAvgPool, MaxPool2d
from minibn.layers.sequential import Sequential
from minibn.norms import NORMS, check_norm_options

ACTIVATIONS: dict[str, type[Layer]] = {"relu": ReLU, "elu": ELU}

NamedLayers = Iterator[tuple[str, Layer]]


def all_cnn(classes: int = 100, norm: str = "bn", width: int = 96, seed: int = 0, *,
            activation: str = "relu", final_relu: bool = True,
            norm_options: dict[str, Any] | None = None, dtype: object = np.float32
            ) -> Sequential:
    """ALL-CNN of Table 1: nine 3×3 convolutions with padding 1, then a global average pool.

    classes: the number of logits, which is the number of channels of conv9; norm: a name in
    `minibn.norms.NORMS`; width: channels of the first three convolutions (96 in the paper; the next
    five have twice as many); seed: of the initial weights, which are the same for every norm;
    activation: "relu" or "elu"; final_relu: whether the activation also follows conv9's
    normalization (as in Table 1); norm_options: keyword arguments of the normalization's layer;
    dtype: float32 or float64.
    Raises ValueError or TypeError for unknown names and options, and for sizes that are not
    positive integers.
    """
    width = check_integer("width", width, least=1)
    classes = check_integer("classes", classes, least=1)
    final_relu = check_flag("final_relu", final_relu)
    layers = list(_all_cnn_layers(classes, width, _Block(norm, seed, activation, norm_options,
                                                         dtype), final_relu))
    return Sequential(*layers, input_gradient=False)       # nobody needs the gradient of the images


def _all_cnn_layers(classes: int, width: int, block: _Block | _Shapes, final_relu: bool
                    ) -> NamedLayers:
    wide = 2 * width
    yield from block(3, width, size=3)                                 # conv1: 24×24
    yield from block(width, width, size=3)                             # conv2
    yield from block(width, width, size=3, stride=2)                   # conv3: 12×12
    yield from block(width, wide, size=3)                              # conv4
    yield from block(wide, wide, size=3)                               # conv5
    yield from block(wide, wide, size=3, stride=2)                     # conv6: 6×6
    yield from block(wide, wide, size=3)                               # conv7
    yield from block(wide, wide, size=3)                               # conv8
    yield from block(wide, classes, size=3, active=final_relu)        # conv9
    yield "pool", GlobalAvgPool()


def nin(classes: int = 100, norm: str = "bn", width: int = 192, seed: int = 0, *,
        activation: str = "relu", final_relu: bool = True,
        norm_options: dict[str, Any] | None = None, dtype: object = np.float32) -> Sequential:
    """Network in Network: three stages of a 5×5 or 3×3 convolution and two 1×1 ones.

    width: channels of the first convolution (192 in the reference configuration).  The second and
    third have 160/192 and 96/192 of it, the others as many, conv9 one for each class.  Other
    arguments and errors as for `all_cnn`.
    Source: Lin, Chen & Yan 2014, reference [14] of the paper.
    """
    width = check_integer("width", width, least=1)
    classes = check_integer("classes", classes, least=1)
    final_relu = check_flag("final_relu", final_relu)
    layers = list(_nin_layers(classes, width, seed, _Block(norm, seed, activation, norm_options,
                                                           dtype), final_relu))
    return Sequential(*layers, input_gradient=False)


def _nin_layers(classes: int, width: int, seed: int, block: _Block | _Shapes, final_relu: bool
                ) -> NamedLayers:
    middle, narrow = max(1, round(width * 160 / 192)), max(1, round(width * 96 / 192))
    yield from block(3, width, size=5)                                 # conv1: 24×24
    yield from block(width, middle, size=1)                            # conv2
    yield from block(middle, narrow, size=1)                           # conv3
    yield "pool1", MaxPool2d(3, stride=2, ceil_mode=True)              # 12×12
    yield "dropout1", Dropout(0.5, seed=2 * seed)                      # two seeds of its own
    yield from block(narrow, width, size=5)                            # conv4
    yield from block(width, width, size=1)                             # conv5
    yield from block(width, width, size=1)                             # conv6
    yield "pool2", MaxPool2d(3, stride=2, ceil_mode=True)              # 6×6
    yield "dropout2", Dropout(0.5, seed=2 * seed + 1)
    yield from block(width, width, size=3)                             # conv7
    yield from block(width, width, size=1)                             # conv8
    yield from block(width, classes, size=1, active=final_relu)       # conv9
    yield "pool", GlobalAvgPool()


class _Block:
    """Convolution, normalization, activation: makes the next three layers of a network."""

    def __init__(self, norm: str, seed: int, activation: str,
                 norm_options: dict[str, Any] | None, dtype: object) -> None:
        self.norm = NORMS[check_choice("norm", norm, tuple(NORMS))]
        check_choice("activation", activation, tuple(ACTIVATIONS))
        self.activation = activation
        self.options = {} if norm_options is None else norm_options
        check_norm_options(norm, self.options)
        self.dtype = check_dtype(dtype)
        self.rng = np.random.default_rng(check_integer("seed", seed, least=0))
        self.index = 0

    def __call__(self, channels: int, filters: int, size: int, stride: int = 1,
                 active: bool = True) -> NamedLayers:
        """The layers of the next block.

        channels, filters: C_in and C_out of the convolution; size: of its kernel, odd; with stride
        1 its padding keeps height and width; active: whether an activation follows.
        """
        self.index += 1
        norm, layer = self.norm, self.norm.layer
        conv: Layer = Conv2d(channels, filters, size, stride, padding=size // 2,
                             bias=norm.conv_bias, seed=self.rng, dtype=self.dtype)
        if layer and norm.wraps:
            conv = layer(conv, **self.options)
        yield f"conv{self.index}", conv
        if layer and not norm.wraps:
            yield f"norm{self.index}", layer(filters, **self.options, dtype=self.dtype)
        if active:
            yield f"{self.activation}{self.index}", ACTIVATIONS[self.activation]()


MODELS = {"all_cnn": all_cnn, "nin": nin}


class _Shapes:
    """Stands in for a `_Block`: notes the shapes of the convolutions, and makes nothing."""

    def __init__(self) -> None:
        self.kernels: dict[str, tuple[int, int, int, int]] = {}

    def __call__(self, channels: int, filters: int, size: int, stride: int = 1,
                 active: bool = True) -> NamedLayers:
        self.kernels[f"conv{len(self.kernels) + 1}"] = (size, size, channels, filters)
        return iter(())


def kernel_shapes(network: str, classes: int, width: int) -> dict[str, tuple[int, int, int, int]]:
    """The shapes (kh, kw, C_in, C_out) of a network's kernels by layer, without the network."""
    shapes = _Shapes()
    if check_choice("network", network, tuple(MODELS)) == "nin":
        list(_nin_layers(classes, width, 0, shapes, True))
    else:
        list(_all_cnn_layers(classes, width, shapes, True))
    return shapes.kernels
