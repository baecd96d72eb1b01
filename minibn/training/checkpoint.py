"""Checkpoints: one file with all that a run needs to resume exactly as if it had not stopped.

The file is a NumPy archive (.npz), read without pickle:

    header            JSON as bytes: format version, recipe, history, generator state, name and
                      classes of the data set, number of test images, size of the images
    params/NAME       the parameters
    velocity/NAME     the optimizer's velocities
    state/NAME        moving averages and step counters
    mean, std         the training images' channel statistics

It is written under a temporary name, flushed to the disk and renamed, so that at any moment either
the old or the new file is there, whole.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minibn.backend import to_device, to_host
from minibn.checks import check_integer
from minibn.files import explain, parse_json, read_regular, write_atomically
from minibn.layers.sequential import Sequential
from minibn.model_file import check_values
from minibn.models import kernel_shapes
from minibn.npz import read_npz
from minibn.training.history import History
from minibn.training.recipe import Recipe
from minibn.training.run import Run

FORMAT = 1
LARGEST = 4096                        # pixels a side of training images


class Checkpoint(NamedTuple):
    """A checkpoint's contents, checked for form but not yet against a model."""

    header: dict[str, Any]
    recipe: Recipe
    history: History
    arrays: dict[str, np.ndarray]

    @property
    def side(self) -> int:
        """The shorter side of the training images, in pixels; 32 where an older file is silent."""
        return min(self.header.get("image_size", [32]))

    @property
    def mean(self) -> np.ndarray:
        """Channel means of the training images, (3,)."""
        return self.arrays["mean"]

    @property
    def std(self) -> np.ndarray:
        """Channel standard deviations of the training images, (3,)."""
        return self.arrays["std"]


def save_checkpoint(path: str | Path, run: Run) -> None:
    """Write the run to `path`, atomically."""
    header = {
        "format": FORMAT,
        "recipe": run.recipe.as_dict(),
        "history": run.history.as_dict(),
        "generator": run.rng.bit_generator.state,
        "data": run.data.name,
        "classes": list(run.data.class_names),
        "test_images": len(run.data.test_images),
        "image_size": list(run.data.train_images.shape[1:3]),
    }
    arrays = {"header": np.frombuffer(json.dumps(header).encode(), np.uint8),
              "mean": run.mean, "std": run.std}
    for group, values in _groups(run).items():
        for name, value in values.items():
            arrays[f"{group}/{name}"] = to_host(np.asarray(value) if isinstance(value, int)
                                                else value)
    write_atomically(Path(path), lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint's contents.

    Raises OSError (FileNotFoundError, …) where the file cannot be opened, ValueError where it is
    not a checkpoint of this format.
    """
    content = read_regular(path)
    try:
        return _read(read_npz(content))
    except _OtherFormat as error:
        raise ValueError(f"{path} has {error}") from None
    except Exception as error:         # what stands in a header can be wrong in a dozen ways
        raise ValueError(f"{path} is not a minibn checkpoint, or is damaged "
                         f"({explain(error)})") from error


class _OtherFormat(ValueError):
    """A checkpoint of another format version."""


def _read(arrays: dict[str, np.ndarray]) -> Checkpoint:
    """The contents of a file's arrays, checked for form; whatever is wrong raises something."""
    header = parse_json(arrays.pop("header").tobytes())
    if header["format"] != FORMAT:
        raise _OtherFormat(f"checkpoint format {header['format']}; this version reads {FORMAT}")
    checkpoint = Checkpoint(header, Recipe.from_dict(header["recipe"]),
                            History.from_dict(header["history"]), arrays)
    for name in ("mean", "std"):
        if arrays[name].shape != (3,) or arrays[name].dtype != np.float64:
            raise ValueError(f"{name} is {arrays[name].dtype} {arrays[name].shape}")
        if not np.isfinite(arrays[name]).all() or (name == "std" and (arrays[name] <= 0).any()):
            raise ValueError(f"{name} is {arrays[name]}")
    classes = header["classes"]
    if not (isinstance(header["data"], str) and isinstance(classes, list) and classes
            and all(isinstance(name, str) for name in classes)):
        raise ValueError("the data set has no name or no classes")
    if header.get("test_images") is not None:              # older files do not say
        check_integer("test_images", header["test_images"], least=1)
    sides = header.get("image_size", [32, 32])
    if not isinstance(sides, list) or len(sides) != 2:
        raise ValueError(f"image_size is {sides!r}")
    for length in sides:
        if check_integer("image_size", length, least=checkpoint.recipe.crop) > LARGEST:
            raise ValueError(f"its images have {length} pixels a side")
    check_generator(header["generator"])
    for name, array in arrays.items():
        check_values(name, array)
    return checkpoint


def check_generator(state: dict[str, Any]) -> None:
    """Raise something unless a generator takes this state, and then has it, number for number."""
    generator = np.random.default_rng().bit_generator
    generator.state = state
    if generator.state != state or state["has_uint32"] not in (0, 1):
        raise ValueError("the state of the generator is none")


def load_checkpoint(path: str | Path, run: Run) -> None:
    """Bring a fresh run of the same recipe and data to where the checkpoint was written.

    Raises ValueError naming the first difference where recipe, data or a shape do not agree.
    More epochs than the checkpoint's recipe asked for are allowed: the run goes on.  Fewer than the
    checkpoint has are not, nor is another number of test images.
    """
    checkpoint = read_checkpoint(path)
    ours, theirs = run.recipe.as_dict(), checkpoint.recipe.as_dict()
    for key in ours:
        if key != "epochs" and ours[key] != theirs[key]:
            raise ValueError(f"{path} was written with {key} {theirs[key]!r}, not {ours[key]!r}")
    for key, value in (("data", run.data.name), ("classes", list(run.data.class_names))):
        if checkpoint.header[key] != value:
            raise ValueError(f"{path} was trained on other {key} ({checkpoint.header['data']}), "
                             f"not on {run.data.name}")
    if not (np.array_equal(checkpoint.mean, run.mean) and np.array_equal(checkpoint.std, run.std)):
        raise ValueError(f"{path} was trained on other images than the "
                         f"{len(run.data.train_images)} of {run.data.name} here: their channel "
                         "statistics differ")
    tested, here = checkpoint.header.get("test_images"), len(run.data.test_images)
    if tested not in (None, here):                         # older files do not say
        raise ValueError(f"{path} was tested on {tested} images, and would now be on {here}")
    if checkpoint.history.epochs > run.recipe.epochs:
        raise ValueError(f"{path} has {checkpoint.history.epochs} epochs, more than the "
                         f"{run.recipe.epochs} asked for")
    if set(checkpoint.history.test_accuracy) != set(run.history.test_accuracy):
        raise ValueError(f"{path} has other test modes than {run.recipe.norm}")
    groups = _groups(run)
    for group, values in groups.items():                   # all are right before one is changed
        check_arrays(values, group, checkpoint.arrays, path)
    for group, values in groups.items():
        restore(values, group, checkpoint.arrays, run.device)
    run.rng.bit_generator.state = checkpoint.header["generator"]
    run.history = checkpoint.history


def load_model(path: str | Path, device: str = "cpu") -> tuple[Sequential, Checkpoint]:
    """The trained model of a checkpoint, and the checkpoint's contents.

    Raises what `read_checkpoint` raises, and ValueError where the arrays are not those of the
    recipe's network, or not finite.
    """
    checkpoint = read_checkpoint(path)
    check_kernels(checkpoint, path)
    try:
        model = checkpoint.recipe.model(classes=len(checkpoint.header["classes"]))
    except (ValueError, TypeError) as error:               # groups that do not fit the channels
        raise ValueError(f"{path} has a recipe that makes no network ({error})") from error
    model.to(device)
    for group, values in (("params", model.params), ("state", model.state)):
        check_arrays(values, group, checkpoint.arrays, path)
        check_finite(values, group, checkpoint.arrays, path)
        restore(values, group, checkpoint.arrays, device)
    return model, checkpoint


def check_kernels(checkpoint: Checkpoint, path: str | Path) -> None:
    """The file holds the convolutions of its recipe's network, or ValueError.

    Asked before the network is made: a small file can name a network that fills the memory.
    """
    recipe, arrays = checkpoint.recipe, checkpoint.arrays
    shapes = kernel_shapes(recipe.network, len(checkpoint.header["classes"]), recipe.width)
    for name, shape in shapes.items():
        found = arrays.get(f"params/{name}.w", arrays.get(f"params/{name}.v"))
        if found is None or found.shape != shape:
            raise ValueError(f"{path} has no weights {shape} for {name} of its network, "
                             f"{recipe.network} of width {recipe.width}")


def check_arrays(values: dict[str, Any], group: str, arrays: dict[str, np.ndarray],
                 path: str | Path) -> None:
    """A checkpoint has an array for each of `values`, of its shape and dtype, and no other."""
    found = {name.removeprefix(f"{group}/") for name in arrays if name.startswith(f"{group}/")}
    if found != set(values):
        raise ValueError(f"{path} has other {group} than the model: "
                         f"{sorted(found ^ set(values))[0]!r} is only in one of them")
    for name, value in values.items():
        array = arrays[f"{group}/{name}"]
        if isinstance(value, int):
            if array.shape != () or array.dtype.kind != "i":
                raise ValueError(f"{path} has {group} {name} as {array.dtype} {array.shape}, the "
                                 "model as an integer")
        elif array.shape != value.shape or array.dtype != value.dtype:
            raise ValueError(f"{path} has {group} {name} as {array.dtype} {array.shape}, the "
                             f"model as {value.dtype} {value.shape}")


def check_finite(values: dict[str, Any], group: str, arrays: dict[str, np.ndarray],
                 path: str | Path) -> None:
    """A checkpoint has finite numbers for `values`, or ValueError.

    A network with others names the first class for every image, with the accuracy of guessing.
    """
    for name in values:
        if not np.isfinite(arrays[f"{group}/{name}"]).all():
            raise ValueError(f"{path} has numbers in {group} {name} that are not finite: its "
                             "training diverged")


def restore(values: dict[str, Any], group: str, arrays: dict[str, np.ndarray], device: str) -> None:
    """Overwrite `values` (arrays in place, counters by assignment) with those of a checkpoint."""
    for name, value in list(values.items()):
        array = arrays[f"{group}/{name}"]
        if isinstance(value, int):
            values[name] = int(array)
        else:
            value[...] = to_device(array, device)


def _groups(run: Run) -> dict[str, dict[str, Any]]:
    return {"params": run.model.params, "velocity": run.optimizer.velocity,
            "state": run.model.state}
