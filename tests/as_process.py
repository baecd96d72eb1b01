"""The command line as a process of its own: how it ends, what it says, how much memory it takes."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

# VmHWM is the most memory of this program; what getrusage tells begins with that of its parent.
MEASURED = """\
import re, sys
from minibn.__main__ import main
status = main(sys.argv[1:])
kilobytes = re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]
print(f"peak {kilobytes}", file=sys.stderr)
sys.exit(status)
"""
needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(),
                                reason="the system does not tell a program's memory")


class Ended(NamedTuple):
    """status: negative for a signal; peak: the most memory that it had at a time, in bytes."""

    status: int
    out: str
    err: str
    peak: int = 0


def environment(**extra):
    """That of the tests, with this package first."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **extra}


def shell(line, **extra):
    """A line of bash in which MINIBN stands for `python -m minibn`."""
    done = subprocess.run(["bash", "-c", line.replace("MINIBN", f"{sys.executable} -m minibn")],
                          capture_output=True, env=environment(**extra))
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


def measured(*argv, **extra):
    """`python -m minibn argv …` with the memory that it took; extra: environment variables."""
    done = subprocess.run([sys.executable, "-c", MEASURED, *map(str, argv)], text=True,
                          capture_output=True, env=environment(**extra))
    said, _, peak = done.stderr.rpartition("peak ")
    return Ended(done.returncode, done.stdout, said, 1024 * int(peak))
