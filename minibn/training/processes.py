"""What all pools of worker processes share: one BLAS thread each, progress, and their end."""

from __future__ import annotations

import os
import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import active_children, parent_process
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from threading import Thread
from typing import Any

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
           "VECLIB_MAXIMUM_THREADS")
REPORT_EVERY = 0.5                    # seconds between two messages of a worker


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


def watch_parent() -> None:
    """In a new worker: end when the parent process ends, whatever ended it."""
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)                        # nobody would take the result


def terminate_all_but(others: set[BaseProcess]) -> None:
    """End the workers that have been started since `others` were all."""
    for worker in set(active_children()) - others:
        worker.terminate()


def pass_on(messages: Any, tick: Callable[[int], object]) -> None:
    """Call tick(images) for every message that workers have put into the queue."""
    while True:
        try:
            tick(messages.get_nowait())
        except queue.Empty:
            return
