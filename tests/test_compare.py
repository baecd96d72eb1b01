"""compare with several seeds and processes, its search of rates, and what its table says."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from minibn.__main__ import main
from minibn.commands import options, search
from minibn.commands.rates import OTHERWISE, RATES, rate_for, where_from
from minibn.commands.search import accuracies, best_rates, held_out, neighbors
from minibn.commands.summary import differences, summary
from minibn.data import make_synthetic
from minibn.norms import NORMS, Norm
from minibn.palette import FREE, STYLES
from minibn.plots import training_figure
from minibn.training import Run
from minibn.training.history import History
from minibn.training.processes import Workers, ctrl_c_held_back
from minibn.training.recipe import Recipe
from minibn.training.record import Record, Trained, read_record
from minibn.training.side_by_side import cores, train_side_by_side

ROOT = Path(__file__).resolve().parents[1]
SYNTHETIC = make_synthetic()
TINY = ["--limit-train", "40", "--limit-test", "20", "--width", "2", "--epochs", "2"]


@pytest.fixture(autouse=True)
def quick_and_apart(monkeypatch, tmp_path):
    monkeypatch.setattr(options, "make_synthetic", lambda: SYNTHETIC)
    monkeypatch.chdir(tmp_path)


def compare(capsys, *argv):
    status = main(["compare", *map(str, argv)])
    captured = capsys.readouterr()
    assert captured.err == ""
    return status, captured.out


def history(*accuracies, loss=1.0):
    n = len(accuracies)
    return History([loss] * n, [0.5] * n, {"moving": list(accuracies)}, [0.1] * n,
                   seconds=[2.0] * n)


def record(runs, tests=1000, rates=None):
    """runs: (norm, seed, lr, accuracies, why it stopped)."""
    return Record("a command", {}, "cpu", {"name": "synthetic", "classes": 10, "train": 100,
                                           "test": tests}, 0.5,
                  [Trained(Recipe(norm=norm, seed=seed, lr=lr, width=2), 100, history(*values), why)
                   for norm, seed, lr, values, why in runs], rates)


# Side by side

def test_processes_and_turns_give_the_same_runs(capsys):
    """And each run that which `train` gives alone."""
    argv = [*TINY, "--norms", "bn", "renorm_debias", "--seeds", "2", "--seed", "4"]
    assert compare(capsys, *argv, "--processes", "1", "--out", "turns")[0] == 0
    assert compare(capsys, *argv, "--processes", "2", "--out", "two")[0] == 0
    name = "compare-synthetic-batch5-seed4.json"
    turns, two = (read_record(f"{folder}/{name}").runs for folder in ("turns", "two"))
    assert [(run.recipe.norm, run.recipe.seed) for run in turns] == [
        ("bn", 4), ("renorm_debias", 4), ("bn", 5), ("renorm_debias", 5)]

    def measured(runs):
        return [{**run.history.as_dict(), "seconds": None} for run in runs]

    assert measured(turns) == measured(two) and all(run.history.epochs == 2 for run in two)
    assert main(["train", *TINY, "--norm", "renorm_debias", "--seed", "5"]) == 0
    alone = read_record("runs/train-synthetic-renorm_debias-batch5-seed5.json").runs
    assert measured(alone) == measured(turns[3:])


def runs_of(norms, seeds=1, epochs=2, lr=0.01):
    data = options.first_images(SYNTHETIC, 40, 20)
    return [Run(Recipe(norm=norm, width=2, epochs=epochs, lr=lr, seed=seed), data)
            for seed in range(seeds) for norm in norms]


def test_runs_advance_together_and_every_image_is_counted():
    runs, images = runs_of(["bn", "gn", "none"]), []
    places = [step.place for step in train_side_by_side(runs, 1, images.append)]
    assert places == [0, 1, 2, 0, 1, 2] and sum(images) == 6 * 40
    assert list(train_side_by_side(runs, 1)) == []           # all are done


def test_a_run_that_diverges_stops_alone():
    runs = runs_of(["none", "bn"], lr=1e7)
    steps = list(train_side_by_side(runs, 1))
    assert [(step.place, bool(step.stopped)) for step in steps] == [
        (0, True), (1, False), (1, False)]
    assert "not finite at update" in steps[0].stopped


def test_cores_are_those_that_this_process_may_use():
    assert 1 <= cores() <= os.cpu_count()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_process_is_left_behind(how, tmp_path):
    """After Ctrl-C, which keeps what is done, and after a kill."""
    work = subprocess.Popen(
        [sys.executable, "-m", "minibn", "compare", "--limit-train", "50", "--limit-test", "20",
         "--width", "2", "--epochs", "100000", "--processes", "2", "--norms", "bn", "gn",
         "--seeds", "1"], env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    file = tmp_path / "runs" / "compare-synthetic-batch5-seed0.json"
    wait_until(lambda: epochs_in(file) > 0)
    if how == signal.SIGINT:
        os.killpg(work.pid, how)                             # as a terminal does
    else:
        work.kill()
    out, err = work.communicate(timeout=120)
    wait_until(lambda: not group_is_there(work.pid))
    if how == signal.SIGINT:
        assert (work.returncode, err) == (130, "minibn compare: stopped\n")
        assert "figure" in out and file.with_suffix(".png").exists()
    assert epochs_in(file) > 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_new_worker_is_deaf_to_ctrl_c_from_the_start():
    with Workers(1) as pool:
        assert pool.submit(ctrl_c_is_blocked).result()
    assert not ctrl_c_is_blocked()
    reached = []
    with pytest.raises(KeyboardInterrupt), ctrl_c_held_back():
        signal.raise_signal(signal.SIGINT)
        reached.append("the end of the block")
    assert reached


def ctrl_c_is_blocked():
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def epochs_in(file):
    """The epochs that every run of a result file has; 0 before there is one."""
    try:
        return min(run.history.epochs for run in read_record(file).runs)
    except (OSError, ValueError):
        return 0


def wait_until(holds, seconds=120):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.05)


def group_is_there(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


# What the table says

def rows_of(text):
    """The first line of each method, in words."""
    found: dict = {}
    for line in text.splitlines():
        found.setdefault(line.partition(" ")[0], line.split())
    return found


def test_the_table_of_three_seeds():
    found = record([("bn", 0, 0.1, (0.2, 0.50), None), ("brn", 0, 0.03, (0.2, 0.60), None),
                    ("bn", 1, 0.1, (0.6, 0.60), None), ("brn", 1, 0.03, (0.2, 0.40), None),
                    ("bn", 2, 0.1, (0.2, 0.70), None), ("brn", 2, 0.03, (0.2, 0.44), None)],
                   rates="as the search found them")
    text = summary(found)
    rows = rows_of(text)
    assert rows["BN"] == ["BN", "moving", "0.1", "60.0", "%", "50.0", "to", "70.0", "1.67", "2.0",
                          "100"]
    assert rows["BRN"] == ["BRN", "moving", "0.03", "48.0", "%", "40.0", "to", "60.0", "2", "(1",
                           "of", "3)", "2.0", "100"]
    # +10, −20, −26: mean −12, standard deviation 19.3, t = 4.30 for two degrees of freedom
    assert differences(found) == ["BRN minus BN: −12.0 ± 47.9 points (mean over 3 seeds, paired, "
                                  "95 % interval)"]
    assert "Learning rates: as the search found them." in text
    assert "the lowest and the highest of 3 seeds" in text
    assert "falls between them with probability 1/2" in text  # (3 − 1)/(3 + 1)
    assert "the learning rate of each method" in text and "3 seeds." in text


def test_the_range_holds_one_more_run_as_often_as_it_says():
    rng = np.random.default_rng(0)
    runs = rng.standard_normal((20_000, 4))                  # three seeds and one more
    inside = (runs[:, :3].min(1) < runs[:, 3]) & (runs[:, 3] < runs[:, :3].max(1))
    assert abs(inside.mean() - 1 / 2) < 0.02


def test_runs_that_diverged_are_named_and_left_out():
    found = record([("bn", 0, 0.1, (0.2, 0.5), None), ("none", 0, 0.1, (), "not finite at 7"),
                    ("bn", 1, 0.1, (0.2,), "not finite at 9"), ("none", 1, 0.1, (), "gone")])
    text = summary(found)
    assert "BN: 1 of 2 runs diverged; its numbers are of the other 1 (seed 1: not finite at 9)" \
        in text
    assert "none: 2 of 2 runs diverged (seed 0: not finite at 7)" in text
    rows = rows_of(text)
    assert rows["BN"][3:5] == ["50.0", "%"] and rows["none"][3] == "diverged"
    assert differences(found) == []


def test_until_all_have_done_an_epoch_there_are_no_means():
    text = summary(record([("bn", 0, 0.1, (0.5, 0.6), None), ("gn", 0, 0.1, (), None)]))
    rows = rows_of(text)
    assert rows["BN"][3] == rows["GroupNorm"][3] == "–"


def test_a_result_file_of_one_run_each_is_still_read(capsys):
    """As compare wrote it before it had seeds."""
    assert compare(capsys, *TINY, "--norms", "bn", "gn", "--seeds", "1", "--lr", "0.02")[0] == 0
    file = Path("runs/compare-synthetic-batch5-seed0.json")
    values = json.loads(file.read_text())
    del values["rates"]
    for run in values["runs"]:
        del run["recipe"]["crop"]
    file.write_text(json.dumps(values))
    status, out = compare(capsys, "--redraw", file)
    assert status == 0 and "One run each" in out and "range" not in out
    assert "Learning rates" not in out                       # one was given, for all


def test_the_line_of_an_epoch_is_the_mean_of_the_seeds(capsys):
    _, out = compare(capsys, *TINY, "--norms", "bn", "--seeds", "2", "--processes", "1")
    runs = read_record("runs/compare-synthetic-batch5-seed0.json").runs
    for epoch in (1, 2):
        mean = np.mean([run.history.test_accuracy["moving"][epoch - 1] for run in runs])
        assert re.search(rf"^ +{epoch} +{100 * mean:.1f} %$", out, re.MULTILINE)
    assert "2 runs of 2 epochs" in out and "mean of the seeds" in out


# Figures

def test_a_norm_without_a_style_gets_one_of_its_own(monkeypatch):
    monkeypatch.setitem(NORMS, "rms", Norm("RMSNorm", NORMS["ln"].layer, conv_bias=True))
    before = dict(STYLES)
    try:
        new = [STYLES[f"new{k}"] for k in range(len(FREE))]
        assert len({*new, *before.values()}) == len(new) + len(before)
        assert STYLES["new0"] == new[0]
        assert STYLES["one more"] in FREE                    # at the end they come again
        figure = training_figure({"rms": [history(0.1, 0.2)], "bn": [history(0.2, 0.3)]},
                                 {"rms": "RMSNorm", "bn": "BN"}, "title", "caption")
        colors = [line.get_color() for line in figure.axes[1].lines]
        assert len(set(colors)) == 2
    finally:
        for name in set(STYLES) - set(before):
            del STYLES[name]


def test_lines_are_means_and_bands_reach_from_the_lowest_to_the_highest():
    runs = [history(0.1, 0.5), history(0.3, 0.4), history(0.2, 0.9)]
    labels = {"bn": "BN", "none": "none (3 of 3 diverged)"}
    figure = training_figure({"bn": runs, "none": []}, labels, "title", "caption", threshold=0.5)
    axes = figure.axes[1]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [0.2, 0.6])
    band = axes.collections[0].get_paths()[0].vertices
    for epoch, low, high in ((1, 0.1, 0.3), (2, 0.4, 0.9)):
        at = band[band[:, 0] == epoch, 1]
        np.testing.assert_allclose((at.min(), at.max()), (low, high))
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == ["BN", "none (3 of 3 diverged)"]


# Rates

def test_every_method_has_the_rate_that_the_search_found(capsys):
    compare(capsys, *TINY, "--norms", "bn", "gn", "--seeds", "1", "--processes", "1")
    found = read_record("runs/compare-synthetic-batch5-seed0.json")
    assert [run.recipe.lr for run in found.runs] == [rate_for("synthetic", n) for n in ("bn", "gn")]
    assert found.rates == where_from("synthetic", ["bn", "gn"])
    compare(capsys, *TINY, "--norms", "bn", "gn", "--seeds", "1", "--processes", "1", "--lr", "0.5",
            "--out", "given")
    given = read_record("given/compare-synthetic-batch5-seed0.json")
    assert [run.recipe.lr for run in given.runs] == [0.5, 0.5] and given.rates is None


def test_what_no_search_has_covered_is_said():
    assert rate_for("synthetic", "rms") == OTHERWISE
    assert re.search("no search has been made for .*rms on synthetic",
                     where_from("synthetic", ["bn", "rms"]))


@pytest.mark.parametrize("data", RATES)
def test_the_rates_are_those_of_the_searchs_result_file(data):
    found = RATES[data]
    kept = read_record(ROOT / found.file)
    assert best_rates(kept) == found.rates
    assert kept.command == found.command and kept.data["name"].partition("-")[0] == data
    for norm, by_rate in accuracies(kept).items():           # each better than its neighbors
        assert set(neighbors(found.rates[norm])) <= set(by_rate)


def small_grid(monkeypatch):
    monkeypatch.setattr(search, "GRID", (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0))
    monkeypatch.setattr(search, "START", (0.01, 0.1))


def test_a_search_from_end_to_end(capsys, monkeypatch):
    small_grid(monkeypatch)
    status, out = compare(capsys, *TINY, "--norms", "bn", "none", "--search", "--seeds", "1",
                          "--processes", "1")
    found = read_record("runs/search-synthetic-batch5.json")
    assert status == 0 and "accuracy on 10 held-out images after training on 30" in out
    assert found.data["train"] == 30 and found.data["test"] == 10
    assert {run.recipe.seed for run in found.runs} == {search.FIRST_SEED}
    for norm, by_rate in accuracies(found).items():
        assert set(by_rate) >= {0.01, 0.1, *neighbors(best_rates(found)[norm])}
        row = next(line for line in out.splitlines() if line.startswith(NORMS[norm].title))
        assert row.count("*") == 1


def test_an_interrupted_search_is_resumed_by_the_same_command(capsys, monkeypatch):
    small_grid(monkeypatch)
    argv = [*TINY, "--norms", "bn", "--search", "--seeds", "1", "--processes", "1"]
    file, epoch, done = Path("runs/search-synthetic-batch5.json"), Run.epoch, 0

    def watched(self, bar=None):
        nonlocal done
        if len(self.data.train_images) == 30:                # not the trial that tells the time
            done += 1
            if done == stop_after:
                raise KeyboardInterrupt
        epoch(self, bar)

    monkeypatch.setattr("minibn.commands.search.announce", lambda *arguments: None)
    monkeypatch.setattr(Run, "epoch", watched)
    stop_after = 8
    assert main(["compare", *argv]) == 130
    kept = [measured_in(run) for run in read_record(file).runs]
    assert len(kept) > 0 and capsys.readouterr().err == "minibn compare: stopped\n"
    done, stop_after = 0, 0
    _, out = compare(capsys, *argv)
    resumed = read_record(file).runs
    assert [measured_in(run) for run in resumed[:len(kept)]] == kept
    assert done == 2 * (len(resumed) - len(kept))            # nothing was trained again
    _, whole = compare(capsys, *argv, "--out", "whole")
    assert out.split("results")[0] == whole.split("results")[0]
    compare(capsys, *argv, "--momentum", "0.5")              # another search, another file
    assert Path("runs/search-synthetic-batch5-2.json").exists()


def measured_in(run):
    return run.recipe, {**run.history.as_dict(), "seconds": None}


def test_held_out_images_are_the_last_quarter_and_none_of_the_test_set():
    data = held_out(options.first_images(SYNTHETIC, 40, 20))
    np.testing.assert_array_equal(data.train_images, SYNTHETIC.train_images[:30])
    np.testing.assert_array_equal(data.test_images, SYNTHETIC.train_images[30:40])
    np.testing.assert_array_equal(data.test_labels, SYNTHETIC.train_labels[30:40])


def test_the_best_rate_is_that_of_the_mean_and_diverged_runs_count_as_nothing():
    found = record([("bn", 0, 0.01, (0.9, 0.50), None), ("bn", 1, 0.01, (0.9, 0.54), None),
                    ("bn", 0, 0.03, (0.2, 0.60), None), ("bn", 1, 0.03, (0.2, 0.44), None),
                    ("bn", 0, 0.1, (0.2, 0.99), None), ("bn", 1, 0.1, (0.9,), "not finite")])
    assert accuracies(found)["bn"] == pytest.approx({0.01: 0.52, 0.03: 0.52, 0.1: 0.495})
    assert best_rates(found) == {"bn": 0.01}                 # of two equally good ones the smaller


def test_the_search_goes_on_until_both_neighbors_of_the_best_rate_are_known():
    """With an accuracy that has one peak, wherever on the grid."""
    for peak in search.GRID:
        found = record([])
        for wanted in search.rates_to_try(found, ["bn"]):
            for norm, rate in wanted:
                height = 0.9 - 0.1 * abs(np.log(rate / peak))
                found.runs += record([(norm, 0, rate, (max(height, 0.0),), None)]).runs
        tried = [run.recipe.lr for run in found.runs]
        assert best_rates(found) == {"bn": peak} and len(tried) == len(set(tried)) <= 10
        assert set(neighbors(peak)) <= set(tried) and set(search.START) <= set(tried)


def test_a_gpu_trains_one_run_at_a_time(capsys):
    assert main(["compare", *TINY, "--device", "gpu", "--processes", "2"]) == 2
    assert "--device gpu trains one run at a time" in capsys.readouterr().err


def test_a_search_takes_no_rate(capsys):
    assert main(["compare", *TINY, "--search", "--lr", "0.1"]) == 2
    assert "leave out --lr" in capsys.readouterr().err


def test_statistics_of_the_images_are_computed_once():
    data = replace(SYNTHETIC)
    assert data.statistics[0] is data.statistics[0]
