"""Download a data set: the whole of it, checked, or nothing."""

import hashlib
import os
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tqdm import tqdm

from minibn.data.archive import temporary_folder, unpack
from minibn.data.find import verify_files
from minibn.data.official import OfficialSet, official

TIMEOUT = 30  # seconds without a byte after which the connection counts as dead
CHUNK = 64 * 1024


class DownloadError(OSError):
    """A data set was not downloaded; the message says why in one line."""


def fetch(name: str, folder: str | Path, url: str | None = None, progress: bool = True) -> Path:
    """Download the set `name` into `folder` and return `folder`, the loaders' `root`.

    name: "cifar100" or "cifar10". url: where the archive is, if not at the official address.
    progress: show a bar. A set that is there already and complete is left as it is.

    Archive and files are compared with the official checksums in a temporary folder beside their
    final place; only then do they get their name. So whatever happens on the way (a dead
    connection, a full disk, Ctrl-C) leaves nothing behind, and a DownloadError says what it was.
    """
    files, folder = official(name), Path(folder)
    target = folder / files.folder
    if target.exists():
        states = verify_files(name, folder)
        wrong = [file for file, state in states.items() if state != "ok"]
        if not wrong:
            return folder
        raise DownloadError(
            f"{target} is there, but {wrong[0]} is {states[wrong[0]]}; "
            "move the folder away and try again"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with temporary_folder(folder) as temporary:
            archive = temporary / files.archive
            _download(url or files.url, archive, files, progress)
            os.rename(unpack(archive, files), target)
    except (OSError, ValueError, HTTPException) as error:
        reason = error if isinstance(error, DownloadError) else _reason(error)
        raise DownloadError(f"{name} was not downloaded to {folder}: {reason}") from error
    return folder


def _download(url: str, archive: Path, files: OfficialSet, progress: bool) -> None:
    size, md5 = files.archive_bytes, hashlib.md5(usedforsecurity=False)
    bar = tqdm(
        total=size, desc=files.archive, unit="B", unit_scale=True, unit_divisor=1024,
        disable=not progress,
    )
    with bar, urlopen(url, timeout=TIMEOUT) as response, open(archive, "wb") as file:
        received = 0
        while part := response.read(CHUNK):
            received += len(part)
            if received > size:
                raise DownloadError(f"{url} sends more than the {size:,} bytes of the archive")
            file.write(part)
            md5.update(part)
            bar.update(len(part))
    if received < size:
        raise DownloadError(f"the connection ended after {received:,} of {size:,} bytes")
    if md5.hexdigest() != files.archive_md5:
        raise DownloadError(f"what {url} sends is not the official archive (its md5 differs)")


def _reason(error: Exception) -> str:
    """One line on what went wrong, in the system's own words where there are any."""
    if isinstance(error, URLError) and isinstance(error.reason, OSError):
        error = error.reason
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())
