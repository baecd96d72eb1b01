"""Files that are whole, with numbers and texts that no program of ours writes.

Such a file does not break off and its arrays have the right shapes, so nothing stops a reader that
trusts it: a count below zero or a text for a number would end in a wrong number, or in an error far
from its cause.  Each is refused with a ValueError that names the file.
"""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from test_fuzz import RECIPE, attempt, checkpoint, record, result, run

from minibn import all_cnn
from minibn.commands.search import earlier
from minibn.replication.jobs import Job, Subset
from minibn.replication.results import read_result
from minibn.replication.runner import Progress
from minibn.training import Run
from minibn.training.checkpoint import load_checkpoint, load_model, read_checkpoint
from minibn.training.record import read_record

__all__ = ["run"]                                              # the fixture of test_fuzz.py
WRONG_HEADERS = [
    (("image_size",), []), (("image_size",), ""), (("image_size",), {}), (("image_size",), [32]),
    (("image_size",), [32, 32.5]), (("image_size",), [16, 32]), (("image_size",), [32, 5000]),
    (("test_images",), -1), (("test_images",), True), (("test_images",), "10"),
    (("generator", "has_uint32"), 7), (("generator", "has_uint32"), 0.5),
    (("generator", "uinteger"), 2**40), (("generator", "state", "state"), -1),
    (("generator", "state", "inc"), "1"), (("generator",), {}),
    (("recipe", "norm_options"), {"decay": 1}), (("recipe", "norm_options"), {"eps": None}),
    (("recipe", "norm_options"), {"ramp": [3, 2, 1]}), (("recipe", "crop"), 33),
    (("recipe", "flip"), 0), (("history", "clipped_train"), 0), (("history", "seconds"), None),
]
WRONG_ARRAYS = [
    ("mean", np.full(3, np.nan)), ("std", np.zeros(3)), ("std", np.array([0.2, -0.2, 0.2])),
    ("std", np.full(3, np.inf)), ("state/norm2.step", np.array(-3)),
    ("state/norm2.step", np.array(2**60)), ("state/norm1.moving_std", np.full(1, -0.5)),
]


def opened(path):
    """The header and the arrays of a checkpoint."""
    with np.load(path) as archive:
        arrays = dict(archive)
    return json.loads(arrays.pop("header").tobytes()), arrays


def rewrite(path, header, arrays):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    np.savez(path, header=np.frombuffer(text, np.uint8), **arrays)
    return path


def put(tree, way, value):
    """Exchange the value at the end of the way."""
    for key in way[:-1]:
        tree = tree[key]
    tree[way[-1]] = value


@pytest.mark.parametrize(("way", "value"), WRONG_HEADERS)
def test_a_checkpoint_with_a_wrong_header(way, value, run, tmp_path):
    path = checkpoint(tmp_path, run)
    header, arrays = opened(path)
    put(header, way, value)
    assert attempt(read_checkpoint, rewrite(path, header, arrays)) is None


@pytest.mark.parametrize(("name", "array"), WRONG_ARRAYS)
def test_a_checkpoint_with_numbers_that_no_training_leaves(name, array, run, tmp_path):
    path = checkpoint(tmp_path, run)
    header, arrays = opened(path)
    assert arrays[name].shape == array.shape
    rewrite(path, header, arrays | {name: array})
    assert attempt(read_checkpoint, path) is None


@pytest.mark.parametrize("change", [
    lambda a: a.astype(a.dtype.newbyteorder(">")), lambda a: a.astype("f2"), lambda a: a[None],
    lambda a: a.astype(complex), lambda a: a.astype("U8"), lambda a: a.astype(bool),
    lambda a: np.zeros(a.shape, [("w", "f4")]), lambda a: a.astype(object)])
def test_a_checkpoint_with_arrays_of_another_kind(change, run, tmp_path):
    path = checkpoint(tmp_path, run)
    header, arrays = opened(path)
    for name in ("params/norm3.gamma", "state/norm3.moving_mean"):
        rewrite(path, header, arrays | {name: change(arrays[name])})
        assert attempt(load_model, path) is None


@pytest.mark.parametrize("step", [np.array(3.0), np.array([3]), np.array("3"), np.array(True)])
def test_a_checkpoint_with_a_count_that_is_none(step, run, tmp_path):
    path = checkpoint(tmp_path, run)
    header, arrays = opened(path)
    rewrite(path, header, arrays | {"state/norm3.step": step})
    assert attempt(load_model, path) is None


def test_arrays_in_fortran_order_are_read_as_they_were(run, tmp_path):
    path = checkpoint(tmp_path, run)
    header, arrays = opened(path)
    rewrite(path, header, {name: np.asfortranarray(a) if a.ndim else a
                           for name, a in arrays.items()})
    for name, array in load_model(path)[0].params.items():
        assert np.array_equal(array, arrays[f"params/{name}"])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_model_that_has_diverged_is_not_tested_and_may_be_resumed(value, run, tmp_path):
    """All its logits are NaN, and the largest of them is that of the first class."""
    path = checkpoint(tmp_path, run)
    header, arrays = opened(path)
    arrays["params/conv1.w"] = np.full_like(arrays["params/conv1.w"], value)
    rewrite(path, header, arrays)
    with pytest.raises(ValueError, match="not finite: its training diverged") as caught:
        load_model(path)
    assert str(path) in str(caught.value)
    load_checkpoint(path, Run(RECIPE, run.data))


@pytest.mark.parametrize("kind", [checkpoint, record, result])
def test_a_name_that_comes_twice(kind, run, tmp_path):
    """Readers differ in which of the two they take, so none is."""
    path = kind(tmp_path, run)
    if kind is checkpoint:
        header, arrays = opened(path)
        rewrite(path, json.dumps(header).replace('"format"', '"format": 1, "format"', 1).encode(),
                arrays)
    else:
        path.write_text(path.read_text().replace('"format"', '"format": 1, "format"', 1))
    read = {checkpoint: read_checkpoint, record: read_record, result: read_result}[kind]
    with pytest.raises(ValueError, match="'format' is there twice"):
        read(path)


@pytest.mark.parametrize(("read", "write", "way", "value"), [
    (read_record, record, ("runs", 0, "stopped"), 5),
    (read_record, record, ("runs", 0, "stopped"), ""),
    (read_record, record, ("runs", 0, "stopped"), ["NaN"]),
    (read_record, record, ("runs", 0, "history", "clipped_test"), None),
    (read_record, record, ("runs", 0, "history", "clipped_test"), False),
    (read_record, record, ("runs", 0, "recipe", "norm_options"), {"r_max": 0}),
    (read_result, result, ("job", "kind"), "Run"), (read_result, result, ("job", "kind"), None),
    (read_result, result, ("job", "probes"), "no"),
    (read_result, result, ("job", "tests_per_epoch"), -1),
    (read_result, result, ("job", "tests_per_epoch"), 0.5),
    (read_result, result, ("job", "reestimate"), "all"),
    (read_result, result, ("job", "subset", "held_out"), "no"),
    (read_result, result, ("job", "subset", "train"), 10**10),
])
def test_a_result_file_with_a_wrong_value(read, write, way, value, run, tmp_path):
    path = write(tmp_path, run)
    tree = json.loads(path.read_text())
    put(tree, way, value)
    path.write_text(json.dumps(tree))
    assert attempt(read, path) is None


@pytest.mark.parametrize("change", [{"lr": 0.02}, {"epochs": 3}])
def test_a_search_is_not_resumed_from_runs_that_it_has_not_made(change, run, tmp_path):
    """A rate off its grid has no neighbors; a run that has not ended has no accuracy."""
    path = record(tmp_path, run)
    tree = json.loads(path.read_text())
    tree["runs"][0]["recipe"] |= {"lr": 0.1, **change}
    path.write_text(json.dumps(tree))
    with pytest.raises(ValueError, match="which this search has not made") as caught:
        earlier(path, read_record(path))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", [
    b"", b"{}", b"[]", b'{"2": []}', b'{"2": {"probes": 5}}', b"[" * 100_000, b"\xff\xfe",
    b'{"2": {"probes": ["x"]}}', b'{"2": {"sittings": [5]}}', b'{"2": {}, "2": {}}'])
def test_what_a_run_has_shown_is_damaged(text, run, tmp_path):
    """It lies beside the checkpoint, in a file of its own."""
    progress = Progress(tmp_path, Job("run", "bn", "run", RECIPE, Subset("synthetic", 10, 20, 10)))
    checkpoint(tmp_path, run)
    progress.seen.write_bytes(text)
    with pytest.raises(ValueError, match="damaged or missing") as caught:
        progress.load(Run(RECIPE, run.data))
    assert str(progress.seen) in str(caught.value)


# Model files --------------------------------------------------------------------------------------

def model_file(path, **changes):
    all_cnn(4, "renorm_debias", 1, seed=1).save(path)
    with np.load(path) as archive:
        arrays = dict(archive) | changes
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(("name", "array"), [
    ("state/norm1.step", np.array(-1)), ("state/norm1.step", np.array(2**60)),
    ("state/norm1.moving_std", np.array([-1e-9]))])
def test_a_model_file_with_numbers_that_no_training_leaves(name, array, tmp_path):
    path = model_file(tmp_path / "x.npz", **{name: array})
    assert attempt(all_cnn(4, "renorm_debias", 1).load, path) is None


def test_a_model_file_may_hold_numbers_that_are_not_finite(tmp_path):
    path = model_file(tmp_path / "x.npz", **{"params/norm1.beta": np.array([np.nan], np.float32)})
    assert np.isnan(all_cnn(4, "renorm_debias", 1).load(path).params["norm1.beta"]).all()


def test_a_model_file_with_an_array_twice(tmp_path):
    path = model_file(tmp_path / "x.npz")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("params/norm1.beta.npy", archive.read("params/norm1.beta.npy"))
    assert attempt(all_cnn(4, "renorm_debias", 1).load, Path(path)) is None
