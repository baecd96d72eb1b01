"""Images from files that users bring.

A photograph is cut to its middle square and resized to the size of the training images.  Sizes are
read and checked before pixels: a small file can promise a picture, or an array, that fills the
memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minibn.files import read_regular
from minibn.npz import read_npy, read_npz
from minibn.training.recipe import CROP

if TYPE_CHECKING:
    from PIL import Image

SIDE = 32                      # of the images in the data sets
MOST = 100 * 2**20             # bytes of a file, and of an array when it is unpacked
MOST_PIXELS = 24_000_000       # of a picture, and of a tile of it; an unpacked pixel takes 4 bytes
MOST_JPEG = 60_000_000         # a JPEG is unpacked at an eighth of its sides, if not progressive
LONGEST = 65_535               # pixels of a side; each row takes memory of its own
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "PPM", "TIFF", "WEBP")
SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N")
# Tags of TIFF: bits of a channel, whether 0 is black (1) or white (0), sides of a tile.
BITS, BLACK, TILE_WIDTH, TILE_HEIGHT = 258, 262, 322, 323


class Images(NamedTuple):
    """Pixels, uint8 (N, H, W, 3), and a sentence that says what was done to them, if anything."""

    pixels: np.ndarray
    note: str | None = None


def read_images(path: Path, side: int = SIDE, crop: int = CROP) -> Images:
    """The images of a file, H and W from `crop` to `side`.

    .npy, .npz: one uint8 array, (H, W, 3) or (N, H, W, 3), of this size; other files: one picture,
    in color or gray, of 8 or 16 bits a channel and up to 24 million pixels (JPEG: 60 million).
    Transparency is ignored.  A picture of another size is cut to its middle square and resized to
    side × side.
    side: of the images that the network was trained on; crop: of its input.
    Raises FileNotFoundError where there is no file, ValueError where it holds no such image.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no image file {path}")
    if path.stat().st_size > MOST:
        raise ValueError(f"{path} is larger than {MOST >> 20} MiB")
    if path.suffix.lower() not in (".npy", ".npz"):
        return _picture(path, side, crop)
    array = _array(path)
    if array.ndim == 3:
        array = array[None]
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[-1] != 3 or not len(array):
        raise ValueError(f"{path} must hold a uint8 array (H, W, 3) or (N, H, W, 3), "
                         f"not {array.dtype} {array.shape}")
    height, width = array.shape[1:3]
    if not _fits(height, width, side, crop):
        raise ValueError(f"{path} has images of {width} × {height} pixels (width × height); an "
                         f"array must have {crop} to {side} pixels a side (pictures are resized)")
    return Images(array)


def _fits(height: int, width: int, side: int, crop: int) -> bool:
    return crop <= height <= side and crop <= width <= side


def _array(path: Path) -> np.ndarray:
    content = read_regular(path)
    try:
        if path.suffix.lower() == ".npy":
            return read_npy(content)
        arrays = list(read_npz(content, MOST).values())
    except ValueError as error:
        raise ValueError(f"{path} is not an array that NumPy reads without pickle ({error})"
                         ) from error
    if len(arrays) != 1:
        raise ValueError(f"{path} must hold one array, not {len(arrays)}")
    return arrays[0]


def _picture(path: Path, side: int, crop: int) -> Images:
    """The first picture in the file, resized unless it has the size of the training images."""
    from PIL import Image, ImageOps  # comes with matplotlib; takes a while to load

    try:
        with Image.open(path, formats=FORMATS) as picture:
            width, height = picture.size
            _check_size(picture)
            if not _fits(height, width, side, crop):
                picture.draft("RGB", (4 * side, 4 * side))       # a JPEG alone can do this
            picture = _eight_bits(picture)
            ImageOps.exif_transpose(picture, in_place=True)            # as the camera was held
            if picture.width > picture.height and width < height:
                width, height = height, width
            if _fits(height, width, side, crop):
                return Images(np.array(picture)[None])
            picture = ImageOps.fit(picture, (side, side), Image.Resampling.LANCZOS)
    except Exception as error:           # each file format has errors of its own
        raise ValueError(f"{path} is not a picture that can be read ({error})") from error
    return Images(np.array(picture)[None], f"{path}: {width} × {height} pixels (width × height), "
                                           f"cut to the middle square and resized to "
                                           f"{side} × {side}")


def _check_size(picture: Image.Image) -> None:
    """The picture takes at most some 250 MB when it is unpacked, or ValueError."""
    tags = getattr(picture, "tag_v2", {})
    tile = tags.get(TILE_WIDTH, 1), tags.get(TILE_HEIGHT, 1)           # unpacked as a whole
    # libjpeg keeps the whole of a progressive picture, which is not known from its header alone.
    most = MOST_JPEG if picture.format == "JPEG" else MOST_PIXELS
    for what, (width, height) in (("", picture.size), (" in a tile", tile)):
        if width * height > most or max(width, height) > LONGEST:
            raise ValueError(f"{width} × {height} pixels{what}: at most {most // 1_000_000} "
                             f"million are read, and {LONGEST:,} a side")


def _eight_bits(picture: Image.Image) -> Image.Image:
    """The picture in RGB with 8 bits a channel; ValueError where its range is not known."""
    from PIL import Image

    if picture.mode in SIXTEEN_BITS and picture.format == "TIFF" and (
            picture.tag_v2.get(BITS) != (16,) or picture.tag_v2.get(BLACK) != 1):  # type: ignore[attr-defined]
        raise ValueError("its gray values are not from 0, black, to 65535; save it as PNG")
    if picture.mode in SIXTEEN_BITS or (picture.mode == "I" and picture.format in ("PNG", "PPM")):
        wide = np.asarray(picture)
        gray = np.empty(wide.shape, np.uint8)
        for row, values in enumerate(wide):                      # row by row, to save memory
            gray[row] = np.rint(values * (255 / 65535))
        return Image.fromarray(gray).convert("RGB")
    if picture.mode in ("I", "F"):
        raise ValueError("its pixels have 32 bits; save it with 8 or 16")
    return picture if picture.mode == "RGB" else picture.convert("RGB")
