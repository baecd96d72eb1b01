"""How often one training step of the paper's ALL-CNN starts work on a GPU.

    make test-gpu                                  builds .venv-cupy, an emulated GPU
    . .venv-cupy/env.sh && python benchmarks/launches.py
    python benchmarks/launches.py --batch 5 --norm bn --kernels    each kernel with its count

A GPU runs kernels while the program prepares the next ones.  At small batches each kernel runs for
less time than the program needs to start it, so the number of launches decides how long a step
takes.  The emulated GPU of tests/cupy_on_cpu writes every launch, copy and synchronization to a
file, and this command counts them.  A real GPU does not, so the command needs the emulated one.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import contenders
from tables import table

NORMS = ("bn", "renorm_debias")
WARM_UP = 2           # steps that compile kernels and fill CuPy's pool of memory
LAUNCHES = ("kernel", "gemm", "memset", "memcpy DtoD")   # what the GPU is given to do


class Missing(Exception):
    """There is no emulated GPU; the message is one line."""


class Log:
    """The events that the emulated GPU has written since the last look, as a Counter.

    An event is `kernel NAME`, `gemm`, `memset`, `memcpy DIRECTION`, `synchronize …` or `malloc`.
    """

    def __init__(self, folder: str) -> None:
        self.path = Path(folder) / "events"
        self.path.touch()
        os.environ["EMU_LOG"] = str(self.path)      # read when CuPy is first used
        self.seen = 0

    def events(self) -> Counter[str]:
        """Count what was written since the last call."""
        lines = self.path.read_text().splitlines()
        new, self.seen = lines[self.seen:], len(lines)
        return Counter(event(line) for line in new)


def event(line: str) -> str:
    """A line of the log without sizes and addresses."""
    words = line.split()
    return " ".join(words[:2] if words[0] in ("kernel", "memcpy", "synchronize") else words[:1])


def launches(events: Counter[str]) -> int:
    """How many of the events are work for the GPU."""
    return sum(count for name, count in events.items() if name.startswith(LAUNCHES))


def prove_emulation(log: Log) -> None:
    """Raise Missing if CuPy does not run on the emulated GPU."""
    from minibn.backend import device_module

    try:
        cupy = device_module("gpu")
    except RuntimeError as error:
        raise Missing(str(error)) from error
    if not log.events():
        name = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
        raise Missing(f"{name} counts no launches: run `make test-gpu` on a machine without a GPU, "
                      "then `. .venv-cupy/env.sh`")


def step_events(log: Log, batch: int, norm: str, width: int) -> Counter[str]:
    """The events of one training step after a few others."""
    contender = contenders.load("minibn")(batch, width, norm, "gpu")
    for _ in range(WARM_UP):
        contender.step()
    log.events()
    contender.step()
    return log.events()


def report(results: list[dict]) -> str:
    """A table of launches, and of what makes the program wait for the GPU."""
    rows = []
    for result in results:
        events = Counter(result["events"])
        total = launches(events)
        rows.append([str(result["batch"]), result["norm"], str(total),
                     *(str(sum(count for name, count in events.items() if name.startswith(kind)))
                       for kind in (*LAUNCHES, "memcpy H", "memcpy DtoH", "synchronize"))])
    return table(["batch", "norm", "launches", "kernels", "matrix products", "fills", "copies",
                  "to the GPU", "from the GPU", "waits"], rows)


def main() -> None:
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--batch", type=int, nargs="+", default=[5], metavar="N")
    p.add_argument("--norm", nargs="+", choices=NORMS, default=list(NORMS))
    p.add_argument("--width", type=int, default=96, help="channels of the first layers (96)")
    p.add_argument("--kernels", action="store_true", help="list the kernels with their counts")
    p.add_argument("--json", action="store_true", help="print the events as JSON, no table")
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        log = Log(folder)
        try:
            prove_emulation(log)
        except Missing as error:
            p.exit(2, f"{p.prog}: {error}\n")
        results = [
            {"batch": batch, "norm": norm, "events": step_events(log, batch, norm, args.width)}
            for batch in args.batch for norm in args.norm]
    if args.json:
        json.dump(results, sys.stdout)
        return
    print(report(results))
    if args.kernels:
        for result in results:
            print(f"\nbatch {result['batch']}, {result['norm']}:")
            for name, count in result["events"].most_common():
                print(f"{count:6d}  {name}")


if __name__ == "__main__":
    main()
