"""What README.md promises is there: links, commands, names, and the code it shows."""

import importlib
import re
import shlex
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import minibn
from minibn.__main__ import COMMANDS
from minibn.replication import load_results
from minibn.replication.claims import judge
from minibn.replication.conditions import RATES, trio
from minibn.replication.metrics import final, first_epoch
from minibn.replication.verdicts import FAILS, HOLDS, OPEN, compare, decide

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
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


def test_the_verdicts_are_those_of_the_results():
    results = load_results(ROOT / "results" / "scaled")
    verdicts = Counter(one.verdict for one in judge(results))
    runs = sum(r.job.kind == "run" for r in results)
    assert f"has {runs}, of narrow networks" in " ".join(TEXT.split())
    assert (f"Of the paper's {verdicts.total()} claims, {verdicts[HOLDS]} hold at this size, "
            f"{verdicts[FAILS]} do not, and of {verdicts[OPEN]} it cannot be told."
            ) in " ".join(TEXT.split())
    again = judge(load_results(ROOT / "results" / "scaled-again"))
    changed = [a for a, b in zip(judge(results), again, strict=True) if a.verdict != b.verdict]
    assert f": {len(changed)} verdicts of the {len(again)} came out otherwise, and they were the " \
        "three that had held." in " ".join(TEXT.split())
    assert [one.verdict for one in changed] == [HOLDS] * 3 and verdicts[HOLDS] == 3


def test_what_came_out_is_in_the_results():
    """The sentences between the counts: rates at batch 5, BRN, batch 1."""
    results = load_results(ROOT / "results" / "scaled")

    def verdict(first, second, metric=final):
        return decide(compare(results, first, second, metric))

    bn, brn, debias = (condition.key for condition in trio("all_cnn", 5))
    assert verdict(debias, bn) == HOLDS
    for lr in RATES:
        assert lr > results.of(bn)[0].job.recipe.lr
        bn_there, _, debias_there = (condition.key for condition in trio("all_cnn", 5, lr=lr))
        assert verdict(debias_there, bn_there) != HOLDS
    assert (verdict(debias, brn, first_epoch), verdict(debias, brn)) == (HOLDS, OPEN)
    at_one = {norm: np.mean([final(r) for r in results.of(f"all_cnn-{norm}-b1")])
              for norm in ("bn", "brn", "renorm_debias", "wn", "ln", "gn")}
    assert min(at_one["ln"], at_one["gn"]) > 0.3 > 0.15 > max(
        at_one[norm] for norm in ("bn", "brn", "renorm_debias", "wn"))


def test_the_version_to_cite_is_the_packages():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {minibn.__version__}\n" in citation
