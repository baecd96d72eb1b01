"""Say beforehand what will be trained, and for how long."""

from __future__ import annotations

from contextlib import suppress

from minibn.commands.options import first_images
from minibn.commands.table import count, duration
from minibn.training import Diverged, Run, quiet_overflow


def announce(runs: list[Run]) -> None:
    """Print how many epochs are to come, on what, and about how long they take."""
    recipe, data = runs[0].recipe, runs[0].data
    epochs = recipe.epochs - runs[0].history.epochs
    seconds = estimate_seconds(runs[0]) * epochs * len(runs)
    print(f"{count(len(runs), 'run')} of {count(epochs, 'epoch')} on "
          f"{count(len(data.train_images), 'image')} of {data.name}: about {duration(seconds)}",
          end="")
    print(" (less with --limit-train, --epochs or --width)\n" if seconds > 300 else "\n",
          flush=True)


def estimate_seconds(run: Run) -> float:
    """About how long an epoch takes: a throwaway run over few batches, scaled up.

    The quickest of four of its epochs counts: the first makes room in memory, and others may have
    been disturbed.
    """
    recipe, data = run.recipe, run.data
    update = recipe.batch_size * recipe.accumulate
    images = min(max(2, 100 // update) * update, len(data.train_images))
    scale = len(data.train_images) / images
    trial = Run(recipe, first_images(data, images, max(1, round(len(data.test_images) / scale))),
                run.device)
    with quiet_overflow(), suppress(Diverged):       # the run itself will tell
        for _ in range(4):
            trial.epoch()
    return min(trial.history.seconds, default=0.0) * scale
