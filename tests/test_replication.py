"""The replication's machinery: conditions, parts of data sets, runs cut off, searches."""

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
from minibn.replication.conditions import BN_5, BN_128, BRN_5, BRN_RAMP, DEBIAS_5, Condition
from minibn.replication.jobs import Job, Subset
from minibn.replication.pool import carry_out_all
from minibn.replication.presets import (
    PILOT_SEED,
    SEARCH_SEED,
    check_preset,
    conditions_of,
    replications,
)
from minibn.replication.results import Result, Results, read_result, result_path, write_result
from minibn.replication.runner import Progress, Seen, train_job
from minibn.replication.search import best_rate, choose_rates, conditions_to_search
from minibn.training import Diverged, Run
from minibn.training.history import History

SMOKE = PRESETS["smoke"]
JOB = SMOKE.run(DEBIAS_5, 0.03, seed=1)


def numbers(result):
    """All of a result that must be equal when it is repeated."""
    history = result.history.as_dict()
    history.pop("seconds")
    return result.status, history, result.probes, result.tests, result.right


# Cells, presets and lists of runs

def test_every_cell_has_a_name_of_its_own_and_a_recipe_in_every_preset():
    conditions = conditions_of(EXPERIMENTS)
    assert len({condition.key for condition in conditions}) == len(conditions)
    for preset in PRESETS.values():
        for condition in conditions:
            recipe = preset.recipe(condition, 0.01, seed=3)
            recipe.model(classes=4)
            assert (recipe.batch_size, recipe.norm, recipe.seed) == (
                condition.batch_size, condition.norm, 3)


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
        keys = {condition.key for condition in experiment.conditions}
        assert set(experiment.paper) <= keys and set(experiment.paper_epochs) <= keys


def test_methods_in_a_comparison_differ_in_the_norm_alone():
    first, second = (SMOKE.run(condition, 0.03, 1).recipe for condition in (BN_5, DEBIAS_5))
    assert replace(first, norm="renorm_debias") == second


def test_shared_runs_are_done_once_and_seeds_come_one_after_the_other():
    rates = {condition.key: 0.1 for condition in conditions_of(EXPERIMENTS)}
    listed = replications(SMOKE, ["table4", "fig3", "fig2", "table3"], rates, seeds=2)
    assert [job.name for job in listed] == [
        f"all_cnn-{norm}-b5-s{seed}" for seed in (1, 2) for norm in ("bn", "brn", "renorm_debias")]
    everything = replications(PRESETS["scaled"], EXPERIMENTS, rates)
    assert len({job.name for job in everything}) == len(everything)


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

def test_probing_changes_nothing():
    seen, unseen = train_job(JOB, None), train_job(replace(JOB, probes=False), None)
    assert (seen.history.train_loss, seen.right) == (unseen.history.train_loss, unseen.right)
    assert not unseen.probes
    assert [one["update"] for one in seen.probes] == [1, 2, 4, 8, 16, 25, 32, 50]


def test_a_probe_says_what_is_inside():
    probe = train_job(JOB, None).probes[0]
    assert set(probe["mean"]) == set(probe["variance"]) == {"conv5", "norm5", "relu5"}
    assert all(a <= b for values in (probe["r"], probe["d"], probe["mean"]["relu5"])
               for a, b in zip(values, values[1:], strict=False))
    assert min(probe["mean"]["relu5"]) >= 0 and 0 <= probe["clipped"] <= 1
    assert max(probe["r"]) <= 3 and min(probe["r"]) >= 1 / 3 - 1e-5


def test_a_run_that_is_cut_off_ends_as_if_it_had_not_been(tmp_path, monkeypatch):
    whole = train_job(JOB, None)
    first = Run.epoch

    def cut(run, bar=None):
        if run.history.epochs == 1:
            raise KeyboardInterrupt
        first(run, bar)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "epoch", cut)
        with pytest.raises(KeyboardInterrupt):
            train_job(JOB, tmp_path)
    assert Progress(tmp_path, JOB).checkpoint.exists()
    assert numbers(train_job(JOB, tmp_path)) == numbers(whole)


def test_what_was_seen_in_an_epoch_without_a_checkpoint_is_forgotten(tmp_path, monkeypatch):
    whole = train_job(JOB, None)
    run = Run(JOB.recipe, JOB.subset.load())
    progress = Progress(tmp_path, JOB)
    run.epoch()
    progress.save(run, Seen(whole.probes, whole.tests).until(25))
    run.epoch()
    monkeypatch.setattr("minibn.replication.runner.save_checkpoint", lambda path, run: None)
    progress.save(run, Seen(whole.probes, whole.tests))     # killed between the two files
    monkeypatch.undo()
    assert numbers(train_job(JOB, tmp_path)) == numbers(whole)


@pytest.mark.parametrize("text", [
    None, "", "[]", "{}", '{"1": 3}', '{"1": [{}]}', '{"1": {"colors": []}}',
    '{"1": {"probes": [{}]}}', '{"1": {"tests": [{}]}}', "\xff"])
def test_damaged_notes_beside_a_checkpoint_are_named(tmp_path, text):
    run, progress = Run(JOB.recipe, JOB.subset.load()), Progress(tmp_path, JOB)
    run.epoch()
    progress.save(run, Seen())
    progress.seen.unlink() if text is None else progress.seen.write_text(text, "latin-1")
    with pytest.raises(ValueError, match=f"{progress.seen.name} is damaged or missing"):
        train_job(JOB, tmp_path)


def test_the_images_it_gets_right_are_as_many_as_its_accuracy_says():
    for condition in (BN_5, BRN_5, DEBIAS_5):
        result = train_job(SMOKE.run(condition, 0.03, seed=1), None)
        right = result.right_on_images()
        assert right.shape == (20,) and right.mean() == result.final()


def test_a_result_survives_its_file(tmp_path):
    result = train_job(JOB, None)
    path = write_result(tmp_path, result)
    read = read_result(path)
    assert numbers(read) == numbers(result) and read.job == JOB and read.made == result.made
    assert read.tests == result.tests
    assert {"commit", "numpy", "python", "processor", "blas_threads"} <= set(read.made)
    assert path.stat().st_size < 20_000


@pytest.mark.parametrize("damage", [
    lambda text: text[:-20], lambda text: "[]", lambda text: text.replace('"probes"', '"locks"'),
    lambda text: text.replace('"format": 2', '"format": 3'),
    lambda text: text.replace('"tests": []', '"tests": [{"update": 1}]'),
    lambda text: text.replace('"tests": []', '"tests": [{"update": 1, "accuracy": {"a": 2}}]'),
    lambda text: text.replace('"batch_size": 5', '"batch_size": "five"')])
def test_a_damaged_result_is_named(tmp_path, damage):
    path = write_result(tmp_path, train_job(replace(JOB, probes=False), None))
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
    result = read_result(write_result(tmp_path, train_job(JOB, tmp_path)))
    assert result.status == "diverged" and "not finite" in result.message
    assert result.final() == result.chance == 0.25
    assert len(result.curve()) == 2 and result.curve()[1] == 0.25
    assert np.isnan(result.losses()[1])


# Many runs

def test_runs_over_processes_are_the_runs_themselves_and_are_not_repeated(tmp_path):
    listed = [JOB, SMOKE.run(BN_5, 0.03, 1)]
    carry_out_all(listed, tmp_path / "out", tmp_path / "work", processes=2, progress=False)
    paths = [result_path(tmp_path / "out", job) for job in listed]
    assert [numbers(read_result(path)) for path in paths] == [
        numbers(train_job(job, None)) for job in listed]
    assert not list((tmp_path / "work").iterdir())
    before = [path.stat().st_mtime_ns for path in paths]
    carry_out_all(listed, tmp_path / "out", tmp_path / "work", processes=2, progress=False)
    assert [path.stat().st_mtime_ns for path in paths] == before


def test_an_error_in_one_run_ends_the_others(tmp_path):
    endless = replace(JOB, name="endless", recipe=replace(JOB.recipe, epochs=10**6))
    broken = SMOKE.run(BN_5, 0.03, 1)
    work = tmp_path / "work"
    work.mkdir()
    (work / f"{broken.name}.npz").write_text("no checkpoint")
    with pytest.raises(ValueError, match="is not a minibn checkpoint"):
        carry_out_all([endless, broken], tmp_path / "out", work, processes=2, progress=False)
    assert not active_children() and not (tmp_path / "out").exists()


def test_a_result_is_repeated_to_the_last_digit_and_a_changed_one_is_noticed(tmp_path):
    carry_out_all([JOB], tmp_path, tmp_path / "work", progress=False)
    path = result_path(tmp_path, JOB)
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
    assert sorted(result.job.name for result in results) == [
        "all_cnn-bn-b5-s1", "all_cnn-brn-b5-s1", "pilot/all_cnn-bn-b5", *(
            f"search/all_cnn-{norm}-b5-lr{lr}" for norm in ("bn", "brn", "renorm_debias")
            for lr in (0.01, 0.03))]
    rates = choose_rates(SMOKE, [BN_5, BRN_5], results)
    assert all(results.of(key)[0].job.recipe.lr == lr for key, lr in rates.items())
    file = tmp_path / "out" / "all_cnn-bn-b5-s1.json"
    assert main(["replicate", "--from", str(file), "--check"]) == 0
    file.write_text(file.read_text().replace('"train_accuracy": [0.', '"train_accuracy": [0.1'))
    assert main(["replicate", "--from", str(file), "--check"]) == 1
    assert "the same, so every number should be" in capsys.readouterr().out
    made = json.dumps(read_result(file).made["commit"])
    file.write_text(file.read_text().replace(f'"commit": {made}', '"commit": "abc"'))
    assert main(["replicate", "--from", str(file), "--check"]) == 1
    assert "made by another commit (abc; this is" in capsys.readouterr().out
    assert main(["replicate", "fig7"]) == 2
    assert "there is no experiment fig7" in capsys.readouterr().err
    assert main(["replicate", "--check"]) == 2


def test_an_estimate_adds_up(capsys):
    assert main(["replicate", "table3", "--preset", "smoke", "--estimate"]) == 0
    assert "all_cnn-brn-b5" in capsys.readouterr().out


# The search of learning rates

def test_the_search_is_the_same_for_every_method_and_uses_neither_test_images_nor_run_seeds():
    for preset in (SMOKE, PRESETS["scaled"]):
        for condition in conditions_of(EXPERIMENTS):
            found = preset.search(condition)
            assert bool(found) == (condition.lr is None and not condition.rate_of)
            if found:
                assert [job.recipe.lr for job in found] == list(
                    preset.rates[condition.images_per_update])
            assert all(job.subset.held_out and job.recipe.seed == SEARCH_SEED
                       for job in found)
    assert len({len(grid) for grid in PRESETS["scaled"].rates.values()}) == 1


@pytest.fixture
def pretend():
    """Adds search results with given accuracies: pretend(condition, {rate: accuracy})."""
    result, made = train_job(replace(JOB, probes=False), None), {}

    def add(condition, accuracies):
        for job in SMOKE.search(condition):
            history = History.from_dict({**result.history.as_dict(), "test_accuracy": {
                "moving": [accuracies[job.recipe.lr]] * 2}})
            made[job.name] = replace(result, job=job, history=history)
        return Results(list(made.values()))

    return add


def test_methods_share_the_rate_that_is_best_on_average(pretend):
    pretend(BN_5, {0.01: 0.50, 0.03: 0.51})
    pretend(BRN_5, {0.01: 0.50, 0.03: 0.45})
    results = pretend(DEBIAS_5, {0.01: 0.50, 0.03: 0.47})
    conditions = [BN_5, DEBIAS_5, BRN_5, BRN_RAMP]
    assert choose_rates(SMOKE, conditions, results) == {one.key: 0.01 for one in conditions}


def test_a_method_has_its_own_rate_where_that_is_clearly_better(pretend):
    clear = np.sqrt(2 * 0.7 * 0.3 / SMOKE.validation)
    pretend(BN_5, {0.01: 0.5, 0.03: 0.5})
    pretend(DEBIAS_5, {0.01: 0.9, 0.03: 0.5})
    for difference, chosen in ((1.01 * clear, 0.03), (0.99 * clear, 0.01)):
        results = pretend(BRN_5, {0.01: 0.7 - difference, 0.03: 0.7})
        assert choose_rates(SMOKE, [BN_5, BRN_5, BRN_RAMP], results) == {
            BN_5.key: 0.01, BRN_5.key: chosen, BRN_RAMP.key: chosen}


def test_what_a_choice_needs_is_searched():
    assert conditions_to_search([BN_5]) == [BN_5, BRN_5, DEBIAS_5]
    assert conditions_to_search([BRN_RAMP]) == [BN_5, BRN_5, DEBIAS_5]
    ln = Condition("all_cnn", "ln", 5)
    assert conditions_to_search([ln]) == [BN_5, BRN_5, DEBIAS_5, ln]
    assert conditions_to_search([BN_128]) == [BN_128]


def test_the_best_rate_is_chosen_of_equals_the_smallest():
    assert best_rate({0.01: 0.5, 0.03: 0.6, 0.1: 0.6}) == 0.03


def test_a_choice_needs_the_whole_search(tmp_path):
    with pytest.raises(ValueError, match=r"all_cnn-bn-b5 lacks the rates 0.01, 0.03"):
        choose_rates(SMOKE, [BN_5], load_results(tmp_path))
    given = Condition("all_cnn", "bn", 5, lr=0.02)
    assert choose_rates(SMOKE, [given], load_results(tmp_path)) == {given.key: 0.02}
    assert not SMOKE.search(given)


def test_unknown_fields_of_a_unit_are_refused():
    with pytest.raises(ValueError, match="a job has no color"):
        Job.from_dict({**JOB.as_dict(), "color": "red"})
    assert Job.from_dict(json.loads(json.dumps(JOB.as_dict()))) == JOB


def test_results_are_read_from_everywhere_below_a_folder(tmp_path):
    assert len(load_results(tmp_path / "none")) == 0
    write_result(tmp_path, replace(train_job(JOB, None), job=replace(JOB, name="deep/down")))
    assert Path(tmp_path, "deep", "down.json").exists() and len(load_results(tmp_path)) == 1


def test_a_result_with_another_recipe_than_its_name_says_is_named():
    """It would be counted under a condition that it is not of."""
    preset, folder = PRESETS["smoke"], Path("runs/smoke")
    conditions = conditions_of(EXPERIMENTS)[::5]
    rates = {condition.key: 0.03 for condition in conditions_of(EXPERIMENTS)}
    every = [preset.run(condition, 0.03, 2) for condition in conditions]
    every += [job for condition in conditions for job in preset.search(condition)]
    every += preset.pilots(rates)
    assert {job.kind for job in every} == {"run", "search", "pilot"}

    def check(job):
        check_preset([Result(job, "diverged", History(), [], "", 1.0, {})], preset, folder)

    for job in every:
        check(job)
        for change in ({"batch_size": 3}, {"momentum": 0.5}, {"epochs": 7}, {"seed": 9}):
            with pytest.raises(ValueError, match="runs/smoke holds .* with another recipe than"):
                check(replace(job, recipe=replace(job.recipe, **change)))
