"""From a recipe to a trained model: a run from its start, or from a checkpoint, to its end."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from minibn.checks import check_flag
from minibn.data.dataset import Dataset
from minibn.training.checkpoint import load_checkpoint, save_checkpoint
from minibn.training.recipe import Recipe
from minibn.training.run import Run, quiet_overflow


def train(recipe: Recipe, data: Dataset, *, device: str = "cpu",
          checkpoint: str | Path | None = None, progress: bool = True,
          after_epoch: Callable[[Run], None] | None = None) -> Run:
    """Train from the beginning, or from `checkpoint` if that file exists, to recipe.epochs.

    checkpoint: a file that is written after every epoch; an interrupted run resumes from it
    exactly as if it had not stopped.  progress: whether to show a bar with loss, accuracy and time
    left.  after_epoch: called with the run after every epoch.
    Raises Diverged when the loss is no longer finite; ValueError where the checkpoint is of
    another recipe or data set.
    """
    check_flag("progress", progress)
    run = Run(recipe, data, device)
    if checkpoint is not None and Path(checkpoint).exists():
        load_checkpoint(checkpoint, run)
    finish(run, checkpoint=checkpoint, progress=progress, after_epoch=after_epoch)
    return run


def finish(run: Run, *, checkpoint: str | Path | None = None, progress: bool = True,
           after_epoch: Callable[[Run], None] | None = None) -> None:
    """Train a run from where it stands to its last epoch; arguments as for `train`."""
    with progress_bar(run, disable=not progress) as bar, quiet_overflow():
        while run.history.epochs < run.recipe.epochs:
            run.epoch(bar)
            if checkpoint is not None:
                save_checkpoint(checkpoint, run)
            if after_epoch is not None:
                after_epoch(run)


def progress_bar(run: Run, **options: Any) -> tqdm:
    """A bar over all updates of a run, at the place where the run stands."""
    if sys.platform == "emscripten":       # Python in a browser has no thread to watch the bar with
        tqdm.monitor_interval = 0
    each = run.updates_per_epoch
    return tqdm(total=each * run.recipe.epochs, initial=each * run.history.epochs,
                desc=run.recipe.norm, unit="step", dynamic_ncols=True, **options)
