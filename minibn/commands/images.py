"""Images from files that users bring.

Their sizes are read and checked before their pixels: a small file can promise a picture, or an
array, that fills the memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from minibn.files import read_regular
from minibn.npz import read_npy, read_npz
from minibn.training.recipe import CROP

if TYPE_CHECKING:
    from PIL import Image

LARGEST = 32                   # the side of the images in the data sets
MOST = 100 * 2**20             # bytes of a file, and of an array when it is unpacked
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "PPM", "TIFF", "WEBP")
SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N")


def read_images(path: Path) -> np.ndarray:
    """The images of a file, uint8 (N, H, W, 3), H and W from 24 to 32.

    .npy, .npz: one uint8 array, (H, W, 3) or (N, H, W, 3); other files: one picture, in color or
    gray, of 8 or 16 bits a channel. Transparency is ignored.
    Raises FileNotFoundError where there is none, ValueError where it is not an image of this size.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no image file {path}")
    if path.stat().st_size > MOST:
        raise ValueError(f"{path} is larger than {MOST >> 20} MiB")
    if path.suffix not in (".npy", ".npz"):
        return _picture(path)[None]
    array = _array(path)
    if array.ndim == 3:
        array = array[None]
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[-1] != 3 or not len(array):
        raise ValueError(f"{path} must hold a uint8 array (H, W, 3) or (N, H, W, 3), "
                         f"not {array.dtype} {array.shape}")
    check_side(path, *array.shape[1:3])
    return array


def check_side(path: Path, height: int, width: int) -> None:
    """ValueError unless both are from 24 to 32 pixels."""
    if not (CROP <= height <= LARGEST and CROP <= width <= LARGEST):
        raise ValueError(f"{path} is {height}x{width} pixels; the networks look at "
                         f"{CROP}x{CROP} of {LARGEST}x{LARGEST}: scale it to that first")


def _array(path: Path) -> np.ndarray:
    content = read_regular(path)
    try:
        if path.suffix == ".npy":
            return read_npy(content)
        arrays = list(read_npz(content, MOST).values())
    except ValueError as error:
        raise ValueError(f"{path} is not an array that NumPy reads without pickle ({error})"
                         ) from error
    if len(arrays) != 1:
        raise ValueError(f"{path} must hold one array, not {len(arrays)}")
    return arrays[0]


def _picture(path: Path) -> np.ndarray:
    """uint8 (H, W, 3) of the first picture in the file."""
    from PIL import Image  # comes with matplotlib; takes a while to load

    try:
        with Image.open(path, formats=FORMATS) as picture:
            height, width = picture.height, picture.width
            small = max(height, width) <= LARGEST
            pixels = _eight_bits(picture) if small else None     # a large one is not unpacked
    except Exception as error:           # each file format has errors of its own
        raise ValueError(f"{path} is not a picture that can be read ({error})") from error
    check_side(path, height, width)
    assert pixels is not None            # large ones have been refused
    return pixels


def _eight_bits(picture: Image.Image) -> np.ndarray:
    """The pixels as uint8 (H, W, 3); ValueError where their range is not known."""
    if picture.mode in SIXTEEN_BITS or (picture.mode == "I" and picture.format in ("PNG", "PPM")):
        gray = np.rint(np.asarray(picture) * (255 / 65535)).astype(np.uint8)
        return np.repeat(gray[..., None], 3, axis=2)
    if picture.mode in ("I", "F"):
        raise ValueError("its pixels have 32 bits; save it with 8 or 16")
    return np.array(picture.convert("RGB"))
