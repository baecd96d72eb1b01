"""Model files: the arrays of a layer or model in a NumPy archive (.npz), read without pickle.

    header         JSON as bytes: format, version of minibn, the class of every layer
    params/NAME    the parameters
    state/NAME     moving averages and counters; a number is an array of shape ()

The file holds no code and no settings: the program builds the same model and reads the arrays into
it.  Names, shapes and dtypes are compared first, by the archive's headers of a few bytes each.  So
a file that does not fit takes no memory and changes nothing.

Checkpoints of training hold the same arrays, and a model reads those of a checkpoint as well.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import minibn
from minibn.backend import array_module, to_host
from minibn.files import check_regular, explain, parse_json, write_atomically
from minibn.npz import KINDS, PACKED, read_header, read_npy

if TYPE_CHECKING:
    from minibn.layer import Layer

FORMAT = 1
GROUPS = ("params", "state")
LONGEST_HEADER = 2**20               # bytes; a layer takes about 30
LONGEST_NPY_HEADER = 2**16 + 10      # bytes before the values of an array
NOT_NEGATIVE = ("step", "moving_var", "moving_std")        # of a layer's state
MOST_STEPS = 2**53


class Kind(NamedTuple):
    """What is known of an array before it is read."""

    dtype: np.dtype
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.dtype} {self.shape}"


def save(path: str | Path, model: Layer) -> None:
    """Write params and state of a layer or model to `path`, atomically.

    Raises TypeError for a value that is no array of numbers and no number, OSError where `path`
    cannot be written.
    """
    header = {"format": FORMAT, "minibn": minibn.__version__, "layers": classes(model)}
    arrays = {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)}
    for name, value in entries(model):
        kind_of(name, value)
        arrays[name] = np.asarray(value if np.isscalar(value) else to_host(value))
    write_atomically(Path(path), lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]


def load(path: str | Path, model: Layer) -> None:
    """Read params and state of a layer or model from `path`: arrays in place, numbers assigned.

    Raises OSError where the file cannot be opened, ValueError where it is no model file or does
    not fit; the first difference is named, and then nothing has changed.
    """
    check_regular(path)
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                check_classes(archive, model)
                check_kinds(archive, model)
                found = {name: read(archive, name) for name, _ in entries(model)}
                for name, array in found.items():
                    check_values(name, array)
        except Differs as error:
            raise ValueError(f"{path} {error}") from None
        except Exception as error:     # a damaged archive raises errors of a dozen classes
            raise ValueError(f"{path} is not a model file, or is damaged ({explain(error)})"
                             ) from error
    for group in GROUPS:
        values = getattr(model, group)
        for name, value in list(values.items()):
            array = found[f"{group}/{name}"]
            if isinstance(value, (bool, int, float)):
                values[name] = type(value)(array.item())
            elif isinstance(value, np.generic):
                values[name] = array[()]
            else:
                value[...] = array_module(value).asarray(array)


class Differs(ValueError):
    """The file is whole, and is of another model."""


def check_classes(archive: zipfile.ZipFile, model: Layer) -> None:
    """Raise Differs unless the header is of this format and names the model's layers in order.

    Two layers may have arrays of equal names and shapes and still mean different things by them,
    as BatchRenorm and RenormDebias do.
    """
    if kind(archive, "header").shape[0] > LONGEST_HEADER:
        raise ValueError("its header is too long")
    header = parse_json(read(archive, "header").tobytes())
    if "layers" not in header:                             # a checkpoint of training
        return
    if header["format"] != FORMAT:
        raise Differs(f"has model format {header['format']}; this version reads {FORMAT}")
    ours, theirs = classes(model), header["layers"]
    for name in [*ours, *theirs]:
        if ours.get(name) != theirs.get(name):
            place = name or "the layer"
            raise Differs(f"does not fit: {place} is {_a(theirs.get(name))} in the file and "
                          f"{_a(ours.get(name))} in the model")


def check_kinds(archive: zipfile.ZipFile, model: Layer) -> None:
    """Raise Differs unless the file has the model's arrays, and no others, in dtype and shape."""
    stored = {name.removesuffix(".npy"): None for name in archive.namelist()}
    if len(stored) < len(archive.namelist()):
        raise ValueError("it has two arrays of one name")
    expected = {name: kind_of(name, value) for name, value in entries(model)}
    for name, ours in expected.items():
        if name not in stored:
            raise Differs(f"does not fit: it has no {name}, which the model has")
        theirs = kind(archive, name)
        if theirs != ours:
            raise Differs(f"does not fit: {name} is {theirs} in the file and {ours} in the model")
    for name in stored:
        if name.startswith(tuple(f"{group}/" for group in GROUPS)) and name not in expected:
            raise Differs(f"does not fit: it has {name}, which the model has not")


def check_values(name: str, array: np.ndarray) -> None:
    """Raise ValueError for numbers that no training leaves: a count or a variance below 0.

    They would not raise later: a layer with σ below 0 gives numbers, and they are wrong.  NaN and
    infinity are let through, as a training that diverges leaves them.
    """
    last = name.rpartition("/")[2].rpartition(".")[2]
    if not name.startswith("state/") or last not in NOT_NEGATIVE or not array.size:
        return
    if array.min() < 0 or (array.dtype.kind in "iu" and array.max() > MOST_STEPS):
        raise ValueError(f"{name} is from {array.min()} to {array.max()}")


def classes(model: Layer) -> dict[str, str]:
    """The class of every layer by its name in the model ("" for a layer alone)."""
    return {name: type(layer).__name__ for name, layer in model.parts()}


def entries(model: Layer) -> Iterator[tuple[str, Any]]:
    """Every value of params and state, by its name in the file."""
    for group in GROUPS:
        for name, value in getattr(model, group).items():
            yield f"{group}/{name}", value


def kind_of(name: str, value: Any) -> Kind:
    """The dtype and shape that a value has in a file; TypeError where it can have none."""
    found = np.asarray(value) if isinstance(value, (bool, int, float)) else value
    dtype, shape = getattr(found, "dtype", None), getattr(found, "shape", None)
    if not isinstance(dtype, np.dtype) or dtype.kind not in KINDS or shape is None:
        raise TypeError(f"{name} must be numbers to be saved, not {value!r}")
    return Kind(dtype, shape)


def kind(archive: zipfile.ZipFile, name: str) -> Kind:
    """Dtype and shape of an array in the archive, from its header alone."""
    part = archive.getinfo(f"{name}.npy")
    if part.compress_type not in PACKED:
        raise ValueError(f"{name} is packed in a way that NumPy does not use")
    with archive.open(part) as member:
        shape, _, dtype = read_header(member)
    return Kind(dtype, shape)


def read(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """One array of the archive, unpacked only if it is as large as its header says."""
    part, (dtype, shape) = archive.getinfo(f"{name}.npy"), kind(archive, name)
    if part.file_size > dtype.itemsize * math.prod(shape) + LONGEST_NPY_HEADER:
        raise ValueError(f"{name} is larger than its header says")
    return read_npy(archive.read(part))


def _a(name: str | None) -> str:
    if name is None:
        return "missing"
    return f"{'an' if name[:1] in 'AEIO' else 'a'} {name}"
