"""Contenders in processes of their own that take turns, so that noise hits all of them alike.

Why processes: NumPy's OpenBLAS and PyTorch's OpenMP each keep a pool of threads, and OpenBLAS's
go on spinning for about 100 ms after a product (until 2²⁸ clock ticks have passed).  Alternating
in one process made PyTorch's step of 16 ms take 39.  For the same reason a turn begins only after
a pause in which the last contender's threads fall asleep.

Another program on the same cores disturbs threads that wait for each other far more than its share
of time suggests.  So a turn waits until the machine is quiet, and is taken again if it was not
quiet throughout; when its patience is over it counts as it is, and as disturbed.

How far apart the two cores are is noted with every turn (distance.py), for on some virtual machines
it changes every few seconds and decides who is faster.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles

import machine

PAUSE = 0.15        # seconds between turns; see above
TURN = 0.3          # seconds of steps in a turn, at least one step
MOST_STEPS = 100    # in a turn
LONG_STEP = 3.0     # seconds from which on a turn is a single step
OTHERS = 0.1        # share of one core that other programs may take of a turn
FAR = 3.0           # from here on cores are far apart (distance.py); on AMD EPYC 1.5 to 2.2 with a
                    # shared cache, 3.9 to 4.3 without
TICK = 0.03         # seconds by which the system's clock of processor time may be wrong


class Missing(Exception):
    """The contender's library is not installed."""


class Failed(Exception):
    """The contender cannot run as asked; the message is one line for the user."""


class Worker:
    """A contender's process: `take(steps)` gives the milliseconds of each step.

    Raises Missing where its library is not installed, Failed where it cannot run as asked.
    """

    def __init__(self, contender: str, batch: int, width: int, norm: str, device: str = "cpu"):
        self.name, self.batch, self.norm = contender, batch, norm
        asked = {"contender": contender, "batch": batch, "width": width, "norm": norm,
                 "device": device}
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("worker.py")), json.dumps(asked)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        try:
            self.about = self._answer()
        except BaseException:
            self.close()
            raise
        self.rounds: list[list[float]] = []     # the milliseconds of the steps of each turn
        self.apart: list[float | None] = []     # how far apart the cores were in each turn
        self.disturbed = 0                      # how many of them other programs disturbed

    def _answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f"{self.name} at batch {self.batch} ended with status "
                         f"{self.process.wait()}")
        answer = json.loads(line)
        if "missing" in answer:
            raise Missing(answer["missing"])
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def take(self, steps: int) -> list[float]:
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        self.last = self._answer()
        return self.last["ms"]

    def warm_up(self) -> None:
        """Two steps: compilation, first touch of memory."""
        self.take(1)
        self.fastest = self.take(1)[0]

    def take_turn(self, patience: float) -> None:
        """Time some steps while no other program runs, if that can be had within `patience` s.

        A turn's first step wakes threads and fills caches, and where turns are far apart it may
        have to fetch memory that the system has put aside; it counts only if it is alone, which
        it is where steps are very long.
        """
        least = 1 if self.fastest > LONG_STEP * 1e3 else 2
        steps = max(least, min(MOST_STEPS, round(TURN * 1e3 / self.fastest)))
        end = time.monotonic() + patience
        quiet = False
        while not quiet:
            time.sleep(PAUSE)
            while used_by_others(lambda: time.sleep(TICK * 3) or 0) and time.monotonic() < end:
                pass
            quiet = not used_by_others(lambda: self.take(steps) and self.last["cpu_s"])
            if time.monotonic() >= end:
                break
        ms = self.last["ms"]
        self.fastest = min(self.fastest, *ms)
        self.rounds.append(ms[1:] or ms)
        self.apart.append(self.last["apart"])
        self.disturbed += not quiet

    def close(self) -> None:
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def used_by_others(run: Callable[[], float]) -> bool:
    """Whether other programs used the processor while `run` ran; it returns its own seconds."""
    start, before = time.monotonic(), machine.busy_seconds()
    own = run()
    if before is None:
        return False
    wall = time.monotonic() - start
    return machine.busy_seconds() - before - own > OTHERS * wall + TICK


def disturbed(workers: list[Worker]) -> dict[str, int]:
    """Of all turns, how many other programs disturbed."""
    return {"turns": sum(len(w.rounds) for w in workers),
            "disturbed": sum(w.disturbed for w in workers)}


def alternate(workers: list[Worker], args: Namespace) -> None:
    """Let the workers take turns for about `args.seconds` and at least `args.rounds` times, every
    other round in reverse order."""
    for worker in workers:
        worker.warm_up()
    end = time.monotonic() + args.seconds
    done = 0
    while done < args.rounds or time.monotonic() < end:
        for worker in workers if done % 2 == 0 else reversed(workers):
            worker.take_turn(args.patience)
        done += 1


def spread(values: list[float]) -> dict[str, float]:
    """Median and quartiles."""
    if len(values) == 1:
        values = values * 2
    q1, _, q3 = quantiles(values, n=4, method="inclusive")
    return {"median": median(values), "q1": q1, "q3": q3}


def milliseconds(worker: Worker) -> dict[str, float]:
    """Median and quartiles over all timed steps."""
    return spread([ms for turn in worker.rounds for ms in turn])


def paired_ratio(a: Worker, b: Worker, scale: float = 1.0) -> dict:
    """Median and quartiles, over the rounds, of a's median step over b's in the same round; and
    `fastest`, a's fastest step of all over b's, which other people's programs disturb least.

    `near` and `far`: the same for the rounds in which the cores were so for both, and `rounds`,
    their number; absent where there are none.
    """
    ratios = [scale * median(x) / median(y) for x, y in zip(a.rounds, b.rounds, strict=True)]
    result = {**spread(ratios), "fastest": scale * a.fastest / b.fastest}
    for name, far in (("near", False), ("far", True)):
        some = [ratio for ratio, *both in zip(ratios, a.apart, b.apart, strict=True)
                if all(x is not None and (x >= FAR) == far for x in both)]
        if some:
            result[name] = {**spread(some), "rounds": len(some)}
    return result


def sitting(contenders: list[tuple[str, str]], batch: int, args: Namespace) -> list[Worker]:
    """Measure (contender, norm) pairs against each other at one batch size.

    Peers whose library is missing are left out.  The workers come back closed, in the order asked,
    with their `rounds`.
    """
    with ExitStack() as stack:
        workers = []
        for name, norm in contenders:
            try:
                worker = Worker(name, batch, args.width, norm, args.device)
            except Missing as error:
                if name in ("minibn", "matmul"):
                    raise Failed(f"{error} is not installed") from error
                print(f"{name} left out: {error} is not installed", file=sys.stderr)
            else:
                workers.append(stack.enter_context(worker))
        alternate(workers, args)
    return workers


def memory(contender: str, batch: int, width: int, norm: str) -> dict[str, float]:
    """`peak_mib` of a fresh process after three steps, and `import_mib`, before it did anything."""
    with Worker(contender, batch, width, norm) as worker:
        worker.take(3)
        return {"peak_mib": worker.last["peak_mib"], "import_mib": worker.about["import_mib"]}


def fastest(workers: list[Worker]) -> Worker:
    """The one with the smallest median step."""
    return min(workers, key=lambda worker: milliseconds(worker)["median"])
