"""docs/own_layer.md: its code runs, and its norm takes part in the comparison."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

import minibn
from minibn.norms import NORMS

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "own_layer.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)
TABLE = "# minibn/norms/__init__.py\n"
FILE = "# minibn/norms/rms_norm.py\n"


def block(start):
    found, = (code for _, code in BLOCKS if code.startswith(start))
    return found.removeprefix(start)


@pytest.fixture(scope="module")
def names():
    """What the page defines, once all its Python has run."""
    found: dict = {}
    try:
        for kind, code in BLOCKS:
            if kind == "python" and not code.startswith(TABLE):
                exec(compile(code, "docs/own_layer.md", "exec"), found)
        yield found
    finally:
        NORMS.pop("rms", None)


def test_the_code_runs_and_the_gradients_are_checked(names):
    assert TEXT.count("check_gradient(") == 4
    assert names["error"] < 1e-7


def test_the_summary_is_the_one_on_the_page(names):
    shown, = (code for kind, code in BLOCKS if kind == "text")
    model = minibn.Sequential(
        ("conv", minibn.Conv2d(3, 8, 3, padding=1, seed=0)), ("leaky", names["LeakyReLU"](0.2)),
        ("pool", minibn.GlobalAvgPool()), ("fc", minibn.Linear(8, 2, seed=0)))
    assert [line.split() for line in shown.splitlines()] == [
        line.split() for line in model.summary((24, 24, 3)).splitlines()]


def test_own_layers_are_saved_and_keep_the_dtype(names, tmp_path):
    model = names["model"]
    x = np.random.default_rng(1).standard_normal((2, 24, 24, 3), np.float32)
    y = model.forward(x, training=True)
    assert y.dtype == model.backward(y, input_gradient=True).dtype == np.float32
    assert all(g.dtype == np.float32 for g in model.grads.values())
    model.save(tmp_path / "model.npz")
    other = minibn.all_cnn(classes=10, norm="rms", width=4, seed=1).load(tmp_path / "model.npz")
    np.testing.assert_array_equal(other.forward(x), model.forward(x))


def test_a_residual_block_has_the_gradient_of_a_sum(names):
    rng = np.random.default_rng(3)
    block = names["Residual"](minibn.Linear(4, 4, seed=0, dtype="float64"), minibn.ReLU())
    x, dy = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    block.forward(x, training=True)
    assert names["check_gradient"](block.forward, x, dy, block.backward(dy)) < 1e-7
    table = names["deep"].summary((4,))
    assert table.startswith("Sequential: 2 layers, 50 parameters") and "Residual" in table


def test_rms_norm_is_what_its_formula_says(names):
    rng = np.random.default_rng(2)
    x = rng.normal(3, 2, (4, 3, 5, 2))
    y, _ = names["rms_norm"](x, np.ones(2), np.zeros(2), eps=0.0)
    np.testing.assert_allclose((y**2).mean((1, 2, 3)), 1, rtol=1e-12)
    np.testing.assert_allclose(names["rms_norm"](7 * x, np.ones(2), np.zeros(2), 0.0)[0], y)


def test_one_file_and_one_line_bring_a_norm_into_the_comparison(tmp_path):
    """In a copy of the package that is changed as the page says."""
    shutil.copytree(ROOT / "minibn", tmp_path / "minibn",
                    ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "minibn" / "norms" / "rms_norm.py").write_text(block(FILE), encoding="utf-8")
    imported, line = block(TABLE).splitlines()
    table = tmp_path / "minibn" / "norms" / "__init__.py"
    text = table.read_text(encoding="utf-8")
    after = '    "none": Norm('
    assert text.count(after) == 1
    table.write_text(text.replace("\n\n\nclass Norm(", f"\n{imported}\n\n\nclass Norm(")
                     .replace(after, f"{line}\n{after}"), encoding="utf-8")

    for command in re.findall(r"^python -m minibn (.*)$", TEXT, re.MULTILINE):
        argv = [*command.split(), "--limit-train", "40", "--limit-test", "20", "--width", "2",
                "--epochs", "1"]
        argv += ["--seeds", "1", "--processes", "1"] if argv[0] == "compare" else []
        done = subprocess.run([sys.executable, "-m", "minibn", *argv], capture_output=True,
                              text=True, cwd=tmp_path,
                              env={**os.environ, "PYTHONPATH": str(tmp_path)})
        assert (done.returncode, done.stderr) == (0, ""), command
        assert "RMSNorm" in done.stdout
        if command == "compare --norms bn rms":
            assert "no search has been made for" in done.stdout and "rms" in done.stdout
    picture = imread(tmp_path / "runs" / "compare-synthetic-batch5-seed0.png")
    assert picture.shape[1] > 1000
