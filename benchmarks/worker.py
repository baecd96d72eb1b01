"""One contender in a process of its own, which takes steps when told to.

Run by turns.py, never by hand.  Its argument and its answers are JSON, one object a line:

    argument   {"contender", "batch", "width", "norm", "device"}
    first      {"import_mib", "flops"}, or {"missing": module}, or {"error": text}
    then, for every line on its input that holds a number of steps
               {"ms": [...], "loss": ..., "cpu_s": ..., "peak_mib": ..., "apart": ...}
"""

from __future__ import annotations

import json
import os
import sys
from time import perf_counter, process_time

import contenders
import distance
import problem


def peak_mib() -> float | None:
    """The most memory this process has held so far, in MiB; None where the system won't say.

    Linux counts in the parent's memory at the moment of the fork, so the parent must stay small:
    it imports nothing but the standard library.
    """
    try:
        import resource
    except ModuleNotFoundError:       # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def timed(contender, count: int, device: str) -> tuple[list[float], float]:
    """Milliseconds of `count` steps, and the last loss.

    On a CPU each step is timed by itself.  A GPU works behind the program's back and catches up
    only at the end, as in a real training loop, so there each step is given the mean.
    """
    ms = []
    contender.wait()
    begin = perf_counter()
    for _ in range(count):
        start = perf_counter()
        loss = contender.step()
        if device == "cpu":
            contender.wait()
        ms.append((perf_counter() - start) * 1e3)
    contender.wait()
    if device != "cpu":
        ms = [(perf_counter() - begin) * 1e3 / count] * count
    return ms, float(loss)


def main() -> None:
    # Libraries may print; the answers go to the real standard output alone.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**fields) -> None:
        print(json.dumps(fields), file=answers, flush=True)

    asked = json.loads(sys.argv[1])
    try:
        build = contenders.load(asked.pop("contender"))
        import_mib = peak_mib()
        contender = build(**asked)
    except ModuleNotFoundError as error:
        answer(missing=error.name)
        return
    except (RuntimeError, ValueError) as error:
        answer(error=str(error))
        return
    flops = getattr(contender, "flops", None) or problem.step_flops(asked["batch"], asked["width"])
    answer(import_mib=import_mib, flops=flops)
    for line in sys.stdin:
        before = process_time()
        apart = distance.apart() if asked["device"] == "cpu" else None
        ms, loss = timed(contender, int(line), asked["device"])
        answer(ms=ms, loss=loss, cpu_s=process_time() - before, peak_mib=peak_mib(), apart=apart)


if __name__ == "__main__":
    main()
