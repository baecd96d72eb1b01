"""Training, testing and the commands on a GPU: on the stand-in of `fake_cupy.py`, and on CuPy."""

from dataclasses import replace

import numpy as np
import pytest

from minibn.__main__ import main
from minibn.backend import to_host
from minibn.data import make_synthetic
from minibn.models import MODELS
from minibn.norms import NORMS
from minibn.training import Run, train
from minibn.training.checkpoint import load_model, read_checkpoint
from minibn.training.evaluation import predict, test_accuracy, test_modes
from minibn.training.recipe import Recipe

DATA = make_synthetic(train=50, test=23)
TINY = Recipe(width=2, epochs=1, lr=0.02, batch_size=5, dtype="float64")


def trained(recipe, device, **options):
    return train(recipe, DATA, device=device, progress=False, **options)


def assert_same_run(run, other):
    """Two runs, each on its own device, agree but for rounding."""
    for group in ("params", "state"):
        ours, theirs = getattr(run.model, group), getattr(other.model, group)
        assert list(ours) == list(theirs)
        for key, value in ours.items():
            if isinstance(value, int):
                assert theirs[key] == value
            else:
                # The mean of a channel may be zero but for rounding.
                np.testing.assert_allclose(to_host(theirs[key]), to_host(value), 1e-7, 1e-9, key)
    ours, theirs = run.history, other.history
    assert theirs.train_loss == pytest.approx(ours.train_loss, rel=1e-9)
    assert theirs.test_accuracy == ours.test_accuracy
    for key in ("train_accuracy", "clipped_train", "clipped_test", "learning_rate"):
        assert getattr(theirs, key) == pytest.approx(getattr(ours, key)), key


@pytest.mark.parametrize("network", MODELS)
@pytest.mark.parametrize("norm", NORMS)
def test_training_gives_numpys_numbers(network, norm, gpu):
    recipe = replace(TINY, network=network, norm=norm, accumulate=2, weight_decay=0.01)
    run = trained(recipe, "gpu")
    assert all(isinstance(p, gpu.ndarray) for p in run.model.params.values())
    assert_same_run(trained(recipe, "cpu"), run)


@pytest.mark.parametrize("devices", [("gpu", "cpu"), ("cpu", "gpu"), ("gpu", "gpu")], ids="-".join)
def test_a_run_goes_on_on_another_device(devices, gpu, tmp_path):
    recipe, file = replace(TINY, norm="renorm_debias", network="nin", epochs=2), tmp_path / "run"
    before, after = devices
    first = trained(replace(recipe, epochs=1), before, checkpoint=file)
    arrays = read_checkpoint(file).arrays
    for name, value in (*first.model.params.items(),):
        assert np.array_equal(arrays[f"params/{name}"], to_host(value))
    for name, value in first.optimizer.velocity.items():
        assert np.array_equal(arrays[f"velocity/{name}"], to_host(value))
    assert_same_run(trained(recipe, "cpu"), trained(recipe, after, checkpoint=file))


@pytest.mark.parametrize("norm", ["bn", "brn", "renorm_debias", "wn"])
def test_testing_and_predicting_there(norm, gpu, tmp_path):
    file = tmp_path / "run"
    run = trained(replace(TINY, norm=norm), "cpu", checkpoint=file)
    model, _ = load_model(file, "gpu")
    for mode in test_modes(model):
        how = (run.mean, run.std, mode, 5)
        accuracies, probabilities = (
            [test(m, *args, *how, device, "float64")
             for m, device in ((run.model, "cpu"), (model, "gpu"))]
            for test, args in ((test_accuracy, (DATA.test_images, DATA.test_labels)),
                               (predict, (DATA.test_images,))))
        assert accuracies[0] == accuracies[1]
        assert all(isinstance(p, np.ndarray) for p in probabilities)
        assert probabilities[1] == pytest.approx(probabilities[0], rel=1e-9)
    with pytest.raises(TypeError, match="^[xwv] is an array of"):
        test_accuracy(model, DATA.test_images, DATA.test_labels, run.mean, run.std, mode, 5)


MASKS = {"all_cnn": 0, "nin": 2}      # dropout masks are drawn on the CPU, and then moved
LOOKS = {"wn": 9}                     # a weight norm looks whether v has a direction


@pytest.mark.parametrize("network", MODELS)
@pytest.mark.parametrize("norm", NORMS)
def test_arrays_cross_only_at_the_edges_of_the_loop(network, norm, stand_in, monkeypatch):
    """Two arrays a batch, images and labels; a look at the loss every LOOK_EVERY updates."""
    monkeypatch.setattr("minibn.training.run.LOOK_EVERY", 4)
    width = 24 if norm == "bn" else 2                     # 24: some convolutions are in tiles
    run = Run(replace(TINY, network=network, norm=norm, width=width), DATA, "gpu")
    run._train_epoch(None)                                # constants have moved by now
    before = stand_in.crossings.copy()
    batches = run.updates_per_epoch
    run._train_epoch(None)
    crossed = stand_in.crossings - before
    looks = -(-batches // 4) * (1 + 9 * (norm in ("brn", "renorm_debias")))
    assert crossed == {
        "to device": batches * (2 + MASKS[network]),
        "looked at": looks + 1 + batches * LOOKS.get(norm, 0),
    }


def test_a_test_looks_once(stand_in):
    """Two arrays a batch again, and at the end the number of images classified right."""
    run = Run(replace(TINY, norm="bn"), DATA, "gpu")
    before = stand_in.crossings.copy()
    test_accuracy(run.model, DATA.test_images, DATA.test_labels, run.mean, run.std, "moving", 5,
                  "gpu", "float64")
    assert stand_in.crossings - before == {"to device": 2, "looked at": 1}


SMALL = ["--limit-train", "20", "--limit-test", "10", "--width", "2", "--epochs", "1"]


def test_the_commands_run_there(gpu, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *SMALL, "--device", "gpu", "--checkpoint", "run.npz"]) == 0
    assert main(["evaluate", "run.npz", "--device", "gpu", "--limit-test", "10"]) == 0
    assert main(["compare", *SMALL, "--device", "gpu", "--out", "runs",
                 "--norms", "bn", "renorm_debias"]) == 0
    assert "renorm_debias" in capsys.readouterr().out
