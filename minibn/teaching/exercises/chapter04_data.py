"""Data for the exercises of notebook 04 that the notebook shows and does not explain."""

from __future__ import annotations

import numpy as np

# For each layer: σ at the first and at the last step, values in a batch, and whether the average
# is corrected.
LAYERS = {"A": (1.0, 2.2, 64, True), "B": (1.4, 1.4, 5, True), "C": (1.4, 1.4, 64, False)}


def three_biases(steps: int = 600, runs: int = 100, alpha: float = 0.99
                 ) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For each layer of exercise 4.6 the true σ and the mean recorded average, both (steps,)."""
    draws, record = np.random.default_rng(46), {}
    for name, (first, last, m, corrected) in LAYERS.items():
        sigma = np.linspace(first, last, steps)
        sigma_B = sigma * draws.standard_normal((steps, runs, m)).std(axis=2).mean(1)
        s, averages = 0.0, np.empty(steps)
        for t, value in enumerate(sigma_B, 1):
            s = alpha * s + (1 - alpha) * value
            averages[t - 1] = s / (1 - alpha**t) if corrected else s
        record[name] = sigma, averages
    return record
