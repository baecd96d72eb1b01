"""Packs the results of the replication into the wheel; everything else is in pyproject.toml.

In a clone the results are files of their own in results/. An installed package has no such folder,
and notebook 11 and the report need them: so a wheel gets, for each folder results/NAME, one file
minibn/replication/published/NAME.jsonl.gz with a result in every line.
"""

import gzip
import json
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

RESULTS = Path(__file__).parent / "results"


def pack(folder: Path) -> bytes:
    """All results below a folder, a line each, in order of their paths; b"" if there are none."""
    lines = [json.dumps(json.loads(path.read_bytes()), separators=(",", ":"))
             for path in sorted(folder.rglob("*.json"))]
    text = "".join(f"{line}\n" for line in lines)
    return gzip.compress(text.encode(), mtime=0) if lines else b""


class BuildWithResults(build_py):
    """build_py, and the packed results."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:             # it has the clone
            return
        target = Path(self.build_lib, "minibn", "replication", "published")
        target.mkdir(parents=True, exist_ok=True)
        for folder in sorted(path for path in RESULTS.iterdir() if path.is_dir()):
            if packed := pack(folder):
                (target / f"{folder.name}.jsonl.gz").write_bytes(packed)


if __name__ == "__main__":
    setup(cmdclass={"build_py": BuildWithResults})
