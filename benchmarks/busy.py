"""How much a busy machine slows a program that trains a small network.

    python benchmarks/busy.py                  # width 8, batch 5; a minute
    python benchmarks/busy.py --width 96

Two programs train the same network in a loop of their own, one with the default number of BLAS
threads and one with OPENBLAS_NUM_THREADS=1.  They take turns, first on the machine as it is, then
beside other programs that keep every core busy.  The ratio of their times should be near 1: above
it, the default hurts; below it, more threads help.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

import machine
import tables

ROOT = Path(__file__).resolve().parents[1]
LOOP = """
import sys, time
import numpy as np
import minibn
from minibn.functional import softmax_cross_entropy, softmax_cross_entropy_backward

width, batch = int(sys.argv[1]), int(sys.argv[2])
model = minibn.all_cnn(10, "renorm_debias", width=width, seed=0)
optimizer = minibn.SGD(model, lr=0.001)
rng = np.random.default_rng(0)
x = rng.standard_normal((batch, 24, 24, 3)).astype(np.float32)
labels = rng.integers(0, 10, batch)
for line in sys.stdin:
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < float(line):
        loss, cache = softmax_cross_entropy(model.forward(x, training=True), labels)
        model.backward(softmax_cross_entropy_backward(1.0, cache))
        optimizer.step()
        steps += 1
    print((time.perf_counter() - start) / steps, flush=True)
"""


class Program:
    """A program that trains, in a process of its own."""

    def __init__(self, threads: str | None, width: int, batch: int) -> None:
        environment = {name: value for name, value in os.environ.items()
                       if not name.endswith("_NUM_THREADS")}
        environment["PYTHONPATH"] = str(ROOT)
        if threads is not None:
            environment["OPENBLAS_NUM_THREADS"] = threads
        self.process = subprocess.Popen(
            [sys.executable, "-c", LOOP, str(width), str(batch)], env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.turn(0.2)                             # the first steps load and compile

    def turn(self, seconds: float) -> float:
        """Seconds that a training step took, mean over a turn of this length."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def end(self) -> None:
        """End the program."""
        self.process.terminate()
        self.process.wait()


def compare(default: Program, one: Program, rounds: int, seconds: float) -> list[str]:
    """Cells of the table: milliseconds a step of both, and the median ratio with its quartiles."""
    pairs = []
    for k in range(rounds):                        # the first of a pair changes
        order = (default, one) if k % 2 else (one, default)
        times = {program: program.turn(seconds) for program in order}
        pairs.append((times[default], times[one]))
    ratios = statistics.quantiles([a / b for a, b in pairs], n=4)
    return [*(f"{1e3 * statistics.median(times):.1f}" for times in zip(*pairs, strict=True)),
            f"{ratios[1]:.2f} ({ratios[0]:.2f}–{ratios[2]:.2f})"]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--batch", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=12, help="pairs of turns (12)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a turn (1)")
    parser.add_argument("--quick", action="store_true", help="a first impression")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.seconds = 2, 0.1
    programs = [Program(threads, args.width, args.batch) for threads in (None, "1")]
    others: list[subprocess.Popen] = []
    rows = []
    try:
        for name in ("as it is", "every core busy"):
            rows.append([name, *compare(programs[0], programs[1], args.rounds, args.seconds)])
            if not others:
                others = [subprocess.Popen([sys.executable, "-c", "while True: pass"])
                          for _ in range(machine.cores())]
    finally:
        for program in programs:
            program.end()
        for other in others:
            other.kill()
    print(tables.machine_text(machine.describe()))
    print(f"\nALL-CNN of width {args.width}, batch {args.batch}, a loop of its own:\n")
    print(tables.table(["machine", "default ms", "one thread ms", "default over one thread"], rows))


if __name__ == "__main__":
    main()
