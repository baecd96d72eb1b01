"""Do a finished run again and compare every number with its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from minibn.replication.results import Result, read_result
from minibn.replication.runner import train_job
from minibn.training.processes import Workers


def repeat(path: str | Path, data_dir: str | Path | None = None, device: str = "cpu"
           ) -> tuple[Result, str | None]:
    """The run of a result file, done again, and its first difference from the file (None: none).

    It runs in a process of its own with one BLAS thread, as the first time.
    Raises what `read_result` raises.
    """
    before = read_result(path)
    with Workers(1) as pool:
        again = pool.submit(train_job, before.job, None, data_dir, device).result()
    return again, first_difference(before, again)


def first_difference(before: Result, again: Result) -> str | None:
    """The first number that differs, timings aside, to the last digit."""
    if before.status != again.status:
        return f"status {before.status}, now {again.status}"
    for name, old in before.history.as_dict().items():
        new = again.history.as_dict()[name]
        if name != "seconds" and old != new:
            return f"{name} {old}, now {new}"
    if before.right != again.right:
        return "which test images it gets right"
    for name, old, new in (("probes", before.probes, again.probes),
                           ("tests", before.tests, again.tests)):
        if len(old) != len(new) or any(not _agree(a, b) for a, b in zip(old, new, strict=True)):
            return f"the {name} of the network"
    return None


def _agree(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether every number of the old entry is in the new one, which may have more."""
    return all(key in new and new[key] == value for key, value in old.items())
