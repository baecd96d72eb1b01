"""The reader of tar archives gives what Python's own gives, and takes no header that is damaged."""

import io
import tarfile

import pytest

from minibn.data.tar import BLOCK, Damaged, entries


class InParts(io.BytesIO):
    """A stream that gives at most 100 bytes at a time, as a decompressor may."""

    def read(self, size=-1):
        return super().read(min(size, 100) if size >= 0 else size)


def archive(files, kind=tarfile.USTAR_FORMAT):
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w", format=kind) as tar:
        for name, content in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return memory.getvalue()


def read(stream):
    return {entry.name: (entry.kind, b"".join(entry.pieces())) for entry in entries(stream)}


LONG = "/".join(["folder"] * 18) + "/file"             # 131 letters: ustar splits it in two
FILES = {"a": b"", "b/c": b"x" * BLOCK, LONG: bytes(range(256)) * 600}


@pytest.mark.parametrize("stream", [io.BytesIO, InParts])
def test_names_kinds_and_contents(stream):
    assert read(stream(archive(FILES))) == {name: ("0", text) for name, text in FILES.items()}


def test_the_second_part_of_a_name_belongs_to_ustar_alone():
    """Older formats have other things in that field."""
    header = bytearray(archive({LONG: b""}))
    assert header[257:263] == b"ustar\0"
    header[257:263] = b"ustar "                         # GNU's
    header[148:156] = b" " * 8
    header[148:155] = b"%06o\0" % sum(header[:BLOCK])
    (name,) = read(io.BytesIO(bytes(header)))
    assert name and LONG.endswith(name) and name != LONG


@pytest.mark.parametrize("place", [0, 100, 156, 300, BLOCK - 1])
def test_a_header_with_one_bit_turned_is_damaged(place):
    whole = bytearray(archive({"a": b"text"}))
    whole[place] ^= 1
    with pytest.raises(Damaged, match="checksum"):
        read(io.BytesIO(bytes(whole)))


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 100])
def test_a_stream_that_ends_early_is_damaged(size):
    whole = archive({"a": b"text" * 50})
    with pytest.raises(Damaged, match="breaks off|empty"):
        read(io.BytesIO(whole[:size]))
