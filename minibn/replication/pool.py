"""Carry out many jobs: over processes with one BLAS thread each, or over a Dask cluster.

A job is a pure function of its settings, so both give the same results, in any order.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

from tqdm import tqdm

from minibn.replication.jobs import Job
from minibn.replication.results import result_path
from minibn.replication.runner import carry_out
from minibn.training.processes import (
    REPORT_EVERY,
    Workers,
    one_thread_each,
    pass_on,
    terminate_all_but,
)

PATIENCE = "30s"    # of waiting for the scheduler
ASK_AGAIN = 20.0    # seconds until a job that another process has is asked for again


def carry_out_all(jobs: list[Job] | Callable[[], list[Job]], out: str | Path, work: str | Path,
                  data_dir: str | Path | None = None, *, processes: int | None = None,
                  scheduler: str | None = None, device: str = "cpu", progress: bool = True,
                  announce: Callable[[Path], None] | None = None) -> None:
    """Do every job whose result does not exist.

    jobs: in order; a function that lists them is asked again after every run, for what comes next
    may depend on what is finished.  processes: how many at once (default: one for each core);
    scheduler: the address of a Dask scheduler (tcp://…) that has workers which see the folders
    `out`, `work` and `data_dir`.  announce: called with the path of every result that comes in.

    Another process may work on the same folders: a job that it has is left to it.
    Raises RuntimeError where `distributed` is missing.
    """
    settings = (str(out), str(work), None if data_dir is None else str(data_dir), device)
    source = Source(jobs, Path(out))
    with tqdm(total=source.images(), unit="image", unit_scale=True, dynamic_ncols=True,
              disable=not progress, desc=f"{len(source.missing())} runs") as bar:
        if scheduler is None:
            if source.missing():
                over_processes(source, settings, processes or os.cpu_count() or 1, bar, announce)
            return
        while missing := source.missing():
            over_cluster(missing, settings, scheduler, bar)
            source.renew()


class Source:
    """The jobs to do, as far as they are known, and which of them have no result yet."""

    def __init__(self, jobs: list[Job] | Callable[[], list[Job]], out: Path) -> None:
        self.list = jobs if callable(jobs) else lambda: jobs
        self.out = out
        self.jobs = self.list()
        self.done_before = {job.name for job in self.jobs if self.is_done(job)}

    def renew(self) -> None:
        """List the jobs again."""
        self.jobs = self.list()

    def is_done(self, job: Job) -> bool:
        """Whether the job has a result."""
        return result_path(self.out, job).exists()

    def missing(self) -> list[Job]:
        """The jobs that have none, in order."""
        return [job for job in self.jobs if not self.is_done(job)]

    def images(self) -> int:
        """Training images of all jobs that had no result at first."""
        return sum(job.images for job in self.jobs if job.name not in self.done_before)


def over_processes(source: Source, settings: tuple, processes: int, bar: tqdm,
                   announce: Callable[[Path], None] | None) -> None:
    """In the order given, `processes` at a time."""
    messages = get_context("spawn").Queue()
    others = set(active_children())
    running: dict[Future, Job] = {}
    ask_again: dict[str, float] = {}       # jobs that another process had: when to ask for them
    with Workers(processes, begin, messages) as pool:
        try:
            while missing := source.missing():
                names, now = {job.name for job in running.values()}, time.monotonic()
                free = [job for job in missing
                        if job.name not in names and ask_again.get(job.name, now) <= now]
                for job in free[:processes - len(running)]:
                    running[pool.submit(in_process, job, settings)] = job
                done = wait(running, REPORT_EVERY, FIRST_COMPLETED).done
                if not running:
                    time.sleep(REPORT_EVERY)
                pass_on(messages, bar.update)
                for future in done:
                    job, path = running.pop(future), future.result()
                    if path is None:
                        ask_again[job.name] = time.monotonic() + ASK_AGAIN
                    elif announce is not None:
                        announce(Path(path))
                if done or not running:
                    source.renew()
                    bar.total = source.images()
        except BaseException:
            terminate_all_but(others)                          # what they did is in checkpoints
            pool.shutdown(cancel_futures=True)
            raise
    pass_on(messages, bar.update)


def over_cluster(jobs: list[Job], settings: tuple, scheduler: str, bar: tqdm) -> None:
    """On the workers of a Dask scheduler, the first jobs first."""
    try:
        from distributed import Client, as_completed
    except ImportError as error:
        raise RuntimeError("--scheduler needs Dask: pip install 'minibn[cluster]'") from error
    with Client(scheduler, timeout=PATIENCE) as client:
        futures = {client.submit(on_cluster, job.as_dict(), settings, key=f"minibn-{job.name}",
                                 priority=-index, pure=False): job
                   for index, job in enumerate(jobs)}
        for future in as_completed(futures):
            future.result()
            bar.update(futures[future].images)


def on_cluster(job: dict[str, Any], settings: tuple) -> None:
    """What a cluster's worker does: the job, in a process of its own with one BLAS thread.

    A worker has loaded NumPy already, with as many threads as it pleased; more threads may add up
    in another order, and give other last digits.  Raises RuntimeError with what the process said.
    """
    with one_thread_each():
        done = subprocess.run([sys.executable, "-m", "minibn.replication.pool"], text=True,
                              input=json.dumps([job, settings]), capture_output=True)
    if done.returncode:
        raise RuntimeError(f"{job['name']}: {done.stderr.strip().splitlines()[-1]}")


_messages: Any = None  # a worker's way to the bar


def begin(messages: Any) -> None:
    """Remember, in a new worker, where to report progress."""
    global _messages
    _messages = messages


def in_process(job: Job, settings: tuple) -> str | None:
    """What a worker process does; the result's path, or None where another process has the job."""
    out, work, data_dir, device = settings
    reporter = Reporter(lambda images: None) if _messages is None else Reporter(_messages.put)
    path = carry_out(job, out, work, data_dir, device, reporter.tick)
    reporter.send()
    return None if path is None else str(path)


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


if __name__ == "__main__":                 # the process that `on_cluster` starts
    given_job, given_settings = json.load(sys.stdin)
    in_process(Job.from_dict(given_job), tuple(given_settings))
