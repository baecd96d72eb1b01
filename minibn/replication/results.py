"""Result files: one JSON for each run, written once, read by the report and by notebooks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from minibn.checks import check_choice, check_integer, check_number
from minibn.files import explain, parse_json, read_regular, write_atomically
from minibn.replication.checking import check_result
from minibn.replication.jobs import Job
from minibn.training.history import History

FORMAT = 2
# Format 1 had no tests, and called a job a unit, its condition a cell and the probes looks.
OLD_NAMES = {"unit": "job", "looks": "probes", "cell": "condition"}


@dataclass(frozen=True)
class Result:
    """A finished run.

    status: "done", or "diverged" where the loss became infinite or NaN (`message` says where);
    probes: what `probes.py` saw; tests: accuracy in every test mode after some updates, each
    {"update": n, "accuracy": {mode: share}}; right: for each test image a bit, whether the trained
    network names its class in the method's own test mode, in hexadecimal ("" if the run diverged);
    seconds: wall-clock time of all its epochs; made: versions, commit, machine and times.
    """

    job: Job
    status: str
    history: History
    probes: list[dict[str, Any]]
    right: str
    seconds: float
    made: dict[str, Any]
    message: str = ""
    tests: list[dict[str, Any]] = field(default_factory=list)

    @property
    def seed(self) -> int:
        """The seed of weights and order of images."""
        return self.job.recipe.seed

    @property
    def mode(self) -> str:
        """The method's own test mode."""
        return self.history.mode

    @property
    def chance(self) -> float:
        """The accuracy of guessing."""
        return 1 / (self.job.subset.classes or 100)

    @property
    def stuck(self) -> bool:
        """Whether it ended without having learned: a training loss within 2 % of ln(classes)."""
        losses = self.history.train_loss
        return self.status == "done" and losses[-1] > 0.98 * np.log(1 / self.chance)

    def curve(self, mode: str | None = None) -> np.ndarray:
        """Test accuracy after each epoch, (epochs,); at chance from where the run diverged."""
        found = self.history.test_accuracy[mode or self.mode]
        left = self.job.recipe.epochs - len(found)
        return np.array([*found, *[self.chance] * left])

    def tested(self, mode: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Updates (n,) and accuracies (n,) of all tests within the run, in one test mode."""
        mode = mode or self.mode
        pairs = [(one["update"], one["accuracy"][mode]) for one in self.tests]
        return np.array([u for u, _ in pairs], int), np.array([a for _, a in pairs], float)

    def losses(self) -> np.ndarray:
        """Training loss of each epoch, (epochs,); NaN from where the run diverged."""
        found = self.history.train_loss
        return np.array([*found, *[np.nan] * (self.job.recipe.epochs - len(found))])

    def final(self, mode: str | None = None) -> float:
        """Test accuracy after the last epoch; chance if the run diverged."""
        return self.curve(mode)[-1] if self.status == "done" else self.chance

    @property
    def test_images(self) -> int:
        """How many images it was tested on."""
        return self.job.subset.test or 100 * (self.job.subset.classes or 100)

    def right_on_images(self) -> np.ndarray:
        """Which test images the trained network gets right, bool (test images,)."""
        if self.status != "done":
            raise ValueError(f"{self.job.name} diverged: it names no classes")
        return np.unpackbits(np.frombuffer(bytes.fromhex(self.right), np.uint8),
                             count=self.test_images).astype(bool)

    def crossing(self, threshold: float, mode: str | None = None) -> float:
        """Epochs to `threshold`, linear between the tests (chance at 0); infinity if never."""
        curve = np.concatenate([[self.chance], self.curve(mode)])
        reached = np.flatnonzero(curve >= threshold)
        if not len(reached):
            return np.inf
        after = reached[0]
        if after == 0:
            return 0.0
        low, high = curve[after - 1], curve[after]
        return float(after - 1 + (threshold - low) / (high - low))


class Results:
    """The results of one folder: replications by condition, search runs and pilots apart."""

    def __init__(self, results: list[Result]) -> None:
        self.by_name = {result.job.name: result for result in results}

    def __iter__(self) -> Iterator[Result]:
        return iter(self.by_name.values())

    def __len__(self) -> int:
        return len(self.by_name)

    def of(self, condition: str, kind: str = "run") -> list[Result]:
        """The results of a condition, by seed (searches: by rate)."""
        found = [r for r in self if r.job.condition == condition and r.job.kind == kind]
        return sorted(found, key=lambda r: (r.seed, r.job.recipe.lr))

    def after(self, seed: int) -> Results:
        """The results with a seed larger than this."""
        return Results([r for r in self if r.seed > seed])

    def pairs(self, condition: str, other: str) -> list[tuple[Result, Result]]:
        """The results of two conditions with the same seed, in order of seed."""
        others = {r.seed: r for r in self.of(other)}
        return [(r, others[r.seed]) for r in self.of(condition) if r.seed in others]


def load_results(folder: str | Path) -> Results:
    """Everything below `folder`; empty where it holds nothing.

    Raises ValueError, with the file's name, for a file that is not a result, and where two files
    say that they are the same run.
    """
    results: dict[str, Result] = {}
    places: dict[str, Path] = {}
    for path in sorted(Path(folder).rglob("*.json")):
        result = read_result(path)
        name = result.job.name
        if name in results:
            raise ValueError(f"{path} and {places[name]} are both the run {name}")
        results[name], places[name] = result, path
    return Results(list(results.values()))


def read_result(path: str | Path) -> Result:
    """One result; ValueError where the file is none, FileNotFoundError where there is none."""
    return parse_result(read_regular(path), str(path))


def parse_result(content: bytes, path: str) -> Result:
    """The result in the content of a file; `path`: what an error calls it."""
    try:
        values = parse_json(content)
        if values["format"] == 1:
            values = _renamed(values) | {"tests": []}
            values["job"] = _renamed(values["job"])
        elif values["format"] != FORMAT:
            raise ValueError(f"format {values['format']}, this version reads 1 and {FORMAT}")
        return _result(values)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} is not a result of a replication ({explain(error)})") from error


def _renamed(values: dict[str, Any]) -> dict[str, Any]:
    """The values of a file of format 1 under the names of today."""
    return {OLD_NAMES.get(name, name): value for name, value in values.items()}


def _result(values: dict[str, Any]) -> Result:
    """The result of these values from a file, each of which is checked."""
    check_choice("status", values["status"], ("done", "diverged"))
    for name, kind in (("message", str), ("right", str), ("probes", list), ("tests", list),
                       ("made", dict)):
        if not isinstance(values[name], kind):
            raise TypeError(f"{name} must be a {kind.__name__}, not {values[name]!r}")
    bytes.fromhex(values["right"])                         # a ValueError if it is not hexadecimal
    result = Result(Job.from_dict(values["job"]), values["status"],
                    History.from_dict(values["history"]), values["probes"], values["right"],
                    check_number("seconds", values["seconds"], least=0), values["made"],
                    values["message"], [_test(one) for one in values["tests"]])
    check_result(result)
    return result


def _test(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of `tests`, checked."""
    check_integer("update", entry["update"], least=1)
    for mode, share in entry["accuracy"].items():
        if check_number(f"the accuracy in mode {mode}", share, least=0) > 1:
            raise ValueError(f"the accuracy in mode {mode} is {share}, above 1")
    return entry


def write_result(folder: str | Path, result: Result) -> Path:
    """Write the result below `folder`, atomically, and return its path."""
    path = result_path(folder, result.job)
    values = {"format": FORMAT, "status": result.status, "message": result.message,
              "seconds": round(result.seconds, 2), "made": result.made,
              "job": result.job.as_dict(), "history": result.history.as_dict(),
              "tests": result.tests, "right": result.right, "probes": result.probes}
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in values.items())
    write_atomically(path, lambda file: file.write(f"{{\n{lines}\n}}\n".encode()))
    return path


def result_path(folder: str | Path, job: Job) -> Path:
    """Where a job's result belongs."""
    return Path(folder) / f"{job.name}.json"
