"""Unpack the archive of a data set: only the files that belong to it, and all of them or none."""

import hashlib
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import BadGzipFile, GzipFile
from pathlib import Path, PurePosixPath

from minibn.data.official import MAX_FILE_BYTES, OfficialSet
from minibn.data.tar import EXTENSIONS, Damaged, Entry, entries

MAX_ENTRIES = 100
MAX_EXTENSION = 64 * 1024  # bytes of an extended header


def unpack(archive: Path, official: OfficialSet, verify: bool = True) -> Path:
    """Unpack `archive` beside itself and return the new folder, `official.folder`.

    The files go to a temporary folder, which takes its name when it is complete. Nothing but the
    files named in `official.checksums` is written; a link, a device or a path that leads elsewhere
    is refused. verify: compare the checksums of the files.

    ValueError where the archive is not the data set; OSError where the disk does not take it.
    """
    target = archive.parent / official.folder
    with temporary_folder(archive.parent) as temporary:
        unpacked = temporary / official.folder
        unpacked.mkdir()
        try:
            _unpack_files(archive, official, unpacked, verify)
        except (Damaged, BadGzipFile, zlib.error, EOFError) as error:
            raise ValueError(f"{archive} is damaged: {error}") from None
        missing = [name for name in official.checksums if not (unpacked / name).exists()]
        if missing:
            raise ValueError(f"{archive} lacks {', '.join(missing)}")
        try:
            os.rename(unpacked, target)
        except OSError:
            if not target.is_dir():  # otherwise another process was faster
                raise
    return target


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """A new folder in `parent` that is gone at the end, whatever happens."""
    folder = tempfile.mkdtemp(prefix=".incomplete-", dir=parent)
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unpack_files(archive: Path, official: OfficialSet, target: Path, verify: bool) -> None:
    left = (len(official.checksums) + 1) * MAX_FILE_BYTES
    with open(archive, "rb") as file, GzipFile(fileobj=file) as stream:
        for count, entry in enumerate(entries(stream)):
            if count == MAX_ENTRIES:
                raise ValueError(f"{archive} has more than {MAX_ENTRIES} entries")
            extended = entry.kind in EXTENSIONS
            name = None if extended else _file_name(archive, entry, official)
            if entry.size > (MAX_EXTENSION if extended else MAX_FILE_BYTES):
                raise ValueError(f"{archive}: an extended header is too large, or damaged"
                                 if extended else
                                 f"{archive}: {name} is larger than {MAX_FILE_BYTES >> 20} MiB")
            left -= entry.size
            if left < 0:
                raise ValueError(f"{archive} is too large, or damaged")
            if name not in official.checksums:
                continue
            if (target / name).exists():
                raise ValueError(f"{archive} holds {name} twice")
            found = _copy(entry, target / name, official.algorithm)
            if verify and found != official.checksums[name]:
                raise ValueError(
                    f"{archive}: the {official.algorithm} of {name} is not the official one"
                )


def _file_name(archive: Path, entry: Entry, official: OfficialSet) -> str | None:
    """The name of a file in the set's folder; None for the folder itself.

    The official archives hold one file more than is used, which is passed over.
    ValueError for a link, a device, a name that leads elsewhere.
    """
    path = PurePosixPath(entry.name)  # drops "./" and doubled slashes, keeps ".."
    if entry.kind == "5" and path == PurePosixPath(official.folder):
        return None
    if entry.kind == "0" and path.parent == PurePosixPath(official.folder) and path.name != "..":
        return path.name
    raise ValueError(f"{archive} holds {entry.name!r}, which does not belong to {official.name}")


def _copy(entry: Entry, path: Path, algorithm: str) -> str:
    """Write the content of an entry to a new file; returns its checksum."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with open(path, "xb") as file:
        for piece in entry.pieces():
            file.write(piece)
            digest.update(piece)
        file.flush()
        os.fsync(file.fileno())  # a full disk shows here, before the folder gets its name
    return digest.hexdigest()
