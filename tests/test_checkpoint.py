"""Checkpoints: whole or not there, read without pickle, and checked against the run."""

import errno
import io
import json
import os
import signal
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from minibn.data import make_synthetic
from minibn.files import write_atomically
from minibn.training import Run, train
from minibn.training.checkpoint import load_checkpoint, load_model, read_checkpoint, save_checkpoint
from minibn.training.evaluation import predict
from minibn.training.recipe import Recipe

DATA = make_synthetic(train=40, test=20)
TINY = Recipe(norm="renorm_debias", width=2, epochs=1, lr=0.02, batch_size=5)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of one epoch and its checkpoint."""
    file = tmp_path_factory.mktemp("checkpoint") / "run.npz"
    return train(TINY, DATA, checkpoint=file, progress=False), file


def rewrite(source, target, change):
    """Copy a checkpoint; change(header, arrays) may edit both."""
    with np.load(source) as archive:
        arrays = dict(archive)
    header = json.loads(arrays.pop("header").tobytes())
    change(header, arrays)
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez(target, **arrays)
    return target


def refused(path, message, run=None):
    """The checkpoint is not taken, with one line that names the file."""
    with pytest.raises(ValueError, match=message) as caught:
        load_checkpoint(path, run or Run(TINY, DATA))
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_everything_comes_back(trained):
    run, file = trained
    fresh = Run(TINY, DATA)
    load_checkpoint(file, fresh)
    for group in ("params", "state"):
        ours, theirs = getattr(run.model, group), getattr(fresh.model, group)
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            np.testing.assert_array_equal(theirs[name], value, err_msg=name)
            assert type(theirs[name]) is type(value)
    assert isinstance(fresh.model.state["norm1.step"], int) and fresh.model.state["norm1.step"] == 8
    for name, velocity in run.optimizer.velocity.items():
        assert np.abs(velocity).max() > 0
        np.testing.assert_array_equal(fresh.optimizer.velocity[name], velocity, err_msg=name)
    assert fresh.history == run.history
    assert fresh.rng.bit_generator.state == run.rng.bit_generator.state


def test_the_optimizer_moves_the_restored_parameters(trained):
    fresh = Run(TINY, DATA)
    before = fresh.model.params["conv1.w"]
    load_checkpoint(trained[1], fresh)
    assert fresh.model.params["conv1.w"] is before           # in place: nobody holds an old array


def test_load_model_predicts_as_the_run_does(trained):
    run, file = trained
    model, checkpoint = load_model(file)
    assert checkpoint.recipe == TINY and checkpoint.header["classes"] == list(DATA.class_names)
    for mode in ("batch", "moving"):
        ours, theirs = (predict(m, DATA.test_images, checkpoint.mean, checkpoint.std, mode, 5)
                        for m in (run.model, model))
        np.testing.assert_array_equal(ours, theirs)


def test_more_epochs_are_allowed(trained):
    run = Run(replace(TINY, epochs=7), DATA)
    load_checkpoint(trained[1], run)
    assert run.history.epochs == 1


# Another run's checkpoint

@pytest.mark.parametrize("change", [
    {"norm": "bn"}, {"width": 3}, {"seed": 1}, {"lr": 0.1}, {"batch_size": 4}, {"momentum": 0.5},
    {"activation": "elu"}, {"final_relu": False}, {"dtype": "float64"}, {"accumulate": 2},
    {"norm_options": {"r_max": 2}}, {"network": "nin"}, {"lr_every": 3}, {"flip": False},
    {"weight_decay": 0.1}, {"decay_norms": True},
], ids=lambda change: next(iter(change)))
def test_another_recipe_is_named(trained, change):
    (key, value), = change.items()
    was = getattr(TINY, key)
    with pytest.raises(ValueError) as caught:
        load_checkpoint(trained[1], Run(replace(TINY, **change), DATA))
    assert str(caught.value) == f"{trained[1]} was written with {key} {was!r}, not {value!r}"


def test_another_data_set_is_named(trained):
    other = replace(DATA, name="cifar10")
    refused(trained[1], r"trained on other data \(synthetic\), not on cifar10", Run(TINY, other))


def test_other_classes_are_noticed(trained):
    other = replace(DATA, class_names=tuple("abcdefghij"))
    refused(trained[1], "trained on other classes", Run(TINY, other))


def test_other_images_are_noticed(trained):
    fewer = replace(DATA, train_images=DATA.train_images[:30], train_labels=DATA.train_labels[:30])
    refused(trained[1], "trained on other images than the 30 of synthetic", Run(TINY, fewer))


# Damaged or foreign files

def test_another_number_of_test_images_is_noticed(trained, tmp_path):
    """Its accuracies would stand beside the old ones in one history; older files do not say."""
    fewer = replace(DATA, test_images=DATA.test_images[:10], test_labels=DATA.test_labels[:10])
    refused(trained[1], "was tested on 20 images, and would now be on 10", Run(TINY, fewer))
    old = rewrite(trained[1], tmp_path / "old.npz", lambda header, _: header.pop("test_images"))
    run = Run(TINY, fewer)
    load_checkpoint(old, run)
    assert run.history.epochs == 1


def test_a_link_to_a_checkpoint_stays_a_link(trained, tmp_path):
    target, link = tmp_path / "there.npz", tmp_path / "link.npz"
    target.write_bytes(b"")
    try:
        link.symlink_to(target)
    except OSError:
        pytest.skip("needs links")
    save_checkpoint(link, trained[0])
    assert link.is_symlink() and read_checkpoint(target).recipe == TINY


def test_an_error_without_a_name_gets_the_files(tmp_path):
    def too_large(file):
        raise OSError(errno.EFBIG, "File too large")

    with pytest.raises(OSError, match="File too large") as caught:
        write_atomically(tmp_path / "x.npz", too_large)
    assert caught.value.filename == str(tmp_path / "x.npz") and not list(tmp_path.iterdir())


def test_a_disk_that_is_read_only_is_reported_under_the_users_name(tmp_path, monkeypatch):
    """Such a disk refuses to remove what is not there, too."""
    def refuse(path, *rest, **options):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr("minibn.files.open", refuse, raising=False)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(OSError, match="Read-only") as caught:
        write_atomically(tmp_path / "x.npz", lambda file: None)
    assert caught.value.filename == str(tmp_path / "x.npz")


def test_threads_that_write_one_file_leave_one_of_theirs(tmp_path):
    contents = [bytes([number]) * 300_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: write_atomically(
            tmp_path / "x", lambda file: [file.write(content[i:i + 1000])
                                          for i in range(0, len(content), 1000)]), contents * 3))
    assert (tmp_path / "x").read_bytes() in contents and len(list(tmp_path.iterdir())) == 1


def drop(name):
    return lambda header, arrays: (header if name in header else arrays).pop(name)


def put(name, value):
    return lambda header, arrays: (header if name in header else arrays).update({name: value})


@pytest.mark.parametrize(("change", "message"), [
    (drop("params/conv1.w"), "other params than the model: 'conv1.w' is only in one of them"),
    (drop("velocity/conv1.w"), "other velocity than the model: 'conv1.w'"),
    (drop("state/norm1.step"), "other state than the model: 'norm1.step'"),
    (put("params/extra.w", np.zeros(1)), "other params than the model: 'extra.w'"),
    (put("params/conv1.w", np.zeros((3, 3, 3, 5), np.float32)),
     r"params conv1.w as float32 \(3, 3, 3, 5\), the model as float32 \(3, 3, 3, 2\)"),
    (put("params/conv1.w", np.zeros((3, 3, 3, 2))), "params conv1.w as float64"),
    (put("state/norm1.step", np.zeros(3)), "state norm1.step as float64"),
    (put("format", 99), "checkpoint format 99; this version reads 1"),
    (put("recipe", {"norm": "bn", "color": 1}), "a recipe has no color"),
    (put("recipe", {"norm": "batch"}), "norm must be one of"),
    (put("history", {"seconds": [1, 2]}), "a history of 2 epochs"),
    (put("generator", {"bit_generator": "MT19937"}), "is not a minibn checkpoint"),
    (put("generator", 5), "is not a minibn checkpoint"),
    (put("classes", []), "no classes"),
    (put("data", 3), "the data set has no name"),
    (drop("classes"), "is not a minibn checkpoint"),
    (drop("mean"), "is not a minibn checkpoint"),
    (put("std", np.zeros(2)), r"std is float64 \(2,\)"),
])
def test_what_does_not_fit_is_named(trained, tmp_path, change, message):
    refused(rewrite(trained[1], tmp_path / "changed.npz", change), message)


def test_what_does_not_fit_changes_nothing(trained, tmp_path):
    """The last array is wrong, and the first ones are not taken in either."""
    path = rewrite(trained[1], tmp_path / "changed.npz",
                   put("state/norm9.moving_std", np.zeros(77)))
    run = Run(TINY, DATA)
    before = {name: np.copy(value) for name, value in (run.model.params | run.model.state).items()}
    refused(path, "state norm9.moving_std", run)
    for name, value in (run.model.params | run.model.state).items():
        assert np.array_equal(value, before[name]), name
    assert not any(v.any() for v in run.optimizer.velocity.values())


def test_a_pickled_object_is_never_loaded(trained, tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "trapped"),))

    bad = np.array([Trap()], dtype=object)
    file = rewrite(trained[1], tmp_path / "trap.npz", put("params/conv1.w", bad))
    refused(file, "is not a minibn checkpoint")
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x93NUMPY\x01\x00"])
def test_other_files_are_refused(tmp_path, content):
    file = tmp_path / "file.npz"
    file.write_bytes(content)
    refused(file, "is not a minibn checkpoint, or is damaged")


def test_a_zip_of_something_else_is_refused(tmp_path):
    file = tmp_path / "file.npz"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("letter.txt", "dear reader")
    refused(file, "is not a minibn checkpoint, or is damaged")


def test_damaged_files_are_refused_or_read_as_they_were(trained, tmp_path, rng):
    """Bytes changed and ends cut off at random: an error that names the file, or nothing lost."""
    content = trained[1].read_bytes()
    whole = read_checkpoint(trained[1])
    file = tmp_path / "damaged.npz"
    refusals = 0
    for trial in range(300):
        damaged = bytearray(content)
        if trial % 3 == 0:
            damaged = damaged[:rng.integers(len(content))]
        else:
            # Most of the file is numbers with a checksum; its structure is at the ends.
            near = rng.integers(len(content)) if trial % 3 == 1 else -rng.integers(1, 6000)
            damaged[near] ^= 1 << int(rng.integers(8))
        file.write_bytes(damaged)
        try:
            found = read_checkpoint(file)
        except ValueError as error:
            refusals += 1
            assert str(file) in str(error)
        else:
            assert found.header == whole.header
            for name in found.arrays.keys() & whole.arrays.keys():
                np.testing.assert_array_equal(found.arrays[name], whole.arrays[name])
    assert refusals > 150


def test_a_missing_file_or_a_folder_is_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_checkpoint(tmp_path / "nothing.npz")
    with pytest.raises(OSError):
        read_checkpoint(tmp_path)


# Writing: the old file or the new one

def test_a_failure_while_writing_leaves_the_old_file(trained, tmp_path, monkeypatch):
    run, file = Run(TINY, DATA), tmp_path / "run.npz"
    file.write_bytes(before := trained[1].read_bytes())

    def full_disk(target, **arrays):
        target.write(b"half of it")
        raise OSError(28, "No space left on device", str(file))

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(file, run)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_folders_are_made(tmp_path):
    save_checkpoint(tmp_path / "new" / "folder" / "run.npz", Run(TINY, DATA))
    assert read_checkpoint(tmp_path / "new" / "folder" / "run.npz").history.epochs == 0


PROGRAM = """
import sys
from dataclasses import replace
from minibn.data import make_synthetic
from minibn.training.recipe import Recipe
from minibn.training import train

recipe = Recipe(norm="renorm_debias", network="nin", width=4, epochs=30, lr=0.02, batch_size=4)
data = make_synthetic(train=24, test=12)
train(recipe, data, checkpoint=sys.argv[1], progress=False,
      after_epoch=lambda run: print(run.history.epochs, flush=True))
"""


def test_killed_at_random_moments_it_ends_as_if_it_had_not_been(tmp_path, rng):
    """SIGKILL gives a process no chance to tidy up: only the files on the disk go on."""
    def start(file):
        return subprocess.Popen([sys.executable, "-c", PROGRAM, file], stdout=subprocess.PIPE,
                                text=True, cwd=Path(__file__).parents[1])

    whole, killed = tmp_path / "whole.npz", tmp_path / "killed.npz"
    with start(whole) as process:
        assert len(process.stdout.read().split()) == 30
    kills = 0
    for _ in range(12):
        with start(killed) as process:
            process.stdout.readline()                        # one epoch further, then at any moment
            try:
                process.wait(timeout=float(rng.uniform(0, 0.04)))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                kills += 1
    with start(killed) as process:
        process.communicate()
        assert process.returncode == 0
    assert kills >= 6
    ours, theirs = read_checkpoint(killed), read_checkpoint(whole)
    assert ours.arrays.keys() == theirs.arrays.keys()
    for name, array in theirs.arrays.items():
        np.testing.assert_array_equal(ours.arrays[name], array, err_msg=name)
    for header in (ours.header, theirs.header):
        header["history"].pop("seconds")
    assert ours.header == theirs.header


def test_the_file_is_the_same_as_numpy_would_read(trained):
    """No format of our own: any NumPy opens it."""
    with np.load(io.BytesIO(trained[1].read_bytes()), allow_pickle=False) as archive:
        assert archive["params/conv1.w"].shape == (3, 3, 3, 2)
        assert json.loads(archive["header"].tobytes())["format"] == 1
