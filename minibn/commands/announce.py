"""Say beforehand what will be trained, and for how long."""

from __future__ import annotations

from contextlib import suppress

from tqdm import tqdm

from minibn.commands.options import first_images
from minibn.commands.table import count, duration
from minibn.training import Diverged, Run, quiet_overflow


def announce(runs: list[Run], processes: int = 1) -> None:
    """Print how many epochs are to come, on what, and about how long they take.

    processes: how many runs are trained at a time.
    """
    recipe, data = runs[0].recipe, runs[0].data
    epochs = recipe.epochs - runs[0].history.epochs
    processes = min(processes, len(runs))
    each = {run.recipe.norm: run for run in runs}
    cost = {norm: estimate_seconds(run) for norm, run in each.items()}
    seconds = sum(cost[run.recipe.norm] for run in runs) * epochs / processes
    print(f"{count(len(runs), 'run')} of {count(epochs, 'epoch')} on "
          f"{count(len(data.train_images), 'image')} of {data.name}"
          f"{f', {processes} at a time' if processes > 1 else ''}: about {duration(seconds)}",
          end="")
    less = "--limit-train, --epochs or --width" if len(runs) == len(each) else \
        "--seeds, --limit-train, --epochs or --width"
    print(f" (less with {less})\n" if seconds > 300 else "\n", flush=True)


def images_bar(runs: list[Run]) -> tqdm:
    """A bar over the training images of all runs, with the time left, where there is a terminal."""
    # smoothing=0: the time left from the mean speed, for runs of several speeds take turns.
    return tqdm(total=sum(run.recipe.epochs * len(run.data.train_images) for run in runs),
                desc=count(len(runs), "run"), unit="image", unit_scale=True, smoothing=0,
                dynamic_ncols=True, disable=None)


def estimate_seconds(run: Run) -> float:
    """About how long an epoch takes: a throwaway run over few batches, scaled up.

    The faster of two epochs counts: the first one also reserves memory.
    """
    recipe, data = run.recipe, run.data
    update = recipe.batch_size * recipe.accumulate
    images = min(max(2, 100 // update) * update, len(data.train_images))
    scale = len(data.train_images) / images
    trial = Run(recipe, first_images(data, images, max(1, round(len(data.test_images) / scale))),
                run.device)
    with quiet_overflow(), suppress(Diverged):       # the run itself will tell
        for _ in range(2):
            trial.epoch()
    return min(trial.history.seconds, default=0.0) * scale
