"""Archives: the files of the set and nothing else reach the disk, or nothing does."""

import gzip
import io
import os
import tarfile
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_sets import archive, as_official, cifar100_archive, cifar100_files, entry, write_files

from minibn.data.archive import MAX_ENTRIES, unpack

FILES = cifar100_files()
ENTRIES = [entry(f"cifar-100-python/{name}", content) for name, content in FILES.items()]


@pytest.fixture
def official(monkeypatch):
    return as_official(monkeypatch, "cifar100", FILES)


def put(folder, content):
    path = folder / "cifar-100-python.tar.gz"
    path.write_bytes(content)
    return path


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_are_unpacked_beside_the_archive(tmp_path, official):
    path = put(tmp_path, cifar100_archive(FILES))
    assert unpack(path, official) == tmp_path / "cifar-100-python"
    assert contents(tmp_path / "cifar-100-python") == FILES  # without the file that is not used
    assert {p.name for p in tmp_path.iterdir()} == {"cifar-100-python", path.name}


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_any_kind_of_tar(tmp_path, official, kind):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=kind) as tar:
        for header, content in ENTRIES:
            header.mtime = 1.5  # what the PAX format writes an extra header for
            header.name = "./" + header.name.removeprefix("./")
            tar.addfile(header, io.BytesIO(content))
    unpack(put(tmp_path, buffer.getvalue()), official)
    assert contents(tmp_path / "cifar-100-python") == FILES


BAD = {
    "absolute path": [*ENTRIES, entry("/absolute/train", b"x")],
    "path upwards": [*ENTRIES, entry("cifar-100-python/../outside", b"x")],
    "name upwards": [*ENTRIES, entry("..", b"x")],
    "other folder": [*ENTRIES, entry("elsewhere/train", b"x")],
    "no folder": [*ENTRIES, entry("train", b"x")],
    "deeper folder": [*ENTRIES, entry("cifar-100-python/more/train", b"x")],
    "another directory": [*ENTRIES, entry("cifar-100-python/more", kind=tarfile.DIRTYPE)],
    "symbolic link": [entry("cifar-100-python/meta", kind=tarfile.SYMTYPE, link="/etc/passwd"),
                      *ENTRIES],
    "folder is a link": [entry("cifar-100-python", kind=tarfile.SYMTYPE, link="/etc"), *ENTRIES],
    "hard link": [entry("cifar-100-python/meta", kind=tarfile.LNKTYPE, link="/etc/passwd")],
    "pipe": [*ENTRIES, entry("cifar-100-python/pipe", kind=tarfile.FIFOTYPE)],
    "device": [*ENTRIES, entry("cifar-100-python/null", kind=tarfile.CHRTYPE)],
    "sparse file": [*ENTRIES, entry("cifar-100-python/holes", kind=tarfile.GNUTYPE_SPARSE)],
    "file twice": [*ENTRIES, ENTRIES[0]],
    "file missing": ENTRIES[1:],
    "no file": [],
    "too many entries": ENTRIES + [entry("cifar-100-python/x")] * MAX_ENTRIES,
    "other content": [entry("cifar-100-python/meta", FILES["meta"] + b"x"), *ENTRIES[1:]],
}


@pytest.mark.parametrize("bad", BAD)
def test_what_does_not_belong_stops_everything(tmp_path, official, bad):
    inner = tmp_path / "inner"
    inner.mkdir()
    path = put(inner, archive(*BAD[bad]))
    with pytest.raises(ValueError, match="cifar-100-python.tar.gz") as caught:
        unpack(path, official)
    assert "\n" not in str(caught.value)
    assert list(inner.iterdir()) == [path] and list(tmp_path.iterdir()) == [inner]


def test_without_verification_other_content_is_unpacked(tmp_path, official):
    unpack(put(tmp_path, archive(*BAD["other content"])), official, verify=False)
    assert (tmp_path / "cifar-100-python" / "meta").read_bytes() == FILES["meta"] + b"x"


def test_a_file_too_large_for_any_set(tmp_path, official, monkeypatch):
    monkeypatch.setattr("minibn.data.archive.MAX_FILE_BYTES", len(FILES["train"]) - 1)
    path = put(tmp_path, archive(*ENTRIES))
    with pytest.raises(ValueError, match="train is larger than"):
        unpack(path, official, verify=False)
    assert list(tmp_path.iterdir()) == [path]


def long_header(kind, size):
    """An archive, small when compressed, whose first header says that `size` bytes of it follow."""
    header = tarfile.TarInfo("cifar-100-python/train")
    header.type, header.size = kind, size
    return gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(size) + bytes(1024), 9)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_long_headers_take_no_memory(tmp_path, official, kind):
    path = put(tmp_path, long_header(kind, 20_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="too large, or damaged"):
            unpack(path, official)
        assert tracemalloc.get_traced_memory()[1] < 2e6
    finally:
        tracemalloc.stop()
    assert list(tmp_path.iterdir()) == [path]


def test_a_long_entry_is_not_read_to_its_end(tmp_path, official, monkeypatch):
    """An unused file of 20 MB of zeros, 20 kB in the archive."""
    monkeypatch.setattr("minibn.data.archive.MAX_FILE_BYTES", 100_000)
    path = put(tmp_path, archive(entry("cifar-100-python/extra", bytes(20_000_000)), *ENTRIES))
    with pytest.raises(ValueError, match="extra is larger than"):
        unpack(path, official)
    assert list(tmp_path.iterdir()) == [path]


def test_all_entries_together_have_a_limit(tmp_path, official, monkeypatch):
    """Each is small enough; none is read beyond four times what a file may have."""
    monkeypatch.setattr("minibn.data.archive.MAX_FILE_BYTES", 30_000)
    extra = [entry(f"cifar-100-python/{k}", bytes(29_000)) for k in range(5)]
    path = put(tmp_path, archive(*extra, *ENTRIES))
    with pytest.raises(ValueError, match="is too large"):
        unpack(path, official)


def sparse_map(blocks):
    """A header of GNU tar's sparse files, with so many further blocks that map their holes."""
    header = tarfile.TarInfo("cifar-100-python/train")
    header.type, header.size = tarfile.GNUTYPE_SPARSE, 0
    first = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    first[482] = 1                                          # another block follows
    first[148:156] = b" " * 8
    first[148:156] = b"%06o\0 " % sum(first)
    one = (b"%011o\0" % 0 + b"%011o\0" % 1) * 21
    return bytes(first) + (one + b"\1").ljust(512, b"\0") * blocks


def extended(record, kind=tarfile.XHDTYPE):
    header = tarfile.TarInfo("x")
    header.type, header.size = kind, len(record)
    return header.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0")


CHAINS = {
    "sparse": sparse_map(40_000),
    "extended headers": extended(b"12 mtime=1.5\n") * 3000,
    "long names": extended(b"cifar-100-python/train\0", tarfile.GNUTYPE_LONGNAME) * 3000,
    "a length of 10**30": extended(b"1" + b"0" * 30 + b" path=x\n"),
}


@pytest.mark.parametrize("chain", CHAINS)
def test_headers_that_lead_to_more_headers(tmp_path, official, chain):
    """Small when compressed; they are followed neither into memory nor by recursion."""
    path = put(tmp_path, gzip.compress(CHAINS[chain] + PLAIN, 9))
    assert path.stat().st_size < 200_000
    tracemalloc.start()
    try:
        if chain == "a length of 10**30":                   # of a record that nobody needs
            unpack(path, official)
        else:
            with pytest.raises(ValueError, match="more than 100 entries|does not belong"):
                unpack(path, official)
        assert tracemalloc.get_traced_memory()[1] < 2e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("content", [b"", b"no archive", gzip.compress(b"no tar" * 100)],
                         ids=["empty", "text", "gzip"])
def test_no_archive_at_all(tmp_path, official, content):
    path = put(tmp_path, content)
    with pytest.raises(ValueError, match="is damaged"):
        unpack(path, official)
    assert list(tmp_path.iterdir()) == [path]


def test_a_faster_process_is_not_in_the_way(tmp_path, official, monkeypatch):
    """Somebody else's folder appears just before this one gets its name."""
    path = put(tmp_path, archive(*ENTRIES))
    rename = os.rename

    def late(source, target):
        write_files(target, {"theirs": b"x"})
        rename(source, target)

    monkeypatch.setattr("minibn.data.archive.os.rename", late)
    assert unpack(path, official) == tmp_path / "cifar-100-python"
    assert contents(tmp_path / "cifar-100-python") == {"theirs": b"x"}
    assert len(list(tmp_path.iterdir())) == 2


GOOD = archive(*ENTRIES)
PLAIN = gzip.decompress(GOOD)
DEADLINE = settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
edits = st.lists(
    st.tuples(st.integers(0, 10**6), st.integers(0, 2), st.binary(max_size=4)),
    min_size=1, max_size=4,
)


def edit(content, changes, within):
    for position, removed, inserted in changes:
        position %= min(len(content), within)
        content = content[:position] + inserted + content[position + removed :]
    return content


def whole_set_or_nothing(folder, official, content):
    path = put(folder, content)
    try:
        unpack(path, official)
    except ValueError as error:
        assert "\n" not in str(error)
        assert list(folder.iterdir()) == [path]
    else:
        assert contents(folder / "cifar-100-python") == FILES
        for file in (folder / "cifar-100-python").iterdir():
            file.unlink()
        (folder / "cifar-100-python").rmdir()


@DEADLINE
@given(edits)
def test_edited_archives(tmp_path, official, changes):
    whole_set_or_nothing(tmp_path, official, edit(GOOD, changes, len(GOOD)))


@DEADLINE
@given(edits)
def test_edited_headers_in_sound_compression(tmp_path, official, changes):
    whole_set_or_nothing(tmp_path, official, gzip.compress(edit(PLAIN, changes, 1600), 1))


@DEADLINE
@given(field=st.sampled_from([(100, 8), (108, 8), (124, 12), (136, 12), (156, 1), (257, 8)]),
       value=st.binary(min_size=12, max_size=12))
def test_headers_with_wrong_fields_and_right_checksum(tmp_path, official, field, value):
    """Mode, owner, size, time, type and version of the first entry, replaced."""
    start, size = field
    header = bytearray(PLAIN[:512])
    header[start : start + size] = value[:size]
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    whole_set_or_nothing(tmp_path, official, gzip.compress(bytes(header) + PLAIN[512:], 1))


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.9, 0.999])
def test_cut_archives(tmp_path, official, share):
    whole_set_or_nothing(tmp_path, official, GOOD[: int(len(GOOD) * share)])
