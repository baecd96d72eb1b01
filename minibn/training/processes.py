"""Pools of worker processes: one BLAS thread each, progress, and their end."""

from __future__ import annotations

import os
import queue
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from threading import Thread
from typing import Any

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
           "VECLIB_MAXIMUM_THREADS")
REPORT_EVERY = 0.5                    # seconds between two messages of a worker


class Workers(ProcessPoolExecutor):
    """Processes that load NumPy anew with one BLAS thread, leave Ctrl-C to this process, and end
    when it ends, whatever ended it.

    count: how many; begin, arguments: what each calls first.
    """

    def __init__(self, count: int, begin: Callable[..., object] | None = None,
                 *arguments: object) -> None:
        super().__init__(count, get_context("spawn"), _get_ready, (begin, arguments))

    def submit(self, *task: Any, **options: Any) -> Future:
        """As `ProcessPoolExecutor.submit`, which starts a process where one is missing."""
        with one_thread_each(), ctrl_c_held_back():
            return super().submit(*task, **options)


@contextmanager
def ctrl_c_held_back() -> Iterator[None]:
    """Processes that start in here never notice Ctrl-C; for this thread it waits until the end.

    Without it a Ctrl-C hits a process that is still importing, which then prints a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):         # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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


def _get_ready(begin: Callable[..., object] | None, arguments: tuple) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    if begin is not None:
        begin(*arguments)


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
