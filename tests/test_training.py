"""The training loop: what is measured, what is the same, and that it goes on where it stopped."""

import math
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from tqdm import tqdm

from minibn.backend import to_device
from minibn.data import make_synthetic
from minibn.data.batches import standardize_images, training_batches
from minibn.losses import softmax_cross_entropy, softmax_cross_entropy_backward
from minibn.norms import NORMS
from minibn.training import Diverged, Run, finish, progress_bar, train
from minibn.training.evaluation import in_test_mode, predict, test_accuracy, test_modes
from minibn.training.history import History
from minibn.training.recipe import Recipe

DATA = make_synthetic(train=40, test=23)
TINY = Recipe(width=2, epochs=3, lr=0.02, lr_every=2, batch_size=5)


def measured(history):
    """A history without its timings."""
    return {name: values for name, values in history.as_dict().items() if name != "seconds"}


def everything(run):
    """All that a run must have in common with one that was never stopped."""
    return {
        **{f"params/{name}": p.copy() for name, p in run.model.params.items()},
        **{f"velocity/{name}": v.copy() for name, v in run.optimizer.velocity.items()},
        **{f"state/{name}": np.copy(s) for name, s in run.model.state.items()},
    }


def assert_same_run(run, other):
    ours, theirs = everything(run), everything(other)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)
    assert measured(run.history) == measured(other.history)
    assert run.rng.bit_generator.state == other.rng.bit_generator.state


# Going on from a checkpoint

@pytest.mark.parametrize("settings", [
    {"norm": "bn"},
    {"norm": "brn", "norm_options": {"ramp": [5, 15, 12]}},
    {"norm": "renorm_debias"},
    {"norm": "wn", "accumulate": 2},
    {"norm": "renorm_debias", "network": "nin"},             # has dropout
    {"norm": "gn", "dtype": "float64", "weight_decay": 0.01},
], ids=lambda settings: "-".join(map(str, settings.values())))
def test_a_resumed_run_ends_as_one_that_never_stopped(settings, tmp_path):
    recipe = replace(TINY, **settings)
    whole = train(recipe, DATA, progress=False)
    for stop_after in (1, 2):
        file = tmp_path / f"{stop_after}.npz"
        train(replace(recipe, epochs=stop_after), DATA, checkpoint=file, progress=False)
        resumed = train(recipe, DATA, checkpoint=file, progress=False)
        assert resumed.history.epochs == 3
        assert_same_run(resumed, whole)


def test_a_finished_run_is_left_alone(tmp_path):
    file = tmp_path / "run.npz"
    done = train(TINY, DATA, checkpoint=file, progress=False)
    before = file.read_bytes()
    again = train(TINY, DATA, checkpoint=file, progress=False)
    assert_same_run(again, done)
    assert again.history.seconds == done.history.seconds
    assert file.read_bytes() == before


# What is the same under every norm

def test_equal_seeds_give_equal_weights_under_every_norm():
    runs = {norm: Run(replace(TINY, norm=norm), DATA) for norm in NORMS}
    for k in range(1, 10):
        for norm, run in runs.items():
            key = f"conv{k}.v" if NORMS[norm].wraps else f"conv{k}.w"
            np.testing.assert_array_equal(run.model.params[key],
                                          runs["bn"].model.params[f"conv{k}.w"])


@pytest.mark.parametrize("norm", ["brn", "renorm_debias", "wn"])
def test_equal_seeds_give_equal_batches_under_every_norm(norm):
    ours, theirs = Run(replace(TINY, norm=norm), DATA), Run(TINY, DATA)
    for _ in range(2):                                       # in the second epoch too
        for (x, y), (x_bn, y_bn) in zip(ours._batches(), theirs._batches(), strict=True):
            np.testing.assert_array_equal(x, x_bn)
            np.testing.assert_array_equal(y, y_bn)
    for run in (ours, theirs):
        run.epoch()
    assert ours.rng.bit_generator.state == theirs.rng.bit_generator.state


def test_another_seed_gives_other_weights_and_another_order():
    ours, theirs = Run(TINY, DATA), Run(replace(TINY, seed=1), DATA)
    assert (ours.model.params["conv1.w"] != theirs.model.params["conv1.w"]).all()
    (x, _), (x_other, _) = next(ours._batches()), next(theirs._batches())
    assert not np.array_equal(x, x_other)


def test_the_same_recipe_gives_the_same_run():
    runs = [train(replace(TINY, norm="renorm_debias"), DATA, progress=False) for _ in range(2)]
    assert_same_run(*runs)


# One update

def gradients(run, batch_size, count):
    """The gradients of the first `count` batches of the epoch that comes next."""
    rng = np.random.default_rng()
    rng.bit_generator.state = run.rng.bit_generator.state
    twin = run.recipe.model(classes=10)
    found = []
    batches = training_batches(DATA.train_images, DATA.train_labels, batch_size, rng, run.mean,
                               run.std, dtype=run.recipe.dtype)
    for (x, y), _ in zip(batches, range(count), strict=False):
        _, cache = softmax_cross_entropy(twin.forward(x, training=True), y)
        twin.backward(softmax_cross_entropy_backward(1.0, cache))
        found.append({name: g.copy() for name, g in twin.grads.items()})
    return found


@pytest.mark.parametrize("norm", ["bn", "renorm_debias"])
def test_accumulation_updates_by_the_mean_gradient(norm):
    recipe = replace(TINY, norm=norm, accumulate=8, dtype="float64", weight_decay=0.0)
    run = Run(recipe, DATA)                                  # 8 batches of 5: one update an epoch
    before = {name: p.copy() for name, p in run.model.params.items()}
    each = gradients(run, 5, 8)
    run.epoch()
    assert run.updates_per_epoch == 1
    for name, p in run.model.params.items():
        mean = sum(g[name] for g in each) / 8
        np.testing.assert_allclose(p, before[name] - recipe.lr * mean, rtol=1e-12, atol=1e-14,
                                   err_msg=name)
        assert np.abs(mean).max() > 1e-6, name               # otherwise this shows nothing
    step = run.model.state.get("norm1.step")
    assert step is None or step == 8                         # each batch enters the averages


def test_accumulation_is_a_large_batch_for_a_norm_that_ignores_the_batch():
    small = replace(TINY, norm="gn", accumulate=4, dtype="float64", epochs=1)
    large = replace(small, batch_size=20, accumulate=1)
    ours, theirs = (train(recipe, DATA, progress=False) for recipe in (small, large))
    for name, p in ours.model.params.items():
        np.testing.assert_allclose(p, theirs.model.params[name], rtol=1e-9, atol=1e-12)


def test_training_lowers_the_loss():
    few = replace(DATA, train_images=DATA.train_images[:20], train_labels=DATA.train_labels[:20])
    history = train(replace(TINY, width=8, epochs=12, lr_every=None), few, progress=False).history
    assert history.train_loss[-1] < 0.9 * history.train_loss[0]


# What is measured

@pytest.mark.parametrize("norm", ["bn", "brn", "renorm_debias", "ln", "none"])
def test_history_has_an_entry_an_epoch(norm):
    history = train(replace(TINY, norm=norm), DATA, progress=False).history
    modes = {"bn": ["moving"], "brn": ["moving", "batch"], "renorm_debias": ["batch", "moving"]}
    assert list(history.test_accuracy) == modes.get(norm, ["plain"])
    assert history.epochs == 3
    for values in (history.train_loss, history.train_accuracy, history.learning_rate,
                   history.seconds, *history.test_accuracy.values()):
        assert len(values) == 3
    assert history.learning_rate == pytest.approx([0.02, 0.02, 0.002])
    assert all(math.isfinite(loss) and loss > 0 for loss in history.train_loss)
    assert 1.5 < history.train_loss[0] < 4                   # ln 10 = 2.3 is chance
    assert all((40 * share) % 1 == 0 for share in history.train_accuracy)
    assert all((23 * share) % 1 == pytest.approx(0, abs=1e-9)
               for mode in history.test_accuracy.values() for share in mode)
    assert all(seconds > 0 for seconds in history.seconds)
    clipped = 3 if norm in ("brn", "renorm_debias") else 0
    assert len(history.clipped_train) == len(history.clipped_test) == clipped
    assert all(0 <= share <= 1 for share in history.clipped_train + history.clipped_test)


def test_train_loss_is_the_mean_over_the_batches():
    recipe = replace(TINY, dtype="float64", lr=1e-12, epochs=1)   # the weights stay where they are
    run = Run(recipe, DATA)
    twin = recipe.model(classes=10)
    rng = np.random.default_rng([recipe.seed, 1])
    losses, right = [], 0
    for x, y in training_batches(DATA.train_images, DATA.train_labels, 5, rng, run.mean, run.std,
                                 dtype="float64"):
        logits = twin.forward(x, training=True)
        losses.append(float(softmax_cross_entropy(logits, y)[0]))
        right += int((logits.argmax(1) == y).sum())
    run.epoch()
    assert run.history.train_loss == pytest.approx([np.mean(losses)], rel=1e-7)
    assert run.history.train_accuracy == [right / 40]


@pytest.mark.parametrize("mode", ["batch", "moving"])
def test_accuracy_counts_right_answers_in_batches_in_the_files_order(mode):
    run = train(replace(TINY, norm="renorm_debias"), DATA, progress=False)
    x = standardize_images(DATA.test_images[:, 4:28, 4:28], run.mean, run.std)
    with in_test_mode(run.model, mode):
        logits = np.concatenate([run.model.forward(x[i:i + 5]) for i in range(0, 23, 5)])
    share = float((logits.argmax(1) == DATA.test_labels).mean())
    assert run.history.final(mode) == share
    probabilities = predict(run.model, DATA.test_images, run.mean, run.std, mode, batch_size=5)
    exp = np.exp(logits.astype(np.float64))
    np.testing.assert_allclose(probabilities, exp / exp.sum(1, keepdims=True), rtol=1e-5)


def test_the_own_mode_comes_first_and_stays():
    options = {"test_mode": "moving"}
    run = Run(replace(TINY, norm="renorm_debias", norm_options=options, epochs=1), DATA)
    assert test_modes(run.model) == ("moving", "batch")
    finish(run, progress=False)
    assert run.history.mode == "moving"
    assert test_modes(run.model) == ("moving", "batch")


@pytest.mark.parametrize(("norm", "own", "other"), [("brn", "moving", "batch"),
                                                    ("renorm_debias", "batch", "moving")])
def test_a_test_mode_is_set_for_a_while_and_for_every_layer(norm, own, other):
    """Also where the test in it breaks off."""
    model = replace(TINY, norm=norm).model(classes=10)
    layers = [layer for _, layer in model.places() if hasattr(layer, "test_mode")]
    assert len(layers) == 9 and {layer.test_mode for layer in layers} == {own}
    with pytest.raises(KeyError), in_test_mode(model, other):
        assert {layer.test_mode for layer in layers} == {other}
        raise KeyError
    assert {layer.test_mode for layer in layers} == {own}
    with pytest.raises(ValueError, match="mode must be one of"), in_test_mode(model, "plain"):
        pass


@pytest.mark.parametrize(("mode", "sizes"), [("batch", [5, 5, 5, 5, 3]), ("moving", [23])])
def test_batches_have_the_trainings_size_where_that_matters(mode, sizes, monkeypatch):
    """In mode "batch" alone; r, d and the clipped share are then those of these batches."""
    run = train(replace(TINY, norm="renorm_debias", epochs=1), DATA, progress=False)
    seen, forward = [], run.model.forward
    monkeypatch.setattr(type(run.model), "forward", lambda model, x, training=False: (
        seen.append(len(x)), forward(x, training))[1])
    clipped = test_accuracy(run.model, DATA.test_images, DATA.test_labels, run.mean, run.std, mode,
                            5).clipped
    assert seen == sizes and (clipped is None) == (mode == "moving")


def test_an_unknown_mode_is_named():
    run = Run(TINY, DATA)
    with pytest.raises(ValueError, match="mode must be one of moving, not 'batch'"):
        test_accuracy(run.model, DATA.test_images, DATA.test_labels, run.mean, run.std, "batch", 5)


def test_history_finds_its_best_and_first():
    history = History([2, 1, 1], [0, 0, 0], {"moving": [0.1, 0.6, 0.5]}, [1, 1, 1], seconds=[1] * 3)
    assert (history.final(), history.best(), history.mode) == (0.5, 0.6, "moving")
    assert history.epochs_to(0.1) == 1
    assert history.epochs_to(0.55) == 2
    assert history.epochs_to(0.61) is None
    assert History.from_dict(history.as_dict()) == history


@pytest.mark.parametrize(("change", "message"), [
    ({"train_loss": [1.0]}, "a list of 1"),
    ({"test_accuracy": {"moving": [0.5, 0.5]}}, "a list of 2"),
    ({"clipped_test": [0.5]}, "a list of 1"),
    ({"test_accuracy": {}}, "one mode at least"),
    ({"train_loss": [1.0, "x", 1.0]}, "must be a number"),
    ({"train_loss": [1.0, math.nan, 1.0]}, "must be finite"),
    ({"surprise": []}, "surprise"),
])
def test_a_history_from_a_file_is_checked(change, message):
    good = History([2.0] * 3, [0.0] * 3, {"moving": [0.1] * 3}, [1.0] * 3, seconds=[1.0] * 3)
    with pytest.raises((ValueError, TypeError), match=message):
        History.from_dict({**good.as_dict(), **change})


# The progress bar, the hook, and what goes wrong

def test_the_bar_tells_loss_and_accuracy(capsys):
    run = Run(TINY, DATA)
    with progress_bar(run) as bar:
        run.epoch(bar)
    assert bar.n == run.updates_per_epoch == 8 and bar.total == 24
    assert f"loss={run.history.train_loss[0]:.3f}" in bar.postfix
    assert f"acc={run.history.train_accuracy[0]:.1%}" in bar.postfix
    assert "bn" in capsys.readouterr().err


@pytest.mark.parametrize(("platform", "watched"), [("emscripten", False), ("linux", True)])
def test_in_a_browser_no_thread_watches_the_bar(platform, watched, monkeypatch):
    monkeypatch.setattr(tqdm, "monitor_interval", 10)
    monkeypatch.setattr("minibn.training.loop.sys.platform", platform)
    with progress_bar(Run(TINY, DATA), disable=True):
        assert bool(tqdm.monitor_interval) == watched


def test_after_epoch_sees_every_epoch(capsys):
    seen = []
    train(TINY, DATA, progress=False, after_epoch=lambda run: seen.append(run.history.epochs))
    assert seen == [1, 2, 3]
    assert capsys.readouterr().err == ""                     # progress=False shows nothing


def test_a_run_that_diverges_says_where_and_without_warnings():
    recipe = replace(TINY, norm="none", lr=1e20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(Diverged) as caught:
            train(recipe, DATA, progress=False)
    assert "not finite at update 8 of epoch 1 (none, batch size 5, learning rate 1e+20)" in str(
        caught.value)
    assert caught.value.history.epochs == 0


def test_divergence_can_come_from_another_process():
    error = pickle.loads(pickle.dumps(Diverged("too far", History(seconds=[1.0]))))
    assert str(error) == "too far" and error.history.epochs == 1


def test_a_run_that_diverges_later_keeps_its_history(tmp_path):
    def poison(run):
        run.model.params["conv1.w"][...] = np.nan

    with pytest.raises(Diverged, match="of epoch 2") as caught:
        train(TINY, DATA, progress=False, after_epoch=poison, checkpoint=tmp_path / "run.npz")
    assert caught.value.history.epochs == 1
    assert len(caught.value.history.train_loss) == 1


def test_a_last_partial_batch_is_dropped_in_training_alone():
    run = Run(replace(TINY, batch_size=7), DATA)
    assert run.updates_per_epoch == 5
    assert [len(y) for _, y in run._batches()] == [7] * 5
    run.epoch()
    assert (35 * run.history.train_accuracy[0]) % 1 == pytest.approx(0, abs=1e-9)


def test_too_few_images_for_one_update():
    with pytest.raises(ValueError, match="needs 50 images .*5 x accumulate 10.* has 40"):
        Run(replace(TINY, accumulate=10), DATA)


def test_a_missing_gpu_is_reported_before_anything_is_done():
    try:
        to_device(np.zeros(1), "gpu")
    except RuntimeError as error:
        with pytest.raises(RuntimeError, match="gpu") as caught:
            Run(TINY, DATA, device="gpu")
        assert str(caught.value) == str(error)
    else:
        pytest.skip("this machine has a GPU")


# Recipes

@pytest.mark.parametrize(("change", "message"), [
    ({"network": "vgg"}, "network must be one of all_cnn, nin"),
    ({"norm": "in"}, "norm must be one of bn, brn"),
    ({"activation": "gelu"}, "activation must be one of relu, elu"),
    ({"width": 0}, "width must be at least 1"),
    ({"batch_size": 2.0}, "batch_size must be an integer"),
    ({"accumulate": True}, "accumulate must be an integer"),
    ({"epochs": -1}, "epochs must be at least 1"),
    ({"lr": 0}, "lr must be above 0"),
    ({"lr": math.inf}, "lr must be finite"),
    ({"lr_every": 0}, "lr_every must be at least 1"),
    ({"momentum": 1}, "momentum must be at least 0 and below 1"),
    ({"weight_decay": -1}, "weight_decay must be at least 0"),
    ({"seed": -1}, "seed must be at least 0"),
    ({"crop": 0}, "crop must be at least 1"),
    ({"dtype": "float16"}, "dtype must be float32 or float64"),
    ({"flip": "no"}, "flip must be True or False"),
    ({"final_relu": 1}, "final_relu must be True or False"),
    ({"decay_norms": None}, "decay_norms must be True or False"),
    ({"norm_options": [1]}, "norm_options must be a dict"),
    ({"norm_options": {"r_max": 3}}, "bn has no option 'r_max'; it has decay, eps"),
    ({"norm_options": {"decay": 1}}, "norm_options: decay must be at least 0 and below 1"),
    ({"norm": "brn", "norm_options": {"ramp": 5}}, "norm_options: ramp"),
    ({"norm": "wn", "norm_options": {"layer": 3}}, "wn has no option 'layer'"),
    ({"norm": "none", "norm_options": {"eps": 1}}, "none has no option 'eps'; it has none"),
])
def test_recipes_are_checked(change, message):
    with pytest.raises((ValueError, TypeError), match=message):
        Recipe(**change)


@pytest.mark.parametrize(("change", "message"), [
    ({"test_labels": DATA.test_labels + 1}, "test_labels must be in 0 … 9, not from 1 to 10"),
    ({"test_labels": DATA.test_labels - 1}, "test_labels must be in 0 … 9, not from -1 to 8"),
    ({"train_labels": DATA.train_labels + 1}, "train_labels must be in 0 … 9"),
    ({"train_labels": list(DATA.train_labels)}, "train_labels must be a NumPy array of integers"),
    ({"test_labels": DATA.test_labels * 1.0}, "test_labels must be a NumPy array of integers"),
    ({"test_labels": DATA.test_labels[1:]}, r"test_labels must have shape \(23,\)"),
    ({"class_names": tuple(range(10))}, "name and class_names must be texts, not 0"),
    ({"name": None}, "name and class_names must be texts, not None"),
])
def test_data_sets_are_checked(change, message):
    """A label that no class has would count as a wrong answer, and nothing would say so."""
    with pytest.raises((ValueError, TypeError), match=message):
        Run(TINY, replace(DATA, **change))


@pytest.mark.parametrize(("arguments", "options", "message"), [
    ((DATA, TINY), {}, "recipe must be a Recipe, not Dataset"),
    ((TINY, {}), {}, "data must be a Dataset, not dict"),
    ((TINY, DATA), {"progress": "no"}, "progress must be True or False, not 'no'"),
])
def test_arguments_of_train_are_checked(arguments, options, message):
    with pytest.raises(TypeError, match=message):
        train(*arguments, **options)


def test_a_recipe_survives_json():
    recipe = Recipe(norm="brn", norm_options={"ramp": (1, 2, 3)}, seed=np.int64(3),
                    lr=np.float32(0.5), dtype=np.float64)
    again = Recipe.from_dict(recipe.as_dict())
    assert again.as_dict() == recipe.as_dict()
    assert (again.seed, again.lr, again.dtype) == (3, 0.5, "float64")
    with pytest.raises(ValueError, match="a recipe has no color"):
        Recipe.from_dict({"color": 1})


def test_a_recipe_has_options_of_its_own_in_plain_numbers():
    options = {"decay": np.float32(0.5), "ramp": [np.int64(1), 2, 3], "update_first": np.True_}
    recipe = Recipe(norm="brn", norm_options=options)
    options["decay"] = 0.9
    assert recipe.norm_options == {"decay": 0.5, "ramp": [1, 2, 3], "update_first": True}
    assert type(recipe.norm_options["decay"]) is float
    assert recipe.as_dict()["norm_options"] == recipe.norm_options


@pytest.mark.parametrize("network", ["all_cnn", "nin"])
def test_images_smaller_than_the_papers(network, tmp_path):
    """With a smaller crop; the checkpoint and the predictions know it."""
    small = replace(DATA, train_images=DATA.train_images[:, 8:24, 8:24],
                    test_images=DATA.test_images[:, 8:24, 8:24])
    with pytest.raises(ValueError, match="crop must be at most 16, as the images of synthetic are "
                                         "16 × 16 pixels, not 24"):
        Run(TINY, small)
    recipe = replace(TINY, crop=12, network=network, norm="renorm_debias")
    whole = train(recipe, small, progress=False)
    assert next(Run(recipe, small)._batches())[0].shape == (5, 12, 12, 3)
    train(replace(recipe, epochs=1), small, checkpoint=tmp_path / "run.npz", progress=False)
    assert_same_run(train(recipe, small, checkpoint=tmp_path / "run.npz", progress=False), whole)
    with pytest.raises(ValueError, match="was written with crop 12, not 16"):
        train(replace(recipe, crop=16), small, checkpoint=tmp_path / "run.npz", progress=False)
    probabilities = predict(whole.model, small.test_images, whole.mean, whole.std, "moving", 23,
                            crop=12)
    assert (probabilities.argmax(1) == small.test_labels).mean() == whole.history.final("moving")


def test_a_recipe_from_before_there_was_a_crop():
    values = Recipe().as_dict()
    assert values.pop("crop") == 24
    assert Recipe.from_dict(values) == Recipe()


def threads_of_blas():
    from threadpoolctl import threadpool_info

    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


@pytest.fixture
def two_threads():
    """BLAS may take two threads, whatever the environment says."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(2, user_api="blas"):
        if set(threads_of_blas()) != {2}:
            pytest.skip("this BLAS has one thread")
        yield


def test_training_in_two_threads_gives_what_it_gives_alone(two_threads):
    with ThreadPoolExecutor(2) as pool:
        recipes = [replace(TINY, seed=seed) for seed in (1, 2)]
        together = list(pool.map(lambda recipe: train(recipe, DATA, progress=False), recipes))
    for run, recipe in zip(together, recipes, strict=True):
        assert_same_run(run, train(recipe, DATA, progress=False))
    assert set(threads_of_blas()) == {2}
