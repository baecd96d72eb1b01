"""The numbers of the site's first page, computed in JavaScript, are those of minibn's layers."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from minibn import BatchNorm, BatchRenorm, RenormDebias
from minibn.functional import batch_norm

SCRIPT = Path(__file__).parent.parent / "site" / "book" / "static" / "demo_numbers.js"
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")


def javascript(expression: str, value: object) -> object:
    """What an expression in the script's names and `input` gives in node."""
    program = f"""
        import * as demo from {json.dumps(SCRIPT.as_uri())};
        import fs from "node:fs";
        const input = JSON.parse(fs.readFileSync(0));
        console.log(JSON.stringify({expression}));"""
    done = subprocess.run([NODE, "--input-type=module", "-e", program],
                          input=json.dumps(value), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def library(batches: np.ndarray, probe: float, decay: float) -> dict[str, dict[str, list[float]]]:
    """The same from minibn: batches (steps, m)."""
    brn = BatchRenorm(1, decay=decay, dtype=np.float64)
    debias = RenormDebias(1, decay=decay, dtype=np.float64)
    bn = BatchNorm(1, dtype=np.float64)
    found = {name: {"output": [], "mean": [], "std": []} for name in ("bn", "brn", "renorm_debias")}
    for batch in batches:
        x = batch[:, None]
        probed = x.copy()
        probed[0] = probe
        y, _ = batch_norm(probed, bn.params["gamma"], bn.params["beta"], bn.eps)
        note(found["bn"], y, x.mean(), np.sqrt(x.var() + bn.eps))

        brn.test_mode = "batch"
        brn.forward(x, training=True)
        note(found["brn"], brn.forward(probed), brn.state["moving_mean"], brn.state["moving_std"])

        debias.forward(x, training=True)
        weight = 1 - decay ** debias.state["step"]
        note(found["renorm_debias"], debias.forward(probed),
             debias.state["moving_mean"] / weight, debias.state["moving_std"] / weight)
    return found


def note(numbers: dict[str, list[float]], y: np.ndarray, mean: object, std: object) -> None:
    """One step more."""
    numbers["output"].append(float(y[0, 0]))
    numbers["mean"].append(float(np.squeeze(mean)))
    numbers["std"].append(float(np.squeeze(std)))


@pytest.mark.parametrize("decay", [0.9, 0.998])
@pytest.mark.parametrize("size", [1, 2, 5, 128])
def test_three_normalizers(size, decay):
    batches = np.random.default_rng(size).normal(2, 0.5, (60, size))
    got = javascript("demo.normalize(input.batches, input.probe, input.decay)",
                     {"batches": batches.tolist(), "probe": 2.5, "decay": decay})
    want = library(batches, 2.5, decay)
    for name, numbers in want.items():
        for kind, values in numbers.items():
            np.testing.assert_allclose(got[name][kind], values, rtol=1e-9, atol=1e-9,
                                       err_msg=f"{name}, {kind}")


def test_both_bounds_are_met_somewhere():
    """So that the comparison above has seen r and d clipped."""
    batches = np.random.default_rng(0).normal(2, 0.5, (60, 1))
    output = library(batches, 2.5, 0.9)["renorm_debias"]["output"]
    assert 5.0 in output            # r·x̄ is 0 for a single value, and d is at its bound


def test_stream_has_the_promised_mean_and_deviation():
    values = np.array(javascript("demo.stream(1, 400, 50, 2, 0.5)", None))
    assert values.shape == (400, 50)
    np.testing.assert_allclose([values.mean(), values.std()], [2, 0.5], rtol=0.01)
    again, other = javascript("[demo.stream(1, 1, 3, 0, 1), demo.stream(2, 1, 3, 0, 1)]", None)
    assert again != other
    assert again == javascript("demo.stream(1, 1, 3, 0, 1)", None)


def test_distance_is_the_root_mean_square_over_its_steps():
    got = javascript("demo.distance([9, 1, 3, 9], 2, 1, 3)", None)
    assert got == 1.0
