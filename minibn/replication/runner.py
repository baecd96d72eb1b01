"""Carry out one unit of work: train, look inside on the way, write the result down.

A run that was cut off goes on from its checkpoint and ends with the same numbers.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import minibn
from minibn.files import write_atomically
from minibn.replication.jobs import Unit
from minibn.replication.probes import is_due, look
from minibn.replication.results import Result, result_path, write_result
from minibn.training import Diverged, Run, quiet_overflow
from minibn.training.checkpoint import load_checkpoint, save_checkpoint
from minibn.training.evaluation import QUICK_BATCH, predict


class Ticker:
    """Takes the place of a progress bar: called after every update, it counts and looks."""

    def __init__(self, run: Run, looks: list[dict[str, Any]], wanted: bool,
                 tick: Callable[[int], None] | None) -> None:
        self.run, self.looks, self.wanted, self.tick = run, looks, wanted, tick
        self.update_count = run.history.epochs * run.updates_per_epoch

    def update(self) -> None:
        """One more update is done."""
        self.update_count += 1
        if self.wanted and is_due(self.update_count, self.run.updates_per_epoch):
            self.looks.append(look(self.run, self.update_count))
        if self.tick is not None:
            self.tick(self.run.recipe.batch_size * self.run.recipe.accumulate)

    def set_postfix(self, **values: Any) -> None:
        """Where a bar would show them."""


def carry_out(unit: Unit, out: str | Path, work: str | Path, data_dir: str | Path | None = None,
              device: str = "cpu", tick: Callable[[int], None] | None = None) -> Path:
    """Do the unit unless its result exists, and return the result's path.

    out: folder of results; work: folder of checkpoints; data_dir: folder of the data set;
    tick(images) is called as training images are done, also for those a checkpoint has.
    """
    path = result_path(out, unit)
    if not path.exists():
        write_result(out, train_unit(unit, Path(work), data_dir, device, tick))
    Progress(Path(work), unit).remove()            # only after the result is on the disk
    return path


def train_unit(unit: Unit, work: Path | None, data_dir: str | Path | None = None,
               device: str = "cpu", tick: Callable[[int], None] | None = None) -> Result:
    """Train the unit's recipe to its end, or until its loss is no longer finite.

    work: folder of its checkpoint; None: no checkpoint.
    """
    run = Run(unit.recipe, unit.subset.load(data_dir), device)
    progress = None if work is None else Progress(work, unit)
    looks = [] if progress is None else progress.load(run)
    ticker = Ticker(run, looks, unit.looks, tick)
    if tick is not None:
        tick(run.history.epochs * len(run.data.train_images))
    status, message = "done", ""
    with quiet_overflow():
        try:
            while run.history.epochs < unit.recipe.epochs:
                run.epoch(ticker)
                if progress is not None:
                    progress.save(run, looks)
        except Diverged as error:
            status, message = "diverged", str(error)
        right = "" if message else right_on_images(run)
    return Result(unit, status, run.history, looks, right, sum(run.history.seconds),
                  circumstances(device), message)


def right_on_images(run: Run) -> str:
    """Which test images the network gets right in its own test mode: bits, in hexadecimal."""
    data, mode = run.data, run.history.mode
    probabilities = predict(run.model, data.test_images, run.mean, run.std, mode,
                            run.recipe.batch_size if mode == "batch" else QUICK_BATCH,
                            run.device, run.recipe.dtype, run.recipe.crop)
    return np.packbits(probabilities.argmax(1) == data.test_labels).tobytes().hex()


class Progress:
    """A run's checkpoint and, beside it, what has been seen inside the network so far."""

    def __init__(self, work: Path, unit: Unit) -> None:
        self.checkpoint = work / f"{unit.name}.npz"
        self.looks = work / f"{unit.name}.looks.json"

    def load(self, run: Run) -> list[dict[str, Any]]:
        """Bring the run to where it was cut off, if it was, and return its looks.

        Raises ValueError, naming the file, where one of the two is damaged or missing.
        """
        if not self.checkpoint.exists():
            return []
        load_checkpoint(self.checkpoint, run)
        try:
            looks = json.loads(self.looks.read_text())[str(run.history.epochs)]
            if not all(isinstance(one["update"], int) for one in looks):
                raise TypeError("a look without its update")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{self.looks} is damaged or missing; remove it and "
                             f"{self.checkpoint.name} to train this run anew") from error
        return looks

    def save(self, run: Run, looks: list[dict[str, Any]]) -> None:
        """Write both.

        A kill may fall between the two files, so the looks are kept for the epoch before as well.
        """
        epochs = run.history.epochs
        last = (epochs - 1) * run.updates_per_epoch
        both = {epochs - 1: [one for one in looks if one["update"] <= last], epochs: looks}
        write_atomically(self.looks, lambda file: file.write(json.dumps(both).encode()))
        save_checkpoint(self.checkpoint, run)

    def remove(self) -> None:
        """Delete both."""
        self.checkpoint.unlink(missing_ok=True)
        self.looks.unlink(missing_ok=True)


def circumstances(device: str) -> dict[str, Any]:
    """Versions, commit and machine of a run."""
    return {
        "minibn": minibn.__version__, "commit": commit(), "python": platform.python_version(),
        "numpy": np.__version__, "processor": processor(), "cores": os.cpu_count(),
        "blas_threads": os.environ.get("OPENBLAS_NUM_THREADS"), "device": device,
    }


def commit() -> str | None:
    """The git commit of this code, with a + where files of the package differ from it."""
    package = Path(minibn.__file__).parent
    try:
        head, changes = (subprocess.run(["git", "-C", str(package), *words], check=True, text=True,
                                        capture_output=True).stdout.strip()
                         for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "."]))
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+" if changes else "")


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration, IndexError):
        return platform.processor() or platform.machine()
