"""The benchmarks run, and what they compare is the same computation."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cases import needs_kernels

from minibn.backend import device_module

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
BATCH, WIDTH = 3, 4


@pytest.fixture
def load(monkeypatch):
    """`contenders.load`, with the benchmarks' folder on the path as when a command is run."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import contenders

    def load(name, norm="bn"):
        try:
            return contenders.load(name)(BATCH, WIDTH, norm, "cpu")
        except ModuleNotFoundError as error:
            if error.name not in ("torch", "jax"):
                raise
            pytest.skip(f"{error.name} is not installed")

    return load


@pytest.mark.parametrize(
    ("peer", "norm"),
    [
        ("torch", "bn"),
        ("torch-channels-last", "bn"),
        ("torch", "renorm_debias"),
        ("autograd", "bn"),
        ("autograd-flat", "bn"),
        ("jax", "bn"),
    ],
)
def test_same_training_step(load, peer, norm):
    """Same losses, gradients and weights as minibn over several steps from the same weights."""
    other, ours = load(peer, norm), load("minibn", norm)
    start = {name: w.copy() for name, w in ours.parameters().items()}
    for _ in range(3):
        np.testing.assert_allclose(float(ours.step()), float(other.step()), rtol=1e-5)
        if hasattr(other, "gradients"):
            assert_same(ours.gradients(), other.gradients(), rtol=1e-3)
    assert_same(changes(ours, start), changes(other, start), rtol=1e-2)


def changes(contender, start):
    return {name: w - start[name] for name, w in contender.parameters().items()}


def assert_same(ours, theirs, rtol):
    """Each array agrees to `rtol` of its own largest entry (float32 sums in another order)."""
    assert set(ours) == set(theirs)
    for name, a in ours.items():
        np.testing.assert_allclose(
            a, theirs[name], rtol=0, atol=rtol * np.abs(a).max(), err_msg=name
        )
        assert np.abs(a).max() > 0, f"{name} is all zero: the comparison proves nothing"


def run(command, *arguments, status=0):
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / command), "--width", str(WIDTH), "--batch", "2",
         "--quick", *arguments],
        capture_output=True, text=True, timeout=300, check=False,
    )
    assert done.returncode == status, done.stderr
    return done


def test_train_step_command(tmp_path):
    file = tmp_path / "figures.json"
    done = run("train_step.py", "--norm", "renorm_debias", "--json", str(file))
    results = json.loads(file.read_text())
    assert [row["norm"] for row in results["batches"][0]["norms"]] == ["renorm_debias"]
    for row in results["batches"][0]["norms"]:
        for step in row["steps"]:
            assert step["ms"]["q1"] <= step["ms"]["median"] <= step["ms"]["q3"]
            assert 0 < step["import_mib"] < step["peak_mib"]
            assert 0 < step["share"] < 2
    again = run("train_step.py", "--markdown", str(file))
    assert again.stdout == done.stdout and "| minibn ms" in done.stdout


@needs_kernels
def test_profile_command():
    """Every part of the step is found, the convolution's products apart from its windows."""
    out = run("train_step.py", "--profile", "--norm", "bn", "--width", "32").stdout
    cells = [[c.strip() for c in line.split("|")[1:-1]] for line in out.splitlines()]
    ms = {row[0]: float(row[1]) for row in cells if len(row) == 3 and row[2].endswith("%")}
    for part in ("products", "windows", "normalization", "activation", "optimizer", "loss"):
        assert ms[part] > 0, part
    products = [row[2] for row in cells
                if len(row) == 3 and row[0].startswith(("conv.py", "openblas.py"))]
    assert any("matmul" in code or "gemm" in code for code in products)


def test_busy_command():
    """Both rows, each with a ratio between its quartiles."""
    rows = run("busy.py").stdout.splitlines()
    for name in ("as it is", "every core busy"):
        (row,) = (line for line in rows if line.startswith(f"| {name} "))
        ratio = row.split("|")[4]
        median, low, high = (float(n) for n in re.findall(r"[0-9.]+", ratio))
        assert 0 < low <= median <= high


def test_peers_command():
    out = run("peers.py", "--peers", "autograd").stdout
    assert "| autograd" in out and "times minibn's" in out


def test_openblas_command():
    out = subprocess.run([sys.executable, str(BENCHMARKS / "openblas.py")], check=True,
                         capture_output=True, text=True).stdout
    rows = [line.split("|")[1:-1] for line in out.splitlines() if "products" in line]
    assert len(rows) == 4 and all(float(ms) > 0 for row in rows for ms in row[1:])
    assert "| optimizer" in out


def test_epoch_command(tmp_path):
    """A part of an epoch is timed and multiplied; a saved file prints the same table."""
    file = tmp_path / "figures.json"
    command = [sys.executable, str(BENCHMARKS / "epoch.py")]
    done = subprocess.run(
        [*command, "--width", "2", "--batch", "5", "--seconds", "0.5", "--json", str(file)],
        check=True, capture_output=True, text=True)
    row = json.loads(file.read_text())["epochs"][0]
    assert 25 <= row["updates"] < row["of"] == 10_000
    whole = row["seconds"] * row["of"] / row["updates"]
    cells = [cell.strip() for cell in done.stdout.split("|")]
    assert {f"{whole:.0f}", f"{row['updates']:,} of 10,000"} <= set(cells)
    again = subprocess.run([*command, "--markdown", str(file)], check=True, capture_output=True,
                           text=True)
    assert again.stdout == done.stdout


GPU_COMMANDS = {  # a command that needs a GPU, and its exit status without one
    "train_step.py --device gpu": 2, "epoch.py --device gpu": 2, "launches.py": 2, "gpu.sh": 1}


@pytest.mark.parametrize("command", GPU_COMMANDS)
def test_without_a_gpu_a_command_ends_with_one_line(command, tmp_path):
    try:
        device_module("gpu")
    except RuntimeError as error:
        reason = str(error)
    else:
        pytest.skip("there is a GPU")
    name, *arguments = command.split()
    if name == "gpu.sh":
        if not shutil.which("bash"):
            pytest.skip("there is no bash")
        arguments = [str(tmp_path / "figures")]
    done = subprocess.run(
        [*(["bash"] if name == "gpu.sh" else [sys.executable]), str(BENCHMARKS / name), *arguments],
        env={**os.environ, "PYTHON": sys.executable}, capture_output=True, text=True)
    assert done.returncode == GPU_COMMANDS[command]
    assert done.stderr.splitlines()[-1] == f"{name}: {reason}"
    assert "Traceback" not in done.stderr and not done.stdout


def test_rounds_with_the_cores_near_and_far_are_told_apart(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import tables
    import turns
    a, b = (argparse.Namespace(rounds=rounds, apart=apart, fastest=min(map(min, rounds)))
            for rounds, apart in (
                ([[2.0], [4.0], [6.0], [9.0]], [1.5, 4.0, 4.0, 1.5]),
                ([[4.0], [4.0], [4.0], [1.0]], [2.0, 3.0, 1.5, None])))
    ratio = turns.paired_ratio(a, b)
    assert ratio["median"] == 1.25                       # of 0.5, 1, 1.5 and 9
    assert (ratio["near"]["median"], ratio["near"]["rounds"]) == (0.5, 1)
    assert (ratio["far"]["median"], ratio["far"]["rounds"]) == (1.0, 1)      # 3 and 4: mixed
    assert tables.distances("Batch 5", ratio) == [
        "Batch 5: 0.50 (0.50–0.50) in 1 round with the cores near each other, "
        "1.00 (1.00–1.00) in 1 round with the cores far apart."]
    assert tables.distances("Batch 5", turns.paired_ratio(a, argparse.Namespace(
        rounds=b.rounds, apart=[None] * 4, fastest=1.0))) == []


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="threads cannot choose a core")
def test_reading_what_another_core_wrote_takes_longer(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import distance
    allowed = os.sched_getaffinity(0)
    found = distance.apart()
    assert (found is None) == (len(allowed) < 2)
    assert os.sched_getaffinity(0) == allowed
