"""What README.md promises is there: links, commands, names, and the code it shows."""

import importlib
import re
import shlex
from argparse import ArgumentParser
from pathlib import Path

import numpy as np
import pytest

import minibn
from minibn.__main__ import COMMANDS
from minibn.commands import compare, options
from minibn.commands.summary import by_norm
from minibn.replication import load_results
from minibn.replication.arms import MEDIUM
from minibn.replication.conditions import trio
from minibn.replication.metrics import final, first_epoch
from minibn.replication.page import readme_lines
from minibn.replication.publish import with_lines
from minibn.replication.statistics import paired_difference
from minibn.training.record import read_record

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
SCALED = load_results(ROOT / "results" / "scaled")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)]+)\)", TEXT))))
def test_links_lead_somewhere(target):
    assert (ROOT / target).exists()


@pytest.mark.parametrize("line", re.findall(r"python -m minibn ([^`#\n]+)", TEXT))
def test_commands_are_understood(line):
    name, *argv = shlex.split(line.split(" lists ")[0])
    if name == "--help":
        return
    assert name in COMMANDS
    parser = ArgumentParser(allow_abbrev=False, exit_on_error=False)
    importlib.import_module(f"minibn.commands.{name}").add_arguments(parser)
    if "--help" not in argv:
        parser.parse_args(argv)


@pytest.mark.parametrize("target", re.findall(r"make (\w+)  ", TEXT) + re.findall(
    r"`make (\w+)`", TEXT))
def test_make_targets_exist(target):
    assert re.search(rf"^({target}|[\w ]* {target}[\w ]*):", MAKEFILE, re.MULTILINE)


@pytest.mark.parametrize(("file", "names"), re.findall(
    r"^\|[^|]*\| \[[^]]*\]\(minibn/([\w/]+)\.py\): ([^|;]*)", TEXT, re.MULTILINE))
def test_the_table_names_what_the_file_defines(file, names):
    module = importlib.import_module("minibn." + file.replace("/", "."))
    found = re.findall(r"`(\w+)`", names)
    assert found
    for name in found:
        assert getattr(module, name).__module__ == module.__name__


def test_the_example_runs():
    example, = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names: dict = {}
    exec(example, names)
    before = float(names["loss"])
    step = example.split("\n\n")[-1]
    for _ in range(10):
        exec(step, names)
    assert float(names["loss"]) < before


def test_what_came_out_is_what_the_report_says():
    results = load_results(ROOT / "results" / "medium")
    assert with_lines(TEXT, readme_lines(MEDIUM, results)) == TEXT, "run python -m minibn report"
    runs = sum(r.job.kind == "run" for r in SCALED)
    assert f"Its {runs} runs and its faults are" in TEXT


def points(first, second, metric=final):
    """The mean paired difference of two lists of conditions in points, as README writes it."""
    pairs = [(100 * metric(r), 100 * metric(s)) for r, s in SCALED.pairs(first, second)]
    found = paired_difference(*zip(*pairs, strict=True)).estimate
    return f"{found.mean:+.1f} ± {found.half:.1f}".replace("-", "−")


def test_does_it_help_has_the_numbers_of_the_results():
    table = dict(re.findall(r"^\| (0\.\d+) \| (.*?) \|$", TEXT, re.MULTILINE))
    assert table.keys() == {"0.003", "0.01", "0.03"}
    for rate, cells in table.items():
        lr = None if rate == "0.003" else float(rate)
        bn, brn, debias = (condition.key for condition in trio("all_cnn", 5, lr=lr))
        runs = SCALED.of(debias)
        assert {run.job.recipe.lr for run in runs} == {float(rate)}
        assert cells == f"{points(debias, bn)} | {points(debias, brn)} | {len(runs)}"
        assert {run.job.recipe.epochs for run in runs} == {8}
    text = " ".join(TEXT.split())
    slow, fast = trio("all_cnn", 5), trio("all_cnn", 5, lr=0.01)
    gains = [points(b.key, a.key).lstrip("+") for a, b in zip(slow, fast, strict=True)]
    assert (f"From 0.003 to 0.01 BN gains {gains[0]} points, BRN {gains[1]} and renorm_debias "
            f"{gains[2]}.") in text
    early = [points(slow[2].key, other.key, first_epoch).lstrip("+") for other in slow[:2]]
    assert (f"After the first epoch at 0.003 renorm_debias is ahead of BN by {early[0]} points and "
            f"of BRN by {early[1]}.") in text
    at_one = {norm: np.mean([final(r) for r in SCALED.of(f"all_cnn-{norm}-b1")])
              for norm in ("bn", "brn", "renorm_debias", "ln", "gn")}
    three = [100 * at_one[norm] for norm in ("bn", "brn", "renorm_debias")]
    assert (f"At batch size 1 none of the three learns much ({min(three):.0f} to {max(three):.0f} "
            f"%); GroupNorm ({100 * at_one['gn']:.0f} %) and LayerNorm ({100 * at_one['ln']:.0f} %)"
            " do.") in text


def test_the_figure_is_drawn_from_the_results(monkeypatch):
    """And holds what README's table says."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    figures = importlib.import_module("figures")
    left, right = figures.figure(SCALED).axes
    drawn = {text.get_text(): container for text, container in zip(
        left.get_legend().get_texts(), left.containers, strict=True)}
    assert list(drawn) == ["BN", "BRN", "renorm_debias"]
    for title, norm in zip(drawn, figures.METHODS, strict=True):
        line, _, _ = drawn[title].lines
        expected = [np.mean([run.final() for run in SCALED.of(figures.key(norm, rate))])
                    for rate in figures.RATES]
        np.testing.assert_allclose(np.array(line.get_ydata(), float), expected)
    last = [line.get_ydata()[-1] for line in right.lines[:2]]
    assert [f"{value:+.1f}" for value in last] == [
        points(figures.key(norm, 0.003), figures.key("bn", 0.003)).split(" ")[0]
        for norm in ("brn", "renorm_debias")]


def test_what_compare_shows_is_what_it_showed():
    """With the defaults of this version."""
    kept = read_record(ROOT / "docs" / "compare-synthetic.json")
    parser = ArgumentParser()
    compare.add_arguments(parser)
    args = parser.parse_args([])
    options.fill_defaults(args)
    assert kept.command == "python -m minibn compare"
    assert [run.recipe for run in kept.runs] == [
        options.make_recipe(args, norm, seed=k) for k in range(args.seeds) for norm in args.norms]
    bn, brn, debias = (100 * np.mean([run.history.final() for run in runs])
                       for runs in by_norm(kept).values())
    assert (f"BN ends ahead: {bn:.0f} %, against {brn:.0f} % for BRN and {debias:.0f} % for "
            "renorm_debias") in " ".join(TEXT.split())


def test_the_version_to_cite_is_the_packages():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {minibn.__version__}\n" in citation
