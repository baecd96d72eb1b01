"""Every pure pair of minibn.functional, on inputs that could break it: one row, every proof.

A row names the function (here, in minibn and in reference.py), the shapes of its differentiable
arguments (None: an absent bias) and the constants that follow them. A new function needs one line.
"""

from typing import NamedTuple

import numpy as np
import pytest
import reference

from minibn import kernels

NORM_SHAPES = [(2, 3), (7, 3), (1, 4, 5, 3), (2, 3, 3, 3), (4, 5, 2, 3)]
EPSILONS = [1e-5, 1e-3, 0.1]
R, D = np.array([0.4, 1.7, 2.5]), np.array([-1.0, 0.3, 2.0])
CONVOLUTIONS = [  # image (H, W), kernel (kh, kw), stride, padding
    ((5, 4), (3, 3), 1, 1),
    ((6, 7), (3, 3), 2, 1),
    ((7, 6), (3, 3), 3, 0),
    ((6, 5), (5, 5), 1, 2),
    ((9, 6), (5, 5), 2, 1),
    ((4, 3), (1, 1), 1, 0),
    ((5, 4), (1, 1), 2, 0),
    ((5, 6), (3, 1), 1, 0),
    ((6, 5), (1, 3), 2, 1),
    ((4, 5), (1, 1), 1, 1),
    ((3, 4), (3, 3), 1, 4),
    ((3, 3), (3, 3), 1, 0),
    ((1, 2), (3, 3), 1, 1),
]
WIDE = [  # N, image (H, W), padding: with enough channels a 3×3 convolution may take another way
    (2, (16, 16), 1),
    (4, (9, 9), 1),
    (2, (10, 10), 1),
    (3, (14, 18), 0),
    (3, (7, 13), 2),
    (5, (12, 12), 2),
    (2, (11, 13), 1),
]
POOLS = [  # image (H, W), size, stride, ceil_mode
    ((6, 8), 2, 2, False),
    ((7, 5), 3, 2, False),
    ((6, 9), 3, 2, True),
    ((24, 12), 3, 2, True),
    ((5, 7), 2, 2, True),
    ((7, 6), 2, 3, True),
    ((4, 7), 2, 3, False),
    ((5, 5), 3, 1, True),
    ((3, 3), 3, 2, True),
]


LARGE = [(12, 64, 64, 3), (2, 212, 212, 3), (50_000, 3)]  # more than the library handles in one go


class Case(NamedTuple):
    name: str
    shapes: tuple
    constants: tuple = ()

    def arguments(self, rng, dtype=np.float64):
        """Random values with a mean off zero and a spread off one, so that no term can hide."""
        return [None if shape is None else
                (rng.normal(0.5, 2.0, shape) if i == 0 else rng.normal(size=shape)).astype(dtype)
                for i, shape in enumerate(self.shapes)]

    @property
    def forward(self):
        import minibn.functional
        return getattr(minibn.functional, self.name)

    @property
    def backward(self):
        import minibn.functional
        return getattr(minibn.functional, self.name + "_backward")

    @property
    def reference(self):
        return getattr(reference, self.name)

    def __str__(self):
        values = (c for c in self.constants if not isinstance(c, np.ndarray))
        return "-".join(map(str, (self.name, *self.shapes[:2], *values)))


# A mean of one value leaves x̂ = 0 and dx = 0.
ONE_VALUE = [
    *[Case("batch_norm", (s, (3,), (3,)), (eps,))
      for s in [(1, 3), (1, 1, 1, 3)] for eps in EPSILONS],
    *[Case("batch_renorm", (s, (3,), (3,)), (R, D, eps))
      for s in [(1, 3), (1, 1, 1, 3)] for eps in EPSILONS],
    *[Case("group_norm", (s, (6,), (6,)), (6, 1e-5)) for s in [(1, 6), (5, 6), (2, 1, 1, 6)]],
]

CASES = [
    *[Case("batch_norm", (s, (3,), (3,)), (eps,)) for s in NORM_SHAPES for eps in EPSILONS],
    *[Case("batch_renorm", (s, (3,), (3,)), (R, D, eps)) for s in NORM_SHAPES for eps in EPSILONS],
    *[Case("layer_norm", (s, (3,), (3,)), (eps,)) for s in NORM_SHAPES for eps in EPSILONS],
    *[Case("group_norm", (s, (6,), (6,)), (groups, eps))
      for s in [(1, 6), (5, 6), (1, 3, 2, 6), (3, 2, 4, 6)]
      for groups, eps in [(1, 1e-5), (2, 1e-3), (3, 0.1)]],
    *[Case("group_norm", (s, (6,), (6,)), (6, 1e-3)) for s in [(1, 3, 2, 6), (3, 2, 4, 6)]],
    *[Case(name, (s, (3,), (3,)), (*rest, 1e-3)) for s in LARGE
      for name, *rest in [("batch_norm",), ("batch_renorm", R, D), ("layer_norm",),
                          ("group_norm", 1)]],
    *ONE_VALUE,
    Case("weight_norm", ((3, 3, 2, 4), (4,))),
    Case("weight_norm", ((5, 3), (3,))),
    Case("weight_norm", ((1, 1, 1, 2), (2,))),
    Case("linear", ((4, 5), (5, 3), (3,))),
    Case("linear", ((1, 2), (2, 3), None)),
    *[Case("conv2d", ((n, *image, c_in), (*kernel, c_in, c_out), (c_out,) if bias else None), rest)
      for (image, kernel, *rest) in CONVOLUTIONS for rest in [tuple(rest)]
      for (n, c_in, c_out, bias) in [(1, 2, 3, True), (3, 1, 2, False)]],
    *[Case("conv2d", ((n, *image, 24), (3, 3, 24, 26), (26,)), (1, padding))
      for n, image, padding in WIDE],
    Case("conv2d", ((40, 12, 12, 32), (3, 3, 32, 32), None), (1, 1)),
    Case("conv2d", ((20, 24, 24, 8), (3, 3, 8, 12), (12,)), (1, 1)),
    Case("conv2d", ((20, 23, 24, 8), (3, 3, 8, 12), None), (2, 1)),
    *[Case(name, ((2, *image, 3),), tuple(rest))
      for name in ("max_pool2d", "avg_pool2d") for (image, *rest) in POOLS],
    *[Case("global_avg_pool2d", (s,)) for s in [(1, 1, 1, 2), (3, 6, 6, 4)]],
    Case("relu", ((4, 3),)),
    Case("relu", ((2, 3, 2, 3),)),
    *[Case("elu", (s,), (alpha,)) for s in [(4, 3), (2, 3, 2, 3)] for alpha in (1.0, 0.3)],
    Case("softmax_cross_entropy", ((1, 4),), (np.array([2]),)),
    Case("softmax_cross_entropy", ((5, 3),), (np.array([2, 0, 1, 1, 0]),)),
]

needs_kernels = pytest.mark.skipif(not kernels.WANTED, reason="MINIBN_KERNELS=0")
every_case = pytest.mark.parametrize("case", CASES, ids=str)
