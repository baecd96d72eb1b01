"""The registered report: its numbers, its words in every state of the runs, figures and files."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_runs import made_up_replication

from minibn.__main__ import main
from minibn.replication.answers import answers, headline, status
from minibn.replication.arms import ARMS, MEDIUM, METHODS, TINY
from minibn.replication.details import details
from minibn.replication.drawings import answer_figure, figures
from minibn.replication.findings import (
    batch_sizes,
    by_rate,
    final_of,
    lag,
    main_runs,
    pilots,
    progress,
    transient,
)
from minibn.replication.numbers import interval, listed, points, signed
from minibn.replication.page import page, readme_lines
from minibn.replication.presets import PRESETS
from minibn.replication.publish import BEGIN, END, with_lines, write_registered
from minibn.replication.report import report
from minibn.replication.results import Results, load_results, write_result
from minibn.replication.statistics import estimate

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def whole():
    """Everything run; renorm_debias is 3 points above the others at its own rate."""
    return made_up_replication({"renorm_debias": 0.03})


STATES = [(), ("S",), ("C",), ("S", "C"), ("S", "B"), ("S", "A"), ("S", "A", "P"),
          ("S", "A", "A2", "D"), ("D", "F")]


@pytest.mark.parametrize("arms", STATES, ids="-".join)
def test_every_state_of_the_runs_has_a_page_that_says_what_is_missing(arms):
    results = made_up_replication(arms=arms) if arms else Results([])
    texts = [page(MEDIUM, results), details(MEDIUM, results), readme_lines(MEDIUM, results)]
    for text in texts:
        assert not re.search(r"\bnan\b|None\b(?!\.)|\{\w+\}|\binf\b", text)
    missing = [arm for arm, one in progress(MEDIUM, results).items() if not one.complete]
    assert missing and all(f"{arm} (" in status(MEDIUM, results) for arm in missing)
    assert status(MEDIUM, results) in texts[0]
    assert ("no answer yet" in texts[0]) == ("A" not in arms)
    drawn = figures(MEDIUM, results)
    for text in texts[:2]:
        for name in re.findall(r"figures/(\w+)\.png", text):
            assert name in drawn


def test_a_whole_page_is_one_page_with_one_figure_and_one_table(whole):
    text = page(MEDIUM, whole)
    assert status(MEDIUM, whole) == "" and "not run yet" not in text
    assert 200 < len(text.split()) < 1500
    assert text.count("![") == 1 and len(re.findall(r"^\| ---", text, re.MULTILINE)) == 1
    assert len(answers(MEDIUM, whole)) == 5


def test_the_page_has_the_numbers_of_the_runs(whole):
    text, runs = page(MEDIUM, whole), main_runs(MEDIUM, whole)
    gaps = np.array([final_of(a) - final_of(b)
                     for a, b in zip(runs["renorm_debias"], runs["bn"], strict=True)])
    half = 2.2010 * gaps.std(ddof=1) / np.sqrt(12)             # t(0.975, 11)
    assert len(gaps) == 12
    assert f"renorm_debias minus BN is {signed(100 * gaps.mean())} points" in text
    low, high = (signed(100 * (gaps.mean() + side * half)) for side in (-1, 1))
    assert f"95 % interval {low} to {high}; the paper +0.4" in text
    for norm in METHODS:
        mean = 100 * np.mean([final_of(r) for r in runs[norm]])
        assert f"{mean:.1f} %" in answers(MEDIUM, whole)[0]
    assert "| renorm_debias ends higher than BN | 66.2 against 65.8 % | +" in text
    assert "**larger than the paper's**" in text


def test_the_headline_is_the_verdicts():
    def said(gains):
        return headline(MEDIUM, made_up_replication(gains, arms=("S", "A")))

    nothing, much, reversed_ = said({}), said({"renorm_debias": 0.03}), said(
        {"renorm_debias": -0.03})
    assert nothing.startswith("**No gain is shown: renorm_debias is better in none of the four")
    assert "Speed: a gain of the paper's size is excluded, against BN and against BRN." in nothing
    assert much.startswith("**Yes: renorm_debias is better in all four comparisons.")
    assert "Final accuracy: a gain larger than the paper's, against BN and against BRN." in much
    assert reversed_.startswith("**No: renorm_debias is worse in all four comparisons.")
    assert reversed_.count("the order is reversed, against BN and against BRN") == 2
    assert headline(MEDIUM, made_up_replication(arms=("S",))) == ""


def test_verdicts_of_an_unfinished_arm_are_not_final(whole):
    runs = [r for r in whole if r.job.name != "bn-b5-w24-lr0.01-e15-s105"]
    some = Results(runs)
    assert not progress(MEDIUM, some)["A"].complete
    assert page(MEDIUM, some).count("(not final)") == 4
    assert headline(MEDIUM, some).startswith("**Not final, with ")
    assert "not final" not in page(MEDIUM, whole).lower()


def test_lag_transient_and_batches_are_computed_from_their_runs(whole):
    found = lag(MEDIUM, whole)
    # The made-up reestimated accuracy is 0.2 points above BN's own.
    assert found["gain final"].estimate.mean == pytest.approx(0.002)
    runs = main_runs(MEDIUM, whole)
    left = np.mean([final_of(r) for r in runs["renorm_debias"]]) - np.mean(
        [final_of(r) for r in runs["bn"]]) - 0.002
    assert found["left final"].estimate.mean == pytest.approx(left)
    early = transient(MEDIUM, whole)
    assert early["own"].differences.shape == (16, 8) and len(early["paper"].differences) == 8
    assert list(early["own"].updates) == [1250 * i for i in range(1, 9)]
    assert early["own"].last.mean == pytest.approx(early["own"].differences[:, -1].mean())
    assert set(batch_sizes(MEDIUM, whole)) == {10, 128}
    assert pilots(MEDIUM, whole) == pytest.approx(np.mean([
        r.final() for r in whole if r.job.recipe.epochs == 9]))
    rates = by_rate(MEDIUM, whole)
    assert {norm: sorted(runs) for norm, runs in rates.items()} == {
        "bn": [0.01, 0.03, 0.1], "brn": [0.01, 0.1], "renorm_debias": [0.01, 0.03, 0.1]}


def test_a_diverged_transient_counts_at_chance(whole):
    one = next(r for r in whole if r.job.name == "renorm_debias-b5-w24-lr0.03-e1-s401")
    lost = replace(one, status="diverged", tests=one.tests[:3])
    with_it = transient(MEDIUM, Results([r for r in whole if r is not one] + [lost]))["own"]
    assert with_it.differences.shape == (16, 8)
    before = transient(MEDIUM, whole)["own"].differences
    assert with_it.differences[0, :3] == pytest.approx(before[0, :3])
    gap = one.tests[7]["accuracy"]["batch"] - 0.01
    assert with_it.differences[0, 7] == pytest.approx(before[0, 7] - gap)


def test_readme_has_the_first_three_answers(whole):
    lines = readme_lines(MEDIUM, whole)
    words = " ".join(lines.split())
    assert all(one in words for one in answers(MEDIUM, whole)[:3])
    assert max(map(len, lines.splitlines())) <= 100 and "results/figures/answer.png" in lines
    text = f"above\n{BEGIN}\nold\n{END}\nbelow\n"
    assert with_lines(text, "new") == f"above\n{BEGIN}\n\nnew\n\n{END}\nbelow\n"


# Figures

def test_the_one_figure_has_the_rates_the_papers_rate_and_the_transient(whole):
    left, middle, right = answer_figure(MEDIUM, whole).axes
    for axes in (left, middle):
        marked = [line for line in axes.lines if len(line.get_xdata()) == 2
                  and set(line.get_xdata()) == {0.1}]
        assert len(marked) == 1 and "the paper's rate" in [t.get_text() for t in axes.texts]
    drawn = {container.get_label(): container.lines[0] for container in left.containers}
    assert list(drawn) == ["BN", "BRN", "renorm_debias"]
    runs = by_rate(MEDIUM, whole)["renorm_debias"]
    assert drawn["renorm_debias"].get_ydata() == pytest.approx(
        [np.mean([final_of(r) for r in line]) for line in runs.values()])
    lines = {line.get_label(): line for line in right.lines}
    assert lines["own rates (16 seeds)"].get_ydata() == pytest.approx(
        100 * transient(MEDIUM, whole)["own"].differences.mean(0))
    assert answer_figure(MEDIUM, Results([])) is None
    search = made_up_replication(arms=("S",))
    part = Results([r for r in search if r.job.recipe.norm == "bn"])
    assert answer_figure(MEDIUM, part) is None              # one method compares nothing
    alone, = answer_figure(MEDIUM, search).axes
    assert alone.get_title() == "Search: 4 epochs, held-out images"


def test_the_papers_numbers_stand_in_the_figure_of_the_claims(whole):
    left, right = figures(MEDIUM, whole)["claims"].axes
    diamonds = [[float(line.get_xdata()[0]) for line in axes.lines if line.get_marker() == "D"]
                for axes in (left, right)]
    assert diamonds[0] == pytest.approx([0.4, 1.3])
    assert diamonds[1] == pytest.approx([15 / 23] * 3 + [15 / 18] * 3)


# Words

def test_numbers_as_words():
    assert signed(-0.4) == "−0.40" and signed(0.123, 1) == "+0.1" and signed(-0.001) == "0.00"
    found = estimate([0.01, 0.02, 0.03])
    assert points(found) == "+2.00 points" and interval(found) == "−0.48 to +4.48"
    assert interval(estimate([0.01])) == "no interval"
    assert listed(["a"]) == "a" and listed(["a", "b", "c"]) == "a, b and c"


# Files

def test_the_kept_pages_are_those_of_the_kept_results():
    kept = {name: (ROOT / "results" / f"{name}.md").read_text(encoding="utf-8")
            for name in ("REPORT", "DETAILS", "APPENDIX")}
    medium = load_results(ROOT / "results" / "medium")
    scaled, second = (load_results(ROOT / "results" / f"scaled{end}") for end in ("", "-again"))
    cost = (ROOT / "results" / "paper-cost.txt").read_text(encoding="utf-8")
    assert kept["REPORT"] == page(MEDIUM, medium), "run python -m minibn report"
    assert kept["DETAILS"] == details(MEDIUM, medium), "run python -m minibn report"
    assert kept["APPENDIX"] == report(scaled, PRESETS["scaled"], cost, second)
    for text in kept.values():
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            assert (ROOT / "results" / target).exists(), target


def test_the_files_are_the_same_each_time(tmp_path, whole):
    for out in ("a", "b"):
        write_registered(MEDIUM, whole, tmp_path / out)
    names = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert len(names) == 2 + len(figures(MEDIUM, whole))
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_command_reports_a_folder(tmp_path, capsys):
    results = made_up_replication(arms=("S", "A", "B"), size=TINY)
    for result in results:
        write_result(tmp_path / "in", result)
    words = ["report", "--preset", "tiny", "--results", str(tmp_path / "in"), "--out",
             str(tmp_path / "out")]
    assert main(words) == 0
    assert "Not complete:" in capsys.readouterr().out
    assert (tmp_path / "out" / "REPORT.md").read_text(encoding="utf-8") == page(TINY, results)
    assert main(["report", "--results", str(tmp_path / "none")]) == 2
    assert "no results in" in capsys.readouterr().err
    assert main([*words, "--again", str(tmp_path / "in")]) == 2
    assert set(ARMS) == set(progress(TINY, results))
