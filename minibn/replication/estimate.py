"""What runs would take: from a few measured batches of the very networks, as the runs will run.

Several processes measure at the same time, as many as the runs will have, each with one BLAS
thread: two processes on two cores share their caches and the memory's bandwidth.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from minibn.backend import Array, synchronize, to_device
from minibn.losses import softmax_cross_entropy, softmax_cross_entropy_backward
from minibn.optim import SGD
from minibn.replication.jobs import Job
from minibn.training.evaluation import QUICK_BATCH, in_test_mode, test_modes
from minibn.training.processes import Workers
from minibn.training.recipe import Recipe
from minibn.training.reestimate import batch_norms

CIFAR_TRAIN, CIFAR_TEST = 50_000, 10_000


class Times(NamedTuple):
    """Seconds: of a training batch with its update; of testing one image in all test modes; of
    one image more in BN's reestimated test, and of estimating from one image (0 for others)."""

    step: float
    test: float
    retest: float
    reestimate: float

    def run(self, job: Job) -> float:
        """Of a whole run; loading the data is not included."""
        tests = job.recipe.epochs * max(1, job.tests_per_epoch)
        again = job.recipe.epochs * job.tests_per_epoch * bool(job.reestimate)
        images = job.subset.test or CIFAR_TEST
        batches = job.recipe.epochs * ((job.subset.train or CIFAR_TRAIN) // job.recipe.batch_size)
        return (batches * self.step + tests * images * self.test
                + again * (images * self.retest + job.reestimate * self.reestimate))


def measure_all(jobs: Iterable[Job], processes: int, device: str = "cpu", progress: bool = False
                ) -> dict[str, Times]:
    """The times of every job's network, by the job's condition: each network is measured once.

    Medians over all processes.
    """
    networks = {key_of(job): job for job in jobs}
    with Workers(processes) as pool, tqdm(
            total=len(networks), desc="measuring", unit="network", disable=not progress) as bar:
        found = {}
        for key, job in networks.items():
            tries = [pool.submit(measure, job.recipe, job.subset.classes or 100, device)
                     for _ in range(processes)]
            found[key] = Times(*np.median([one.result() for one in tries], axis=0).tolist())
            bar.update()
    return {job.condition: found[key_of(job)] for job in jobs}


def key_of(job: Job) -> tuple:
    """What the time of a job's batch depends on."""
    recipe = job.recipe
    return (recipe.network, recipe.norm, str(recipe.norm_options), recipe.width,
            recipe.batch_size, recipe.activation)


def measure(recipe: Recipe, classes: int, device: str) -> Times:
    """The medians of a few batches, on random images."""
    model = recipe.model(classes)
    model.to(device)
    optimizer = SGD(model, recipe.lr, recipe.momentum)
    rng = np.random.default_rng(0)

    def batch(count: int) -> tuple:
        x = rng.standard_normal((count, recipe.crop, recipe.crop, 3)).astype(recipe.dtype)
        return to_device(x, device), to_device(rng.integers(0, classes, count), device)

    x, y = batch(recipe.batch_size)

    def train() -> None:
        _, cache = softmax_cross_entropy(model.forward(x, training=True), y)
        model.backward(softmax_cross_entropy_backward(1.0, cache))
        optimizer.step()
        synchronize(next(iter(model.params.values())))

    def forward(images: Array, training: bool = False) -> None:
        synchronize(model.forward(images, training=training))

    step = median_time(train)
    tests = []
    for mode in test_modes(model):
        images = batch(recipe.batch_size if mode == "batch" else QUICK_BATCH)[0]
        with in_test_mode(model, mode):
            tests.append(median_time(partial(forward, images)) / len(images))
    if not batch_norms(model):
        return Times(step, sum(tests), 0.0, 0.0)
    fresh = median_time(partial(forward, x, training=True))
    return Times(step, sum(tests), tests[0], fresh / recipe.batch_size)


def median_time(work: Callable[[], None]) -> float:
    """Median seconds of a call, after one that makes room in memory: 3 to 15 calls, about 2 s."""
    work()
    seconds: list[float] = []
    while len(seconds) < 3 or (sum(seconds) < 2 and len(seconds) < 15):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))
