"""The CIFAR loaders: tiny sets in the official layout; the real one where MINIBN_DATA holds it."""

import hashlib
import os
import pickle
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from tiny_sets import (
    archive,
    as_official,
    cifar10_files,
    cifar100_archive,
    cifar100_files,
    cifar100_values,
    entry,
    pixels,
    python2_pickle,
    write_files,
)

from minibn.data import channel_statistics, load_cifar10, load_cifar100
from minibn.data.restricted_pickle import read_pickle


def as_images(rows):
    """(N, 3072) rows of the file to (N, 32, 32, 3), pixel by pixel as the layout is documented."""
    images = np.empty((len(rows), 32, 32, 3), np.uint8)
    for channel in range(3):
        for y in range(32):
            for x in range(32):
                images[:, y, x, channel] = rows[:, 1024 * channel + 32 * y + x]
    return images


def is_good(dataset, labels="fine_labels"):
    for images, found, values in (
        (dataset.train_images, dataset.train_labels, cifar100_values(7, 1)),
        (dataset.test_images, dataset.test_labels, cifar100_values(3, 2)),
    ):
        assert images.dtype == np.uint8 and images.flags.c_contiguous and images.flags.writeable
        assert np.array_equal(images, as_images(values[b"data"]))
        assert found.dtype == np.int64 and found.tolist() == values[labels.encode()]
    return True


@pytest.fixture
def root(tmp_path):
    write_files(tmp_path / "cifar-100-python", cifar100_files())
    return tmp_path


@pytest.mark.parametrize("convert", [str, Path])
def test_cifar100(root, convert):
    dataset = load_cifar100(convert(root), verify=False)
    assert is_good(dataset)
    assert dataset.class_names == ("apple", "bear", "cloud", "dolphin")
    assert dataset.name == "cifar100"


def test_coarse_labels(root):
    dataset = load_cifar100(root, labels="coarse", verify=False)
    assert is_good(dataset, "coarse_labels")
    assert dataset.class_names == ("still", "moving") and dataset.name == "cifar100-coarse"


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_files_that_python_3_wrote(tmp_path, protocol):
    files = cifar100_files(lambda values: pickle.dumps(values, protocol))
    write_files(tmp_path / "cifar-100-python", files)
    assert is_good(load_cifar100(tmp_path, verify=False))


def test_cifar10(tmp_path):
    write_files(tmp_path / "cifar-10-batches-py", cifar10_files())
    dataset = load_cifar10(tmp_path, verify=False)
    rows = np.concatenate([pixels(2, k) for k in range(5)])
    assert np.array_equal(dataset.train_images, as_images(rows))
    assert dataset.train_labels.tolist() == [0, 1, 1, 1, 0, 1, 1, 1, 0, 1]
    assert dataset.train_labels.dtype == np.int64
    assert np.array_equal(dataset.test_images, as_images(pixels(2, 5)))
    assert dataset.test_labels.tolist() == [1, 1]
    assert dataset.class_names == ("cat", "dog") and dataset.name == "cifar10"


def test_class_names_of_cifar10_as_published():
    """The official batches.meta, 158 bytes, recognized by its checksum."""
    animals = [b"bird", b"cat", b"deer", b"dog", b"frog", b"horse"]
    values = {
        b"num_cases_per_batch": 10000,
        b"label_names": [b"airplane", b"automobile", *animals, b"ship", b"truck"],
        b"num_vis": 3072,
    }
    content = python2_pickle(values)
    assert hashlib.md5(content).hexdigest() == "5ff9c542aee3614f3951f8cda6e48888"
    found = read_pickle(content, "batches.meta")
    assert found == {key.decode(): value for key, value in values.items()}


# Checksums


def test_verified_files_are_read(root, monkeypatch):
    as_official(monkeypatch, "cifar100", cifar100_files())
    assert is_good(load_cifar100(root))


def test_files_that_are_not_the_official_ones(root):
    with pytest.raises(ValueError, match="not the official file .*--fetch cifar100") as caught:
        load_cifar100(root)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["train", "test", "meta"])
def test_each_file_is_checked_before_it_is_read(root, monkeypatch, file):
    as_official(monkeypatch, "cifar100", cifar100_files())
    content = bytearray((root / "cifar-100-python" / file).read_bytes())
    content[-40] ^= 1
    (root / "cifar-100-python" / file).write_bytes(content)
    read = []
    monkeypatch.setattr(
        "minibn.data.cifar.read_pickle", lambda c, name: read.append(name) or read_pickle(c, name)
    )
    with pytest.raises(ValueError, match=f"{file} is damaged or not the official file"):
        load_cifar100(root)
    assert not any(name.endswith(file) for name in read)


def test_each_file_of_cifar10_is_checked(tmp_path, monkeypatch):
    as_official(monkeypatch, "cifar10", cifar10_files())
    write_files(tmp_path / "cifar-10-batches-py", cifar10_files())
    load_cifar10(tmp_path)
    for file in cifar10_files():
        write_files(tmp_path / "cifar-10-batches-py", {**cifar10_files(), file: b"changed"})
        with pytest.raises(ValueError, match=f"{file} is damaged or not the official file"):
            load_cifar10(tmp_path)


# Missing and wrong data


@pytest.mark.parametrize("file", ["train", "test", "meta"])
def test_missing_file(root, file):
    (root / "cifar-100-python" / file).unlink()
    with pytest.raises(FileNotFoundError, match=f"no file .*{file}; .*--fetch cifar100"):
        load_cifar100(root, verify=False)


def test_missing_set(tmp_path):
    with pytest.raises(FileNotFoundError, match="cifar100: no file .*--fetch cifar100"):
        load_cifar100(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="cifar10: no file .*--fetch cifar10"):
        load_cifar10(tmp_path)


def test_unknown_labels(root):
    with pytest.raises(ValueError, match="labels must be one of fine, coarse, not 'medium'"):
        load_cifar100(root, labels="medium", verify=False)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_does_not_keep_the_reader_waiting(root):
    (root / "cifar-100-python" / "meta").unlink()
    os.mkfifo(root / "cifar-100-python" / "meta")
    with pytest.raises(FileNotFoundError):
        load_cifar100(root, verify=False)


def test_a_file_too_large_for_any_set_is_not_read(root, monkeypatch):
    monkeypatch.setattr("minibn.data.official.MAX_FILE_BYTES", 1 << 10)
    with pytest.raises(ValueError, match="train is larger than"):
        load_cifar100(root, verify=False)


GOOD = cifar100_values(3, 2)
WRONG = {
    "no data": {"data": None},
    "data is a list": {"data": [1, 2]},
    "rows too short": {"data": GOOD[b"data"][:, 1:]},
    "no rows": {"data": GOOD[b"data"][:0], "fine_labels": []},
    "one long row": {"data": GOOD[b"data"].ravel()},
    "a label too many": {"fine_labels": [0, 1, 2, 3]},
    "a label too large": {"fine_labels": [0, 1, 4]},
    "a negative label": {"fine_labels": [0, 1, -1]},
    "labels are text": {"fine_labels": ["0", "1", "2"]},
    "labels are booleans": {"fine_labels": [True, False, True]},
    "labels are bytes": {"fine_labels": b"012"},
    "labels are an array": {"fine_labels": np.zeros(3, np.uint8)},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_content(root, wrong):
    values = {key.decode(): value for key, value in GOOD.items()} | WRONG[wrong]
    (root / "cifar-100-python" / "test").write_bytes(pickle.dumps(values, 4))
    with pytest.raises(ValueError, match="cifar-100-python.test: .* must be"):
        load_cifar100(root, verify=False)


@pytest.mark.parametrize("names", [None, [], [1, 2], "apple", {"apple": 1}])
def test_wrong_class_names(root, names):
    (root / "cifar-100-python" / "meta").write_bytes(pickle.dumps({"fine_label_names": names}, 4))
    with pytest.raises(ValueError, match="'fine_label_names' must be a list of names"):
        load_cifar100(root, verify=False)


def test_a_long_name_that_is_in_the_list_many_times(root):
    """A pickle says it once; decoded for each class, 2 MB would take 200 GB."""
    name = b"T" + struct.pack("<I", 10**6) + bytes(10**6)
    (root / "cifar-100-python" / "meta").write_bytes(
        b"\x80\x02}(U\x10fine_label_names](" + name + b"q\x01" + b"h\x01" * 200_000 + b"eu.")
    tracemalloc.start()
    with pytest.raises(ValueError, match="'fine_label_names' must be a list of names"):
        load_cifar100(root, verify=False)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_mutated_files_are_read_or_refused(root, rng):
    for _ in range(300):
        name = ("train", "test", "meta")[rng.integers(3)]
        content = bytearray(cifar100_files()[name])
        for _ in range(rng.integers(1, 4)):
            end = min(len(content), 400) if rng.random() < 0.7 else len(content)
            content[rng.integers(end)] = rng.integers(256)
        if rng.random() < 0.2:
            del content[rng.integers(len(content)) :]
        write_files(root / "cifar-100-python", {**cifar100_files(), name: bytes(content)})
        try:
            dataset = load_cifar100(root, verify=False)
        except ValueError as error:
            assert "cifar-100-python" in str(error) and "\n" not in str(error)
        else:
            assert dataset.train_images.shape[1:] == (32, 32, 3)
            assert dataset.train_labels.max() < len(dataset.class_names)


# The archive beside its place


def test_archive_is_unpacked_once(tmp_path, monkeypatch):
    files = cifar100_files()
    as_official(monkeypatch, "cifar100", files)
    packed = tmp_path / "cifar-100-python.tar.gz"
    packed.write_bytes(cifar100_archive(files))
    assert is_good(load_cifar100(tmp_path))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cifar-100-python", packed.name]
    packed.write_bytes(b"no longer needed")
    assert is_good(load_cifar100(tmp_path))


def test_archive_of_other_data(tmp_path):
    (tmp_path / "cifar-100-python.tar.gz").write_bytes(cifar100_archive(cifar100_files()))
    with pytest.raises(ValueError, match="is not the official one; remove it, .*--fetch"):
        load_cifar100(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    assert is_good(load_cifar100(tmp_path, verify=False))


def test_an_entry_that_does_not_belong_stops_everything(tmp_path):
    (tmp_path / "cifar-100-python.tar.gz").write_bytes(archive(entry("../outside", b"x")))
    with pytest.raises(ValueError, match="'../outside', which does not belong to cifar100"):
        load_cifar100(tmp_path, verify=False)
    assert len(list(tmp_path.iterdir())) == 1


# The real data

DATA = Path(os.environ.get("MINIBN_DATA") or "nowhere")
real = pytest.mark.skipif(
    not (DATA / "cifar-100-python").is_dir(), reason="MINIBN_DATA names no folder with CIFAR-100"
)


@real
def test_real_cifar100():
    dataset = load_cifar100(DATA)
    assert dataset.train_images.shape == (50_000, 32, 32, 3)
    assert dataset.test_images.shape == (10_000, 32, 32, 3)
    assert len(dataset.class_names) == 100 and dataset.class_names[0] == "apple"
    assert (np.bincount(dataset.train_labels) == 500).all()
    assert (np.bincount(dataset.test_labels) == 100).all()
    mean, _ = channel_statistics(dataset.train_images)
    np.testing.assert_allclose(mean, [0.5071, 0.4865, 0.4409], atol=5e-5)


@real
def test_real_coarse_labels():
    fine, coarse = load_cifar100(DATA), load_cifar100(DATA, labels="coarse")
    assert len(coarse.class_names) == 20
    assert (np.bincount(coarse.train_labels) == 2500).all()
    pairs = set(zip(fine.train_labels.tolist(), coarse.train_labels.tolist(), strict=True))
    assert len(pairs) == 100  # each fine class lies in one coarse class


@real
@pytest.mark.parametrize("file", ["meta", "test"])
def test_tiny_files_are_written_like_the_real_ones(file):
    content = (DATA / "cifar-100-python" / file).read_bytes()
    values = pickle.loads(content, encoding="bytes")  # checked by test_real_cifar100 to be official
    assert hashlib.sha256(python2_pickle(values)).digest() == hashlib.sha256(content).digest()
