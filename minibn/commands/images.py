"""Images from files that users bring."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from minibn.training.recipe import CROP

LARGEST = 32  # the side of the images in the data sets


def read_images(path: Path) -> np.ndarray:
    """The images of a file, uint8 (N, H, W, 3), H and W from 24 to 32.

    .npy, .npz: one uint8 array, (H, W, 3) or (N, H, W, 3); other files: one picture, gray, with or
    without transparency (which is ignored).
    Raises FileNotFoundError where there is none, ValueError where it is not an image of this size.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no image file {path}")
    array = _array(path) if path.suffix in (".npy", ".npz") else _picture(path)
    if array.ndim == 3:
        array = array[None]
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[-1] != 3 or not len(array):
        raise ValueError(f"{path} must hold a uint8 array (H, W, 3) or (N, H, W, 3), "
                         f"not {array.dtype} {array.shape}")
    height, width = array.shape[1:3]
    if not (CROP <= height <= LARGEST and CROP <= width <= LARGEST):
        raise ValueError(f"{path} is {height}x{width} pixels; the networks look at "
                         f"{CROP}x{CROP} of {LARGEST}x{LARGEST}: scale it to that first")
    return array


def _array(path: Path) -> np.ndarray:
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return found
        with found as archive:
            if len(archive.files) == 1:
                return archive[archive.files[0]]
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is not an array that NumPy reads without pickle") from error
    raise ValueError(f"{path} must hold one array, not {len(archive.files)}")


def _picture(path: Path) -> np.ndarray:
    from matplotlib.image import imread  # takes a second to load

    try:
        pixels = np.array(imread(path))
    except Exception as error:           # each file format has errors of its own
        raise ValueError(f"{path} is not a picture that can be read ({error})") from error
    if pixels.dtype != np.uint8:         # PNG: floats from 0 to 1
        pixels = np.rint(255 * pixels).astype(np.uint8)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    return pixels[..., :3]
