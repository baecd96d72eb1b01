"""The command line, called as a user would: what it prints, what it writes, how it ends."""

import argparse
import errno
import importlib
import io
import json
import os
import subprocess
import sys
import warnings
import zipfile
import zlib
from pathlib import Path

import as_process
import numpy as np
import pytest
from loopback import serve
from matplotlib.image import imread, imsave
from PIL import Image
from tiny_sets import as_official, cifar10_files, cifar100_archive, cifar100_files, write_files

from minibn.__main__ import COMMANDS, main
from minibn.commands import options
from minibn.commands.images import read_images
from minibn.commands.rates import rate_for
from minibn.data import download, make_synthetic
from minibn.training import Run
from minibn.training.checkpoint import load_model
from minibn.training.evaluation import predict
from minibn.training.history import History
from minibn.training.record import free_path, read_record

SYNTHETIC = make_synthetic()
TINY = ["--limit-train", "40", "--limit-test", "20", "--width", "2", "--epochs", "2"]
SMALL = [*TINY, "--seeds", "1", "--processes", "1"]          # of compare, in this process


@pytest.fixture(autouse=True)
def quick_and_apart(monkeypatch, tmp_path):
    """The synthetic set is drawn once; files go to a folder of the test's own."""
    monkeypatch.setattr(options, "make_synthetic", lambda: SYNTHETIC)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MINIBN_DATA", raising=False)
    monkeypatch.delenv("MINIBN_TRACEBACK", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def call(capsys):
    """call(argument, …) → exit status, standard output, standard error."""
    def called(*argv):
        status = main(list(map(str, argv)))
        captured = capsys.readouterr()
        return status, captured.out, captured.err
    return called


def measured(path):
    """The histories of a result file without their timings, by norm."""
    record = read_record(path)
    return {run.recipe.norm: {k: v for k, v in run.history.as_dict().items() if k != "seconds"}
            for run in record.runs}


# Help

def test_without_a_command_it_helps(call):
    status, out, err = call()
    assert (status, err) == (0, "")
    for name, summary in COMMANDS.items():
        assert name in out and summary in out
    assert call("--help") == (0, out, "")
    assert call("--version")[1].startswith("minibn ")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_examples(call, name):
    status, out, err = call(name, "--help")
    assert (status, err) == (0, "")
    assert f"\n  python -m minibn {name}" in out


@pytest.mark.parametrize("argv", [["--help"], ["compare", "--help"]])
def test_help_does_not_wait_for_matplotlib(argv):
    program = ("import sys; from minibn.__main__ import main; main(sys.argv[1:]); "
               "sys.exit('matplotlib' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", program, *argv], capture_output=True,
                          cwd=Path(__file__).parents[1])
    assert done.returncode == 0


# Mistakes: exit status 2, one line, no traceback

BAD_VALUES = {
    "--norms": ["batchnorm", "bn,brn"], "--norm": ["BN"],
    "--norm-option": ["r_max", "=3", "color=red", "decay=2", "eps=none", "decay=high"],
    "--data": ["mnist"], "--data-dir": ["somewhere"], "--labels": ["rough", "coarse"],
    "--limit-train": ["0", "2001", "many"], "--limit-test": ["-1", "1001", "1.5"],
    "--network": ["resnet"], "--width": ["0", "-3", "wide", "2.5", ""],
    "--activation": ["gelu"], "--dtype": ["float16"],
    "--batch-size": ["0", "five"], "--accumulate": ["0", "x", "9"],
    "--epochs": ["0", "1e3"], "--lr": ["0", "-1", "nan", "inf", "fast"],
    "--lr-every": ["0", "always"], "--lr-drops": ["0", "x"], "--momentum": ["1", "-0.1", "nan"],
    "--crop": ["0", "33", "x"], "--weight-decay": ["-1", "inf", "x"],
    "--seed": ["-1", "0.5", "random"],
    "--device": ["tpu"], "--threshold": ["0", "1.5", "half"],
    "--out": ["a-file", "a-file/below"], "--redraw": ["nothing.json", "a-file", "."],
    "--checkpoint": ["a-file", ".", "a-file/below"],
    "--images": ["nothing.png", "a-file", "."], "--mode": ["fast"],
    "--fetch": ["mnist"], "--seeds": ["0", "x"], "--processes": ["0", "many"],
}
NEEDS_NO_VALUE = {"--help", "--no-verify", "--no-final-relu", "--decay-norms", "--no-flip",
                  "--verify", "--search"}


def options_of(command):
    parser = argparse.ArgumentParser()
    importlib.import_module(f"minibn.commands.{command}").add_arguments(parser)
    return {option for action in parser._actions for option in action.option_strings
            if option.startswith("--")}


OURS = ("compare", "train", "evaluate", "data")


@pytest.mark.parametrize("command", OURS)
def test_every_option_stands_in_the_table_of_bad_values(command):
    assert options_of(command) <= BAD_VALUES.keys() | NEEDS_NO_VALUE


def one_line(err, command):
    assert err.startswith(f"minibn {command}: ") and err.count("\n") == 1 and err.endswith("\n")
    assert "Traceback" not in err and len(err) < 300
    return err


@pytest.mark.parametrize(("command", "option", "value"), [
    (command, option, value) for command in OURS for option in sorted(options_of(command))
    for value in BAD_VALUES.get(option, [])
    if (command, option) != ("data", "--data-dir")])         # which shows that nothing is there
def test_bad_values_are_one_line(call, tmp_path, checkpoint, command, option, value):
    (tmp_path / "a-file").write_text("not a folder, not an image, not a result")
    argv = {"compare": SMALL, "train": TINY, "evaluate": [checkpoint], "data": []}[command]
    if option == "--data-dir" and command in ("compare", "train"):
        argv = [*argv, "--data", "cifar100"]                 # which an empty folder has not
    status, out, err = call(command, *argv, option, value)
    assert status == 2
    line = one_line(err, command)
    if option not in ("--data-dir", "--labels"):
        named = (value, value.partition("=")[0], value.partition("/")[0], option,
                 option.lstrip("-").replace("-", "_"))
        assert any(name and name in line for name in named)
    assert "final" not in out                                # nothing was trained


@pytest.mark.parametrize(("argv", "says"), [
    (["comapre"], "there is no command 'comapre': did you mean compare?"),
    (["xyz"], f"there is no command 'xyz': one of {', '.join(COMMANDS)}"),
    (["--verbose"], "--verbose needs a command before it"),
    (["compare", "--speed", "9"], "unrecognized arguments: --speed 9"),
    (["compare", "--epoch", "9"], "unrecognized arguments: --epoch 9"),
    (["compare", "--epochs"], "argument --epochs: expected one argument"),
    (["compare", "extra"], "unrecognized arguments: extra"),
    (["compare", "--norms"], "argument --norms: expected at least one argument"),
    (["compare", "--epochs", "0"], "--epochs: must be an integer of at least 1, not '0'"),
    (["compare", "--seeds", "9" * 20], "--seeds: must be an integer from 1 to 1000, not '999"),
    (["replicate", "--seeds", "1001"], "--seeds: must be an integer from 1 to 1000, not '1001'"),
    (["train", "--epochs", "9" * 5000], "integer of at least 1, not '" + "9" * 60 + "…'"),
    (["train", "--lr", "x" * 99], "--lr: must be a number above 0, not '" + "x" * 60 + "…'"),
    (["compare", "--lr", "x"], "--lr: must be a number above 0, not 'x'"),
    (["compare", "--momentum", "1"], "must be a number at least 0 and below 1, not '1'"),
    (["compare", "--data", "cifar100"], "no cifar100 in "),
    (["compare", "--labels", "coarse"], "--labels coarse needs --data cifar100"),
    (["compare", "--limit-train", "4"], "one update needs 5 images"),
    (["compare", "--limit-train", "9999"], "--limit-train must be at most 2000, the images of"),
    (["train", "--norm-option", "groups=7", "--norm", "gn"], "groups must divide"),
    (["train", "--norm-option", "r_max=3"], "bn has no option 'r_max'; it has decay, eps"),
    (["evaluate"], "the following arguments are required: CHECKPOINT"),
    (["evaluate", "nothing.npz"], "nothing.npz: No such file or directory"),
    (["data", "--fetch", "mnist"], "argument --fetch: invalid choice: 'mnist'"),
])
def test_mistakes_say_what_is_wrong(call, argv, says):
    status, out, err = call(*argv)
    assert status == 2 and says in err and err.count("\n") == 1 and out == ""


def test_a_missing_gpu_is_one_line(call):
    if importlib.util.find_spec("cupy"):
        pytest.skip("CuPy is installed")
    status, _, err = call("compare", *SMALL, "--device", "gpu")
    assert status == 2 and "device gpu needs CuPy" in one_line(err, "compare")


def test_too_little_memory_is_one_line(call, monkeypatch):
    def greedy(*args, **kwargs):
        raise MemoryError("Unable to allocate 9 TiB")

    monkeypatch.setattr(Run, "epoch", greedy)
    status, _, err = call("train", *TINY)
    assert status == 2 and "not enough memory (Unable to allocate 9 TiB)" in one_line(err, "train")


def test_the_traceback_can_be_had(call, monkeypatch):
    monkeypatch.setenv("MINIBN_TRACEBACK", "1")
    with pytest.raises(FileNotFoundError):
        call("evaluate", "nothing.npz")


def test_library_warnings_stay_inside(call, monkeypatch):
    def noisy(self, bar=None):
        warnings.warn("look at me", stacklevel=1)
        raise ValueError("enough")

    monkeypatch.setattr(Run, "epoch", noisy)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        assert call("train", *TINY)[2] == "minibn train: enough\n"
        assert heard == []
        warnings.warn("still on", stacklevel=1)              # and afterward all is as it was
        assert len(heard) == 1


# compare

def test_compare_from_end_to_end(call, tmp_path):
    status, out, err = call("compare", *SMALL, "--threshold", "0.01")
    assert (status, err) == (0, "")                          # no terminal, no progress bars
    stem = tmp_path / "runs" / "compare-synthetic-batch5-seed0"
    assert sorted((tmp_path / "runs").iterdir()) == [stem.with_suffix(".json"),
                                                     stem.with_suffix(".png")]
    record = read_record(stem.with_suffix(".json"))
    assert [run.recipe.norm for run in record.runs] == ["bn", "brn", "renorm_debias"]
    assert record.command == f"python -m minibn compare {' '.join(SMALL)} --threshold 0.01"
    assert record.data == {"name": "synthetic", "classes": 10, "train": 40, "test": 20}
    assert {"minibn", "numpy", "python"} <= record.versions.keys()

    rows = {line.split()[0]: line.split() for line in out.splitlines() if line.strip()}
    for run in record.runs:
        history, row = run.history, rows[run.title]
        assert history.epochs == 2 and run.stopped is None
        final, rate = f"{100 * history.final():.1f}", f"{rate_for('synthetic', run.recipe.norm):g}"
        reached = history.epochs_to(0.01) or "never"
        seconds = f"{sum(history.seconds) / 2:.1f}"
        assert row == [run.title, history.mode, rate, final, "%", str(reached), seconds,
                       f"{run.parameters:,}"]
    assert out.count("moving") >= 3                          # renorm_debias in its other mode too
    assert "±" in out and str(stem.with_suffix(".png")) in str(tmp_path / out.split()[-3])
    picture = imread(stem.with_suffix(".png"))
    assert picture.shape[0] > 400 and picture.shape[1] > 1000
    assert len(np.unique(picture.reshape(-1, 4), axis=0)) > 50


def test_the_figure_can_be_redrawn_from_the_result_file(call, tmp_path):
    _, out, _ = call("compare", *SMALL)
    figure = tmp_path / "runs" / "compare-synthetic-batch5-seed0.png"
    before = figure.read_bytes()
    figure.unlink()
    status, again, _ = call("compare", "--redraw", figure.with_suffix(".json"))
    assert status == 0 and figure.read_bytes() == before
    table = out[out.index("ALL-CNN"):out.index("figure")]
    assert table in again


def test_compare_gives_what_train_gives(call, tmp_path):
    """Side by side or alone, a norm trains the same."""
    call("compare", *SMALL, "--seed", "3", "--norms", "renorm_debias", "gn")
    together = measured(tmp_path / "runs" / "compare-synthetic-batch5-seed3.json")
    for norm in ("renorm_debias", "gn"):
        call("train", *TINY, "--seed", "3", "--norm", norm)
        alone = measured(tmp_path / "runs" / f"train-synthetic-{norm}-batch5-seed3.json")
        assert alone[norm] == together[norm]


def test_settings_reach_the_recipe(call, tmp_path):
    call("compare", *SMALL, "--norms", "bn", "bn", "none", "--batch-size", "4", "--accumulate", "2",
         "--lr", "0.5", "--lr-every", "never", "--momentum", "0.5", "--weight-decay", "0.01",
         "--decay-norms", "--no-flip", "--no-final-relu", "--activation", "elu", "--dtype",
         "float64", "--seed", "7", "--network", "nin", "--crop", "20", "--out", "there")
    record = read_record(tmp_path / "there" / "compare-synthetic-batch4-seed7.json")
    assert [run.recipe.norm for run in record.runs] == ["bn", "none"]  # named twice, trained once
    assert record.runs[0].recipe.as_dict() == {
        "network": "nin", "norm": "bn", "norm_options": {}, "width": 2, "activation": "elu",
        "final_relu": False, "batch_size": 4, "accumulate": 2, "epochs": 2, "lr": 0.5,
        "lr_every": None, "lr_drops": [], "momentum": 0.5, "weight_decay": 0.01,
        "decay_norms": True, "flip": False, "seed": 7, "dtype": "float64", "crop": 20}


def test_what_is_not_said_suits_the_data():
    parser = argparse.ArgumentParser()
    options.add_data_options(parser)
    options.add_recipe_options(parser)
    for data, settings in options.SETTINGS.items():
        args = parser.parse_args(["--data", data, "--epochs", "9"])
        options.fill_defaults(args)
        recipe = options.make_recipe(args, "brn")
        assert recipe.epochs == 9 and recipe.batch_size == 5
        assert (recipe.width, recipe.lr, recipe.lr_every) == (
            settings["width"], rate_for(data, "brn"), settings["lr_every"])


def test_a_run_that_diverges_is_reported_and_the_others_go_on(call, tmp_path):
    status, out, err = call("compare", *SMALL, "--norms", "none", "bn", "--lr", "1e7")
    assert (status, err) == (0, "")
    assert "none: the loss is not finite at update" in out and "diverged" in out
    none, bn = read_record(tmp_path / "runs" / "compare-synthetic-batch5-seed0.json").runs
    assert none.history.epochs == 0 and "not finite" in none.stopped
    assert bn.history.epochs == 2 and bn.stopped is None


def test_when_every_run_diverges_the_status_tells(call, tmp_path):
    status, out, _ = call("compare", *SMALL, "--norms", "none", "--lr", "1e20")
    assert status == 1 and "not finite" in out
    assert call("train", *TINY, "--norm", "none", "--lr", "1e20")[0] == 1
    assert (tmp_path / "runs" / "compare-synthetic-batch5-seed0.png").exists()


def test_ctrl_c_keeps_what_is_done(call, tmp_path, interrupted):
    status, out, err = call("compare", *SMALL, "--norms", "bn", "gn")
    assert (status, err) == (130, "minibn compare: stopped\n")
    record = read_record(tmp_path / "runs" / "compare-synthetic-batch5-seed0.json")
    assert [run.history.epochs for run in record.runs] == [1, 1]
    assert "figure" in out and (tmp_path / "runs" / "compare-synthetic-batch5-seed0.png").exists()


@pytest.mark.parametrize("command", ["compare", "train"])
@pytest.mark.parametrize("where", ["announce", "first epoch"])
def test_ctrl_c_before_the_first_epoch_leaves_nothing(call, tmp_path, monkeypatch, command, where):
    def interrupt(*arguments):
        assert list(tmp_path.glob("runs/*.json"))            # the name is taken, the disk tried
        raise KeyboardInterrupt

    monkeypatch.setattr(f"minibn.commands.{command}.announce",
                        interrupt if where == "announce" else lambda *arguments: None)
    monkeypatch.setattr(Run, "epoch", interrupt)
    status, out, err = call(command, *{"compare": SMALL, "train": TINY}[command])
    assert (status, err) == (130, f"minibn {command}: stopped\n")
    assert not list(tmp_path.glob("runs/*")) and "figure" not in out and "±" not in out


@pytest.mark.parametrize("command", ["compare", "train"])
def test_a_full_disk_leaves_no_empty_file(call, tmp_path, monkeypatch, command):
    """Files can be made and hold nothing; then there is room for the result, and not the figure."""
    full, room = OSError(errno.ENOSPC, "No space left on device"), 0

    def fsync(number):
        nonlocal room
        room -= 1
        if room < 0:
            raise full

    monkeypatch.setattr("minibn.files.os.fsync", fsync)
    name = {"compare": "compare-synthetic-batch5-seed0",
            "train": "train-synthetic-bn-batch5-seed0"}[command]
    argv = {"compare": SMALL, "train": TINY}[command]
    status, _, err = call(command, *argv)
    assert status == 2
    assert err == f"minibn {command}: runs/{name}.json: No space left on device\n"
    assert not list(tmp_path.glob("runs/*"))
    room = {"compare": 8, "train": 3}[command]               # files before the figure
    full = OSError(errno.ENOSPC, "No space left on device")
    status, _, err = call(command, *argv)
    assert status == 2
    assert err == f"minibn {command}: runs/{name}.png: No space left on device\n"
    assert [path.name for path in tmp_path.glob("runs/*")] == [f"{name}.json"]
    assert read_record(tmp_path / "runs" / f"{name}.json").runs[0].history.epochs == 2


def test_the_result_file_grows_with_every_epoch(call, tmp_path, monkeypatch):
    """So a killed process, too, leaves what is done."""
    epoch, seen = Run.epoch, []

    def watched(self, bar=None):
        if len(self.data.test_images) == 20:                 # not the trial that tells the time
            record = read_record(tmp_path / "runs" / "compare-synthetic-batch5-seed0.json")
            seen.append([run.history.epochs for run in record.runs])
        epoch(self, bar)

    monkeypatch.setattr(Run, "epoch", watched)
    assert call("compare", *SMALL, "--norms", "bn", "gn", "--batch-size", "5")[0] == 0
    assert seen[-4:] == [[0, 0], [1, 0], [1, 1], [2, 1]]


@pytest.fixture
def interrupted():
    """Ctrl-C comes in the second epoch over 40 images."""
    epoch = Run.epoch

    def stopping(self, bar=None):
        if self.history.epochs == 1 and len(self.data.test_images) == 20:
            raise KeyboardInterrupt
        epoch(self, bar)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "epoch", stopping)
        patch.setattr("minibn.commands.compare.announce", lambda *arguments: None)
        patch.setattr("minibn.commands.train.announce", lambda runs: None)
        yield patch


# Result files

@pytest.mark.parametrize("content", [
    "", "{}", "[]", "null", '{"format": 1}', '{"format": 1, "runs": [{}]}', "{" * 2000,
    '{"format": 1, "runs": 3, "command": ""}', '{"format": 2, "runs": []}', "\x00\xff",
    '{"format": 1, "runs": [], "command": "", "versions": {}, "device": "", "data": {}, '
    '"threshold": 0.5}',
])
def test_other_files_are_not_redrawn(call, tmp_path, content):
    (tmp_path / "other.json").write_text(content, encoding="latin1")
    status, _, err = call("compare", "--redraw", "other.json")
    assert status == 2 and "other.json" in one_line(err, "compare")


def test_changed_result_files_are_redrawn_or_refused(call, tmp_path, rng):
    call("compare", *SMALL, "--norms", "renorm_debias")
    text = (tmp_path / "runs" / "compare-synthetic-batch5-seed0.json").read_text()
    file = tmp_path / "changed.json"
    for _ in range(60):
        values = json.loads(text)
        place, junk = values, [None, -1, "x", [], {}, True, 1e400, [None]][rng.integers(8)]
        while isinstance(place, (dict, list)) and place:     # to a random depth
            keys = list(place) if isinstance(place, dict) else range(len(place))
            key = keys[rng.integers(len(keys))]
            if rng.random() < 0.4 or not isinstance(place[key], (dict, list)):
                place[key] = junk
                break
            place = place[key]
        file.write_text(json.dumps(values))
        status, _, err = call("compare", "--redraw", file)
        assert status in (0, 2)
        if status == 2:
            one_line(err, "compare")


# train and evaluate

@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A checkpoint of renorm_debias after one epoch on a few of the synthetic images."""
    from minibn.commands.options import first_images
    from minibn.training import train
    from minibn.training.recipe import Recipe

    file = tmp_path_factory.mktemp("trained") / "run.npz"
    train(Recipe(norm="renorm_debias", width=2, epochs=1, lr=0.01),
          first_images(SYNTHETIC, 40, 20), checkpoint=file, progress=False)
    return file


def test_train_goes_on_exactly_where_it_was_stopped(call, tmp_path, interrupted):
    argv = ["train", *TINY, "--norm", "brn", "--norm-option", "ramp=[3,9,12]", "--checkpoint",
            "run.npz"]
    status, out, err = call(*argv)
    assert (status, err) == (130, "minibn train: stopped\n")
    assert "run the same command again to resume after epoch 1" in out
    interrupted.undo()
    status, out, _ = call(*argv, "--out", tmp_path / "resumed")
    assert status == 0 and "resuming from run.npz, after epoch 1 of 2" in out
    call(*argv[:-2], "--out", tmp_path / "whole")
    name = "train-synthetic-brn-batch5-seed0.json"
    assert measured(tmp_path / "resumed" / name) == measured(tmp_path / "whole" / name)
    assert call(*argv)[0] == 0                               # all done: table and figure again


def test_evaluate_gives_the_accuracy_of_the_history(call, tmp_path):
    call("train", *TINY, "--norm", "renorm_debias", "--checkpoint", "run.npz")
    history = read_record(tmp_path / "runs" / "train-synthetic-renorm_debias-batch5-seed0.json"
                          ).runs[0].history
    status, out, err = call("evaluate", "run.npz", "--limit-test", "20")
    assert (status, err) == (0, "")
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line}
    assert rows["batch"] == [f"{100 * history.final('batch'):.1f}", "%",
                             f"{100 * history.clipped_test[-1]:.1f}", "%"]
    assert rows["moving"] == [f"{100 * history.final('moving'):.1f}", "%", "–"]


def test_evaluate_names_the_classes_of_images(call, checkpoint):
    images = SYNTHETIC.test_images[:3]
    np.save("many.npy", images)
    np.savez("one.npz", images[0])
    imsave("picture.png", images[0])                         # with an alpha channel
    status, out, err = call("evaluate", checkpoint, "--images", "many.npy", "one.npz",
                            "picture.png")
    assert (status, err) == (0, "")
    model, saved = load_model(checkpoint)
    expected = []
    for row in predict(model, images, saved.mean, saved.std, "moving", 5):
        best = sorted(range(10), key=lambda k: -row[k])[:3]
        expected.append(", ".join(f"{SYNTHETIC.class_names[k]} {100 * row[k]:.1f} %" for k in best))
    lines = dict(line.split(None, 1) for line in out.splitlines()[4:])
    assert lines == {"many.npy[0]": expected[0], "many.npy[1]": expected[1],
                     "many.npy[2]": expected[2], "one.npz": expected[0],
                     "picture.png": expected[0]}


def test_grey_pictures_and_centers(call, checkpoint):
    imsave("gray.jpg", SYNTHETIC.test_images[0][2:30, 1:31, 0], cmap="gray")
    assert call("evaluate", checkpoint, "--images", "gray.jpg", "--mode", "batch")[0] == 0
    whole, center = SYNTHETIC.test_images[:1], SYNTHETIC.test_images[:1, 4:28, 4:28]
    np.save("whole.npy", whole)
    np.save("center.npy", center)
    first, second = (call("evaluate", checkpoint, "--images", file)[1].splitlines()[-1].split()[1:]
                     for file in ("whole.npy", "center.npy"))
    assert first == second


@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.pgm"])
def test_sixteen_bits_of_gray_are_scaled(name, tmp_path):
    """Were they cut to eight, a picture would be noise, and nothing would say so."""
    gray = np.arange(1024, dtype=np.uint16).reshape(32, 32) * 64
    Image.fromarray(gray).save(name)
    found = read_images(Path(name)).pixels
    assert found.shape == (1, 32, 32, 3) and found.dtype == np.uint8
    assert np.array_equal(found[0, ..., 1], np.rint(gray / 257))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_pictures_of_every_kind(mode, tmp_path):
    picture = Image.fromarray(SYNTHETIC.test_images[0]).convert(mode)
    picture.save("x.tif")
    expected = np.array(picture.convert("RGB"))
    assert np.array_equal(read_images(Path("x.tif")).pixels, expected[None])


def photograph(width, height):
    """The synthetic test image 0 in the middle of a larger gray picture, twenty times as large."""
    picture = Image.new("RGB", (width, height), (128, 128, 128))
    picture.paste(Image.fromarray(SYNTHETIC.test_images[0]).resize((640, 640), 0),
                  ((width - 640) // 2, (height - 640) // 2))
    return picture


@pytest.mark.parametrize(("name", "size"), [
    ("wide.jpg", (900, 640)), ("high.png", (640, 800)), ("square.webp", (640, 640))])
def test_photographs_are_resized_and_it_is_said(call, checkpoint, name, size):
    photograph(*size).save(name, quality=95)
    pixels, note = read_images(Path(name))
    assert pixels.shape == (1, 32, 32, 3) and pixels.dtype == np.uint8
    assert np.abs(pixels[0].astype(int) - SYNTHETIC.test_images[0]).mean() < 10  # of 255
    assert note == (f"{name}: {size[0]} × {size[1]} pixels (width × height), cut to the middle "
                    "square and resized to 32 × 32")
    status, out, err = call("evaluate", checkpoint, "--images", name)
    assert (status, err) == (0, "") and out.startswith(note) and out.count("%") == 3


def test_a_small_picture_is_enlarged_and_one_that_fits_is_not_touched():
    imsave("small.png", SYNTHETIC.test_images[0][:12, :20])
    pixels, note = read_images(Path("small.png"))
    assert pixels.shape == (1, 32, 32, 3) and "20 × 12 pixels (width × height)" in note
    imsave("fits.png", SYNTHETIC.test_images[0][:30, :26])
    pixels, note = read_images(Path("fits.png"))
    assert note is None and np.array_equal(pixels[0], SYNTHETIC.test_images[0][:30, :26])
    pixels, note = read_images(Path("fits.png"), side=16, crop=12)
    assert pixels.shape == (1, 16, 16, 3) and "resized to 16 × 16" in note


def test_a_photograph_is_turned_as_the_camera_was_held():
    exif = Image.Exif()
    exif[0x0112] = 6                                         # turn it by 90° clockwise
    photograph(900, 640).transpose(Image.Transpose.ROTATE_90).save("turned.jpg", quality=95,
                                                                   exif=exif)
    pixels, note = read_images(Path("turned.jpg"))
    assert np.abs(pixels[0].astype(int) - SYNTHETIC.test_images[0]).mean() < 10
    assert "900 × 640 pixels" in note


@as_process.needs_proc
def test_a_large_photograph_takes_little_memory(checkpoint, tmp_path):
    np.save("good.npy", SYNTHETIC.test_images[0])
    good = as_process.measured("evaluate", checkpoint, "--images", "good.npy")
    Image.new("RGB", (9000, 6000)).save("large.jpg")         # 162 MB when it is unpacked
    ended = as_process.measured("evaluate", checkpoint, "--images", "large.jpg")
    assert ended.status == 0 and ended.peak < good.peak + 60e6


def test_a_network_of_smaller_images_says_their_size(call, tmp_path):
    from dataclasses import replace

    from minibn.training import train
    from minibn.training.recipe import Recipe

    small = replace(SYNTHETIC, train_images=SYNTHETIC.train_images[:40, 8:24, 8:24],
                    train_labels=SYNTHETIC.train_labels[:40],
                    test_images=SYNTHETIC.test_images[:20, 8:24, 8:24],
                    test_labels=SYNTHETIC.test_labels[:20])
    train(Recipe(width=2, epochs=1, crop=12), small, checkpoint="small.npz", progress=False)
    photograph(700, 640).save("photo.jpg")
    status, out, err = call("evaluate", "small.npz", "--images", "photo.jpg")
    assert (status, err) == (0, "") and "resized to 16 × 16" in out


def npy_of(header):
    """An .npy file with this for a header."""
    return (b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
            + bytes(3072))


def zipped(method, name="x.npy", damage=False, array=SYNTHETIC.test_images[0], file="x.npz"):
    """An archive of one array, packed by `method`; damage: some packed bytes are changed."""
    content = io.BytesIO()
    np.save(content, array)
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr(name, content.getvalue())
    if damage:
        whole = bytearray(Path(file).read_bytes())
        whole[60:90] = b"\xff" * 30
        Path(file).write_bytes(whole)


def large_png(side):
    """A small PNG of side×side black pixels."""
    def chunk(kind, data):
        return (len(data).to_bytes(4, "big") + kind + data
                + zlib.crc32(kind + data).to_bytes(4, "big"))
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + side)) for _ in range(side)) + packer.flush()
    head = side.to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows)
            + chunk(b"IEND", b""))


BOMBS = {
    "x.png": lambda: Path("x.png").write_bytes(large_png(12_000)),
    "x.npy": lambda: Path("x.npy").write_bytes(
        npy_of("{'descr': '|u1', 'fortran_order': False, 'shape': (2_000_000, 32, 32, 3)}\n")),
    "x.npz": lambda: zipped(zipfile.ZIP_DEFLATED, array=np.zeros((90_000, 32, 32, 3), np.uint8)),
}


@as_process.needs_proc
def test_small_files_of_large_images_take_no_memory(checkpoint, tmp_path):
    np.save("good.npy", SYNTHETIC.test_images[0])
    good = as_process.measured("evaluate", checkpoint, "--images", "good.npy")
    assert good.status == 0
    for name, write in BOMBS.items():
        write()
        assert Path(name).stat().st_size < 300_000
        ended = as_process.measured("evaluate", checkpoint, "--images", name)
        assert ended.status == 2 and name in one_line(ended.err, "evaluate")
        assert ended.peak < good.peak + 60e6


@pytest.mark.parametrize(("write", "says"), [
    (lambda: np.save("x.npy", np.zeros((64, 48, 3), np.uint8)),
     "has images of 48 × 64 pixels (width × height); an array must have 24 to 32 pixels a side"),
    (lambda: np.save("x.npy", np.zeros((2, 20, 32, 3), np.uint8)), "of 32 × 20 pixels"),
    (lambda: Path("x.png").write_bytes(large_png(7000)), "7000 × 7000 pixels: at most 24 mi"),
    (lambda: Path("x.png").write_bytes(b"\x89PNG\r\n\x1a\n broken"), "is not a picture"),
    (lambda: np.save("x.npy", np.zeros((32, 32, 3))), "uint8 array"),
    (lambda: np.save("x.npy", np.zeros((32, 32), np.uint8)), "uint8 array"),
    (lambda: np.save("x.npy", np.zeros((0, 32, 32, 3), np.uint8)), "uint8 array"),
    (lambda: np.save("x.npy", np.array([{}]), allow_pickle=True), "without pickle"),
    (lambda: Path("x.npy").write_bytes(b"nothing"), "is not an array"),
    (lambda: Path("x.npz").write_bytes(b"PK\x03\x04"), "is not an array"),
    (lambda: np.savez("x.npz", a=np.zeros(1), b=np.zeros(1)), "must hold one array, not 2"),
    (lambda: Path("x.npy").write_bytes(npy_of("{'descr': '|u1', 'shape': (32, 32, 3")),
     "is not an array"),
    (lambda: Path("x.npy").write_bytes(npy_of("(" * 9000)), "is not an array"),
    (lambda: zipped(zipfile.ZIP_DEFLATED, damage=True), "is not an array"),
    (lambda: zipped(zipfile.ZIP_LZMA, damage=True), "is not an array"),
    (lambda: zipped(zipfile.ZIP_STORED, name="letter.txt"), "'letter.txt' is no array"),
    (lambda: Image.fromarray(np.ones((32, 32), np.float32)).save("x.tif"), "have 32 bits"),
    (lambda: Image.fromarray(np.ones((32, 32), np.int32)).save("x.tif"), "have 32 bits"),
    (lambda: Path("x.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n"),
     "is not a picture"),
])
def test_images_that_do_not_fit(call, checkpoint, tmp_path, write, says):
    write()
    file, = tmp_path.glob("x.*")
    status, out, err = call("evaluate", checkpoint, "--images", file)
    assert status == 2 and out == "" and says in one_line(err, "evaluate")


@pytest.mark.parametrize("name", ["my holiday", "synthetic-coarse", "cifar10-fine", "synthetic-"])
def test_a_checkpoint_of_unknown_data(name, call, checkpoint, tmp_path):
    with np.load(checkpoint) as archive:
        arrays = dict(archive)
    header = json.loads(arrays["header"].tobytes())
    header["data"] = name
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez(tmp_path / "other.npz", **arrays)
    status, _, err = call("evaluate", "other.npz")
    assert status == 2 and f"other.npz was trained on {name}, which this command cannot" in err
    np.save("image.npy", SYNTHETIC.test_images[0])           # but it can still name images
    assert call("evaluate", "other.npz", "--images", "image.npy")[0] == 0


# Real data, in small

@pytest.fixture
def cifar(monkeypatch, tmp_path):
    """A folder with tiny sets that pass for the official ones."""
    for name, folder, files in (("cifar100", "cifar-100-python", cifar100_files()),
                                ("cifar10", "cifar-10-batches-py", cifar10_files())):
        as_official(monkeypatch, name, files)
        write_files(tmp_path / "data" / folder, files)
    return tmp_path / "data"


@pytest.mark.parametrize(("argv", "name", "classes"), [
    (["--data", "cifar100"], "cifar100", 4),
    (["--data", "cifar100", "--labels", "coarse"], "cifar100-coarse", 2),
    (["--data", "cifar10"], "cifar10", 2),
])
def test_compare_and_evaluate_on_cifar(call, cifar, tmp_path, argv, name, classes):
    argv = [*argv, "--data-dir", cifar, "--width", "2", "--epochs", "1", "--batch-size", "2"]
    status, out, err = call("compare", *argv, "--norms", "bn")
    assert (status, err) == (0, "")
    record = read_record(tmp_path / "runs" / f"compare-{name}-batch2-seed0.json")
    assert record.data["name"] == name and record.data["classes"] == classes
    assert call("train", *argv, "--checkpoint", "run.npz")[0] == 0
    assert call("evaluate", "run.npz", "--data-dir", cifar)[0] == 0
    status, _, err = call("evaluate", "run.npz", "--data-dir", tmp_path)
    assert status == 2 and "no cifar" in one_line(err, "evaluate")


def test_damaged_data_is_one_line_unless_it_is_wanted(call, cifar):
    argv = ["compare", "--data", "cifar100", "--data-dir", cifar, "--width", "2", "--epochs", "1",
            "--norms", "gn"]
    changed = cifar100_files()["test"].replace(b"a tiny batch", b"a TINY batch")
    (cifar / "cifar-100-python" / "test").write_bytes(changed)
    status, _, err = call(*argv)
    assert status == 2 and "is damaged or not the official file" in err and err.count("\n") == 1
    assert call(*argv, "--no-verify")[0] == 0


def test_data_shows_what_is_there(call, cifar, tmp_path):
    status, out, _ = call("data")
    assert status == 0 and out.count("absent") == 2
    assert f"looked in: {tmp_path / 'cache' / 'minibn'}" in out
    status, out, _ = call("data", "--data-dir", cifar, "--verify")
    assert status == 0 and out.count("every file is the official one") == 2 and str(cifar) in out
    (cifar / "cifar-100-python" / "test").unlink()
    status, out, err = call("data", "--data-dir", cifar, "--verify")
    assert status == 2 and "damaged" in out
    assert one_line(err, "data") == "minibn data: cifar100: test is missing\n"


def test_data_knows_an_archive(call, cifar):
    import shutil
    shutil.rmtree(cifar / "cifar-100-python")
    (cifar / "cifar-100-python.tar.gz").write_bytes(cifar100_archive(cifar100_files()))
    status, out, _ = call("data", "--data-dir", cifar, "--verify")
    assert status == 0 and "packed" in out


def test_data_fetches(call, monkeypatch, tmp_path):
    content = cifar100_archive(cifar100_files())
    official = as_official(monkeypatch, "cifar100", cifar100_files(), content)
    monkeypatch.setenv("no_proxy", "*")
    with serve(content) as url:
        object.__setattr__(official, "url", url)
        status, out, err = call("data", "--fetch", "cifar100", "--data-dir", tmp_path / "new")
    assert (status, err) == (0, "") and "there" in out
    assert (tmp_path / "new" / "cifar-100-python" / "train").exists()
    object.__setattr__(official, "url", "http://127.0.0.1:9/nobody")
    status, _, err = call("data", "--fetch", "cifar100", "--data-dir", tmp_path / "other")
    assert status == 2 and "cifar100 was not downloaded" in one_line(err, "data")
    assert download.TIMEOUT > 0


# As a process of its own

def test_as_a_process(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run([sys.executable, "-m", "minibn", "compare", "--width", "no"],
                          capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    assert one_line(done.stderr, "compare")
    reader = subprocess.run(f"{sys.executable} -m minibn data | head -n 1", shell=True, text=True,
                            capture_output=True, env=environment, cwd=tmp_path)
    assert reader.stdout.startswith("set ") and reader.stderr == ""


# Files of results

def test_no_result_is_overwritten(call, tmp_path):
    """Every command gets a file of its own, also one that is given again."""
    def file_of(*options, command="compare"):
        _, out, err = call(command, *TINY, *options)
        assert err == ""
        return out.split("results  ")[1].strip()

    first = file_of("--norms", "bn")
    kept = Path(first).read_bytes()
    others = [file_of("--norms", "bn"), file_of("--norms", "bn", "--epochs", "1"),
              file_of("--norms", "bn", "--lr", "0.02"), file_of("--norms", "bn", "gn")]
    assert [Path(name).name for name in (first, *others)] == [
        f"compare-synthetic-batch5-seed0{number}.json" for number in ("", "-2", "-3", "-4", "-5")]
    assert Path(first).read_bytes() == kept
    one = file_of("--norm", "bn", command="train")
    Path(one).write_text("something else")
    assert file_of("--norm", "bn", command="train") != one
    assert Path(one).read_text() == "something else"


def test_a_run_that_goes_on_keeps_its_result_file(call, tmp_path):
    """Also for more epochs; another run with the same settings does not take it."""
    def train(epochs, checkpoint):
        status, out, err = call("train", *TINY, "--norm", "bn", "--epochs", epochs,
                                "--checkpoint", checkpoint)
        assert (status, err) == (0, "")
        return out.split("results  ")[1].strip()

    first = train(1, "a.npz")
    assert train(3, "a.npz") == first == train(3, "a.npz")
    assert read_record(first).runs[0].history.epochs == 3
    other = train(2, "b.npz")
    assert other != first and read_record(first).runs[0].history.epochs == 3
    status, out, err = call("train", *TINY, "--norm", "bn", "--epochs", "2", "--checkpoint",
                            "a.npz")
    assert status == 2 and "a.npz has 3 epochs, more than the 2 asked for" in err


def test_two_at_once_get_two_names(tmp_path, call):
    assert call("compare", *SMALL, "--norms", "bn", "--epochs", "1")[0] == 0
    record = read_record(tmp_path / "runs" / "compare-synthetic-batch5-seed0.json")
    for run in record.runs:                                  # as they begin
        run.history = History(test_accuracy={run.history.mode: []})
    names = {free_path(tmp_path / "x.json", record) for _ in range(3)}
    assert {name.name for name in names} == {"x.json", "x-2.json", "x-3.json"}


@pytest.mark.parametrize("argv", [["--redraw", "x.json", "--out", "new"],
                                  ["--redraw=x.json", "--epochs", "3"],
                                  ["--epochs", "3", "--redraw", "x.json"],
                                  ["--out=new", "--redraw=x.json"]])
def test_redraw_takes_no_other_option(call, argv):
    status, out, err = call("compare", *argv)
    assert (status, out) == (2, "") and "--redraw takes no other option" in err


def test_redraw_with_an_equals_sign_and_spaces(call):
    file = Path("a folder") / "compare-synthetic-batch5-seed0.json"
    assert call("compare", *SMALL, "--norms", "bn", "--epochs", "1", "--out", "a folder")[0] == 0
    for argv in (["--redraw", file], [f"--redraw={file}"]):
        status, out, err = call("compare", *argv)
        assert (status, err) == (0, "") and "figure   a folder" in out


@pytest.mark.parametrize(("argv", "hint"), [
    (["train", "--norms", "bn"], "did you mean --norm?"),
    (["train", "--checkpont=x"], "did you mean --checkpoint?"),
    (["compare", "--norm", "bn"], "did you mean --norms?"),
    (["compare", "--zzz"], "unrecognized arguments: --zzz (minibn"),
    (["compare", "brn"], "unrecognized arguments: brn (minibn")])
def test_a_misspelled_option_is_recognized(call, argv, hint):
    status, out, err = call(*argv)
    assert (status, out) == (2, "") and hint in err and err.count("\n") == 1


def test_devices_are_no_files(call, tmp_path):
    """Of /dev/zero there is no end."""
    if not Path("/dev/zero").exists():
        pytest.skip("needs /dev/zero")
    for argv in (["evaluate", "/dev/zero"], ["compare", "--redraw", "/dev/zero"],
                 ["replicate", "--from", "/dev/zero"],
                 ["train", *TINY, "--checkpoint", "/dev/zero"]):
        status, _, err = call(*argv)
        assert status == 2 and "/dev/zero is a device or a pipe, not a file" in err


def test_a_file_that_cannot_be_written_is_named(call, tmp_path, monkeypatch):
    def refuse(name, mode="r", *rest, **options):
        if "w" in mode:
            raise PermissionError(errno.EACCES, "Permission denied", str(name))
        return open(name, mode, *rest, **options)

    monkeypatch.setattr("minibn.files.open", refuse, raising=False)
    status, _, err = call("compare", *SMALL, "--out", "there")
    assert (status, err) == (2, "minibn compare: there/compare-synthetic-batch5-seed0.json: "
                                "Permission denied\n")


def test_what_a_result_file_lacks_is_named(call, tmp_path):
    Path("bad.json").write_text("{}")
    assert "bad.json is not a result file of minibn (it has no 'format')" in call(
        "compare", "--redraw", "bad.json")[2]
    assert "(it has no 'format')" in call("replicate", "--from", "bad.json")[2]


def test_nothing_to_verify_is_a_mistake(call):
    status, out, err = call("data", "--verify")
    assert status == 2 and "there is no set to verify" in err and "absent" in out


def test_the_synthetic_set_is_in_no_folder(call):
    assert call("train", *TINY, "--epochs", "1", "--checkpoint", "run.npz")[0] == 0
    status, _, err = call("evaluate", "run.npz", "--data-dir", "somewhere")
    assert status == 2 and "run.npz was trained on the synthetic set" in err


def test_replicate_and_report_know_where_the_smoke_preset_keeps_its_results(call, tmp_path):
    status, _, err = call("report", "--preset", "smoke")
    assert status == 2 and "no results in runs/smoke: `python -m minibn replicate --preset smoke`" \
        in err
    argv = ["replicate", "table3", "--preset", "smoke", "--seeds", "1", "--processes", "1"]
    _, out, _ = call(*argv)
    assert "done before" not in out
    _, out, _ = call(*argv)
    runs = out.split("replications: ")[1].split("\n")[0]
    count = runs.split()[0]
    assert runs == f"{count} runs ({count} of them done before)"
    status, out, err = call("report", "--preset", "smoke")
    assert (status, err) == (0, "") and Path("runs/smoke-report/REPORT.md").exists()
    assert "too few runs     On NiN" in out and not Path("results").exists()


def test_a_replication_that_is_stopped_says_how_to_go_on(call, monkeypatch):
    from minibn.commands import replicate

    def stopped(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(replicate, "carry_out_all", stopped)
    status, out, err = call("replicate", "table3", "--preset", "smoke")
    assert (status, err) == (130, "minibn replicate: stopped\n")
    assert "finished runs are kept in runs/smoke; the same command does the others" in out


def test_results_of_another_preset_are_no_report_and_no_start(call, tmp_path):
    argv = ["replicate", "table3", "--preset", "smoke", "--seeds", "1", "--processes", "1"]
    assert call(*argv)[0] == 0
    for wrong in (["report", "--results", "runs/smoke"],
                  ["report", "--preset", "scaled", "--results", "runs/smoke"],
                  ["report", "--preset", "smoke", "--results", "runs/smoke", "--again", "other"],
                  ["replicate", "table3", "--preset", "paper", "--out", "runs/smoke"]):
        if "other" in wrong:
            file = next(Path("runs/smoke").rglob("*.json"))
            Path("other").mkdir()
            changed = file.read_text().replace('"width": 2', '"width": 3')
            (Path("other") / file.name).write_text(changed)
        status, _, err = call(*wrong)
        assert status == 2 and "of another preset than" in err
    assert not Path("results").exists()
    assert call("report", "--preset", "smoke", "--results", "runs/smoke")[0] == 0
    assert Path("runs/smoke-report/REPORT.md").exists()
    (tmp_path / "runs" / "smoke-report" / "REPORT.md").unlink()
    os.chdir("runs/smoke")                           # the fixture goes back
    assert call("report", "--preset", "smoke", "--results", ".")[0] == 0
    assert (tmp_path / "runs" / "smoke-report" / "REPORT.md").exists()
