"""A small set of colored, textured shapes, drawn by NumPy: real enough to learn, no download.

A class is a combination of three cues: shape, texture and hue, five of each. They are dealt out as
in a Graeco-Latin square, so that any one cue leaves several classes open and any two decide: with
ten classes, whoever sees only color, only texture or only outline gets half of them wrong at best.
None of the cues changes in a mirror.

Everything else varies from image to image and says nothing of the class: place, size, tilt, phase
and period of the texture, background, a second small blob, direction and color of the light,
contrast and grain. The light and the contrast act on a whole image at once, so the statistics of a
batch of 5 wander far more than those of 128: what Batch Normalization suffers from.
"""

import numpy as np

from minibn.checks import check_integer, check_number
from minibn.data.dataset import Dataset

SIZE = 32
SHAPES = ("disc", "square", "triangle", "cross", "ring")
TEXTURES = ("plain", "banded", "striped", "checked", "dotted")
HUES = ("red", "lime", "jade", "blue", "violet")  # five equal steps around the color circle


def make_synthetic(
    classes: int = 10, train: int = 2000, test: int = 1000, seed: int = 0, noise: float = 0.12
) -> Dataset:
    """Draw the set: uint8 (N, 32, 32, 3) images, as many of each class as can be, in random order.

    classes: from 2 to 25. train, test: numbers of images. seed: the same seed, the same images.
    noise: standard deviation of the grain on every pixel, in units of the full range; the one knob
    of difficulty.
    """
    if check_integer("classes", classes, least=2) > 25:
        raise ValueError(f"classes must be at most 25, not {classes}")
    check_integer("train", train, least=1)
    check_integer("test", test, least=1)
    check_integer("seed", seed, least=0)
    noise = check_number("noise", noise, least=0)
    rng = np.random.default_rng(seed)
    train_labels = rng.permutation(np.arange(train) % classes)
    test_labels = rng.permutation(np.arange(test) % classes)
    return Dataset(
        train_images=_draw(train_labels, noise, rng),
        train_labels=train_labels,
        test_images=_draw(test_labels, noise, rng),
        test_labels=test_labels,
        class_names=tuple(
            f"{HUES[h]} {TEXTURES[t]} {SHAPES[s]}" for s, t, h in map(cues, range(classes))
        ),
        name="synthetic",
    )


def cues(label: int) -> tuple[int, int, int]:
    """Shape, texture and hue of a class, each from 0 to 4: no two classes share two of them."""
    shape, row = label % 5, label // 5
    return shape, (shape + row) % 5, (shape + 2 * row) % 5


def _draw(labels: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    """One image for each label. labels: (N,). Returns uint8 (N, 32, 32, 3)."""
    parts = range(0, len(labels), 250)  # so that the arrays on the way there stay small
    return np.concatenate([_draw_part(labels[i : i + 250], noise, rng) for i in parts])


def _draw_part(labels: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    count = len(labels)

    def vary(low: float, high: float, *shape: int) -> np.ndarray:
        return rng.uniform(low, high, (count, *(shape or (1, 1)))).astype(np.float32)

    shape, texture, hue = (np.array(c)[:, None, None] for c in zip(*map(cues, labels), strict=True))
    row, column = np.mgrid[:SIZE, :SIZE].astype(np.float32) - (SIZE - 1) / 2    # (32, 32)

    # Pixel coordinates (u, v) of the object: its center is 0, its outline about 1.
    radius, tilt = vary(7, 10), vary(-0.2, 0.2)                                 # (N, 1, 1)
    x, y = (column - vary(-4, 4)) / radius, (row - vary(-4, 4)) / radius        # (N, 32, 32)
    u, v = x * np.cos(tilt) + y * np.sin(tilt), y * np.cos(tilt) - x * np.sin(tilt)
    inside = _coverage(np.choose(shape, _outlines(u, v)), radius)               # (N, 32, 32)

    wave_x = np.sin(np.pi * vary(1.8, 2.6) * u + vary(0, 2 * np.pi))            # (N, 32, 32)
    wave_y = np.sin(np.pi * vary(1.8, 2.6) * v + vary(0, 2 * np.pi))
    pattern = np.choose(
        texture, (np.zeros_like(u), wave_y, wave_x, wave_x * wave_y, wave_x + wave_y - 0.7)
    )
    pattern = np.clip(2 * pattern, -1, 1)

    # A color for the object, made lighter and darker by its texture; a duller one behind it.
    hue = (hue / 5 + rng.normal(0, 0.04, (count, 1, 1))).astype(np.float32)
    value = vary(0.5, 0.8) + vary(0.15, 0.25) * pattern
    ink = _hsv_to_rgb(hue, vary(0.5, 0.9), value)                               # (N, 32, 32, 3)
    slope = vary(-1, 1) * row / SIZE + vary(-1, 1) * column / SIZE
    paper = _hsv_to_rgb(vary(0, 1), vary(0.1, 0.5), vary(0.3, 0.8) + 0.4 * slope)
    blob = np.hypot(column - vary(-14, 14), row - vary(-14, 14)) / (size := vary(2, 4))
    blot = _hsv_to_rgb(vary(0, 1), vary(0.3, 0.8), vary(0.3, 0.9))              # (N, 1, 1, 3)

    image = _over(blot, _coverage(blob - 1, size), paper)
    image = _over(ink, inside, image)

    # The light: its color and strength, a slope across the image, contrast around mid-gray.
    light = vary(0.75, 1.25, 1, 1, 3)
    image = image * light * (1 + 0.5 * (vary(-1, 1) * column + vary(-1, 1) * row) / SIZE)[..., None]
    image = 0.5 + vary(0.4, 1.0, 1, 1, 1) * (image - 0.5) + vary(-0.15, 0.15, 1, 1, 1)
    image += noise * rng.standard_normal(image.shape, dtype=np.float32)
    return np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)


def _outlines(u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, ...]:
    """For each of SHAPES, a distance to its outline: negative inside, in units of its radius."""
    radius = np.hypot(u, v)
    wide, high = np.abs(u), np.abs(v)
    return (
        radius - 0.95,
        np.maximum(wide, high) - 0.85,
        np.maximum(0.87 * wide - 0.5 * v, v) - 0.6,
        np.maximum(np.minimum(wide, high) - 0.33, np.maximum(wide, high) - 1),
        np.abs(radius - 0.75) - 0.27,
    )


def _coverage(distance: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """The share of each pixel that lies inside: smooth edges, one pixel wide."""
    return np.clip(0.5 - distance * radius, 0, 1)


def _over(top: np.ndarray, alpha: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """Paint `top` on `bottom` where alpha (N, H, W) is 1; both (N, H, W, 3)."""
    return bottom + alpha[..., None] * (top - bottom)


def _hsv_to_rgb(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Colors with one axis more at the end, (…, 3); hue is in turns, 0 is red.

    Each channel is a trapezium over the color circle, a third of a turn from the next.
    """
    distance = np.stack([np.abs((hue - k / 3 + 0.5) % 1 - 0.5) for k in range(3)], axis=-1)
    pure = np.clip(2 - 6 * distance, 0, 1)                                      # (…, 3)
    return value[..., None] * (1 - saturation[..., None] * (1 - pure))
