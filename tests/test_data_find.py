"""Where data is looked for, in which order, and what is said about it."""

from pathlib import Path

import pytest
from tiny_sets import as_official, cifar100_files, write_files

from minibn.data import data_folders, find_root, list_sets, verify_files


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """Three folders: one to be named, one in the environment, one as the cache."""
    monkeypatch.setenv("MINIBN_DATA", str(tmp_path / "environment"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "named", tmp_path / "environment", tmp_path / "cache" / "minibn"


def add(folder):
    (folder / "cifar-100-python").mkdir(parents=True)
    return folder


def test_order_of_the_folders(places, monkeypatch):
    named, environment, cache = places
    assert data_folders() == [environment, cache]
    assert data_folders(named) == data_folders(str(named)) == [named]
    monkeypatch.setenv("MINIBN_DATA", "")
    assert data_folders() == [cache]
    monkeypatch.delenv("MINIBN_DATA")
    assert data_folders() == [cache]


@pytest.mark.parametrize("cache", [None, "", "relative"])
def test_usual_cache_folder(cache, monkeypatch):
    if cache is None:
        monkeypatch.delenv("XDG_CACHE_HOME")
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", cache)
    assert data_folders()[-1] == Path.home() / ".cache" / "minibn"


def test_home_is_written_out(monkeypatch):
    monkeypatch.setenv("MINIBN_DATA", "~/data")
    assert data_folders()[0] == Path.home() / "data"
    assert data_folders("~/more") == [Path.home() / "more"]


def test_first_folder_that_has_the_set(places):
    named, environment, cache = places
    add(cache)
    assert find_root("cifar100") == cache
    add(environment)
    assert find_root("cifar100") == environment
    add(named)
    assert find_root("cifar100", named) == named


def test_the_hint_names_the_folder_above_where_the_sets_own_was_named(places):
    named, *_ = places
    with pytest.raises(FileNotFoundError, match=f"--fetch cifar100 --data-dir {named}` downloads"):
        find_root("cifar100", named / "cifar-100-python")


def test_a_named_folder_is_the_only_one(places):
    named, environment, cache = places
    add(environment)
    with pytest.raises(FileNotFoundError, match=f"no cifar100 in {named}, which is no folder; "
                       f".*--fetch cifar100 --data-dir {named}` downloads"):
        find_root("cifar100", named)


def test_absent(places):
    with pytest.raises(FileNotFoundError, match="no cifar10 in .*environment or .*minibn; "):
        find_root("cifar10")


def test_an_archive_counts(places):
    places[1].mkdir()
    (places[1] / "cifar-10-python.tar.gz").touch()
    assert find_root("cifar10") == places[1]
    assert list_sets()[1] == ("cifar10", places[1], False)


def test_the_folder_of_the_set_itself_may_be_named(places):
    add(places[0])
    assert find_root("cifar100", places[0] / "cifar-100-python") == places[0]


def test_unknown_name():
    with pytest.raises(ValueError, match="name must be one of cifar100, cifar10, not 'mnist'"):
        find_root("mnist")


def test_list(places):
    add(places[2])
    assert list_sets() == [("cifar100", places[2], True), ("cifar10", None, False)]
    assert [found.root for found in list_sets(places[0])] == [None, None]


def test_verify(tmp_path, monkeypatch):
    as_official(monkeypatch, "cifar100", cifar100_files())
    folder = tmp_path / "cifar-100-python"
    write_files(folder, cifar100_files())
    assert verify_files("cifar100", tmp_path) == {"meta": "ok", "train": "ok", "test": "ok"}
    (folder / "train").write_bytes(b"something else")
    (folder / "test").unlink()
    assert verify_files("cifar100", tmp_path) == {
        "meta": "ok", "train": "damaged, or not the official file", "test": "missing"
    }


def test_verify_stops_at_a_size_that_no_set_has(tmp_path, monkeypatch):
    write_files(tmp_path / "cifar-100-python", cifar100_files())
    monkeypatch.setattr("minibn.data.official.MAX_FILE_BYTES", 10)
    assert set(verify_files("cifar100", tmp_path).values()) == {"damaged, or not the official file"}
