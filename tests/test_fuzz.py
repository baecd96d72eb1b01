"""Damaged files of every kind: refused with a ValueError that names the file, or read whole.

Bytes are changed, left out, doubled and cut off at random; and in JSON, which survives little of
that, values are exchanged for others, and names lost.  The readers of CIFAR files have tests of
their own (test_data_pickle.py, test_data_cifar.py, test_data_archive.py).
"""

import copy
import json
import time
import tracemalloc
import zipfile

import numpy as np
import pytest

from minibn.data import make_synthetic
from minibn.replication.jobs import Job, Subset
from minibn.replication.results import Result, read_result, write_result
from minibn.training import Run
from minibn.training.checkpoint import load_model, read_checkpoint, save_checkpoint
from minibn.training.history import History
from minibn.training.recipe import Recipe
from minibn.training.record import make_record, read_record, save_record

RECIPE = Recipe(norm="brn", width=1, batch_size=5, epochs=2)
HISTORY = {"train_loss": [2.3, 2.1], "train_accuracy": [0.1, 0.2], "learning_rate": [0.1, 0.1],
           "test_accuracy": {"moving": [0.1, 0.3], "batch": [0.2, 0.3]},
           "clipped_train": [0.5, 0.4], "clipped_test": [0.1, 0.0], "seconds": [1.0, 2.0]}
QUANTILES = [0.1, 0.2, 0.3, 0.4, 0.5]
PLACES = {name: QUANTILES for name in ("conv5", "norm5", "relu5")}
PROBE = {"update": 1, "mean": PLACES, "variance": PLACES, "r": QUANTILES, "d": QUANTILES,
         "clipped": 0.1}
TEST = {"update": 2, "accuracy": {"moving": 0.1, "batch": 0.2}}
JUNK = [None, True, -1, 0, 2**70, 10**400, 1e308, "", "moving", "../../etc", [], {}, [[]], ["x", 1],
        {"x": None}, 0.5]
BYTES = 20_000_000                             # that a reader may have at a time: a file has 20,000


@pytest.fixture(scope="module")
def run():
    made = Run(RECIPE, make_synthetic(train=20, test=10))
    made.history = History.from_dict(HISTORY)
    return made


def checkpoint(folder, run):
    save_checkpoint(folder / "run.npz", run)
    return folder / "run.npz"


def record(folder, run):
    save_record(folder / "record.json", make_record([run], "compare", 0.6, {}))
    return folder / "record.json"


def result(folder, run):
    job = Job("smoke/one", "bn", "run", RECIPE, Subset("synthetic", 10, 20, 10))
    return write_result(folder, Result(job, "done", run.history, [PROBE], "e000", 3.0, {},
                                       tests=[TEST]))


def content(found):
    """What a reader has found, comparable."""
    if hasattr(found, "arrays"):
        return found.header, {name: a.tobytes() for name, a in found.arrays.items()}
    return found


FORMATS = {"checkpoint": (checkpoint, read_checkpoint), "record": (record, read_record),
           "result": (result, read_result)}


def damage(data, rng):
    """Bytes changed at one to three places."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(len(data) + 1))
        if rng.random() < 0.3:                                 # near the end is a zip's directory
            at = max(0, len(data) - int(rng.integers(1, 3000)))
        kind, length = rng.integers(5), int(rng.integers(1, 20))
        if kind == 0:
            data[at:at + 1] = bytes([rng.integers(256)])
        elif kind == 1:
            del data[at:at + length]
        elif kind == 2:
            data[at:at] = data[at:at + length]
        elif kind == 3:
            data[at:at + length] = rng.bytes(length)
        else:
            del data[max(at, 1):]
    return bytes(data)


def attempt(read, path):
    """What is read, or None where it is refused as it should be."""
    try:
        return read(path)
    except ValueError as error:
        assert str(path) in str(error)
        return None


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_bytes(name, run, tmp_path, rng):
    write, read = FORMATS[name]
    path = write(tmp_path, run)
    whole, data = read(path), path.read_bytes()
    refused = 0
    start = time.process_time()
    tracemalloc.start()
    for _ in range(150):
        path.write_bytes(damage(data, rng))
        found = attempt(read, path)
        if found is None:
            refused += 1
        elif name == "checkpoint":                             # every part has a checksum
            header, arrays = content(found)
            whole_header, whole_arrays = content(whole)
            assert header == whole_header
            assert all(whole_arrays.get(key, a) == a for key, a in arrays.items())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused > 50
    assert peak < BYTES
    assert time.process_time() - start < 60


def nodes(tree, path=()):
    """The path to every value of a JSON tree."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(
        tree, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from nodes(value, (*path, key))


def exchange(tree, rng):
    """A copy with one value lost or exchanged for junk."""
    tree = copy.deepcopy(tree)
    places = list(nodes(tree))
    *way, last = places[rng.integers(len(places))]
    parent = tree
    for key in way:
        parent = parent[key]
    if rng.random() < 0.2:
        del parent[last]
    elif rng.random() < 0.1 and isinstance(parent, dict):
        parent["color"] = parent.pop(last)
    else:
        parent[last] = JUNK[rng.integers(len(JUNK))]
    return tree


@pytest.mark.parametrize("name", FORMATS)
def test_exchanged_values(name, run, tmp_path, rng):
    write, read = FORMATS[name]
    path = write(tmp_path, run)
    refused = 0
    if name == "checkpoint":
        with np.load(path) as archive:
            arrays = dict(archive)
        tree = json.loads(arrays.pop("header").tobytes())
    else:
        tree = json.loads(path.read_text())
    for _ in range(150 if name == "checkpoint" else 400):
        text = json.dumps(exchange(tree, rng)).encode()
        if name == "checkpoint":
            np.savez(path, header=np.frombuffer(text, np.uint8), **arrays)
        else:
            path.write_bytes(text)
        found = attempt(read, path)
        refused += found is None
        if found is not None and hasattr(found, "history"):    # what is taken can be used
            assert found.history.final() <= 1 and found.history.epochs == 2
    assert refused > 50


@pytest.mark.parametrize("text", [
    b"", b"null", b"[]", b"5", b'"x"', b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe", b"{}",
    b'{"format": [1]}', b'{"format": 1e999}', b"9" * 10_000], ids=lambda text: text[:12].decode(
        "latin1"))
@pytest.mark.parametrize("name", FORMATS)
def test_other_texts(name, text, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(text)
    assert attempt(FORMATS[name][1], path) is None


# Checkpoints that would fill the memory -----------------------------------------------------------

def npy(shape):
    """An .npy file that promises an array of this shape and holds none of it."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header = header.ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


@pytest.mark.parametrize("shape", ["(10**14,)", f"({10**14},)", f"({10**9},)", "(-1,)", "(2.5,)",
                                   f"({2**62}, {2**62})"])
def test_a_part_that_promises_too_much(shape, run, tmp_path):
    path = checkpoint(tmp_path, run)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("params/large.npy", npy(shape))
    assert attempt(read_checkpoint, path) is None


def test_a_part_that_grows_when_it_is_unpacked(run, tmp_path):
    """A thousand zeros take a byte in a compressed archive; checkpoints are not compressed."""
    path = checkpoint(tmp_path, run)
    with np.load(path) as archive:
        np.savez_compressed(path, zeros=np.zeros(10**6), **archive)
    with pytest.raises(ValueError, match="compressed"):
        read_checkpoint(path)


def test_one_part_under_many_names(run, tmp_path):
    """A zip's directory can point to the same bytes again and again."""
    path = checkpoint(tmp_path, run)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", npy("(250_000,)") + bytes(2_000_000))
        part, = archive.filelist
        for number in range(1000):
            again = copy.copy(part)
            again.filename = again.orig_filename = f"{number}.npy"
            archive.filelist.append(again)
            archive.NameToInfo[again.filename] = again
        archive._didModify = True                              # so that it writes the directory
    assert path.stat().st_size < 2_200_000
    tracemalloc.start()
    with pytest.raises(ValueError, match="its parts are larger than they may be"):
        read_checkpoint(path)
    assert tracemalloc.get_traced_memory()[1] < BYTES
    tracemalloc.stop()


@pytest.mark.parametrize("network", ["all_cnn", "nin"])
def test_a_header_that_names_a_large_network(network, run, tmp_path):
    """Of width 2500 it would take 6 GB; the file has the weights of one of width 1."""
    path = checkpoint(tmp_path, run)
    with np.load(path) as archive:
        arrays = dict(archive)
    header = json.loads(arrays.pop("header").tobytes())
    header["recipe"] |= {"width": 2500, "network": network}
    np.savez(path, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"has no weights .* of width 2500") as caught:
        load_model(path)
    assert str(path) in str(caught.value)
    assert tracemalloc.get_traced_memory()[1] < BYTES
    tracemalloc.stop()
