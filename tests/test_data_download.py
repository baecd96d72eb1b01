"""Downloads from a server on the loopback address: the whole set, or nothing and one line."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from loopback import serve
from tiny_sets import archive, as_official, cifar100_archive, cifar100_files, entry, write_files

from minibn.data import DownloadError, download, fetch, load_cifar100

FILES = cifar100_files()
ARCHIVE = cifar100_archive(FILES)


@pytest.fixture(autouse=True)
def official(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")  # the loopback address is reached directly
    return as_official(monkeypatch, "cifar100", FILES, ARCHIVE)


def fails(folder, url, message, **options):
    """The download fails with one line that matches `message`, and `folder` stays as it was."""
    before = sorted(folder.iterdir()) if folder.exists() else []
    with pytest.raises(DownloadError, match=message) as caught:
        fetch("cifar100", folder, url=url, progress=False, **options)
    assert "\n" not in str(caught.value)
    assert (sorted(folder.iterdir()) if folder.exists() else []) == before


@pytest.mark.parametrize("announce", [True, False])
def test_the_whole_set(tmp_path, announce):
    root = tmp_path / "new" / "folder"
    with serve(ARCHIVE, announce=announce) as url:
        assert fetch("cifar100", root, url=url, progress=False) == root
    assert {p.name: p.read_bytes() for p in (root / "cifar-100-python").iterdir()} == FILES
    assert [p.name for p in root.iterdir()] == ["cifar-100-python"]
    assert len(load_cifar100(root).train_images) == 7


def test_progress_bar(tmp_path, capsys):
    with serve(ARCHIVE) as url:
        fetch("cifar100", tmp_path, url=url)
    assert "cifar-100-python.tar.gz: 100%" in capsys.readouterr().err
    with serve(ARCHIVE) as url:
        fetch("cifar100", tmp_path / "quiet", url=url, progress=False)
    assert capsys.readouterr() == ("", "")


def test_official_address_is_the_default(tmp_path, monkeypatch):
    asked = []

    def refuse(url, timeout):
        asked.append((url, timeout))
        raise OSError("no network in this test")

    monkeypatch.setattr(download, "urlopen", refuse)
    fails(tmp_path, None, "cifar100 was not downloaded to .*: no network in this test")
    assert asked == [("https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz", 30)]


def test_a_complete_set_is_left_alone(tmp_path):
    write_files(tmp_path / "cifar-100-python", FILES)
    assert fetch("cifar100", tmp_path, url="http://127.0.0.1:9/", progress=False) == tmp_path


def test_a_damaged_set_is_not_overwritten(tmp_path):
    write_files(tmp_path / "cifar-100-python", {**FILES, "test": b"mine"})
    fails(tmp_path, "http://127.0.0.1:9/", "test is damaged, .*; move the folder away")
    assert (tmp_path / "cifar-100-python" / "test").read_bytes() == b"mine"


# The network


@pytest.mark.parametrize("cut_at", [0, 1, len(ARCHIVE) // 2, len(ARCHIVE) - 1])
@pytest.mark.parametrize("announce", [True, False])
def test_cut_connection(tmp_path, cut_at, announce):
    with serve(ARCHIVE, cut_at=cut_at, announce=announce) as url:
        fails(tmp_path, url, f"the connection ended after {cut_at:,} of {len(ARCHIVE):,} bytes")


def test_silence(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    with serve(ARCHIVE, cut_at=1000, stall=1) as url:
        fails(tmp_path, url, "timed out")


@pytest.mark.parametrize("announce", [True, False])
def test_more_than_the_archive(tmp_path, announce):
    with serve(ARCHIVE + bytes(50_000_000), announce=announce) as url:
        fails(tmp_path, url, f"sends more than the {len(ARCHIVE):,} bytes of the archive")


def test_other_content_of_the_same_size(tmp_path):
    with serve(ARCHIVE[:-1] + b"x") as url:
        fails(tmp_path, url, "is not the official archive")


def test_not_found(tmp_path):
    with serve(b"no such page", status=404) as url:
        fails(tmp_path, url, "HTTP Error 404")


def test_nobody_there(tmp_path):
    with serve(ARCHIVE) as url:
        pass
    fails(tmp_path, url, "cifar100 was not downloaded to .*: Connection refused")


@pytest.mark.parametrize("url", ["nonsense", "foo:bar", "http://", "http://127.0.0.1:x/"])
def test_no_address(tmp_path, url):
    fails(tmp_path, url, "cifar100 was not downloaded to ")


def test_unknown_name(tmp_path):
    with pytest.raises(ValueError, match="name must be one of cifar100, cifar10, not 'mnist'"):
        fetch("mnist", tmp_path)


# An archive with the right checksum and the wrong entries (for instance, after both were changed)

HOSTILE = {
    "path upwards": entry("../outside", b"x"),
    "absolute path": entry("/minibn-outside", b"x"),
    "symbolic link": entry("cifar-100-python/link", kind=b"2", link="/etc"),
    "changed file": entry("cifar-100-python/meta", b"x"),
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_archive(tmp_path, monkeypatch, hostile):
    content = archive(HOSTILE[hostile])
    as_official(monkeypatch, "cifar100", FILES, content)
    with serve(content) as url:
        fails(tmp_path / "data", url, "does not belong to cifar100|not the official one")
    assert not (tmp_path / "outside").exists() and not Path("/minibn-outside").exists()


# The disk


def test_full_disk(tmp_path, monkeypatch):
    """The system refuses to write, at the archive and at each file."""
    def refuse(file):
        raise OSError(28, "No space left on device")

    with serve(ARCHIVE) as url:
        with monkeypatch.context() as patch:
            patch.setattr("minibn.data.archive.os.fsync", refuse)
            fails(tmp_path, url, "cifar100 was not downloaded to .*: No space left on device")
        fetch("cifar100", tmp_path, url=url, progress=False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_full_disk_while_the_archive_arrives(tmp_path, monkeypatch):
    monkeypatch.setattr(
        download, "open", lambda path, mode: open("/dev/full", mode), raising=False  # noqa: SIM115
    )
    with serve(ARCHIVE) as url:
        fails(tmp_path, url, "No space left on device")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere"
)
def test_read_only_folder(tmp_path):
    tmp_path.chmod(0o500)
    try:
        fails(tmp_path, "http://127.0.0.1:9/", "Permission denied")
    finally:
        tmp_path.chmod(0o700)


def test_folder_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError, match="was not downloaded to .*: (File exists|Not a dir)"):
        fetch("cifar100", tmp_path / "file", url="http://127.0.0.1:9/", progress=False)


def test_folder_cannot_be_written(tmp_path, monkeypatch):
    def refuse(**options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("minibn.data.archive.tempfile.mkdtemp", refuse)
    fails(tmp_path, "http://127.0.0.1:9/", "cifar100 was not downloaded to .*: Permission denied")


# Ctrl-C


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_interrupt_leaves_nothing(tmp_path):
    """A real process is interrupted in the middle of a download."""
    program = f"from minibn.data import fetch; fetch('cifar100', {str(tmp_path)!r}, url={{!r}})"
    with serve(bytes(1_000_000), length=100_000_000, stall=5) as url:
        process = subprocess.Popen(
            [sys.executable, "-c", program.format(url)], stderr=subprocess.PIPE, text=True,
            # A shell that runs the tests in the background makes all its children ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            deadline = time.monotonic() + 30
            while not list(tmp_path.rglob("*.tar.gz")) and time.monotonic() < deadline:
                time.sleep(0.01)
            assert list(tmp_path.rglob("*.tar.gz"))  # it has begun
            process.send_signal(signal.SIGINT)
            assert "KeyboardInterrupt" in process.communicate(timeout=30)[1]
        finally:
            process.kill()
    assert list(tmp_path.iterdir()) == []
