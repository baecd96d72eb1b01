"""What is compared: one number of one finished run."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minibn.replication.results import Result

Metric = Callable[[Result], float]


def final(result: Result) -> float:
    """Test accuracy after the last epoch, in the method's own test mode."""
    return result.final()


def final_in(mode: str) -> Metric:
    """Test accuracy after the last epoch in this test mode."""
    return lambda result: result.final(mode)


def best(result: Result) -> float:
    """The highest test accuracy of any epoch."""
    return float(result.curve().max())


def mean_accuracy(result: Result) -> float:
    """Test accuracy, mean over all epochs: speed without a threshold."""
    return float(result.curve().mean())


def first_epoch(result: Result) -> float:
    """Test accuracy after the first epoch."""
    return float(result.curve()[0])


def epochs_to(threshold: float) -> Metric:
    """Epochs to the threshold, interpolated; one more than the run had where it never came."""
    return lambda result: min(result.crossing(threshold), result.job.recipe.epochs + 1)


def mean_loss(result: Result) -> float:
    """Training loss, mean over all epochs; ln(classes) from where the run diverged."""
    return float(np.nan_to_num(result.losses(), nan=-np.log(result.chance)).mean())


def last_loss(result: Result) -> float:
    """Training loss of the last epoch; ln(classes) if the run diverged."""
    return float(np.nan_to_num(result.losses(), nan=-np.log(result.chance))[-1])


def roughness(result: Result) -> float:
    """Mean size of the bends of the accuracy curve, |a(e+1) − 2·a(e) + a(e−1)|."""
    bends = np.abs(np.diff(result.curve(), 2))
    return float(bends.mean()) if len(bends) else 0.0


def activation(moment: str, place: str = "relu5") -> Metric:
    """The median channel's mean or variance after conv5's activation, mean over all epochs' ends.

    The probes before the end of the first epoch are left out; NaN where there are no others, or
    where a probe met NaN or infinity.
    """
    def metric(result: Result) -> float:
        recipe = result.job.recipe
        each = (result.job.subset.train or 50_000) // (recipe.batch_size * recipe.accumulate)
        values = [one[moment][place][2] for one in result.probes if one["update"] % each == 0]
        return float(np.mean(values)) if values and None not in values else np.nan
    return metric


def final_mean(result: Result, mode: str | None = None) -> float:
    """Test accuracy, mean of the last two epochs; at chance from where a run diverged."""
    return float(result.curve(mode)[-2:].mean())
