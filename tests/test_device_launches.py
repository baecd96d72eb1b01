"""How often training starts work on a GPU and waits for it, counted on the emulated GPU.

The emulated GPU of `cupy_on_cpu` writes down every launch, copy and wait (`make test-gpu`).
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
MOST = {"bn": 450, "renorm_debias": 550}      # launches of a step of the paper's ALL-CNN at batch 5
UPDATES, LOOK_EVERY = 41, 20                  # so the loop looks after 20, 40 and 41 updates


def run_python(*command):
    """The output of a Python program; the test is skipped if there is no emulated GPU."""
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=300,
                          cwd=BENCHMARKS)
    if done.returncode == 2 and "Traceback" not in done.stderr:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def steps():
    """The events of one training step, for each normalization."""
    found = run_python("launches.py", "--json", "--batch", "5", "--norm", *MOST)
    return {result["norm"]: result["events"] for result in found}


@pytest.mark.parametrize("norm", MOST)
def test_a_step_at_batch_5_takes_few_launches(norm, steps, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import launches

    total = launches.launches(launches.Counter(steps[norm]))
    assert 90 < total <= MOST[norm]              # below 90 the count itself would be wrong
    text = (BENCHMARKS / "README.md").read_text()
    assert f"| 5     | {norm:13} | {total:<8} |" in text, "benchmarks/README.md has another count"


@pytest.mark.parametrize("norm", MOST)
def test_a_step_copies_no_large_array(norm, steps):
    """The moving averages are copied, two for each of nine layers, and the loss's probabilities.

    A copy that CuPy makes by itself, of a view that is no contiguous array, would be one more.
    """
    copies = sum(count for name, count in steps[norm].items()
                 if name.startswith(("kernel cupy_copy", "memcpy DtoD")))
    assert copies <= 2 * 9 + 5


@pytest.mark.parametrize("norm", MOST)
def test_a_step_does_not_wait_for_the_gpu(norm, steps):
    assert not [name for name in steps[norm] if name.startswith(("synchronize", "memcpy DtoH"))]


EPOCH = f"""
import json, sys, tempfile
from launches import Log, Missing, prove_emulation
from minibn.data import make_synthetic
from minibn.training.recipe import Recipe
from minibn.training import run as training
with tempfile.TemporaryDirectory() as folder:
    log = Log(folder)
    try:
        prove_emulation(log)
    except Missing as error:
        sys.exit(print(error, file=sys.stderr) or 2)
    assert training.LOOK_EVERY == {LOOK_EVERY}
    recipe = Recipe(norm=sys.argv[1], width=4, batch_size=5, lr=0.01)
    run = training.Run(recipe, make_synthetic(train=5 * {UPDATES}, test=5), "gpu")
    run._train_epoch(None)
    log.events()
    run._train_epoch(None)
    print(json.dumps(log.events()))
"""


@pytest.mark.parametrize("norm", MOST)
def test_an_epoch_waits_only_where_the_loop_looks(norm):
    """Two arrays a batch go to the GPU.  Back come the loss at every look, the number of images
    classified right at the end, and with renorm_debias the clipped share of nine layers."""
    events = run_python("-c", EPOCH, norm)
    looks = 3 * (1 + 9 * (norm == "renorm_debias")) + 1
    assert events["memcpy HtoD"] == 2 * UPDATES
    assert events["memcpy DtoH"] == looks
    waits = {name: count for name, count in events.items() if name.startswith("synchronize")}
    assert waits == {"synchronize stream": looks}
