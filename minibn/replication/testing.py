"""Tests of a run within and after its epochs, in every test mode."""

from __future__ import annotations

from typing import Any

from minibn.replication.jobs import Job
from minibn.training import Run
from minibn.training.evaluation import test_accuracy, test_modes
from minibn.training.reestimate import REESTIMATED, batch_norms, reestimated


def is_test_due(job: Job, update: int, updates_per_epoch: int) -> bool:
    """Whether to test after this update, which is not the last of its epoch.

    An epoch with n tests has them after 1/n, 2/n, … of its updates.
    """
    within, n = update % updates_per_epoch, job.tests_per_epoch
    return within > 0 and within in {i * updates_per_epoch // n for i in range(1, n)}


def test_now(run: Run, job: Job, update: int) -> dict[str, Any]:
    """Test accuracy after `update` updates in every mode, as an entry of `Result.tests`."""
    accuracy = {mode: _accuracy(run, mode) for mode in test_modes(run.model)}
    return {"update": update, "accuracy": accuracy | with_fresh_statistics(run, job)}


def test_after_epoch(run: Run, job: Job) -> dict[str, Any]:
    """The same after an epoch, whose tests in the model's own modes the history has already."""
    accuracy = {mode: values[-1] for mode, values in run.history.test_accuracy.items()}
    return {"update": run.history.epochs * run.updates_per_epoch,
            "accuracy": accuracy | with_fresh_statistics(run, job)}


def with_fresh_statistics(run: Run, job: Job) -> dict[str, float]:
    """BN's accuracy with statistics estimated anew; {} for other norms, or if not asked for."""
    if not (job.reestimate and batch_norms(run.model)):
        return {}
    with reestimated(run, job.reestimate):
        return {REESTIMATED: _accuracy(run, "moving")}


def _accuracy(run: Run, mode: str) -> float:
    data = run.data
    return test_accuracy(run.model, data.test_images, data.test_labels, run.mean, run.std, mode,
                         run.recipe.batch_size, run.device, run.recipe.dtype,
                         run.recipe.crop).accuracy


# Their names make pytest take them for tests.
test_now.__test__ = False  # type: ignore[attr-defined]
test_after_epoch.__test__ = False  # type: ignore[attr-defined]
