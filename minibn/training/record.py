"""Result files: one JSON with what a comparison did, enough to repeat it and to redraw its figure.

    format, command, versions, device
    data                  name, classes, numbers of training and test images
    threshold             the test accuracy that "epochs to" counts to
    rates                 how the learning rates were chosen, if not by the command
    runs                  for each: recipe, parameters, history, and why it stopped early if it did
"""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

import minibn
from minibn.backend import device_module
from minibn.checks import check_integer, check_number
from minibn.data.dataset import Dataset
from minibn.files import explain, parse_json, read_regular, write_atomically
from minibn.norms import NORMS
from minibn.training import Run
from minibn.training.evaluation import count_parameters
from minibn.training.history import History
from minibn.training.recipe import Recipe

FORMAT = 1


@dataclass
class Trained:
    """One run as a result file keeps it; `stopped`: why it ended before its last epoch."""

    recipe: Recipe
    parameters: int
    history: History
    stopped: str | None = None

    @property
    def title(self) -> str:
        """The normalization's name in tables and figures."""
        return NORMS[self.recipe.norm].title


@dataclass
class Record:
    """The content of a result file."""

    command: str
    versions: dict[str, str]
    device: str
    data: dict[str, Any]
    threshold: float
    runs: list[Trained]
    rates: str | None = None


def make_record(runs: list[Run], command: str, threshold: float, stopped: dict[int, str],
                rates: str | None = None) -> Record:
    """The record of these runs, of one data set and device; stopped: reasons by place."""
    data, device = runs[0].data, runs[0].device
    return Record(command, versions(device), device, describe(data), threshold,
                  [trained(run, stopped.get(place)) for place, run in enumerate(runs)], rates)


def trained(run: Run, stopped: str | None) -> Trained:
    """What a result file keeps of a run; stopped: why it ended early, if it did."""
    return Trained(run.recipe, count_parameters(run.model), run.history, stopped)


def describe(data: Dataset) -> dict[str, Any]:
    """Name and sizes of a data set."""
    return {"name": data.name, "classes": len(data.class_names),
            "train": len(data.train_images), "test": len(data.test_images)}


def versions(device: str = "cpu") -> dict[str, str]:
    """What computed the numbers: minibn, Python, array library, machine."""
    found = {"minibn": minibn.__version__, "python": platform.python_version(),
             "numpy": np.__version__, "machine": f"{platform.system()} {platform.machine()}"}
    if device == "gpu":
        found["cupy"] = device_module("gpu").__version__
    return found


def save_record(path: Path, record: Record) -> None:
    """Write a result file, atomically."""
    values = {"format": FORMAT, **vars(record), "runs": [
        {"recipe": run.recipe.as_dict(), "parameters": run.parameters,
         "history": asdict(run.history), "stopped": run.stopped} for run in record.runs]}
    text = json.dumps(values, indent=1, allow_nan=False) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))


def free_path(path: Path, record: Record) -> Path:
    """`path`, or the first of path-2, path-3, … that no other result has; the record is in it.

    So a disk that does not take it says so before hours of work, and no empty file is left.

    An earlier result of the same runs is no other: the same recipes, but for the number of epochs,
    on the same data, of which `record` is a continuation.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        found = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        try:
            with open(found, "x"):                 # of two processes one gets the name
                new = True
        except FileExistsError:
            new = False
            if not _continues(record, found):
                continue
        try:
            save_record(found, record)
        except BaseException:
            if new:
                found.unlink()
            raise
        break
    return found


def _continues(record: Record, path: Path) -> bool:
    """Whether the record begins with all that the file holds, and that is something.

    A file without an epoch belongs to another process, which has just begun.
    """
    try:
        earlier = read_record(path)
    except (OSError, ValueError):
        return False

    def settings(record: Record) -> tuple:
        return record.data, [replace(run.recipe, epochs=1).as_dict() for run in record.runs]

    return settings(earlier) == settings(record) and all(
        before.history.epochs > 0
        and now.history.train_loss[:before.history.epochs] == before.history.train_loss
        for before, now in zip(earlier.runs, record.runs, strict=True))


def read_record(path: str | Path) -> Record:
    """Read a result file.

    Raises OSError (FileNotFoundError, …) where it cannot be opened, ValueError where it is not one
    of this format.
    """
    content = read_regular(path)
    try:
        values = parse_json(content)
        found = values.pop("format")
        if found == FORMAT:
            return _record(**values)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} is not a result file of minibn ({explain(error)})") from error
    raise ValueError(f"{path} has result format {found}; this version reads {FORMAT}")


def _record(command: str, versions: dict[str, str], device: str, data: dict[str, Any],
            threshold: float, runs: list[dict[str, Any]], rates: str | None = None) -> Record:
    """The record of these values from a file, each of which is checked."""
    for text in (command, device, data["name"], *versions, *versions.values()):
        if not isinstance(text, str):
            raise TypeError(f"{text!r} where a text should be")
    if not isinstance(rates, (str, type(None))):
        raise TypeError(f"{rates!r} where a text should be")
    for name in ("classes", "train", "test"):
        check_integer(name, data[name], least=1)
    check_number("threshold", threshold, least=0)
    for run in runs:
        if not (run["stopped"] is None or isinstance(run["stopped"], str) and run["stopped"]):
            raise TypeError(f"stopped is {run['stopped']!r} where a text or nothing should be")
    trained = [Trained(Recipe.from_dict(run["recipe"]),
                       check_integer("parameters", run["parameters"], least=1),
                       History.from_dict(run["history"]), run["stopped"]) for run in runs]
    if not trained:
        raise ValueError("it has no runs")
    return Record(command, versions, device, data, threshold, trained, rates)
