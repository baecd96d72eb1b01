"""Read a tar archive from its beginning to its end: the plain files in it, one after the other.

Python's own reader does what the headers of an archive ask for: it follows chains of extended
headers by recursion, and builds the maps of sparse files in memory. The archives of the CIFAR sets
need neither, so this reader holds one header and one piece of a file at a time.

The format: blocks of 512 bytes; a file is one header block and its content, filled up to whole
blocks; a block of zeros is the end (POSIX 1003.1, "ustar").
"""

from collections.abc import Iterator
from typing import Protocol

BLOCK = 512
PIECE = 64 * 1024     # bytes that are read at once
EXTENSIONS = "xgLK"   # headers before an entry: times, owners, long names; passed over


class Damaged(ValueError):
    """The stream is no tar archive, or not a whole one."""


class Source(Protocol):
    """A file that is read forward."""

    def read(self, size: int, /) -> bytes: ...


class Entry:
    """One entry; `pieces` gives its content once, while it is the last entry that was read.

    kind: the type letter of the format: "0" a file, "5" a folder, others links, devices, …
    """

    def __init__(self, stream: Source, name: str, kind: str, size: int):
        self.name, self.kind, self.size = name, kind, size
        self._stream, self._left = stream, size

    def pieces(self) -> Iterator[bytes]:
        """The content. Raises Damaged where the stream ends before it."""
        while self._left:
            piece = _read(self._stream, min(self._left, PIECE))
            self._left -= len(piece)
            yield piece


def entries(stream: Source) -> Iterator[Entry]:
    """All entries, also extended headers (their `kind` is in EXTENSIONS), in the archive's order.

    Raises Damaged for a header that is none, and where the stream ends within an entry.
    """
    header = _header(stream)
    if not header:
        raise Damaged("it is empty")
    while header and header != bytes(BLOCK):
        entry = _entry(stream, header)
        yield entry
        for _ in entry.pieces():  # what nobody wanted
            pass
        _read(stream, -entry.size % BLOCK)
        header = _header(stream)


def _header(stream: Source) -> bytes:
    """The next block; nothing where the stream has ended."""
    first = stream.read(BLOCK)
    return first + _read(stream, BLOCK - len(first)) if first else b""


def _read(stream: Source, size: int) -> bytes:
    """So many bytes; a stream may give them in parts."""
    parts = []
    while size:
        part = stream.read(size)
        if not part:
            raise Damaged("it breaks off")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _entry(stream: Source, header: bytes) -> Entry:
    checked = header[:148] + b" " * 8 + header[156:]  # the checksum counts itself as blanks
    if _octal(header[148:156]) != sum(checked):
        raise Damaged("a header has a wrong checksum")
    name, kind = _text(header[:100]), header[156:157].decode("latin1")
    if header[257:263] == b"ustar\0" and (prefix := _text(header[345:500])):
        name = f"{prefix}/{name}"
    if kind == "\0":  # before POSIX a folder was a file whose name ends in a slash
        kind = "5" if name.endswith("/") else "0"
    return Entry(stream, name, kind, _octal(header[124:136]))


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _octal(field: bytes) -> int:
    """A number in octal digits; the binary form, for files of 8 GiB and more, is not read."""
    digits = field.partition(b"\0")[0].strip(b" ")
    if digits.strip(b"01234567"):
        raise Damaged("a header has a number that is none")
    return int(digits or b"0", 8)
