"""Where minibn's step spends its time, without touching the library.

Python's trace hook tells when each line of the library begins.  The time until the next line is
charged to the line, so each line is charged its own work and the NumPy calls it makes, but not the
lines of the library that it calls.  Lines then add up to parts by the file they stand in.  In the
convolution, the lines that multiply matrices are "products", but for those that turn tiles into
points and back ("transforms"); all others are "windows": copies of windows, tiles and kernels.

The hook costs about a microsecond a line.  The untraced time of the step beside the sum shows how
much that distorts.
"""

from __future__ import annotations

import json
import linecache
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean
from time import perf_counter

LIBRARY = Path(__file__).resolve().parents[1] / "minibn"
# Files that lend a hand to all parts: their time belongs to the line that called them.
HELPERS = ("backend.py", "blas.py", "checks.py", "layer.py")
PRODUCT = re.compile(r"@|\b(matmul|multiply_stacks|dot|einsum|tensordot)\b")
TRANSFORM = re.compile(r"matmul\(matrix, values|of_kernel")
OUTSIDE = ("", 0)
SECONDS = 5
SLOWEST = 12      # lines shown


class LineClock:
    """Seconds spent at each (file, line) of the library while `sys.settrace(clock)` is on."""

    def __init__(self) -> None:
        files = {str(f) for f in LIBRARY.rglob("*.py")}
        self.files = {f for f in files if Path(f).name not in HELPERS}
        self.seconds: dict[tuple[str, int], float] = defaultdict(float)
        self.here, self.since = OUTSIDE, perf_counter()

    def move_to(self, frame) -> None:
        """Charge the time since the last move to the line left, and stand at the frame's line."""
        self.seconds[self.here] += perf_counter() - self.since
        while frame and frame.f_code.co_filename not in self.files:
            frame = frame.f_back
        self.here = (frame.f_code.co_filename, frame.f_lineno) if frame else OUTSIDE
        self.since = perf_counter()

    def __call__(self, frame, event, argument):
        if frame.f_code.co_filename not in self.files:
            return None                                   # not followed: charged to the caller
        self.move_to(frame.f_back if event == "return" else frame)
        return self


def part(where: tuple[str, int]) -> str:
    """The part of the step that a line belongs to."""
    if where == OUTSIDE:
        return "other"
    path = Path(where[0]).relative_to(LIBRARY)
    if path.parts[0] == "norms" or path.stem in ("normalization", "standardize"):
        return "normalization"
    if path.stem == "openblas":
        return "optimizer" if "axpy" in linecache.getline(*where) else "products"
    if path.stem in ("conv", "im2col", "winograd"):
        code = linecache.getline(*where).split("#")[0]
        if not PRODUCT.search(code):
            return "windows"
        return "transforms" if TRANSFORM.search(code) else "products"
    named = {"activations": "activation", "pooling": "pooling", "losses": "loss",
             "optim": "optimizer", "update": "optimizer"}
    return named.get(path.stem, "other")


PARTS = ("products", "transforms", "windows", "normalization", "activation", "pooling", "loss",
         "optimizer", "other")


def of_step(step) -> dict:
    """`ms` of each part of one step, `lines` the slowest (where, ms, code), `untraced_ms`.

    Traced and untraced steps in turn; means over the fastest quarter of each, which other programs
    disturbed least.
    """
    for _ in range(3):
        step()
    plain, traced = [], []                                # seconds; seconds of each line
    end = perf_counter() + SECONDS
    while len(plain) < 4 or perf_counter() < end:
        start = perf_counter()
        step()
        plain.append(perf_counter() - start)
        clock = LineClock()
        sys.settrace(clock)
        step()
        sys.settrace(None)
        clock.move_to(None)
        traced.append(clock.seconds)
    quarter = len(plain) // 4
    traced = sorted(traced, key=lambda seconds: sum(seconds.values()))[:quarter]
    lines: dict[tuple[str, int], float] = defaultdict(float)
    parts = dict.fromkeys(PARTS, 0.0)
    for seconds in traced:
        for where, s in seconds.items():
            lines[where] += s * 1e3 / quarter
            parts[part(where)] += s * 1e3 / quarter
    del lines[OUTSIDE]
    slowest = sorted(lines, key=lines.get, reverse=True)[:SLOWEST]
    return {
        "ms": parts,
        "lines": [
            (f"{Path(path).name}:{line}", lines[path, line], linecache.getline(path, line).strip())
            for path, line in slowest
        ],
        "untraced_ms": mean(sorted(plain)[:quarter]) * 1e3,
    }


def in_own_process(batch: int, width: int, norm: str) -> dict:
    """`of_step` for minibn, in a fresh process: the caller stays free of NumPy."""
    asked = {"batch": batch, "width": width, "norm": norm, "device": "cpu"}
    done = subprocess.run([sys.executable, __file__, json.dumps(asked)],
                          stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


if __name__ == "__main__":
    import contenders

    print(json.dumps(of_step(contenders.load("minibn")(**json.loads(sys.argv[1])).step)))
