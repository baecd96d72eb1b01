"""Where the data sets are: a folder that is named, or MINIBN_DATA, or the cache folder."""

import os
import shlex
from pathlib import Path
from typing import NamedTuple

from minibn.data.official import OFFICIAL, checksum, official, read_file

VARIABLE = "MINIBN_DATA"


class Found(NamedTuple):
    """A data set and the folder that holds it, unpacked or as its archive; None: absent."""

    name: str
    root: Path | None
    unpacked: bool


def data_folders(data_dir: str | Path | None = None) -> list[Path]:
    """The folders in which data is looked for, in order; downloads go to the first.

    `data_dir` alone where it is given. Otherwise the folder that the environment variable
    MINIBN_DATA names, then `minibn` in the user's cache folder (XDG_CACHE_HOME, or ~/.cache).
    """
    if data_dir is not None:
        return [Path(data_dir).expanduser()]
    named = [Path(os.environ[VARIABLE]).expanduser()] if os.environ.get(VARIABLE) else []
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not cache.is_absolute():  # as the XDG specification asks
        cache = Path.home() / ".cache"
    return [*named, cache / "minibn"]


def find_root(name: str, data_dir: str | Path | None = None) -> Path:
    """The folder that holds the set `name`, unpacked or as its archive: the loaders' `root`.

    A folder that torchvision has filled is one. FileNotFoundError where there is none.
    """
    found = _find(name, data_dir)
    if found.root is None:
        folders = data_folders(data_dir)
        places, there = " or ".join(map(str, folders)), ""
        if data_dir is not None:
            places += "" if folders[0].is_dir() else ", which is no folder"
            above = folders[0].name == official(name).folder   # the set's own folder was named
            there = f" --data-dir {shlex.quote(str(folders[0].parent if above else folders[0]))}"
        raise FileNotFoundError(
            f"no {name} in {places}; `python -m minibn data --fetch {name}{there}` downloads it"
        )
    return found.root


def list_sets(data_dir: str | Path | None = None) -> list[Found]:
    """For every set that can be downloaded: where it is."""
    return [_find(name, data_dir) for name in OFFICIAL]


def verify_files(name: str, root: str | Path) -> dict[str, str]:
    """Compare the unpacked files of a set with the official checksums.

    Returns for each file "ok", "missing" or "damaged, or not the official file".
    """
    files = official(name)

    def state(file: str, expected: str) -> str:
        try:
            found = checksum(files.algorithm, read_file(Path(root) / files.folder / file))
        except FileNotFoundError:
            return "missing"
        except ValueError:  # too large
            found = ""
        return "ok" if found == expected else "damaged, or not the official file"

    return {file: state(file, expected) for file, expected in files.checksums.items()}


def _find(name: str, data_dir: str | Path | None) -> Found:
    files = official(name)
    for folder in data_folders(data_dir):
        if folder.name == files.folder and folder.is_dir():  # one level too deep
            folder = folder.parent
        if (folder / files.folder).is_dir():
            return Found(name, folder, unpacked=True)
        if (folder / files.archive).is_file():
            return Found(name, folder, unpacked=False)
    return Found(name, None, unpacked=False)
