"""Result files whose parts do not fit together are refused where they are read."""

import errno
import json
import tracemalloc
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from pretend_results import SCALED, pretend

from minibn.__main__ import main
from minibn.replication.checking import check_answers, check_result
from minibn.replication.conditions import EXPERIMENTS
from minibn.replication.presets import conditions_of, replications
from minibn.replication.results import load_results, read_result, write_result

CONDITIONS = conditions_of(EXPERIMENTS)
RATES = {condition.key: 0.01 for condition in CONDITIONS}
JOBS = {job.condition: job for job in replications(SCALED, ("fig3", "fig6", "others"), RATES, 1)}
DEBIAS = "all_cnn-renorm_debias-b5"


@pytest.fixture
def file(tmp_path, rng):
    """The result file of a run of renorm_debias."""
    return write_result(tmp_path / "results", pretend(JOBS[DEBIAS], 0.6, rng))


def at(*path):
    """Something to do with the value at a place: at("history", "seconds", 0)(value)(tree)."""
    *way, last = path

    def parent(tree):
        for key in way:
            tree = tree[key]
        return tree

    return (lambda value: lambda tree: parent(tree).__setitem__(last, value),
            lambda tree: parent(tree).__delitem__(last))


def report_of(file, folder):
    """The command that makes a report of a file's folder."""
    return ["report", "--preset", "scaled", "--results", str(file.parent), "--out",
            str(folder / "out")]


def shorten(tree):
    """One epoch less in every list of the history."""
    history = tree["history"]
    for values in (*history["test_accuracy"].values(),
                   *(v for v in history.values() if isinstance(v, list))):
        values.pop()


def diverged(tree):
    shorten(tree)
    tree.update(status="diverged", right="")


def without_a_mode(tree):
    tree["history"]["test_accuracy"].popitem()


def renamed_mode(tree):
    modes = tree["history"]["test_accuracy"]
    modes["plain"] = modes.pop("moving")


BAD = {
    "done with an epoch less": (shorten, r"it is done with \d+ of \d+ epochs"),
    "diverged with all epochs": (at("status")[0]("diverged"), "it diverged, and has all"),
    "diverged, and names classes": (lambda tree: [diverged(tree), tree.update(right="ff")],
                                    "it diverged, and names classes"),
    "a billion epochs, diverged": (lambda tree: [diverged(tree), at(
        "job", "recipe", "epochs")[0](10**9)(tree)], "a run of 1,000,000,000 epochs"),
    "a billion epochs": (at("job", "recipe", "epochs")[0](10**9), "1,000,000,000 epochs"),
    "four billion images": (at("job", "subset", "test")[0](4 * 10**9),
                            "right has 125 bytes for 4,000,000,000 test images"),
    "no answers": (at("right")[0](""), "right has 0 bytes for 1,000 test images"),
    "half of the answers": (lambda tree: tree.update(right=tree["right"][:100]),
                            "right has 50 bytes"),
    "other answers": (lambda tree: tree.update(right="00" + tree["right"][2:]),
                      r"right names \d+ of 1000 images, and the accuracy is"),
    "a mode less": (without_a_mode, "test_accuracy has batch, not "),
    "another mode": (renamed_mode, "test_accuracy has batch, plain, not "),
    "probe without update": (at("probes", 0, "update")[1], "it has no 'update'"),
    "probe without mean": (at("probes", 2, "mean")[1], "it has no 'mean'"),
    "probe without variance": (at("probes", 2, "variance")[1], "it has no 'variance'"),
    "probe without relu5": (at("probes", 1, "mean", "relu5")[1], "it has no 'relu5'"),
    "probe without norm5": (at("probes", 1, "variance", "norm5")[1], "it has no 'norm5'"),
    "probe without clipped": (at("probes", 1, "clipped")[1], "it has no 'clipped'"),
    "probe without r": (at("probes", 1, "r")[1], "it has no 'r'"),
    "probe without d": (at("probes", 1, "d")[1], "it has no 'd'"),
    "four quantiles": (at("probes", 1, "d")[0]([1, 2, 3, 4]), "where five quantiles should be"),
    "a quantile in words": (at("probes", 1, "d", 3)[0]("large"), "a quantile must be a number"),
    "a probe twice": (lambda tree: tree["probes"].append(tree["probes"][-1]),
                      "probes are not in the order of their updates"),
    "probes in disorder": (lambda tree: tree["probes"].reverse(), "not in the order"),
    "a test without a mode": (lambda tree: tree["tests"].append(
        {"update": 5, "accuracy": {"batch": 0.1}}), "a test without mode moving"),
    "a test twice": (lambda tree: tree["tests"].extend(
        [{"update": 5, "accuracy": {"batch": 0.1, "moving": 0.1}}] * 2), "tests are not in the"),
    "a name with HTML": (at("job", "name")[0]("<script>alert(1)</script>"), "no name of a run"),
    "a condition with a link": (at("job", "condition")[0]("[x](http://x)"), "no name of a run"),
    "a name that leads out": (at("job", "name")[0]("../../x"), "no name of a run"),
    "an absolute name": (at("job", "name")[0]("/x"), "no name of a run"),
    "no name": (at("job", "name")[0](7), "no name of a run"),
}


@pytest.mark.parametrize("bad", BAD)
def test_what_does_not_fit_is_refused(file, tmp_path, capsys, bad):
    change, message = BAD[bad]
    tree = json.loads(file.read_text())
    change(tree)
    file.write_text(json.dumps(tree))
    tracemalloc.start()
    with pytest.raises(ValueError, match=message) as caught:
        read_result(file)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)
    assert main(report_of(file, tmp_path)) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and str(file) in said.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("condition", sorted(JOBS))
def test_what_fits_is_read_as_it_was_written(condition, tmp_path, rng):
    result = pretend(JOBS[condition], 0.6, rng)
    assert read_result(write_result(tmp_path, result)) == result


def test_a_run_that_diverged_is_read(file):
    tree = json.loads(file.read_text())
    diverged(tree)
    file.write_text(json.dumps(tree))
    found = read_result(file)
    assert found.final() == found.chance and found.curve()[-1] == found.chance
    assert np.isnan(found.losses()[-1]) and np.isfinite(found.losses()[:-1]).all()


@pytest.mark.parametrize(("test", "flips"), [(1000, 2), (20, 1)])
def test_a_few_ties_may_have_turned(test, flips, rng):
    """Two answers in a thousand, and one in any case."""
    job = JOBS[DEBIAS]
    result = pretend(replace(job, subset=replace(job.subset, test=test)), 0.6, rng)
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(result.right), np.uint8))
    bits[:flips] = 0
    check_answers(replace(result, right=np.packbits(bits).tobytes().hex()))
    bits[flips] = 0
    with pytest.raises(ValueError, match="right names"):
        check_answers(replace(result, right=np.packbits(bits).tobytes().hex()))


def test_the_share_of_right_answers_may_be_rounded():
    """3,000 times 7/3,000 is a little more or less than 7; six more or less are allowed."""
    share = 7 / 3000
    bits = np.arange(3000) < (13 if 3000 * share < 7 else 1)
    assert abs(bits.sum() - 3000 * share) > 6
    right = np.packbits(bits).tobytes().hex()
    check_answers(SimpleNamespace(status="done", test_images=3000, right=right,
                                  final=lambda: share))


@pytest.mark.parametrize("norm", ["wn", "ln"])
def test_a_network_without_norm_layers_has_no_probes_of_them(norm, rng):
    """WeightNorm is around the convolution; LayerNorm stands behind it."""
    result = pretend(JOBS[f"all_cnn-{norm}-b5"], 0.6, rng)
    places = {"conv5": [0.1] * 5, "relu5": [0.1] * 5}
    probed = replace(result, probes=[{"update": 1, "mean": places, "variance": places}],
                     tests=[{"update": 1, "accuracy": {"plain": 0.1}}])
    if norm == "wn":
        check_result(probed)
    else:
        with pytest.raises(KeyError, match="norm5"):
            check_result(probed)


def test_the_longest_run_that_is_read(rng):
    result = pretend(JOBS[DEBIAS], 0.6, rng)
    for epochs, fits in ((100_000, True), (100_001, False)):
        job = replace(result.job, recipe=replace(result.job.recipe, epochs=epochs))
        long = replace(result, job=job, status="diverged", right="")
        if fits:
            check_result(long)
        else:
            with pytest.raises(ValueError, match="a run of 100,001 epochs"):
                check_result(long)


def test_the_images_of_a_subset_are_counted_without_loading_them():
    job = JOBS[DEBIAS]
    for subset, count in ((replace(job.subset, classes=None, train=None, test=None), 10_000),
                          (replace(job.subset, classes=20, train=None, test=None), 2_000),
                          (replace(job.subset, test=30), 30)):
        result = pretend(job, 0.6, np.random.default_rng(0))
        assert replace(result, job=replace(job, subset=subset)).test_images == count


def test_two_files_of_one_run_are_refused(file):
    """The second would take the place of the first, unseen."""
    other = file.with_name("copy.json")
    other.write_bytes(file.read_bytes())
    with pytest.raises(ValueError, match=f"are both the run {DEBIAS}-s1"):
        load_results(file.parent)


def test_texts_from_files_are_shown_and_not_obeyed(file, tmp_path, capsys):
    """In the report and on the terminal."""
    tree = json.loads(file.read_text())
    evil = "<script>x</script> [a](http://b)\n# Title `c` \x1b[2J"
    tree["made"] = dict.fromkeys(tree["made"], evil)
    file.write_text(json.dumps(tree))
    assert main(report_of(file, tmp_path)) == 0
    page = (tmp_path / "out" / "REPORT.md").read_text(encoding="utf-8")
    shown = r"&lt;script&gt;x&lt;/script&gt; \[a\]\(http://b\) \# Title \`c\` " + "\ufffd\\[2J"
    assert page.count(shown) == 6 and "<script" not in page and "\x1b" not in page
    assert "\n# Title" not in page and "](http:" not in page
    assert "\x1b" not in capsys.readouterr().out


def test_a_report_on_a_full_disk_leaves_what_was_there(file, tmp_path, monkeypatch, capsys):
    """Also of its figures: nothing is half written, and the error names the file."""
    argv = report_of(file, tmp_path)
    assert main(argv) == 0
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.*")}
    monkeypatch.setattr("minibn.files.os.fsync", full)
    capsys.readouterr()
    assert main(argv) == 2
    said = capsys.readouterr().err
    assert said.endswith(".png: No space left on device\n") and str(tmp_path / "out") in said
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.*")} == before


def full(number):
    raise OSError(errno.ENOSPC, "No space left on device")
