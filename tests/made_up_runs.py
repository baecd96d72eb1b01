"""A whole registered replication, made up: for tests of what reads it, and to look at pages."""

import numpy as np

from minibn.replication.arms import ARMS, LADDER, MEDIUM, METHODS
from minibn.replication.plan import plan
from minibn.replication.results import Result, Results
from minibn.training.history import History

MADE = {"minibn": "0.1.0", "commit": "0123456789abcdef", "python": "3.11.7", "numpy": "2.4.6",
        "processor": "a processor", "blas_threads": "1", "started": "2026-01-01T00:00:00+00:00",
        "finished": "2026-01-01T00:20:00+00:00", "resumed": []}
MODES = {"bn": ("moving",), "brn": ("moving", "batch"), "renorm_debias": ("batch", "moving")}
BEST = {"bn": 0.01, "brn": 0.01, "renorm_debias": 0.03}


def accuracy(recipe, t, gains):
    """Test accuracy after t epochs (an array) of a made-up method at its rate."""
    away = abs(LADDER.index(recipe.lr) - LADDER.index(BEST[recipe.norm]))
    top = 0.45 - 0.04 * away ** 1.5 + gains.get(recipe.norm, 0) - 0.1 * (recipe.batch_size == 2)
    rising = top * (1 - np.exp(-t / 3))
    drops = sum((t > drop) for drop in recipe.lr_drops)
    return np.clip(rising + 0.04 * (drops > 0) + 0.01 * (drops > 1), 0.01, 1)


def made_up_run(job, rng, gains):
    """A finished run of a planned job."""
    recipe, n = job.recipe, job.recipe.epochs
    modes, count = MODES[recipe.norm], job.subset.test or 10_000
    each = job.updates_per_epoch
    run = rng.normal(0, 0.004)
    times = np.arange(1, n * job.tests_per_epoch + 1) / job.tests_per_epoch
    noisy = accuracy(recipe, times, gains) + run + rng.normal(0, 0.003, len(times))
    noisy = (np.clip(noisy, 0.01, 1) * count).round() / count
    tests = [{"update": int(t * each), "accuracy": {
        **dict.fromkeys(modes, float(a)),
        **({"reestimated": float(a) + 0.002} if recipe.norm == "bn" else {})}}
        for t, a in zip(times, noisy, strict=True)]
    curve = [float(a) for a in noisy[job.tests_per_epoch - 1::job.tests_per_epoch]]
    two = [0.02] * n if recipe.norm != "bn" else []
    history = History([float(4 - 5 * a) for a in curve], curve, {mode: curve for mode in modes},
                      [recipe.lr_at(e) for e in range(n)], two, two, [80.0] * n)
    five = [0.1, 0.2, 0.3, 0.4, 0.5]
    places = dict.fromkeys(("conv5", "norm5", "relu5"), five)
    inside = {"r": [0.8, 0.9, 1.0, 1.1, 1.2], "d": [-0.2, -0.1, 0.0, 0.1, 0.2],
              "clipped": 0.02} if two else {}
    updates = sorted({*(2 ** k for k in range(18) if 2 ** k < each * n),
                      *(each * (e + 1) for e in range(n))})
    probes = [{"update": u, "mean": places, "variance": places, **inside, "weights": {
        f"conv{i}": 5 + i + recipe.lr * np.sqrt(u) / 3 for i in range(1, 10)}} for u in updates]
    right = np.packbits(rng.permutation(count) < round(curve[-1] * count)).tobytes().hex()
    return Result(job, "done", history, probes, right, 80.0 * n, MADE, "", tests)


def made_up_replication(gains=None, arms=tuple(ARMS), size=MEDIUM, seed=0):
    """All runs of these arms; gains: what a method's accuracy is higher by."""
    rng, done = np.random.default_rng(seed), {}
    while True:
        results = Results(list(done.values()))
        missing = [job for job in plan(size, arms, results).jobs if job.name not in done]
        if not missing:
            return results
        for job in missing:
            done[job.name] = made_up_run(job, rng, gains or {})


assert set(MODES) == set(METHODS)
