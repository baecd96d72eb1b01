"""The registered replication: its plan, its rules, what its runs record, and its processes."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from minibn.__main__ import main
from minibn.data.batches import test_batches as batches_of
from minibn.replication import arms
from minibn.replication.arms import (
    ARMS,
    LADDER,
    MEDIUM,
    METHODS,
    TINY,
    belongs,
    run_job,
    search_job,
)
from minibn.replication.claim import claimed
from minibn.replication.design import arms_table
from minibn.replication.jobs import Subset
from minibn.replication.plan import blocks_of, expected_jobs, plan
from minibn.replication.pool import carry_out_all
from minibn.replication.rates import SearchMissing, exchanged, missing_runs, own_rate
from minibn.replication.results import Result, Results, load_results, read_result, write_result
from minibn.replication.runner import carry_out, train_job
from minibn.replication.stopping import EQUAL, half_width, main_seeds, seeds_wanted
from minibn.training import Run
from minibn.training.history import History
from minibn.training.recipe import Recipe
from minibn.training.reestimate import reestimated

ROOT = Path(__file__).resolve().parents[1]
DESIGN = (ROOT / "results" / "medium" / "DESIGN.md").read_text(encoding="utf-8")
S = ARMS["S"].searches[0]
SMALL = Subset("synthetic", 4, train=40, test=20)
# Runs of eight updates an epoch.
SPECK = replace(TINY, subset=SMALL, held_out=replace(SMALL, held_out=True), reestimate=15)


def made_up(job, accuracies):
    """A finished run with these test accuracies, one an epoch, in all modes."""
    epochs = job.recipe.epochs
    curve = list(np.broadcast_to(accuracies, epochs).astype(float))
    modes = {"bn": ("moving",), "brn": ("moving", "batch")}.get(job.recipe.norm,
                                                                ("batch", "moving"))
    history = History([1.0] * epochs, [0.5] * epochs, {mode: curve for mode in modes},
                      [job.recipe.lr] * epochs, [], [], [1.0] * epochs)
    return Result(job, "done", history, [], "", 1.0, {})


def searched(size, scores, norms=METHODS, search=S):
    """Finished searches; scores: held-out accuracy by rate, or a function of (norm, rate)."""
    score = scores if callable(scores) else lambda norm, lr: scores[lr]
    rates = [lr for lr in LADDER if callable(scores) or lr in scores]
    return Results([made_up(search_job(size, search, norm, lr, seed), score(norm, lr))
                    for norm in norms for lr in rates for seed in search.seeds[:size.seeds]])


PEAKS = {"bn": 0.003, "brn": 0.01, "renorm_debias": 0.03}


def peaked(norm, lr):
    """Accuracies with the best rate at PEAKS."""
    return 0.5 - 0.1 * abs(LADDER.index(lr) - LADDER.index(PEAKS[norm]))


# The arms and their page

def test_the_design_page_has_the_arms_and_the_bounds_of_the_code():
    assert arms_table(MEDIUM) in DESIGN
    words = " ".join(DESIGN.split())
    assert f"the ladder {', '.join(f'{lr:g}' for lr in LADDER)} is tried" in words
    assert words.count(f"± {100 * EQUAL:g} points") == 2
    assert f"first {MEDIUM.reestimate:,} training images" in words
    assert f"(arm B: {MEDIUM.tests} times in its epoch" in words
    assert f"mean over epochs 1 to {MEDIUM.drops[0]} (" in words


def test_the_sizes_are_those_of_the_design():
    assert MEDIUM.subset == Subset("cifar100")
    assert (MEDIUM.held_out.train, MEDIUM.held_out.test) == (45_000, 5_000)
    recipe = run_job(MEDIUM, ARMS["A"].runs[0], "bn", 0.01, 101).recipe
    assert (recipe.width, recipe.batch_size, recipe.momentum, recipe.weight_decay) == (
        24, 5, 0.9, 0)
    assert [recipe.lr_at(epoch) for epoch in (0, 9, 10, 12, 13, 14)] == pytest.approx(
        [0.01, 0.01, 1e-3, 1e-3, 1e-4, 1e-4])
    sizes = {name: len(expected_jobs(MEDIUM, name)) for name in ARMS}
    assert sizes == {"S": 24, "A": 24, "B": 48, "C": 6, "P": 3, "A2": 6, "D": 22, "F": 21, "E": 3}
    assert set(arms.ORDER[0] + arms.ORDER[1] + arms.ORDER[2] + arms.ORDER[3]) == set(ARMS)


def test_no_earlier_run_used_these_seeds():
    used = {r.seed for folder in ("scaled", "scaled-again")
            for r in load_results(ROOT / "results" / folder)}
    ours = {job.recipe.seed for name in ARMS for job in expected_jobs(MEDIUM, name)}
    assert len(used) > 20 and not used & ours


def test_no_search_sees_a_test_image():
    for arm in ARMS.values():
        for search in arm.searches:
            for norm in search.norms:
                job = search_job(MEDIUM, search, norm, search.rates[0], search.seeds[0])
                assert job.kind == "search" and job.subset.held_out


def test_jobs_of_one_name_are_one_run():
    """Two arms may ask for the same run; then the settings are the same to the last one."""
    results = searched(MEDIUM, lambda norm, lr: float(lr == 0.1) + 0.1)
    by_name = {}
    for name in ARMS:
        for block in blocks_of(MEDIUM, name, results)[0]:
            for job in block:
                assert by_name.setdefault(job.name, job) == job
    names = [job.name for job in plan(MEDIUM, "SAC", results).jobs]
    assert len(names) == len(set(names)) and names.count("bn-b5-w24-lr0.1-e15-s101") == 1


# The search

def test_the_best_rate_is_each_methods_own():
    results = searched(MEDIUM, peaked)
    assert {norm: own_rate(MEDIUM, norm, 5, results) for norm in METHODS} == PEAKS


def test_of_equal_rates_the_smallest_is_taken():
    results = searched(MEDIUM, {0.003: 0.1, 0.01: 0.3, 0.03: 0.3, 0.1: 0.2})
    assert own_rate(MEDIUM, "bn", 5, results) == 0.01


def test_a_rate_at_the_edge_extends_the_grid_until_it_has_a_neighbor():
    grid = {0.003: 0.1, 0.01: 0.2, 0.03: 0.3, 0.1: 0.4}
    missing = missing_runs(MEDIUM, S, "bn", searched(MEDIUM, grid))
    assert [(job.recipe.lr, job.recipe.seed) for job in missing] == [(0.3, 201), (0.3, 202)]
    with pytest.raises(SearchMissing, match="2 runs of the search in arm S are missing"):
        own_rate(MEDIUM, "bn", 5, searched(MEDIUM, grid))
    assert own_rate(MEDIUM, "bn", 5, searched(MEDIUM, grid | {0.3: 0.3})) == 0.1
    further = missing_runs(MEDIUM, S, "bn", searched(MEDIUM, grid | {0.3: 0.5}))
    assert {job.recipe.lr for job in further} == {1.0}
    assert own_rate(MEDIUM, "bn", 5, searched(MEDIUM, grid | {0.3: 0.5, 1.0: 0.6})) == 1.0
    below = missing_runs(MEDIUM, S, "bn", searched(MEDIUM, grid | {0.003: 0.9}))
    assert {job.recipe.lr for job in below} == {0.001}


def test_a_search_run_that_diverged_counts_at_chance():
    results = searched(MEDIUM, {0.003: 0.1, 0.01: 0.2, 0.03: 0.3, 0.1: 0.9})
    broken = [replace(r, status="diverged") if r.job.recipe.lr == 0.1 else r for r in results]
    assert own_rate(MEDIUM, "bn", 5, Results(broken)) == 0.03


def test_exchanged_rates_are_the_others_or_a_neighbor():
    results = searched(MEDIUM, peaked)
    assert exchanged(MEDIUM, "bn", 5, results) == 0.03
    assert exchanged(MEDIUM, "renorm_debias", 5, results) == 0.003
    same = searched(MEDIUM, {0.003: 0.2, 0.01: 0.4, 0.03: 0.3, 0.1: 0.1})
    assert exchanged(MEDIUM, "bn", 5, same) == exchanged(MEDIUM, "renorm_debias", 5, same) == 0.03


# The plan

def test_without_a_search_only_runs_of_known_rates_are_planned():
    found = plan(MEDIUM, ("A", "B", "C"), Results([]))
    assert found.waiting == {"A": "S", "B": "S"}
    assert {job.recipe.lr for job in found.jobs} == {0.1} and len(found.jobs) == 6 + 16


def test_the_search_comes_first_and_the_arms_take_turns():
    results = searched(MEDIUM, peaked)
    jobs = [job for job in plan(MEDIUM, ARMS, results).jobs]
    kinds = [job.kind for job in jobs if job.recipe.batch_size == 5]
    assert kinds == sorted(kinds, key="search run".index)
    main_runs = [job for job in jobs if job.recipe.epochs == 15 and job.recipe.width == 24
                 and job.recipe.batch_size == 5 and job.recipe.lr == PEAKS[job.recipe.norm]]
    shares = []
    for stop in range(len(main_runs)):
        count = Counter(job.recipe.norm for job in main_runs[:stop])
        shares.append(max(count[norm] for norm in METHODS) - min(count[n] for n in METHODS))
    assert max(shares) == 1
    early = jobs[len([j for j in jobs if j.name.startswith("search/") and "-b5-" in j.name]):][:42]
    assert {job.recipe.epochs for job in early} == {1, 15}        # A and B, in turn


def test_a_file_with_other_settings_under_a_planned_name_is_an_error():
    job = search_job(MEDIUM, S, "bn", 0.003, 201)
    other = replace(job, recipe=replace(job.recipe, momentum=0.5))
    with pytest.raises(ValueError, match=r"bn-b5-w24-lr0.003-e4-s201 has other settings"):
        plan(MEDIUM, "S", Results([made_up(other, 0.5)]))


# The stopping rule

def test_the_number_of_seeds_depends_on_the_spread_alone(rng):
    noise = rng.normal(0, 1, (3, 8))
    noise = (noise - noise.mean(1, keepdims=True)) / noise.std(ddof=1)
    limit = EQUAL / half_width(1.0, 8)
    spread = np.sqrt((noise ** 2).sum() / 21)
    for means in ([[0.5], [0.5], [0.5]], [[0.1], [0.5], [0.9]], [[0.9], [0.5], [0.1]]):
        narrow, wide = (np.array(means) + noise / spread * limit * factor for factor in (.99, 1.01))
        assert (seeds_wanted(narrow), seeds_wanted(wide)) == (8, 12)
    # t(0.975, 7) = 2.3646
    assert half_width(0.01, 8) == pytest.approx(2.3646 * 0.01 * np.sqrt(2 / 8), rel=1e-4)


def test_seeds_are_added_only_when_all_of_the_first_are_there(rng):
    results = list(searched(MEDIUM, peaked))
    runs = ARMS["A"].runs[0]
    done = [made_up(run_job(MEDIUM, runs, norm, PEAKS[norm], seed), rng.normal(0.5, 0.05))
            for norm in METHODS for seed in runs.seeds[:8]]
    assert main_seeds(MEDIUM, Results([])) == main_seeds(MEDIUM, Results(results)) == tuple(
        range(101, 109))
    assert main_seeds(MEDIUM, Results(results + done[1:])) == tuple(range(101, 109))
    assert main_seeds(MEDIUM, Results(results + done)) == tuple(range(101, 113))


# What a run records

def test_reestimated_statistics_are_the_means_over_batches_and_are_taken_back(rng):
    run = Run(Recipe(norm="bn", width=2, lr=0.03, epochs=1), SMALL.load())
    run.epoch()
    before = {name: np.copy(value) for name, value in run.model.state.items()}
    norm, means, variances = run.model["norm1"], [], []
    for x, _ in batches_of(run.data.train_images[:15], run.data.train_labels[:15], 5, run.mean,
                           run.std):
        given = run.model["conv1"].forward(x).astype(float)
        means.append(given.mean((0, 1, 2)))
        variances.append(given.var((0, 1, 2), ddof=1))
    with reestimated(run, 15):
        assert norm.state["moving_mean"] == pytest.approx(np.mean(means, 0), rel=1e-4, abs=1e-6)
        assert norm.state["moving_var"] == pytest.approx(np.mean(variances, 0), rel=1e-4)
        assert not np.array_equal(norm.state["moving_mean"], before["norm1.moving_mean"])
    assert norm.decay == 0.99
    for name, value in before.items():
        assert np.array_equal(run.model.state[name], value)


@pytest.mark.parametrize("norm", METHODS)
def test_an_arms_run_records_every_test_and_is_not_changed_by_them(norm):
    job = run_job(SPECK, ARMS["A"].runs[0], norm, 0.03, 101)
    result = train_job(job, None)
    plain = train_job(replace(job, tests_per_epoch=0, probes=False), None)
    assert result.history.train_loss == plain.history.train_loss and result.right == plain.right
    modes = [*result.history.test_accuracy, *(["reestimated"] if norm == "bn" else [])]
    assert [one["update"] for one in result.tests] == [8, 16, 24, 32]
    assert all(list(one["accuracy"]) == modes for one in result.tests)
    updates, accuracies = result.tested()
    assert list(accuracies) == result.history.test_accuracy[result.mode]
    weights = [probe["weights"] for probe in result.probes]
    assert list(weights[0]) == [f"conv{i}" for i in range(1, 10)]
    assert weights[0] != weights[-1] and min(weights[0].values()) > 0


def test_the_transient_is_tested_eight_times_at_equal_distances(tmp_path):
    job = run_job(replace(SPECK, subset=Subset("synthetic", 4, train=160, test=20)),
                  ARMS["B"].runs[1], "brn", 0.1, 401)
    result = train_job(job, None)
    assert [one["update"] for one in result.tests] == [4, 8, 12, 16, 20, 24, 28, 32]
    assert [one["accuracy"]["moving"] for one in result.tests[-1:]] == (
        result.history.test_accuracy["moving"])


def test_an_interrupted_run_continues_with_all_that_it_had_seen(tmp_path, monkeypatch):
    job = replace(run_job(SPECK, ARMS["A"].runs[0], "bn", 0.03, 101), tests_per_epoch=2)
    whole, epoch = train_job(job, None), Run.epoch

    def cut(run, bar=None):
        epoch(run, bar)
        if run.history.epochs == 3:                # the third is lost: it has no checkpoint yet
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Run, "epoch", cut)
        with pytest.raises(KeyboardInterrupt):
            train_job(job, tmp_path)
    again = train_job(job, tmp_path)
    assert (again.tests, again.probes) == (whole.tests, whole.probes)
    assert again.history.train_loss == whole.history.train_loss
    assert [list(one) for one in again.made["resumed"]] == [["started"]]
    assert whole.made["resumed"] == [] and whole.made["started"] <= whole.made["finished"]


# Processes

def test_a_job_has_one_owner(tmp_path):
    path = tmp_path / "deep" / "job.npz"
    with claimed(path) as first:
        with claimed(path) as second:
            assert first and not second
        with claimed(path) as third:
            assert not third
    with claimed(path) as later:
        assert later
    assert not list(path.parent.iterdir())


def test_a_job_that_another_process_has_is_left_to_it(tmp_path):
    job = run_job(SPECK, ARMS["A"].runs[0], "bn", 0.03, 101)
    with claimed(tmp_path / "work" / f"{job.name}.npz"):
        assert carry_out(job, tmp_path / "out", tmp_path / "work") is None
    assert carry_out(job, tmp_path / "out", tmp_path / "work").exists()


def test_two_on_one_folder_share_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr("minibn.replication.pool.ASK_AGAIN", 0.2)
    jobs = [run_job(SPECK, ARMS["A"].runs[0], norm, 0.03, seed)
            for norm in METHODS for seed in (101, 102)]
    out, work = tmp_path / "out", tmp_path / "work"

    def carry_out_half():
        carry_out_all(jobs, out, work, processes=1, progress=False)

    with ThreadPoolExecutor(2) as threads:
        for one in [threads.submit(carry_out_half) for _ in range(2)]:
            one.result(120)
    results = load_results(out)
    assert set(results.by_name) == {job.name for job in jobs}
    assert not [path for path in work.rglob("*") if path.is_file()]
    alone = train_job(jobs[0], None)
    assert results.by_name[jobs[0].name].history.train_loss == alone.history.train_loss


def test_the_command_runs_the_arms_in_order(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(arms.SIZES, "tiny", SPECK)
    words = ["replicate", "--preset", "tiny", "--out", str(tmp_path / "out"), "--work",
             str(tmp_path / "work"), "--jobs", "2"]
    assert main([*words, "--arms", "A"]) == 2
    assert "run --arms S first, or --arms S A" in capsys.readouterr().err
    assert main([*words, "--arms", "S", "A", "C"]) == 0
    results = load_results(tmp_path / "out")
    found = plan(SPECK, "SAC", results)
    assert not found.waiting and {job.name for job in found.jobs} == set(results.by_name)
    for norm in METHODS:
        lr = own_rate(SPECK, norm, 5, results)
        assert f"{norm}-b5-w2-lr{lr:g}-e4-s102" in results.by_name
    assert "runs finished" in capsys.readouterr().out
    other = tmp_path / "out" / "other.json"
    job = replace(found.jobs[0], name="other", recipe=replace(found.jobs[0].recipe, width=7))
    other.write_text((tmp_path / "out" / f"{found.jobs[0].name}.json").read_text())
    write_result(tmp_path / "out", replace(read_result(other), job=job))
    assert main([*words, "--arms", "S"]) == 2
    assert "other of another preset than tiny" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP", "SIGKILL"])
def test_workers_end_with_their_parent(tmp_path, number):
    process = subprocess.Popen(
        [sys.executable, "-m", "minibn", "replicate", "--preset", "tiny", "--arms", "S", "--jobs",
         "1", "--out", str(tmp_path / "out"), "--work", str(tmp_path / "work")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    work = tmp_path / "work" / "search"
    try:
        wait_until(lambda: list(work.glob("*.lock")))
    finally:
        process.send_signal(getattr(signal, number))
    process.wait(30)
    wait_until(lambda: not group_members(process.pid))


def wait_until(true):
    for _ in range(600):
        if true():
            return
        time.sleep(0.1)
    pytest.fail("it did not come")


def group_members(leader):
    """The processes of a session, zombies aside."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(session) == leader and state != "Z":
            found.append(stat.parent.name)
    return found


def test_an_estimate_lists_the_arms(capsys, tmp_path):
    assert main(["replicate", "--preset", "tiny", "--arms", "S", "A", "--estimate", "--jobs", "1",
                 "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "1 process at a time, one BLAS thread each" in out and "core-hours" in out
    assert main(["replicate", "table4", "--preset", "tiny"]) == 2
    assert main(["replicate", "--preset", "smoke", "--arms", "A"]) == 2


RECIPES = [{"batch_size": 6}, {"lr": 0.02}, {"norm": "gn"}, {"seed": 7}, {"lr_drops": ()},
           {"momentum": 0.5}, {"norm_options": {"decay": 0.9}}, {"width": 3}, {"dtype": "float64"},
           {"epochs": 3}]


@pytest.mark.parametrize("size", [MEDIUM, TINY], ids=lambda size: size.name)
def test_a_job_belongs_to_a_preset_with_every_setting_of_its_name(size):
    """Otherwise a run at batch 6 would be counted among those at batch 5."""
    other = TINY if size is MEDIUM else MEDIUM
    for arm in ARMS:
        for job in expected_jobs(size, arm)[::7]:
            assert belongs(size, job) and not belongs(other, job)
            for change in RECIPES:
                if any(getattr(job.recipe, name) != value for name, value in change.items()):
                    assert not belongs(size, replace(job, recipe=replace(job.recipe, **change)))
            for change in ({"name": "x"}, {"condition": "x"}, {"reestimate": 1},
                           {"tests_per_epoch": 3}, {"probes": False},
                           {"kind": "run" if job.kind == "search" else "search"}):
                assert not belongs(size, replace(job, **change))
