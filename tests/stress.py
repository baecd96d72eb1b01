"""Threads, kills and full disks for as long as you like: no wrong number, no lost file, no orphan.

    python tests/stress.py                     # each part for a minute
    python tests/stress.py --seconds 600       # for ten
    python tests/stress.py kills disks         # these parts alone

threads    one model tests in eight threads while others train, and gives what it gives alone
kills      trainings and replications killed at random moments (SIGKILL, SIGTERM, SIGINT) and
           started again end with the numbers of undisturbed ones, and leave no process behind
disks      every command on disks of a few kilobytes to some megabytes (tmpfs; Linux, and the right
           to mount): what is written is whole, the error is one line, and nothing is left half done

It prints what it did, and its exit status is 1 where something was wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np  # noqa: E402
from as_process import environment  # noqa: E402

import minibn  # noqa: E402
from minibn.data import make_synthetic  # noqa: E402
from minibn.norms import NORMS  # noqa: E402
from minibn.replication.results import read_result  # noqa: E402
from minibn.training import Recipe, train  # noqa: E402
from minibn.training.checkpoint import read_checkpoint  # noqa: E402
from minibn.training.record import read_record  # noqa: E402

TRAIN = ["train", "--limit-train", "200", "--limit-test", "100", "--width", "4", "--norm",
         "renorm_debias", "--epochs", "6"]
REPLICATE = ["replicate", "table4", "--preset", "smoke", "--seeds", "2", "--processes", "2"]
COMPARE = ["compare", "--limit-train", "40", "--limit-test", "20", "--width", "2", "--epochs", "2",
           "--seeds", "1", "--norms", "bn", "gn", "--processes", "1"]


class Wrong(Exception):
    """Something that must not happen did."""


def command(*argv: object, cwd: Path) -> subprocess.Popen:
    """Start `python -m minibn argv …` in a folder and in a session of its own."""
    return subprocess.Popen([sys.executable, "-m", "minibn", *map(str, argv)], cwd=cwd,
                            env=environment(), start_new_session=True, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


# Threads ------------------------------------------------------------------------------------------

def threads(until: float, rng: random.Random) -> str:
    """One model in six threads, and two trainings beside it."""
    calls, data = 0, make_synthetic(train=40, test=20)
    numbers = np.random.default_rng(rng.randrange(2**32))
    while time.monotonic() < until:
        norm, network = rng.choice(list(NORMS)), rng.choice([minibn.all_cnn, minibn.nin])
        model = network(10, norm, width=rng.choice([4, 6, 9]), seed=rng.randrange(100))
        inputs = [numbers.standard_normal((rng.randint(1, 6), 24, 24, 3)).astype(np.float32)
                  for _ in range(6)]
        model.forward(inputs[0], training=True)
        alone = [model.forward(x).copy() for x in inputs]
        recipe = Recipe(norm=norm, width=2, epochs=1, batch_size=5, seed=rng.randrange(100))

        def test(k, norm=norm, model=model, inputs=inputs, alone=alone):
            if not all(np.array_equal(model.forward(inputs[k]), alone[k]) for _ in range(10)):
                raise Wrong(f"{norm}: a thread got other numbers")

        def run(recipe=recipe):
            return train(recipe, data, progress=False).model.params

        with ThreadPoolExecutor(8) as pool:
            trained = [pool.submit(run) for _ in range(2)]
            for done in [pool.submit(test, k) for k in range(6)]:
                done.result()
            first, second = (one.result() for one in trained)
        if not all(np.array_equal(first[name], second[name]) for name in first):
            raise Wrong(f"{norm}: two equal trainings differ")
        calls += 60
    return f"{calls} forward passes in threads"


# Kills --------------------------------------------------------------------------------------------

def kills(until: float, rng: random.Random) -> str:
    """Kill, start again, to the end; then compare with what was never disturbed."""
    killed = rounds = 0
    with tempfile.TemporaryDirectory() as name:
        whole = Path(name, "whole")
        whole.mkdir()
        finish(TRAIN + ["--checkpoint", "run.npz"], whole)
        finish(REPLICATE + ["--out", "results", "--work", "work"], whole)
        while time.monotonic() < until:
            rounds += 1
            folder = Path(name, str(rounds))
            folder.mkdir()
            for argv in (TRAIN + ["--checkpoint", "run.npz"],
                         REPLICATE + ["--out", "results", "--work", "work"]):
                killed += disturbed(argv, folder, rng)
            if content(folder) != content(whole):
                raise Wrong("a run that was killed ended with other numbers")
            shutil.rmtree(folder)
    return f"{killed} kills in {rounds} rounds"


def finish(argv: list[str], folder: Path) -> None:
    """Run a command to its end."""
    _, err = (process := command(*argv, cwd=folder)).communicate(timeout=600)
    if process.returncode:
        raise Wrong(f"{argv[0]} ended with {process.returncode}: {err}")


def disturbed(argv: list[str], folder: Path, rng: random.Random) -> int:
    """Start the command again and again, each time killed a little later, until it is done."""
    patience, killed = 1.5, 0
    while True:
        process = command(*argv, cwd=folder)
        try:
            process.wait(patience * rng.random())
        except subprocess.TimeoutExpired:
            process.send_signal(rng.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
            killed, patience = killed + 1, 1.3 * patience
        process.communicate()
        end_of_session(process.pid)
        if process.returncode == 0:
            return killed
        if process.returncode not in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, 130):
            raise Wrong(f"{argv[0]} ended with {process.returncode}")


def end_of_session(session: int) -> None:
    """Every process of the session ends by itself, within ten seconds."""
    if not Path("/proc").is_dir():
        return
    for _ in range(100):
        left = [path for path in Path("/proc").glob("[0-9]*/stat") if session == session_of(path)]
        if not left:
            return
        time.sleep(0.1)
    os.killpg(session, signal.SIGKILL)
    raise Wrong(f"{len(left)} processes go on after their parent's end")


def session_of(path: Path) -> int:
    """The session of a process that lives; 0 for one that is gone."""
    try:
        state, _, _, session = path.read_text().rpartition(")")[2].split()[:4]
    except OSError:
        return 0
    return 0 if state in "ZX" else int(session)


def content(folder: Path) -> list:
    """All numbers of a folder's result files and checkpoint, timings aside."""
    found: list = []
    for path in sorted(folder.rglob("results/**/*.json")):
        result = read_result(path)
        found.append((result.job, result.right, result.probes, measured(result.history)))
    checkpoint = read_checkpoint(folder / "run.npz")
    return [*found, measured(checkpoint.history),
            {name: array.tobytes() for name, array in checkpoint.arrays.items()}]


def measured(history) -> dict:
    return {name: value for name, value in history.as_dict().items() if name != "seconds"}


# Full disks ---------------------------------------------------------------------------------------

def disks(until: float, rng: random.Random) -> str:
    """Every command on disks that are too small, by little or by much."""
    with tempfile.TemporaryDirectory() as name:
        ready = Path(name, "ready")
        ready.mkdir()
        finish(REPLICATE + ["--out", "results", "--work", "work"], ready)
        place, tried, failed = Path(name, "disk"), 0, 0
        place.mkdir()
        while time.monotonic() < until:
            size = rng.choice([4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096])
            argv = rng.choice([
                TRAIN[:-1] + ["2", "--checkpoint", place / "run.npz", "--out", place / "runs"],
                COMPARE + ["--out", place / "runs"],
                REPLICATE + ["--out", place / "results", "--work", place / "work"],
                ["report", "--preset", "smoke", "--results", ready / "results", "--out",
                 place / "report"]])
            with small_disk(place, size) as mounted:
                if not mounted:
                    return "skipped: no right to mount a small disk"
                process = command(*argv, cwd=ready)
                _, err = process.communicate(timeout=600)
                tried, failed = tried + 1, failed + (process.returncode != 0)
                end_of_session(process.pid)
                check_files(place)
                if process.returncode not in (0, 2) or "Traceback" in err:
                    raise Wrong(f"{argv[0]} on {size} KB ended with {process.returncode}: {err}")
                if process.returncode and (str(place) not in err or err.count("\n") != 1):
                    raise Wrong(f"{argv[0]} on {size} KB names no file: {err}")
    return f"{tried} commands on small disks, {failed} of them too small"


@contextmanager
def small_disk(place: Path, kilobytes: int) -> Iterator[bool]:
    """A file system of this size at `place`; False where it cannot be had."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", place],
                          capture_output=True) if shutil.which("mount") else None
    mounted = done is not None and done.returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", place], check=True)


def check_files(folder: Path) -> None:
    """Every file that is there is whole."""
    for path in folder.rglob("*"):
        if path.is_dir() or path.suffix == ".part":
            continue
        try:
            if path.suffix == ".png":
                from PIL import Image
                Image.open(path).load()
            elif path.suffix == ".npz":
                read_checkpoint(path)
            elif "results" in path.parts and path.suffix == ".json":
                read_result(path)
            elif path.parent.name == "runs" and path.suffix == ".json":
                read_record(path)
            elif path.suffix == ".json":
                json.loads(path.read_text())
            elif path.suffix == ".md" and not path.read_text().endswith("\n"):
                raise ValueError("it breaks off")
        except (OSError, ValueError) as error:
            raise Wrong(f"{path} is not whole: {error}") from error


PARTS: dict[str, Callable[[float, random.Random], str]] = {
    "threads": threads, "kills": kills, "disks": disks}


def main() -> int:
    """Do the parts one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--seconds", type=float, default=60, help="for each part (default 60)")
    parser.add_argument("--seed", type=int, default=None, help="of what is tried")
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    seed = random.randrange(10**6) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    for name in options.parts or PARTS:
        try:
            print(f"{name}: {PARTS[name](time.monotonic() + options.seconds, random.Random(seed))}",
                  flush=True)
        except Wrong as error:
            print(f"{name}: WRONG, {error}", flush=True)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
