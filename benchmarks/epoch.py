"""How long an epoch of the paper takes: ALL-CNN, 50,000 training and 10,000 test images.

    python benchmarks/epoch.py --device gpu              batch 128 and 5, norm renorm_debias
    python benchmarks/epoch.py --batch 128 --norm bn
    python benchmarks/epoch.py --device gpu --seconds 30 --json FILE

The recipe is the paper's: width 96, learning rate 0.1, float32, crops and flips.  The images are
random pixels of CIFAR-100's size and number, because a step's time does not depend on what images
show.  Batches are made on the CPU, as always in training.

An epoch that would take longer than --seconds is not run to its end: a part of it is timed, and the
time of the whole is that time multiplied.  The table says which part was timed.  A short run before
it compiles kernels and fills memory, and does not count.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import contenders  # noqa: F401  (puts this folder's minibn on the path)
import machine
import numpy as np
from tables import machine_text, table

from minibn.data.dataset import Dataset
from minibn.training.recipe import Recipe
from minibn.training.run import Run, quiet_overflow

TRAIN, TEST, CLASSES = 50_000, 10_000, 100     # CIFAR-100
WARM_UP = 25                                   # updates before the timed ones


def images(recipe: Recipe, updates: int) -> Dataset:
    """Random pixels for this many updates, and a test set in proportion."""
    train = min(TRAIN, updates * recipe.batch_size)
    test = max(1, round(TEST * train / TRAIN))
    rng = np.random.default_rng(0)

    def pixels(count: int) -> np.ndarray:
        return rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)

    return Dataset(pixels(train), rng.integers(0, CLASSES, train),
                   pixels(test), rng.integers(0, CLASSES, test),
                   tuple(map(str, range(CLASSES))), "random")


def epoch_seconds(run: Run, data: Dataset) -> float:
    """Train and test one epoch on these images; how long that took."""
    run.data = data
    run.epoch()
    return run.history.seconds[-1]


def measure(batch: int, norm: str, args: argparse.Namespace) -> dict:
    """Time an epoch, or as much of it as fits into args.seconds."""
    recipe = Recipe(norm=norm, batch_size=batch, width=args.width, lr=args.lr)
    short = images(recipe, WARM_UP)
    run = Run(recipe, short, args.device)
    with quiet_overflow():
        epoch_seconds(run, short)                                   # kernels, memory
        update = epoch_seconds(run, short) / WARM_UP
        whole = TRAIN // batch
        updates = min(whole, max(WARM_UP, int(args.seconds / update)))
        seconds = epoch_seconds(run, images(recipe, updates))
    return {"batch": batch, "norm": norm, "updates": updates, "of": whole, "seconds": seconds}


def report(results: dict) -> str:
    rows = []
    for row in results["epochs"]:
        share = row["updates"] / row["of"]
        rows.append([str(row["batch"]), row["norm"], f"{row['seconds'] / share:.0f}",
                     "all" if share == 1 else f"{row['updates']:,} of {row['of']:,}",
                     f"{row['seconds']:.1f}"])
    return "\n\n".join([
        machine_text(results["machine"]) + f". Width {results['width']}, {results['device']}.",
        table(["batch", "norm", "an epoch, s", "updates timed", "in s"], rows)])


def main() -> None:
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--batch", type=int, nargs="+", default=[128, 5], metavar="N")
    p.add_argument("--norm", nargs="+", default=["renorm_debias"])
    p.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    p.add_argument("--width", type=int, default=96, help="channels of the first layers (96)")
    p.add_argument("--lr", type=float, default=0.1, help="learning rate (0.1)")
    p.add_argument("--seconds", type=float, default=60, help="for each epoch at most (60)")
    p.add_argument("--json", type=Path, metavar="FILE", help="save the figures")
    p.add_argument("--markdown", type=Path, metavar="FILE",
                   help="print the table of a saved file and measure nothing")
    args = p.parse_args()
    if args.markdown:
        print(report(json.loads(args.markdown.read_text())))
        return
    results = {"machine": machine.describe(), "width": args.width, "device": args.device,
               "epochs": []}
    for batch in args.batch:
        for norm in args.norm:
            try:
                results["epochs"].append(measure(batch, norm, args))
            except RuntimeError as error:                           # no GPU
                p.exit(2, f"{p.prog}: {error}\n")
            if args.json:
                args.json.write_text(json.dumps(results, indent=1) + "\n")
    print(report(results))


if __name__ == "__main__":
    main()
