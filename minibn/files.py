"""Files: written whole or not at all, and read only where they end."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import get_ident
from typing import IO, Any


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Call write(file) on a temporary file beside `path`, flush it to the disk and rename it.

    Raises OSError, with `path` as its file, where that cannot be done, and ValueError where `path`
    is a device or a pipe.
    """
    check_regular(path)
    target = Path(os.path.realpath(path))          # a link stays, and leads to the new content
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{get_ident()}.part")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        if error.filename in (None, str(temporary)):       # nobody has heard of that one
            error.filename = str(path)
        raise
    finally:
        with suppress(OSError):                    # of a disk that cannot be written: told above
            temporary.unlink()


def read_regular(path: str | Path) -> bytes:
    """All of a file; ValueError for a device or a pipe, of which there may be no end."""
    check_regular(path)
    return Path(path).read_bytes()


def parse_json(content: bytes) -> Any:
    """The value that a JSON text holds; ValueError where it is damaged, or a name comes twice.

    Python's reader keeps the last of two equal names, another program's may keep the first.
    """
    return json.loads(content, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"{name[:40]!r} is there twice")
            seen.add(name)
    return found


def check_regular(path: str | Path) -> None:
    """`path` is a file, a folder, or not there (for which opening it has its own errors)."""
    path = Path(path)
    if path.exists() and not path.is_file() and not path.is_dir():
        raise ValueError(f"{path} is a device or a pipe, not a file")


def explain(error: Exception) -> str:
    """What is wrong with a file's content, from the error that reading it raised."""
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)
