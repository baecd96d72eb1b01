"""The results that come with minibn: the repository's folder results/, wherever minibn is.

In a clone they are files of their own. A wheel has them packed, one result a line (setup.py).
"""

from __future__ import annotations

import gzip
from pathlib import Path

from minibn.replication.results import Results, load_results, parse_result

PACKED = Path(__file__).parent / "published"


def published(name: str) -> Results:
    """The results of results/NAME, "scaled" for example.

    Raises FileNotFoundError, with the names that there are, where there is none of this name.
    """
    clone = Path(__file__).resolve().parents[2]
    folder, packed = clone / "results" / name, PACKED / f"{name}.jsonl.gz"
    if (clone / "pyproject.toml").is_file() and folder.is_dir():
        return load_results(folder)
    if not packed.is_file():
        there = sorted(path.name.removesuffix(".jsonl.gz") for path in PACKED.glob("*.jsonl.gz"))
        raise FileNotFoundError(f"minibn has no results {name!r} here"
                                + (f": only {', '.join(there)}" if there else ""))
    lines = gzip.decompress(packed.read_bytes()).splitlines()
    return Results([parse_result(line, f"{packed}, line {number}")
                    for number, line in enumerate(lines, start=1)])
