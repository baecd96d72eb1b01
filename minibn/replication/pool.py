"""Carry out many units: over processes with one BLAS thread each, or over a Dask cluster.

A unit is a pure function of its settings, so both give the same results, in any order.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

from tqdm import tqdm

from minibn.replication.jobs import Unit
from minibn.replication.results import result_path
from minibn.replication.runner import carry_out

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
           "VECLIB_MAXIMUM_THREADS")
REPORT_EVERY = 0.5  # seconds between a worker's messages to the bar
PATIENCE = "30s"    # of waiting for the scheduler


def carry_out_all(units: list[Unit], out: str | Path, work: str | Path,
                  data_dir: str | Path | None = None, *, processes: int | None = None,
                  scheduler: str | None = None, device: str = "cpu", progress: bool = True
                  ) -> list[Path]:
    """Do every unit whose result does not exist; returns the results' paths.

    processes: how many at once (default: one for each core); scheduler: the address of a Dask
    scheduler (tcp://…) that has workers which see the folders `out`, `work` and `data_dir`.
    Raises RuntimeError where `distributed` is missing.
    """
    missing = [unit for unit in units if not result_path(out, unit).exists()]
    settings = (str(out), str(work), None if data_dir is None else str(data_dir), device)
    with tqdm(total=sum(unit.images for unit in missing), unit="image", unit_scale=True,
              dynamic_ncols=True, disable=not progress,
              desc=f"{len(missing)} runs") as bar:
        if missing and scheduler is not None:
            over_cluster(missing, settings, scheduler, bar)
        elif missing:
            over_processes(missing, settings, processes or os.cpu_count() or 1, bar)
    return [result_path(out, unit) for unit in units]


def over_processes(units: list[Unit], settings: tuple, processes: int, bar: tqdm) -> None:
    """In the order given, `processes` at a time."""
    context = get_context("spawn")         # each worker loads NumPy anew, with one BLAS thread
    messages = context.Queue()
    others = set(active_children())
    with one_thread_each(), ProcessPoolExecutor(
            min(processes, len(units)), context, initialize, (messages,)) as pool:
        waiting: set[Future] = {pool.submit(in_process, unit, settings) for unit in units}
        try:
            while waiting:
                done, waiting = wait(waiting, timeout=REPORT_EVERY, return_when=FIRST_COMPLETED)
                show(messages, bar)
                for future in done:
                    future.result()
        except BaseException:
            for worker in set(active_children()) - others:     # what they did is in checkpoints
                worker.terminate()
            pool.shutdown(cancel_futures=True)
            raise
    show(messages, bar)


def over_cluster(units: list[Unit], settings: tuple, scheduler: str, bar: tqdm) -> None:
    """On the workers of a Dask scheduler, the first units first."""
    try:
        from distributed import Client, as_completed
    except ImportError as error:
        raise RuntimeError("--scheduler needs Dask: pip install 'minibn[cluster]'") from error
    with Client(scheduler, timeout=PATIENCE) as client:
        futures = {client.submit(on_cluster, unit.as_dict(), settings, key=f"minibn-{unit.name}",
                                 priority=-index, pure=False): unit
                   for index, unit in enumerate(units)}
        for future in as_completed(futures):
            future.result()
            bar.update(futures[future].images)


def on_cluster(unit: dict[str, Any], settings: tuple) -> None:
    """What a cluster's worker does: the unit, in a process of its own with one BLAS thread.

    A worker has loaded NumPy already, with as many threads as it pleased; more threads may add up
    in another order, and give other last digits.  Raises RuntimeError with what the process said.
    """
    with one_thread_each():
        done = subprocess.run([sys.executable, "-m", "minibn.replication.pool"], text=True,
                              input=json.dumps([unit, settings]), capture_output=True)
    if done.returncode:
        raise RuntimeError(f"{unit['name']}: {done.stderr.strip().splitlines()[-1]}")


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Processes that start in here give their BLAS one thread."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


_messages: Any = None  # a worker's way to the bar


def initialize(messages: Any) -> None:
    """Remember, in a new worker, where to report progress."""
    global _messages
    _messages = messages


def in_process(unit: Unit, settings: tuple) -> str:
    """What a worker process does."""
    out, work, data_dir, device = settings
    if _messages is None:
        return str(carry_out(unit, out, work, data_dir, device))
    reporter = Reporter(_messages.put)
    path = carry_out(unit, out, work, data_dir, device, reporter.tick)
    reporter.send()
    return str(path)


class Reporter:
    """Gathers images and passes their number on now and then."""

    def __init__(self, put: Callable[[int], None]) -> None:
        self.put = put
        self.gathered, self.last = 0, time.monotonic()

    def tick(self, images: int) -> None:
        """So many more images are done."""
        self.gathered += images
        if time.monotonic() - self.last > REPORT_EVERY:
            self.send()

    def send(self) -> None:
        """Pass on what has been gathered."""
        self.put(self.gathered)
        self.gathered, self.last = 0, time.monotonic()


def show(messages: Any, bar: tqdm) -> None:
    """Advance the bar by what the workers have reported."""
    while True:
        try:
            bar.update(messages.get_nowait())
        except queue.Empty:
            return


if __name__ == "__main__":                 # the process that `on_cluster` starts
    given_unit, given_settings = json.load(sys.stdin)
    in_process(Unit.from_dict(given_unit), tuple(given_settings))
