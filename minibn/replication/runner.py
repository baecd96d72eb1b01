"""Carry out one job: train, probe and test on the way, write the result down.

A run that was cut off goes on from its checkpoint and ends with the same numbers.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

import minibn
from minibn.files import parse_json, read_regular, write_atomically
from minibn.replication.claim import claimed
from minibn.replication.jobs import Job
from minibn.replication.probes import is_due, probe
from minibn.replication.results import Result, result_path, write_result
from minibn.replication.testing import is_test_due, test_after_epoch, test_now
from minibn.training import Diverged, Run, quiet_overflow
from minibn.training.checkpoint import load_checkpoint, save_checkpoint
from minibn.training.evaluation import QUICK_BATCH, predict


@dataclass
class Seen:
    """What a run has shown so far beside its history.

    probes, tests: as in `Result`; sittings: versions and machine of each time that it was started
    or resumed.
    """

    probes: list[dict[str, Any]] = field(default_factory=list)
    tests: list[dict[str, Any]] = field(default_factory=list)
    sittings: list[dict[str, Any]] = field(default_factory=list)

    def until(self, update: int) -> Seen:
        """What it had shown after that update."""
        return Seen([one for one in self.probes if one["update"] <= update],
                    [one for one in self.tests if one["update"] <= update], self.sittings)


class Ticker:
    """Takes the place of a progress bar: called after every update, it counts, probes and tests."""

    def __init__(self, run: Run, job: Job, seen: Seen, tick: Callable[[int], None] | None) -> None:
        self.run, self.job, self.seen, self.tick = run, job, seen, tick
        self.update_count = run.history.epochs * run.updates_per_epoch

    def update(self) -> None:
        """One more update is done."""
        self.update_count += 1
        each = self.run.updates_per_epoch
        if self.job.probes and is_due(self.update_count, each):
            self.seen.probes.append(probe(self.run, self.update_count))
        if is_test_due(self.job, self.update_count, each):
            self.seen.tests.append(test_now(self.run, self.job, self.update_count))
        if self.tick is not None:
            self.tick(self.run.recipe.batch_size * self.run.recipe.accumulate)

    def set_postfix(self, **values: Any) -> None:
        """Where a bar would show them."""


def carry_out(job: Job, out: str | Path, work: str | Path, data_dir: str | Path | None = None,
              device: str = "cpu", tick: Callable[[int], None] | None = None) -> Path | None:
    """Do the job unless its result exists, and return the result's path.

    None, and nothing done, where another process is at it.
    out: folder of results; work: folder of checkpoints; data_dir: folder of the data set;
    tick(images) is called as training images are done, also for those a checkpoint has.
    """
    path, progress = result_path(out, job), Progress(Path(work), job)
    with claimed(progress.checkpoint) as mine:
        if not mine:
            return None
        if not path.exists():
            write_result(out, train_job(job, Path(work), data_dir, device, tick))
        progress.remove()                          # only after the result is on the disk
    return path


def train_job(job: Job, work: Path | None, data_dir: str | Path | None = None,
               device: str = "cpu", tick: Callable[[int], None] | None = None) -> Result:
    """Train the job's recipe to its end, or until its loss is no longer finite.

    work: folder of its checkpoint; None: no checkpoint.
    """
    run = Run(job.recipe, job.subset.load(data_dir), device)
    progress = None if work is None else Progress(work, job)
    seen = Seen() if progress is None else progress.load(run)
    seen.sittings.append(circumstances(device))
    ticker = Ticker(run, job, seen, tick)
    if tick is not None:
        tick(run.history.epochs * len(run.data.train_images))
    status, message = "done", ""
    with quiet_overflow():
        try:
            while run.history.epochs < job.recipe.epochs:
                run.epoch(ticker)
                if job.tests_per_epoch:
                    seen.tests.append(test_after_epoch(run, job))
                if progress is not None:
                    progress.save(run, seen)
        except Diverged as error:
            status, message = "diverged", str(error)
        right = "" if message else right_on_images(run)
    return Result(job, status, run.history, seen.probes, right, sum(run.history.seconds),
                  made(seen.sittings), message, seen.tests)


def right_on_images(run: Run) -> str:
    """Which test images the network gets right in its own test mode: bits, in hexadecimal."""
    data, mode = run.data, run.history.mode
    probabilities = predict(run.model, data.test_images, run.mean, run.std, mode,
                            run.recipe.batch_size if mode == "batch" else QUICK_BATCH,
                            run.device, run.recipe.dtype, run.recipe.crop)
    return np.packbits(probabilities.argmax(1) == data.test_labels).tobytes().hex()


class Progress:
    """A run's checkpoint and, beside it, what has been seen of it so far."""

    def __init__(self, work: Path, job: Job) -> None:
        self.checkpoint = work / f"{job.name}.npz"
        self.seen = work / f"{job.name}.seen.json"

    def load(self, run: Run) -> Seen:
        """Bring the run to where it was cut off, if it was, and return what it had shown.

        Raises ValueError, naming the file, where one of the two is damaged or missing.
        """
        if not self.checkpoint.exists():
            return Seen()
        load_checkpoint(self.checkpoint, run)
        try:
            seen = Seen(**parse_json(read_regular(self.seen))[str(run.history.epochs)])
            if not all(isinstance(one["update"], int) for one in seen.probes + seen.tests):
                raise TypeError("a probe or a test without its update")
            if not all(isinstance(one, dict) for one in seen.sittings):
                raise TypeError("a sitting that is none")
        except (OSError, ValueError, KeyError, TypeError, AttributeError,
                RecursionError) as error:
            raise ValueError(f"{self.seen} is damaged or missing; remove it and "
                             f"{self.checkpoint.name} to train this run anew") from error
        return seen

    def save(self, run: Run, seen: Seen) -> None:
        """Write both.

        A kill may fall between the two files, so the state an epoch earlier is kept as well.
        """
        epochs = run.history.epochs
        earlier = seen.until((epochs - 1) * run.updates_per_epoch)
        both = {epochs - 1: vars(earlier), epochs: vars(seen)}
        write_atomically(self.seen, lambda file: file.write(json.dumps(both).encode()))
        save_checkpoint(self.checkpoint, run)

    def remove(self) -> None:
        """Delete both."""
        self.checkpoint.unlink(missing_ok=True)
        self.seen.unlink(missing_ok=True)


def made(sittings: list[dict[str, Any]]) -> dict[str, Any]:
    """What goes into a result file: the last sitting, when it ended, and the earlier ones.

    Of an earlier one: when it started, and where its versions or machine were others.
    """
    last = sittings[-1]
    earlier = [{key: value for key, value in one.items() if key == "started" or value != last[key]}
               for one in sittings[:-1]]
    return {**last, "finished": now(), "resumed": earlier}


def circumstances(device: str) -> dict[str, Any]:
    """Versions, commit and machine of a run."""
    return {
        "minibn": minibn.__version__, "commit": commit(), "python": platform.python_version(),
        "numpy": np.__version__, "processor": processor(), "cores": os.cpu_count(),
        "blas_threads": os.environ.get("OPENBLAS_NUM_THREADS"), "device": device,
        "started": now(),
    }


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


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
