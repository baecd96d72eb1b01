"""The replication's machinery: cells, parts of data sets, runs cut off and repeated, searches."""

import json
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest

from minibn.__main__ import main
from minibn.data import Dataset
from minibn.replication import EXPERIMENTS, PRESETS, jobs, load_results
from minibn.replication.check import repeat
from minibn.replication.conditions import BN_5, BN_128, BRN_5, BRN_RAMP, DEBIAS_5, Cell
from minibn.replication.jobs import Subset, Unit
from minibn.replication.pool import carry_out_all
from minibn.replication.presets import PILOT_SEED, SEARCH_SEED, cells_of, replications
from minibn.replication.results import read_result, write_result
from minibn.replication.runner import Progress, train_unit
from minibn.replication.search import best_rate, cells_to_search, choose_rates
from minibn.training import Diverged, Run
from minibn.training.history import History

SMOKE = PRESETS["smoke"]
UNIT = SMOKE.run(DEBIAS_5, 0.03, seed=1)


def numbers(result):
    """All of a result that must be equal when it is repeated."""
    history = result.history.as_dict()
    history.pop("seconds")
    return result.status, history, result.looks, result.right


# Cells, presets and lists of runs

def test_every_cell_has_a_name_of_its_own_and_a_recipe_in_every_preset():
    cells = cells_of(EXPERIMENTS)
    assert len({cell.key for cell in cells}) == len(cells)
    for preset in PRESETS.values():
        for cell in cells:
            recipe = preset.recipe(cell, 0.01, seed=3)
            recipe.model(classes=4)
            assert (recipe.batch_size, recipe.norm, recipe.seed) == (cell.batch_size, cell.norm, 3)


def test_the_paper_preset_is_section_4_2():
    paper = PRESETS["paper"]
    assert paper.subset == Subset("cifar100") and set(paper.rates.values()) == {(0.1,)}
    assert paper.width == {"all_cnn": 96, "nin": 192}
    assert [(paper.epochs[b], paper.lr_every[b]) for b in (128, 10, 5)] == [
        (100, 64), (100, 26), (100, 26)]
    recipe = paper.recipe(BN_5, 0.1, 0)
    assert (recipe.momentum, recipe.weight_decay, recipe.flip) == (0.9, 0, True)
    assert recipe.lr_at(25) == 0.1 and recipe.lr_at(26) == pytest.approx(0.01)


def test_numbers_printed_in_the_paper_belong_to_cells_of_their_experiment():
    for experiment in EXPERIMENTS.values():
        keys = {cell.key for cell in experiment.cells}
        assert set(experiment.paper) <= keys and set(experiment.paper_epochs) <= keys


def test_methods_in_a_comparison_differ_in_the_norm_alone():
    first, second = (SMOKE.run(cell, 0.03, 1).recipe for cell in (BN_5, DEBIAS_5))
    assert replace(first, norm="renorm_debias") == second


def test_shared_runs_are_done_once_and_seeds_come_one_after_the_other():
    rates = {cell.key: 0.1 for cell in cells_of(EXPERIMENTS)}
    listed = replications(SMOKE, ["table4", "fig3", "fig2", "table3"], rates, seeds=2)
    assert [unit.name for unit in listed] == [
        f"all_cnn-{norm}-b5-s{seed}" for seed in (1, 2) for norm in ("bn", "brn", "renorm_debias")]
    everything = replications(PRESETS["scaled"], EXPERIMENTS, rates)
    assert len({unit.name for unit in everything}) == len(everything)


def test_the_scaled_preset_has_the_seeds_that_it_must_have():
    scaled = PRESETS["scaled"]
    for name in ("fig1", "fig2", "fig3", "fig4", "table2", "table3", "table4"):
        assert scaled.seeds_for(name) >= 5
    assert all(scaled.seeds_for(name) >= 3 for name in EXPERIMENTS)
    assert max(map(scaled.seeds_for, EXPERIMENTS)) < min(SEARCH_SEED, PILOT_SEED)


def test_the_ramp_keeps_ioffes_proportions():
    recipe = PRESETS["paper"].recipe(BRN_RAMP, 0.1, 0)
    assert recipe.norm_options["ramp"] == [31_250, 250_000, 156_250]      # of 1,000,000 steps


# Parts of data sets

@pytest.fixture
def hundred(monkeypatch):
    """A stand-in for CIFAR-100: 100 classes, 12 + 4 images of each; the pixels say which."""
    def labels(each):
        return np.random.default_rng(each).permutation(np.arange(100 * each) % 100)

    def images(labels):
        return np.broadcast_to(labels[:, None, None, None], (len(labels), 32, 32, 3)
                               ).astype(np.uint8)

    train, test = labels(12), labels(4)
    data = Dataset(images(train), train, images(test), test,
                   tuple(f"class {i}" for i in range(100)), "cifar100")
    monkeypatch.setattr(jobs, "_cifar100", lambda data_dir: data)
    return data


def test_a_subset_has_the_first_images_of_every_tenth_class(hundred):
    part = Subset("cifar100", 10, train=50, test=20).load()
    assert part.class_names == tuple(f"class {i}" for i in range(0, 100, 10))
    assert (part.train_images[:, 0, 0, 0] == 10 * part.train_labels).all()
    assert (np.bincount(part.train_labels) == 5).all()
    assert (np.bincount(part.test_labels) == 2).all()
    first = np.flatnonzero(hundred.train_labels % 10 == 0)[0]
    assert part.train_labels[0] == hundred.train_labels[first] // 10


def test_held_out_images_are_training_images_that_nothing_trains_on(hundred):
    hundred.train_images[..., 1] = np.arange(1200)[:, None, None] % 256
    hundred.train_images[..., 2] = np.arange(1200)[:, None, None] // 256
    run = Subset("cifar100", 10, train=50, test=20).load()
    search = Subset("cifar100", 10, train=50, test=30, held_out=True).load()

    def which(images):
        return set(images[:, 0, 0, 1] + 256 * images[:, 0, 0, 2].astype(int))

    assert which(search.train_images) == which(run.train_images)
    assert not which(search.test_images) & which(run.train_images)
    assert which(search.test_images) <= set(range(1200)) and len(search.test_images) == 30


def test_synthetic_subsets_train_on_the_same_images_in_search_and_run():
    run = Subset("synthetic", 4, train=40, test=20).load()
    search = Subset("synthetic", 4, train=40, test=20, held_out=True).load()
    assert (run.train_images == search.train_images).all() and len(run.train_images) == 40
    assert not (run.test_images == search.test_images).all()


@pytest.mark.parametrize("values", [
    {"classes": 10, "train": 55}, {"data": "mnist"}, {"held_out": True},
    {"data": "synthetic"}, {"classes": 10, "train": 10, "test": 0}, {"train": 10},
    {"train": 10, "test": 5}])
def test_a_subset_that_cannot_be_is_refused(values):
    with pytest.raises(ValueError, match="must|need|give classes"):
        Subset(**values)


def test_more_images_than_there_are_is_an_error(hundred):
    with pytest.raises(ValueError, match="12 images, but 13"):
        Subset("cifar100", 10, train=130, test=10).load()


# Runs

def test_looking_inside_changes_nothing():
    seen, unseen = train_unit(UNIT, None), train_unit(replace(UNIT, looks=False), None)
    assert (seen.history.train_loss, seen.right) == (unseen.history.train_loss, unseen.right)
    assert not unseen.looks
    assert [one["update"] for one in seen.looks] == [1, 2, 4, 8, 16, 25, 32, 50]


def test_a_look_says_what_is_inside():
    look = train_unit(UNIT, None).looks[0]
    assert set(look["mean"]) == set(look["variance"]) == {"conv5", "norm5", "relu5"}
    assert all(a <= b for values in (look["r"], look["d"], look["mean"]["relu5"])
               for a, b in zip(values, values[1:], strict=False))
    assert min(look["mean"]["relu5"]) >= 0 and 0 <= look["clipped"] <= 1
    assert max(look["r"]) <= 3 and min(look["r"]) >= 1 / 3 - 1e-5


def test_a_run_that_is_cut_off_ends_as_if_it_had_not_been(tmp_path, monkeypatch):
    whole = train_unit(UNIT, None)
    first = Run.epoch

    def cut(run, bar=None):
        if run.history.epochs == 1:
            raise KeyboardInterrupt
        first(run, bar)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "epoch", cut)
        with pytest.raises(KeyboardInterrupt):
            train_unit(UNIT, tmp_path)
    assert Progress(tmp_path, UNIT).checkpoint.exists()
    assert numbers(train_unit(UNIT, tmp_path)) == numbers(whole)


def test_looks_of_an_epoch_whose_checkpoint_was_not_written_are_forgotten(tmp_path, monkeypatch):
    whole = train_unit(UNIT, None)
    run = Run(UNIT.recipe, UNIT.subset.load())
    progress = Progress(tmp_path, UNIT)
    run.epoch()
    progress.save(run, [one for one in whole.looks if one["update"] <= 25])
    run.epoch()
    monkeypatch.setattr("minibn.replication.runner.save_checkpoint", lambda path, run: None)
    progress.save(run, whole.looks)              # killed between the two files
    monkeypatch.undo()
    assert numbers(train_unit(UNIT, tmp_path)) == numbers(whole)


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"1": 3}', '{"1": [{}]}', "\xff"])
def test_damaged_looks_beside_a_checkpoint_are_named(tmp_path, text):
    run, progress = Run(UNIT.recipe, UNIT.subset.load()), Progress(tmp_path, UNIT)
    run.epoch()
    progress.save(run, [])
    progress.looks.unlink() if text is None else progress.looks.write_text(text, "latin-1")
    with pytest.raises(ValueError, match=f"{progress.looks.name} is damaged or missing"):
        train_unit(UNIT, tmp_path)


def test_the_images_it_gets_right_are_as_many_as_its_accuracy_says():
    for cell in (BN_5, BRN_5, DEBIAS_5):
        result = train_unit(SMOKE.run(cell, 0.03, seed=1), None)
        right = result.right_on_images()
        assert right.shape == (20,) and right.mean() == result.final()


def test_a_result_survives_its_file(tmp_path):
    result = train_unit(UNIT, None)
    path = write_result(tmp_path, result)
    read = read_result(path)
    assert numbers(read) == numbers(result) and read.unit == UNIT and read.made == result.made
    assert {"commit", "numpy", "python", "processor", "blas_threads"} <= set(read.made)
    assert path.stat().st_size < 20_000


@pytest.mark.parametrize("damage", [
    lambda text: text[:-20], lambda text: "[]", lambda text: text.replace('"looks"', '"locks"'),
    lambda text: text.replace('"format": 1', '"format": 2'),
    lambda text: text.replace('"batch_size": 5', '"batch_size": "five"')])
def test_a_damaged_result_is_named(tmp_path, damage):
    path = write_result(tmp_path, train_unit(replace(UNIT, looks=False), None))
    path.write_text(damage(path.read_text()))
    with pytest.raises(ValueError, match=path.name):
        load_results(tmp_path)


def test_a_run_that_diverges_is_a_result(tmp_path, monkeypatch):
    first = Run.epoch

    def diverge(run, bar=None):
        if run.history.epochs == 1:
            raise Diverged("the loss is not finite", run.history)
        first(run, bar)

    monkeypatch.setattr(Run, "epoch", diverge)
    result = read_result(write_result(tmp_path, train_unit(UNIT, tmp_path)))
    assert result.status == "diverged" and "not finite" in result.message
    assert result.final() == result.chance == 0.25
    assert len(result.curve()) == 2 and result.curve()[1] == 0.25
    assert np.isnan(result.losses()[1])


# Many runs

def test_runs_over_processes_are_the_runs_themselves_and_are_not_repeated(tmp_path):
    listed = [UNIT, SMOKE.run(BN_5, 0.03, 1)]
    paths = carry_out_all(listed, tmp_path / "out", tmp_path / "work", processes=2,
                          progress=False)
    assert [numbers(read_result(path)) for path in paths] == [
        numbers(train_unit(unit, None)) for unit in listed]
    assert not list((tmp_path / "work").iterdir())
    before = [path.stat().st_mtime_ns for path in paths]
    carry_out_all(listed, tmp_path / "out", tmp_path / "work", processes=2, progress=False)
    assert [path.stat().st_mtime_ns for path in paths] == before


def test_an_error_in_one_run_ends_the_others(tmp_path):
    endless = replace(UNIT, name="endless", recipe=replace(UNIT.recipe, epochs=10**6))
    broken = SMOKE.run(BN_5, 0.03, 1)
    work = tmp_path / "work"
    work.mkdir()
    (work / f"{broken.name}.npz").write_text("no checkpoint")
    with pytest.raises(ValueError, match="is not a minibn checkpoint"):
        carry_out_all([endless, broken], tmp_path / "out", work, processes=2, progress=False)
    assert not active_children() and not (tmp_path / "out").exists()


def test_a_result_is_repeated_to_the_last_digit_and_a_changed_one_is_noticed(tmp_path):
    path = carry_out_all([UNIT], tmp_path, tmp_path / "work", progress=False)[0]
    assert repeat(path)[1] is None
    values = json.loads(path.read_text())
    loss = values["history"]["train_loss"]
    loss[-1] = float(np.nextafter(loss[-1], 2))
    path.write_text(json.dumps(values))
    assert "train_loss" in repeat(path)[1]


def test_the_command_searches_runs_checks_and_reports_unknown_names(tmp_path, capsys):
    folders = ["--out", str(tmp_path / "out"), "--work", str(tmp_path / "work")]
    assert main(["replicate", "table3", "--preset", "smoke", "--seeds", "1", *folders]) == 0
    results = load_results(tmp_path / "out")
    assert sorted(result.unit.name for result in results) == [
        "all_cnn-bn-b5-s1", "all_cnn-brn-b5-s1", "pilot/all_cnn-bn-b5", *(
            f"search/all_cnn-{norm}-b5-lr{lr}" for norm in ("bn", "brn", "renorm_debias")
            for lr in (0.01, 0.03))]
    rates = choose_rates(SMOKE, [BN_5, BRN_5], results)
    assert all(results.of(key)[0].unit.recipe.lr == lr for key, lr in rates.items())
    file = tmp_path / "out" / "all_cnn-bn-b5-s1.json"
    assert main(["replicate", "--from", str(file), "--check"]) == 0
    file.write_text(file.read_text().replace('"train_accuracy": [0.', '"train_accuracy": [0.1'))
    assert main(["replicate", "--from", str(file), "--check"]) == 1
    assert main(["replicate", "fig7"]) == 2
    assert "there is no experiment fig7" in capsys.readouterr().err
    assert main(["replicate", "--check"]) == 2


def test_an_estimate_adds_up(capsys):
    assert main(["replicate", "table3", "--preset", "smoke", "--estimate"]) == 0
    assert "all_cnn-brn-b5" in capsys.readouterr().out


# The search of learning rates

def test_the_search_is_the_same_for_every_method_and_uses_neither_test_images_nor_run_seeds():
    for preset in (SMOKE, PRESETS["scaled"]):
        for cell in cells_of(EXPERIMENTS):
            found = preset.search(cell)
            assert bool(found) == (cell.lr is None and not cell.rate_of)
            if found:
                assert [unit.recipe.lr for unit in found] == list(
                    preset.rates[cell.images_per_update])
            assert all(unit.subset.held_out and unit.recipe.seed == SEARCH_SEED
                       for unit in found)
    assert len({len(grid) for grid in PRESETS["scaled"].rates.values()}) == 1


@pytest.fixture
def pretend(tmp_path):
    """Writes search results with given held-out accuracies: pretend(cell, {rate: accuracy})."""
    result = train_unit(replace(UNIT, looks=False), None)

    def write(cell, accuracies):
        for unit in SMOKE.search(cell):
            history = History.from_dict({**result.history.as_dict(), "test_accuracy": {
                "moving": [accuracies[unit.recipe.lr]] * 2}})
            write_result(tmp_path, replace(result, unit=unit, history=history))
        return load_results(tmp_path)

    return write


def test_methods_share_the_rate_that_is_best_on_average(pretend):
    pretend(BN_5, {0.01: 0.50, 0.03: 0.51})
    pretend(BRN_5, {0.01: 0.50, 0.03: 0.45})
    results = pretend(DEBIAS_5, {0.01: 0.50, 0.03: 0.47})
    cells = [BN_5, DEBIAS_5, BRN_5, BRN_RAMP]
    assert choose_rates(SMOKE, cells, results) == {cell.key: 0.01 for cell in cells}


def test_a_method_has_its_own_rate_where_that_is_clearly_better(pretend):
    clear = np.sqrt(2 * 0.7 * 0.3 / SMOKE.validation)
    pretend(BN_5, {0.01: 0.5, 0.03: 0.5})
    pretend(DEBIAS_5, {0.01: 0.9, 0.03: 0.5})
    for difference, chosen in ((1.01 * clear, 0.03), (0.99 * clear, 0.01)):
        results = pretend(BRN_5, {0.01: 0.7 - difference, 0.03: 0.7})
        assert choose_rates(SMOKE, [BN_5, BRN_5, BRN_RAMP], results) == {
            BN_5.key: 0.01, BRN_5.key: chosen, BRN_RAMP.key: chosen}


def test_what_a_choice_needs_is_searched():
    assert cells_to_search([BN_5]) == [BN_5, BRN_5, DEBIAS_5]
    assert cells_to_search([BRN_RAMP]) == [BN_5, BRN_5, DEBIAS_5]
    ln = Cell("all_cnn", "ln", 5)
    assert cells_to_search([ln]) == [BN_5, BRN_5, DEBIAS_5, ln]
    assert cells_to_search([BN_128]) == [BN_128]


def test_the_best_rate_is_chosen_of_equals_the_smallest():
    assert best_rate({0.01: 0.5, 0.03: 0.6, 0.1: 0.6}) == 0.03


def test_a_choice_needs_the_whole_search(tmp_path):
    with pytest.raises(ValueError, match=r"all_cnn-bn-b5 lacks the rates 0.01, 0.03"):
        choose_rates(SMOKE, [BN_5], load_results(tmp_path))
    given = Cell("all_cnn", "bn", 5, lr=0.02)
    assert choose_rates(SMOKE, [given], load_results(tmp_path)) == {given.key: 0.02}
    assert not SMOKE.search(given)


def test_unknown_fields_of_a_unit_are_refused():
    with pytest.raises(ValueError, match="a unit has no color"):
        Unit.from_dict({**UNIT.as_dict(), "color": "red"})
    assert Unit.from_dict(json.loads(json.dumps(UNIT.as_dict()))) == UNIT


def test_results_are_read_from_everywhere_below_a_folder(tmp_path):
    assert len(load_results(tmp_path / "none")) == 0
    write_result(tmp_path, replace(train_unit(UNIT, None), unit=replace(UNIT, name="deep/down")))
    assert Path(tmp_path, "deep", "down.json").exists() and len(load_results(tmp_path)) == 1
