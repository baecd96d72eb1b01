"""NumPy's .npy and .npz files, read without pickle and without trust in their headers.

A file of a few kilobytes can promise arrays of terabytes, hold one array under a thousand names, or
grow a thousandfold when it is unpacked. Here an array has exactly the bytes that are there.
"""

from __future__ import annotations

import io
import math
import zipfile
from typing import IO

import numpy as np
from numpy.lib import format as npy

KINDS = "biuf"                        # truth values, integers, floats
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def read_npy(content: bytes) -> np.ndarray:
    """The array of an .npy file's content, read-only, over the same memory.

    Raises ValueError where it is damaged, or an array of something else than plain numbers.
    """
    file = io.BytesIO(content)
    shape, fortran, dtype = read_header(file)
    given = len(content) - file.tell()
    if (not all(type(length) is int and length >= 0 for length in shape)     # True counts as 1
            or math.prod(shape) * dtype.itemsize != given):
        raise ValueError(f"it has {given:,} bytes for an array {shape} of {dtype}")
    return np.frombuffer(content, dtype, offset=file.tell()).reshape(
        shape, order="F" if fortran else "C")


def read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether in Fortran's order, and dtype of an .npy file; the file is then at its values.

    Raises ValueError where they are damaged, or of something else than plain numbers.
    """
    try:
        version = npy.read_magic(file)
        if version != (1, 0):         # others have headers of any length, which are read whole
            raise ValueError(f"version {version} of the format")
        shape, fortran, dtype = npy.read_array_header_1_0(file)
    except Exception as error:        # a damaged header is a damaged Python expression
        raise ValueError("it has no header of NumPy's") from error
    if dtype.kind not in KINDS:
        raise ValueError(f"it is an array of {dtype}")
    return shape, fortran, dtype


def read_npz(content: bytes, most: int | None = None) -> dict[str, np.ndarray]:
    """The arrays of an .npz file's content by name, read-only.

    most: bytes that they may have together when they are unpacked; None: nothing in the file may
    be compressed.
    Raises ValueError where it is damaged, or holds something else or more.
    """
    if not zipfile.is_zipfile(io.BytesIO(content)):
        raise ValueError("it is no NumPy archive")
    arrays: dict[str, np.ndarray] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
            if most is None and any(part.compress_type != zipfile.ZIP_STORED for part in parts):
                raise ValueError("it is compressed, and could be of any size")
            left = len(content) if most is None else most
            for part in parts:
                left -= part.file_size
                if left < 0:
                    raise ValueError("its parts are larger than they may be")
                arrays[_name(part, arrays)] = read_npy(archive.read(part))
    except ValueError:
        raise
    except Exception as error:        # damage raises errors of a dozen classes
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from error
    return arrays


def _name(part: zipfile.ZipInfo, taken: dict[str, np.ndarray]) -> str:
    """The name of an array, of a part that this reader unpacks."""
    name = part.filename.removesuffix(".npy")
    if name == part.filename or name in taken or part.compress_type not in PACKED:
        raise ValueError(f"its part {part.filename!r} is no array, or there twice")
    return name
