"""The commands and the streams they are given: closed, full, read by nobody, in other encodings."""

import sys
from pathlib import Path

import as_process
import pytest

from minibn.__main__ import main
from minibn.commands.options import first_images
from minibn.commands.table import format_table
from minibn.commands.terminal import encodable, printable
from minibn.data import make_synthetic
from minibn.training import train
from minibn.training.recipe import Recipe
from minibn.training.record import read_record

TRAIN = ("MINIBN train --limit-train 40 --limit-test 20 --width 2 --norm bn --checkpoint x.npz "
         "--epochs {}")
NAME = "runs/train-synthetic-bn-batch5-seed0.json"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the lines are for bash")


@pytest.fixture(autouse=True)
def apart(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MINIBN_TRACEBACK", raising=False)


def test_a_reader_that_stops_stops_the_work_and_the_status_tells():
    ended = as_process.shell("{ " + TRAIN.format(3000) + "; echo status $? >&2; } | head -n 3")
    assert "status 141" in ended.err and ended.err.count("\n") == 1
    epochs = read_record(NAME).runs[0].history.epochs
    assert 0 < epochs < 3000                                 # and what was done is kept
    for command in ("--help", "replicate --preset smoke"):
        ended = as_process.shell(f"{{ sleep 0.5; MINIBN {command}; echo status $? >&2; }} | true")
        assert ended.err == "status 141\n", command


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_the_output_is_one_line():
    for line in ("MINIBN data > /dev/full", TRAIN.format(1) + " > /dev/full"):
        status, _, err, _ = as_process.shell(line)
        assert status == 2 and err.endswith("standard output: No space left on device\n")
        assert err.count("\n") == 1


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_closed_streams_stop_nothing(closed, tmp_path):
    ended = as_process.shell(f"{TRAIN.format(2)} {closed}")
    assert (ended.status, ended.err) == (0, "")
    assert ("results" in ended.out) == (closed == "2>&-")
    assert read_record(NAME).runs[0].history.epochs == 2


def test_replicate_with_closed_streams(monkeypatch):
    def reached(*units, progress, **settings):
        assert not progress
        raise KeyboardInterrupt

    monkeypatch.setattr("minibn.commands.replicate.carry_out_all", reached)
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert main(["replicate", "--preset", "smoke"]) == 130


def test_an_output_that_lacks_our_characters(tmp_path):
    train(Recipe(norm="bn", width=2, epochs=1), first_images(make_synthetic(), 40, 20),
          checkpoint=tmp_path / "run.npz", progress=False)
    for encoding in ("ascii", "utf-8"):
        ended = as_process.shell("MINIBN evaluate run.npz --limit-test 20 | iconv -f latin1",
                                 PYTHONIOENCODING=encoding)
        assert ended.status == 0 and ended.err == ""
        last = ended.out.splitlines()[-1].split()
        assert last[0] == "moving" and (last[-1] == "-") == (encoding != "utf-8")


def test_control_characters_are_shown():
    assert printable("a – σ\tb\n") == "a – σ\tb\n"
    assert printable("\x1b[2Jcat\x07\u202e\x9b1m\r") == r"\x1b[2Jcat\x07\u202e\x9b1m\r"
    assert encodable("±1 – σ", "ascii") == "+-1 - ?"
    table = format_table(["class"], [["a\x1b[1m\nforged line  2"]])
    assert table.splitlines()[2:] == [r"a\x1b[1m forged line 2"]


def test_names_from_a_file_cannot_command_the_terminal(capsys):
    print("\x1b[31m")                                        # only our commands' output is filtered
    assert main(["\x1b[31mtrain"]) == 2
    said = capsys.readouterr()
    assert said.out == "\x1b[31m\n" and "\x1b" not in said.err and r"\x1b[31mtrain" in said.err
