"""Train many runs side by side, each process with one BLAS thread.

A run is a value that travels: a process takes it, trains one epoch and gives it back.  So the runs
advance together, an epoch each in turn, and whenever the work is stopped, none is far ahead.  A
run's numbers are the same as if it had been trained alone with one thread.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Generator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from multiprocessing import active_children, get_context
from typing import Any, NamedTuple

from minibn.data.dataset import Dataset
from minibn.training.processes import REPORT_EVERY, Workers, pass_on, terminate_all_but
from minibn.training.run import Diverged, Run, quiet_overflow

Tick = Callable[[int], object]


class Step(NamedTuple):
    """One more epoch: the run's place in the list, and why it has stopped early, if it has."""

    place: int
    stopped: str | None


def cores() -> int:
    """How many processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def train_side_by_side(runs: list[Run], processes: int = 1, tick: Tick = lambda images: None
                       ) -> Generator[Step, None, None]:
    """Train all runs, of one data set, to their last epochs; yields after every epoch.

    runs: changed in place, an entry is replaced whenever its epoch is done.  processes: how many
    epochs at once; with 1 everything happens in this process.  tick(images): called now and then
    with the number of images trained on since.  The run with the fewest epochs always comes next.
    """
    if processes == 1 or len(runs) == 1:
        yield from in_turn(runs, tick)
    else:
        yield from in_processes(runs, processes, tick)


def in_turn(runs: list[Run], tick: Tick) -> Generator[Step, None, None]:
    """In this process, an epoch each in turn."""
    waiting = set(unfinished(runs))
    while waiting:
        place = min(waiting, key=lambda k: (runs[k].history.epochs, k))
        stopped = one_epoch(runs[place], tick)
        if stopped or runs[place].history.epochs == runs[place].recipe.epochs:
            waiting.remove(place)
        yield Step(place, stopped)


def in_processes(runs: list[Run], processes: int, tick: Tick) -> Generator[Step, None, None]:
    """In processes of their own, which end with this one."""
    messages = get_context("spawn").Queue()
    data, before = runs[0].data, set(active_children())
    waiting, working = set(unfinished(runs)), dict[Future, int]()
    count = min(processes, len(waiting))
    with Workers(count, begin, data, messages) as pool:
        try:
            while waiting or working:
                while waiting and len(working) < count:
                    place = min(waiting, key=lambda k: (runs[k].history.epochs, k))
                    waiting.remove(place)
                    working[pool.submit(in_process, packed(runs[place]))] = place
                done, _ = wait(working, timeout=REPORT_EVERY, return_when=FIRST_COMPLETED)
                pass_on(messages, tick)
                for future in done:
                    place = working.pop(future)
                    runs[place], stopped = future.result()
                    runs[place].data = data
                    if not stopped and runs[place].history.epochs < runs[place].recipe.epochs:
                        waiting.add(place)
                    yield Step(place, stopped)
        except BaseException:
            terminate_all_but(before)
            pool.shutdown(cancel_futures=True)
            raise


def unfinished(runs: list[Run]) -> list[int]:
    """The places of the runs that have epochs left."""
    return [k for k, run in enumerate(runs) if run.history.epochs < run.recipe.epochs]


def one_epoch(run: Run, tick: Tick) -> str | None:
    """Train one epoch; returns why the run must stop, if it must."""
    ticker = Ticker(run, tick)
    try:
        with quiet_overflow():
            run.epoch(ticker)  # type: ignore[arg-type]
    except Diverged as error:
        return str(error)
    finally:
        ticker.send()
    return None


class Ticker:
    """Takes the place of a progress bar: gathers images and passes their number on."""

    def __init__(self, run: Run, tick: Tick) -> None:
        self.images = run.recipe.batch_size * run.recipe.accumulate
        self.every = max(1, 100 // self.images)    # updates between two messages
        self.tick, self.updates = tick, 0

    def update(self) -> None:
        """One more update is done."""
        self.updates += 1
        if self.updates == self.every:
            self.send()

    def send(self) -> None:
        """Pass on what has been gathered."""
        self.tick(self.updates * self.images)
        self.updates = 0

    def set_postfix(self, **values: Any) -> None:
        """Where a bar would show them."""


# What a process of the pool does -----------------------------------------------------------------

_data: Dataset
_messages: Any


def begin(data: Dataset, messages: Any) -> None:
    """Keep the images, and the way to report progress."""
    global _data, _messages
    _data, _messages = data, messages


def in_process(run: Run) -> tuple[Run, str | None]:
    """One epoch of a run that came without its images."""
    run.data = _data
    stopped = one_epoch(run, _messages.put)
    return packed(run), stopped


def packed(run: Run) -> Run:
    """The run without images, and without what its layers remember: small enough to travel."""
    run.model.to("cpu")                    # forgets the last forward pass
    run = copy.copy(run)
    run.data = None  # type: ignore[assignment]
    return run
