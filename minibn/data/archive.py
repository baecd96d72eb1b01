"""Unpack the archive of a data set: only the files that belong to it, and all of them or none."""

import hashlib
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import BadGzipFile, GzipFile
from io import RawIOBase
from pathlib import Path, PurePosixPath
from typing import IO

from minibn.data.official import MAX_FILE_BYTES, OfficialSet

MAX_ENTRIES = 100
MAX_READ = 64 * 1024  # the most that is read at once: tarfile reads a header of any length whole


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
        except (tarfile.TarError, BadGzipFile, zlib.error, EOFError) as error:
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
    with open(archive, "rb") as file, GzipFile(fileobj=file) as stream:
        limit = (len(official.checksums) + 1) * MAX_FILE_BYTES
        with tarfile.open(fileobj=_Limited(stream, limit), mode="r:") as entries:
            for count, entry in enumerate(entries):
                if count == MAX_ENTRIES:
                    raise ValueError(f"{archive} has more than {MAX_ENTRIES} entries")
                name = _file_name(archive, entry, official)
                if name not in official.checksums:
                    continue
                if (target / name).exists():
                    raise ValueError(f"{archive} holds {name} twice")
                if not 0 <= entry.size <= MAX_FILE_BYTES:
                    raise ValueError(f"{archive}: {name} is larger than {MAX_FILE_BYTES >> 20} MiB")
                source = entries.extractfile(entry)
                assert source is not None  # `entry` is a regular file
                found = _copy(source, target / name, official.algorithm)
                if verify and found != official.checksums[name]:
                    raise ValueError(
                        f"{archive}: the {official.algorithm} of {name} is not the official one"
                    )


def _file_name(archive: Path, entry: tarfile.TarInfo, official: OfficialSet) -> str | None:
    """The name of a file in the set's folder; None for the folder itself.

    The official archives hold one file more than is used, which is passed over.
    ValueError for a link, a device, a name that leads elsewhere.
    """
    path = PurePosixPath(entry.name)  # drops "./" and doubled slashes, keeps ".."
    if entry.isdir() and path == PurePosixPath(official.folder):
        return None
    plain = entry.type in (tarfile.REGTYPE, tarfile.AREGTYPE)
    if plain and path.parent == PurePosixPath(official.folder) and path.name != "..":
        return path.name
    raise ValueError(f"{archive} holds {entry.name!r}, which does not belong to {official.name}")


def _copy(source: IO[bytes], path: Path, algorithm: str) -> str:
    """Write what `source` holds to a new file; returns its checksum."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with open(path, "xb") as file:
        while part := source.read(MAX_READ):
            file.write(part)
            digest.update(part)
        file.flush()
        os.fsync(file.fileno())  # a full disk shows here, before the folder gets its name
    return digest.hexdigest()


class _Limited(RawIOBase):
    """A stream of which only so much can be read, at once and in all."""

    def __init__(self, stream: GzipFile, limit: int):
        self.stream, self.limit = stream, limit

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.stream.tell()

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        if whence != os.SEEK_SET or not 0 <= position <= self.limit:
            raise ValueError("the archive is too large, or damaged")
        return self.stream.seek(position)

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_READ or self.tell() + size > self.limit:
            raise ValueError("the archive is too large, or damaged")
        return self.stream.read(size)
