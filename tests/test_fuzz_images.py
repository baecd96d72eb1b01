"""Pictures and arrays of others, for `evaluate --images`: read as they are, or refused by name.

Formats of pictures keep gray in ways of their own, and a header of a few bytes can promise any
size.  A wrong brightness shows nowhere: the network answers all the same.
"""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_fuzz import damage

from minibn.commands.images import read_images

GRAY = np.add.outer(np.arange(32) * 6, np.arange(32) * 2).astype(np.uint8)
WIDE = GRAY.astype(np.uint16) * 257                            # the same, of 16 bits


def tiff(bits, black, data, **tags):
    """A TIFF picture of 32 × 32 gray values in a strip, or of what the tags say.

    black: 1 where 0 is black, 0 where it is white.
    """
    tags = {256: 32, 257: 32, 258: bits, 259: 1, 262: black, 273: 0, 277: 1, 278: 32,
            279: len(data)} | {int(name[1:]): value for name, value in tags.items()}
    tags = {tag: value for tag, value in tags.items() if value is not None}
    start = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, start if tag in (273, 324) else value)
                       for tag, value in sorted(tags.items()))
    return (b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0) + data)


def refused(name):
    with pytest.raises(ValueError, match="is not a picture that can be read") as caught:
        read_images(Path(name))
    assert name in str(caught.value)
    return str(caught.value)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("bits", "black", "data"), [
    (8, 1, GRAY.tobytes()), (8, 0, (255 - GRAY).tobytes()), (16, 1, WIDE.astype("<u2").tobytes())])
def test_gray_is_read_with_its_own_black(bits, black, data):
    Path("x.tif").write_bytes(tiff(bits, black, data))
    assert np.array_equal(read_images(Path("x.tif")).pixels[0, ..., 0], GRAY)


def twelve_bits():
    first, second = (WIDE >> 4).ravel()[::2], (WIDE >> 4).ravel()[1::2]
    return np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255],
                    1).astype(np.uint8).tobytes()


@pytest.mark.parametrize(("bits", "black", "data"), [
    (12, 1, twelve_bits()), (16, 0, (65535 - WIDE).astype("<u2").tobytes())],
    ids=["12 bits", "0 is white"])
def test_gray_that_would_be_read_too_dark_or_turned_is_refused(bits, black, data):
    Path("x.tif").write_bytes(tiff(bits, black, data))
    assert "save it as PNG" in refused("x.tif")


def test_a_small_picture_in_a_tile_that_fills_the_memory():
    """A tile is unpacked as a whole, whatever the picture's own size."""
    Path("x.tif").write_bytes(tiff(8, 1, bytes(100), _273=None, _278=None, _279=None,
                                   _322=2**15, _323=2**15, _324=0, _325=100))
    assert "32768 × 32768 pixels in a tile" in refused("x.tif")


@pytest.mark.parametrize(("size", "options"), [
    ((1, 70_000), {"format": "PNG"}),
    ((5000, 5000), {"format": "WEBP", "lossless": True, "method": 0}),
    ((8000, 8000), {"format": "JPEG", "progressive": True})],
    ids=["high", "WebP", "progressive JPEG"])
def test_pictures_that_take_more_than_their_pixels(size, options):
    Image.new("L", size).save("x", **options)
    assert f"{size[0]} × {size[1]} pixels" in refused("x")


def test_a_capital_suffix():
    np.save("x.npy", np.repeat(GRAY[..., None], 3, 2))
    Path("x.npy").rename("x.NPY")
    assert np.array_equal(read_images(Path("x.NPY")).pixels[0, ..., 1], GRAY)


def test_the_first_picture_of_an_animation():
    frames = [Image.fromarray(GRAY), Image.fromarray(255 - GRAY)]
    for name in ("x.gif", "x.png"):
        frames[0].save(name, save_all=True, append_images=frames[1:])
        assert np.array_equal(read_images(Path(name)).pixels[0, ..., 0], GRAY)


@pytest.mark.parametrize("shape", ["(True, 32, 32, 3)", "(-1, 32, -32, 3)", "(1, 32, 32, 3.0)"])
def test_an_array_of_an_odd_shape(shape):
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    Path("x.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + header.encode()
                              + bytes(32 * 32 * 3))
    with pytest.raises(ValueError, match=r"x\.npy is not an array"):
        read_images(Path("x.npy"))


@pytest.mark.filterwarnings("ignore::UserWarning")             # of Pillow, on damaged TIFF tags
@pytest.mark.parametrize("name", ["x.png", "x.gif", "x.jpg", "x.bmp", "x.ppm", "x.tif", "x.webp",
                                  "x.npy", "x.npz"])
def test_damaged_bytes(name, rng):
    """Whatever a picture's reader finds, it is a picture or a ValueError with the file's name."""
    pixels = rng.integers(0, 256, (30, 28, 3), dtype=np.uint8)
    if name.endswith("npy"):
        np.save(name, pixels)
    elif name.endswith("npz"):
        np.savez_compressed(name, pixels)
    else:
        Image.fromarray(pixels).save(name)
    content = Path(name).read_bytes()
    for _ in range(40):
        Path(name).write_bytes(damage(content[:60], rng) + content[60:] if rng.random() < 0.7
                               else damage(content, rng))
        try:
            found = read_images(Path(name)).pixels
        except ValueError as error:
            assert name in str(error)
        else:
            assert found.dtype == np.uint8 and found.shape[0] == 1 and found.shape[3] == 3
            assert min(found.shape[1:3]) >= 24 and max(found.shape[1:3]) <= 32
