"""Damaged model files, and small ones that would take much memory: refused, and nothing changes."""

import tracemalloc
import zipfile

import numpy as np
import pytest
from test_fuzz import BYTES, damage, npy

import minibn


def model(seed=0):
    return minibn.all_cnn(4, "renorm_debias", 2, seed)


def everything(layer):
    return {name: np.copy(value) for name, value in (layer.params | layer.state).items()}


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name])
                                              for name in one)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model and its file."""
    path = tmp_path_factory.mktemp("model") / "model.npz"
    made = model(seed=1)
    made.save(path)
    return made, path


def refused_unchanged(path, message="x.npz"):
    fresh = model()
    before = everything(fresh)
    tracemalloc.start()
    with pytest.raises(ValueError, match=message) as caught:
        fresh.load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert peak < BYTES and same(everything(fresh), before)


def test_damaged_bytes(saved, tmp_path, rng):
    made, path = saved
    content, damaged, refused = path.read_bytes(), tmp_path / "damaged.npz", 0
    for _ in range(150):
        damaged.write_bytes(damage(content, rng))
        fresh = model()
        before = everything(fresh)
        try:
            fresh.load(damaged)
        except ValueError as error:
            refused += 1
            assert str(damaged) in str(error) and same(everything(fresh), before)
        else:
            assert same(everything(fresh), everything(made))
    assert refused > 50


def repacked(source, target, change, method=zipfile.ZIP_STORED):
    """Copy an archive; change(name, content) gives the content of each part."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", method) as new:
        for part in old.infolist():
            new.writestr(part.filename, change(part.filename, old.read(part)))
    return target


FIRST = "params/conv1.w.npy"
LARGE = bytes(200_000_000)


def test_an_array_with_more_behind_it(saved, tmp_path):
    """Its header fits; 200 MB of zeros follow, 200 KB in the file."""
    path = repacked(saved[1], tmp_path / "x.npz", lambda name, content:
                    content + LARGE * (name == FIRST), zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 400_000
    refused_unchanged(path, "larger than its header says")


def test_a_header_of_any_length(saved, tmp_path):
    """NumPy's format 2 has headers of up to 4 GB."""
    long = b"\x93NUMPY\x02\x00" + len(LARGE).to_bytes(4, "little") + LARGE
    path = repacked(saved[1], tmp_path / "x.npz",
                    lambda name, content: long if name == FIRST else content,
                    zipfile.ZIP_DEFLATED)
    refused_unchanged(path, "no header of NumPy's")


def test_a_packing_that_may_ask_for_any_memory(saved, tmp_path):
    path = repacked(saved[1], tmp_path / "x.npz", lambda name, content: content,
                    zipfile.ZIP_LZMA)
    refused_unchanged(path, "packed in a way that NumPy does not use")


def test_what_numpy_packs_is_read(saved, tmp_path):
    path = repacked(saved[1], tmp_path / "x.npz", lambda name, content: content,
                    zipfile.ZIP_DEFLATED)
    assert same(everything(model().load(path)), everything(saved[0]))


@pytest.mark.parametrize("shape", ["(10**14,)", f"({10**14},)", "(3, 3, 3, 2)", "(-1,)", "(2.5,)"])
def test_an_array_that_promises_what_it_has_not(shape, saved, tmp_path):
    path = repacked(saved[1], tmp_path / "x.npz",
                    lambda name, content: npy(shape) if name == FIRST else content)
    refused_unchanged(path)


def test_parts_that_no_model_has_are_not_unpacked(saved, tmp_path):
    path = repacked(saved[1], tmp_path / "x.npz", lambda name, content: content)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("other.npy", LARGE)
    tracemalloc.start()
    model().load(path)
    assert tracemalloc.get_traced_memory()[1] < BYTES
    tracemalloc.stop()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"hello", b"\x93NUMPY\x01\x00"])
def test_other_files(content, tmp_path):
    (tmp_path / "x.npz").write_bytes(content)
    refused_unchanged(tmp_path / "x.npz", "is not a model file")


def test_an_archive_of_nothing(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w"):
        pass
    refused_unchanged(tmp_path / "x.npz")
    np.savez(tmp_path / "x.npz", header=np.frombuffer(b"[]", np.uint8))
    refused_unchanged(tmp_path / "x.npz")
