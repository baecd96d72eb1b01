"""From uint8 images to the float batches that a model sees: shuffle, crop, flip, standardize."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import DTypeLike

from minibn.checks import check_array, check_dtype, check_flag, check_integer


def channel_statistics(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel, with pixels scaled to [0, 1].

    images: uint8 (N, H, W, C). Returns two float64 arrays (C,).
    The training images of CIFAR-100 have means 0.5071, 0.4865, 0.4409.

    A pixel has 256 possible values, so each channel is counted into a histogram, which is exact;
    mean and variance then come from 256 numbers, in float64, with no sum over millions of floats.
    """
    check_pixels(images)
    channels = images.shape[-1]
    counts = np.zeros((channels, 256), dtype=np.int64)
    for start in range(0, len(images), 1000):  # bincount widens its input 8 times: a bit at a time
        block = images[start : start + 1000].reshape(-1, channels)
        for c in range(channels):
            counts[c] += np.bincount(block[:, c], minlength=256)
    values = np.arange(256) / 255                                           # (256,)
    share = counts / counts.sum(axis=1, keepdims=True)                      # (C, 256)
    mean = share @ values                                                   # (C,)
    variance = (share * (values - mean[:, None]) ** 2).sum(axis=1)          # (C,)
    return mean, np.sqrt(variance)


def standardize_images(
    images: np.ndarray, mean: np.ndarray, std: np.ndarray, dtype: DTypeLike = np.float32
) -> np.ndarray:
    """(images/255 − mean)/std, channel by channel.

    images: uint8 (N, H, W, C); mean, std: (C,), as `channel_statistics` gives them.
    Returns dtype (N, H, W, C).
    """
    check_pixels(images)
    scale, shift = _scale_and_shift(mean, std, dtype, *images.shape[2:])
    return _apply(images, scale, shift)


def training_batches(
    images: np.ndarray,
    labels: np.ndarray,
    batch_size: int,
    rng: np.random.Generator,
    mean: np.ndarray,
    std: np.ndarray,
    crop: int = 24,
    flip: bool = True,
    dtype: DTypeLike = np.float32,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """One epoch: every image once, in random order, randomly cropped and mirrored.

    images: uint8 (N, H, W, C); labels: integers (N,); mean, std: (C,).
    Yields x (batch_size, crop, crop, C) of `dtype` and y (batch_size,) int64; each is a new array.
    A last partial batch is dropped.

    When this function is called, and not later, rng gives a permutation of the N images, then N
    offsets of the crop from the top, N from the left, and N coins for the flip: one below 1/2
    mirrors its image (drawn also where `flip` is False). So its state at the end of an epoch
    depends on N and crop alone, and two runs that start from equal generators see the same images
    in the same order at any batch size.
    """
    count, height, width = _check_pair(images, labels, crop)
    batch_size = check_integer("batch_size", batch_size, least=1)
    if batch_size > count:
        raise ValueError(f"batch_size must not exceed the {count} images, not {batch_size}")
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng must be a numpy.random.Generator, not {type(rng).__name__}")
    flip = check_flag("flip", flip)
    scale, shift = _scale_and_shift(mean, std, dtype, crop, images.shape[3])

    order = rng.permutation(count)                                          # (N,)
    tops = rng.integers(0, height - crop + 1, count)                        # (N,)
    lefts = rng.integers(0, width - crop + 1, count)                        # (N,)
    mirrored = (rng.random(count) < 0.5) & flip                       # (N,)

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        windows = _windows(images, crop)
        for start in range(0, count - batch_size + 1, batch_size):
            batch = slice(start, start + batch_size)
            chosen = order[batch]
            x = windows[chosen, tops[batch], lefts[batch]]                  # uint8, a copy
            turn = mirrored[batch]
            x[turn] = x[turn, :, ::-1]
            yield _apply(x, scale, shift), labels[chosen].astype(np.int64)

    return batches()


def test_batches(
    images: np.ndarray,
    labels: np.ndarray,
    batch_size: int,
    mean: np.ndarray,
    std: np.ndarray,
    crop: int = 24,
    dtype: DTypeLike = np.float32,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All images once, in the file's order, cut to their center; the last batch may be smaller.

    images: uint8 (N, H, W, C); labels: integers (N,); mean, std: (C,).
    Yields x (B, crop, crop, C) of `dtype` and y (B,) int64.
    """
    count, height, width = _check_pair(images, labels, crop)
    batch_size = check_integer("batch_size", batch_size, least=1)
    scale, shift = _scale_and_shift(mean, std, dtype, crop, images.shape[3])
    top, left = (height - crop) // 2, (width - crop) // 2

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in range(0, count, batch_size):
            batch = slice(start, start + batch_size)
            x = images[batch, top : top + crop, left : left + crop]
            yield _apply(x, scale, shift), labels[batch].astype(np.int64)

    return batches()


test_batches.__test__ = False  # type: ignore[attr-defined]  # its name makes pytest take it for a test


def _windows(images: np.ndarray, crop: int) -> np.ndarray:
    """Every square window of every image, as a view: (N, tops, lefts, crop, crop, C)."""
    count, height, width, channels = images.shape
    n, h, w, c = images.strides
    shape = (count, height - crop + 1, width - crop + 1, crop, crop, channels)
    return np.lib.stride_tricks.as_strided(images, shape, (n, h, w, h, w, c), writeable=False)


def _scale_and_shift(
    mean: np.ndarray, std: np.ndarray, dtype: DTypeLike, width: int, channels: int
) -> tuple[np.ndarray, np.ndarray]:
    """Standardization folded into x·scale + shift: two passes over the pixels.

    Both are (W, C), the same C values for each column: NumPy takes a row of the image at a time,
    which is four times faster than C values at a time.
    """
    dtype = check_dtype(dtype)
    mean, std = _channel_values("mean", mean, channels), _channel_values("std", std, channels)
    if not (std > 0).all():
        raise ValueError(f"std must be above 0 in every channel, not {std}")
    row = (width, 1)
    return np.tile(1 / (255 * std), row).astype(dtype), np.tile(-mean / std, row).astype(dtype)


def _channel_values(name: str, values: np.ndarray, channels: int) -> np.ndarray:
    """`values` as finite float64 numbers (channels,)."""
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be {channels} numbers, not {values!r}") from error
    if found.shape != (channels,):
        raise ValueError(f"{name} must have shape ({channels},), not {found.shape} ({values!r})")
    if not np.isfinite(found).all():
        raise ValueError(f"{name} must be finite, not {found}")
    return found


def _apply(x: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """x·scale + shift in a new array."""
    y = x.astype(scale.dtype, order="C")
    y *= scale
    y += shift
    return y


def check_pixels(images: np.ndarray) -> None:
    """`images` is a uint8 array (N, H, W, C), not empty."""
    if not isinstance(images, np.ndarray):
        raise TypeError(f"images must be a NumPy array, not {type(images).__name__}")
    check_array("images", images)
    if images.dtype != np.uint8:
        raise TypeError(f"images must be uint8, not {images.dtype}")
    if images.ndim != 4:
        raise ValueError(f"images must have shape (N, H, W, C), not {images.shape}")
    if images.size == 0:
        raise ValueError(f"images must not be empty, not of shape {images.shape}")


def check_labels(name: str, labels: np.ndarray, count: int) -> None:
    """`labels` is an array of integers (count,)."""
    if not isinstance(labels, np.ndarray) or not np.issubdtype(labels.dtype, np.integer):
        kind = labels.dtype if isinstance(labels, np.ndarray) else type(labels).__name__
        raise TypeError(f"{name} must be a NumPy array of integers, not {kind}")
    check_array(name, labels)
    if labels.shape != (count,):
        raise ValueError(f"{name} must have shape ({count},) as the images, not {labels.shape}")


def _check_pair(images: np.ndarray, labels: np.ndarray, crop: int) -> tuple[int, int, int]:
    check_pixels(images)
    count, height, width, _ = images.shape
    check_labels("labels", labels, count)
    if check_integer("crop", crop, least=1) > min(height, width):
        raise ValueError(f"crop must be at most {min(height, width)}, not {crop}")
    return count, height, width
