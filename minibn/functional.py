"""The pure functions, gathered from the files that define them.

Each is a pair, NAME(x, …) -> (y, cache) and NAME_backward(dy, cache) -> gradients, in the order of
the arguments that have one.  `batch_renorm_step` and `renorm_debias` also return the new moving
averages.  None of them changes an argument.
"""

from minibn.layers.activations import elu, elu_backward, relu, relu_backward
from minibn.layers.conv import conv2d, conv2d_backward
from minibn.layers.linear import linear, linear_backward
from minibn.layers.pooling import (
    avg_pool2d,
    avg_pool2d_backward,
    global_avg_pool2d,
    global_avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
)
from minibn.losses import softmax_cross_entropy, softmax_cross_entropy_backward
from minibn.norms.batch_norm import batch_norm, batch_norm_backward
from minibn.norms.batch_renorm import (
    batch_renorm,
    batch_renorm_backward,
    batch_renorm_step,
)
from minibn.norms.group_norm import group_norm, group_norm_backward
from minibn.norms.layer_norm import layer_norm, layer_norm_backward
from minibn.norms.moving_average import Averages
from minibn.norms.renorm_debias import renorm_debias, renorm_debias_backward
from minibn.norms.weight_norm import weight_norm, weight_norm_backward

__all__ = [
    "Averages",
    "avg_pool2d", "avg_pool2d_backward",
    "batch_norm", "batch_norm_backward",
    "batch_renorm", "batch_renorm_backward", "batch_renorm_step",
    "conv2d", "conv2d_backward",
    "elu", "elu_backward",
    "global_avg_pool2d", "global_avg_pool2d_backward",
    "group_norm", "group_norm_backward",
    "layer_norm", "layer_norm_backward",
    "linear", "linear_backward",
    "max_pool2d", "max_pool2d_backward",
    "relu", "relu_backward",
    "renorm_debias", "renorm_debias_backward",
    "softmax_cross_entropy", "softmax_cross_entropy_backward",
    "weight_norm", "weight_norm_backward",
]
