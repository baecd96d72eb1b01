"""Results as a replication would leave them, without training: for tests of what reads them."""

import numpy as np

from minibn.replication import EXPERIMENTS, PRESETS
from minibn.replication.presets import conditions_of, replications
from minibn.replication.results import Result, Results
from minibn.replication.search import conditions_to_search
from minibn.training.history import History

SCALED = PRESETS["scaled"]
MADE = dict.fromkeys(("commit", "minibn", "numpy", "python", "processor", "blas_threads"), "abc")


def pretend(job, ends, rng):
    """A result whose accuracy rises to about `ends`."""
    recipe, subset = job.recipe, job.subset
    epochs = np.arange(1, recipe.epochs + 1)
    curve = 0.1 + (ends - 0.1) * (1 - np.exp(-2 * epochs / recipe.epochs))
    curve = np.clip(curve + rng.normal(0, 0.01, len(epochs)), 0, 1)
    curve = np.round(curve * subset.test) / subset.test      # shares of the test images
    right = np.arange(subset.test) < round(curve[-1] * subset.test)
    modes = {"brn": ("moving", "batch"), "renorm_debias": ("batch", "moving"), "bn": ("moving",)
             }.get(recipe.norm, ("plain",))
    two = len(modes) == 2
    each = subset.train // (recipe.batch_size * recipe.accumulate)
    history = History(
        train_loss=list(2.3 - curve), train_accuracy=list(curve),
        test_accuracy={mode: list(curve) for mode in modes},
        learning_rate=[recipe.lr] * len(epochs), clipped_train=[0.1] * len(epochs) * two,
        clipped_test=[0.05] * len(epochs) * two, seconds=[1.0] * len(epochs))
    quantiles = [0.1, 0.2, 0.3, 0.4, 0.5]
    places = dict.fromkeys(("conv5", "norm5", f"{recipe.activation}5"), quantiles)
    probes = [{"update": update, "mean": places, "variance": places,
              **({"r": quantiles, "d": quantiles, "clipped": 0.1} if two else {})}
             for update in (1, 2, 4, *(each * epochs).tolist())] * job.probes
    return Result(job, "done", history, probes, np.packbits(right).tobytes().hex(),
                  float(len(epochs)), MADE)


def pretend_results(ends=lambda condition: 0.5, names=tuple(EXPERIMENTS), seeds=None, search=True):
    """All that the scaled preset runs; ends: the final accuracy of a condition."""
    rng = np.random.default_rng(0)
    conditions = {condition.key: condition for condition in conditions_of(EXPERIMENTS)}
    rates = {condition.key: SCALED.grid(condition)[0] for condition in conditions.values()}
    jobs = replications(SCALED, names, rates, seeds) + SCALED.pilots(rates)
    if search:
        jobs += [job for condition in conditions_to_search(conditions_of(names))
                 for job in SCALED.search(condition)]
    return Results([pretend(job, ends(conditions[job.condition]), rng) for job in jobs])
