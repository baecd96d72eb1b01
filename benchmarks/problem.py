"""What every contender computes: the paper's ALL-CNN (Table 1), one batch, one momentum step.

The table stands here a second time, apart from minibn's own, so that each library starts from the
same weights and images without importing another one.
"""

from __future__ import annotations

import numpy as np

IMAGE_SIZE = 24
CLASSES = 100
EPS = 1e-5              # inside the square root of the normalizer
DECAY = 0.99            # the paper's alpha: share kept of a moving average
R_MAX, D_MAX = 3.0, 5.0
LEARNING_RATE = 0.001   # small, so that hundreds of steps on few images stay far from zero loss
MOMENTUM = 0.9
POOL_OF_BATCHES = 4     # steps take these batches in turn

# Table 1: (output channels as a multiple of the width, None for the classes; stride) of conv1..9.
TABLE_1 = ((1, 1), (1, 1), (1, 2), (2, 1), (2, 1), (2, 2), (2, 1), (2, 1), (None, 1))


def convolutions(width: int) -> list[tuple[int, int, int]]:
    """(input channels, output channels, stride) of the nine 3×3 convolutions."""
    rows, inputs = [], 3
    for multiple, stride in TABLE_1:
        outputs = CLASSES if multiple is None else multiple * width
        rows.append((inputs, outputs, stride))
        inputs = outputs
    return rows


def initial_weights(width: int, seed: int = 0) -> dict[str, np.ndarray]:
    """He-initialized float32 arrays under minibn's names: `conv1.w` (3, 3, C_in, C_out), then
    `norm1.gamma` and `norm1.beta` (C_out,), and so on to 9."""
    rng = np.random.default_rng(seed)
    weights = {}
    for i, (inputs, outputs, _) in enumerate(convolutions(width), start=1):
        scale = np.sqrt(2 / (9 * inputs))
        weights[f"conv{i}.w"] = (scale * rng.standard_normal((3, 3, inputs, outputs))).astype("f4")
        weights[f"norm{i}.gamma"] = np.ones(outputs, "f4")
        weights[f"norm{i}.beta"] = np.zeros(outputs, "f4")
    return weights


def batches(batch: int, seed: int = 1) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of standardized images (batch, 24, 24, 3) float32 and labels (batch,) int64."""
    rng = np.random.default_rng(seed)
    shape = (batch, IMAGE_SIZE, IMAGE_SIZE, 3)
    return [
        (rng.standard_normal(shape, dtype="f4"), rng.integers(0, CLASSES, batch))
        for _ in range(POOL_OF_BATCHES)
    ]


def step_flops(batch: int, width: int) -> float:
    """Floating-point operations of the convolutions' products in one training step.

    Forward, weight gradient and input gradient cost the same (a multiply and an add for each tap),
    except that nobody needs the gradient of the images.
    """
    total, size = 0, IMAGE_SIZE
    for i, (inputs, outputs, stride) in enumerate(convolutions(width)):
        size //= stride
        products = 2 if i == 0 else 3
        total += products * 2 * size * size * 9 * inputs * outputs
    return float(batch * total)
