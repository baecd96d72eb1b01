"""How large the experiments are: smoke (seconds), scaled (two cores, forty minutes), paper."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from minibn.replication.conditions import EXPERIMENTS, IOFFE, Condition
from minibn.replication.jobs import Job, Subset
from minibn.replication.results import Result
from minibn.training.recipe import Recipe

SEARCH_SEED = 1000  # no replication uses these two
PILOT_SEED = 2000


@dataclass(frozen=True)
class Preset:
    """Sizes, schedules and rates of a replication.

    width: channels of the first convolution, by network; epochs, lr_every: by batch size;
    rates: the learning rates among which the best is searched, by the images of an update, the
    same for every network and method (a single one is taken without a search); search_epochs:
    length of a search run, by batch size; validation: held-out training images of the search;
    seeds: replications of an experiment (`seeds_of` gives the others); first_round: Table 4's seeds
    that had been looked at before the others were added (0: none had); threshold: the accuracy of
    "epochs to threshold", by network (where there is none, it is read from a pilot run:
    `claims.threshold`); decay: α of the moving averages where it is not the paper's 0.99, by batch
    size.
    """

    name: str
    subset: Subset
    width: dict[str, int]
    epochs: dict[int, int]
    lr_every: dict[int, int]
    rates: dict[int, tuple[float, ...]]
    threshold: dict[str, float] = field(default_factory=dict)
    search_epochs: dict[int, int] = field(default_factory=dict)
    validation: int = 0
    seeds: int = 1
    seeds_of: dict[str, int] = field(default_factory=dict)
    first_round: int = 0
    decay: dict[int, float] = field(default_factory=dict)

    def seeds_for(self, experiment: str) -> int:
        """How many seeds an experiment gets unless told."""
        return self.seeds_of.get(experiment, self.seeds)

    def updates(self, batch_size: int) -> int:
        """Batches in an epoch."""
        return (self.subset.train or 50_000) // batch_size

    def recipe(self, condition: Condition, lr: float, seed: int) -> Recipe:
        """The whole recipe of a condition."""
        batch = condition.batch_size
        recipe = Recipe(
            network=condition.network, norm=condition.norm, width=self.width[condition.network],
            activation=condition.activation, batch_size=batch, accumulate=condition.accumulate,
            epochs=self.epochs[batch], lr=lr, lr_every=self.lr_every[batch], seed=seed)
        return replace(recipe, norm_options=self.norm_options(condition, recipe))

    def norm_options(self, condition: Condition, recipe: Recipe) -> dict[str, Any]:
        """The condition's options, with Ioffe's ramp scaled to the run's number of batches."""
        options = dict(condition.norm_options)
        if condition.batch_size in self.decay:
            options["decay"] = self.decay[condition.batch_size]
        if options.get("ramp") == IOFFE:
            batches = recipe.epochs * self.updates(recipe.batch_size)
            options["ramp"] = [round(batches * step / 160_000) for step in (5000, 40_000, 25_000)]
        return options

    def run(self, condition: Condition, lr: float, seed: int) -> Job:
        """One replication of a condition."""
        return Job(f"{condition.key}-s{seed}", condition.key, "run",
                   self.recipe(condition, lr, seed), self.subset)

    def grid(self, condition: Condition) -> tuple[float, ...]:
        """The learning rates that are tried for a condition."""
        return self.rates[condition.images_per_update] if condition.lr is None else (condition.lr,)

    def search(self, condition: Condition) -> list[Job]:
        """The runs that choose the condition's learning rate; none where there is no choice.

        They train on the same images as the replications, with another seed, and are tested on
        held-out training images.
        """
        if len(self.grid(condition)) == 1 or condition.rate_of:
            return []
        subset = replace(self.subset, test=self.validation, held_out=True)
        jobs = []
        for lr in self.grid(condition):
            recipe = self.recipe(condition, lr, SEARCH_SEED)
            epochs = self.search_epochs[condition.batch_size]
            stage = self.lr_every[condition.batch_size] * epochs / recipe.epochs
            recipe = replace(recipe, epochs=epochs, lr_every=max(1, round(stage)))
            jobs.append(Job(f"search/{condition.key}-lr{lr:g}", condition.key, "search", recipe,
                            subset, probes=False))
        return jobs

    def pilots(self, rates: dict[str, float]) -> list[Job]:
        """BN at batch 5 with a seed of its own, for each network that is among `rates`.

        The threshold is read from it; none where the preset names one.
        """
        if self.threshold:
            return []
        conditions = [Condition(network, "bn", 5) for network in self.width]
        jobs = [self.run(condition, rates[condition.key], PILOT_SEED) for condition in conditions
                 if condition.key in rates]
        return [replace(job, name=f"pilot/{job.condition}", kind="pilot", probes=False)
                for job in jobs]


def conditions_of(names: Iterable[str]) -> list[Condition]:
    """The conditions of the named experiments, each once, in order."""
    return list(dict.fromkeys(one for name in names for one in EXPERIMENTS[name].conditions))


def replications(preset: Preset, names: Iterable[str], rates: dict[str, float],
                 seeds: int | None = None) -> list[Job]:
    """All runs of the named experiments, each once; an experiment's seeds one after the other.

    rates: the learning rate of each condition; seeds: instead of the preset's numbers.
    An interruption then leaves every condition of an experiment with equally many seeds.
    """
    jobs: dict[str, Job] = {}
    for name in names:
        for seed in range(1, (seeds or preset.seeds_for(name)) + 1):
            for condition in EXPERIMENTS[name].conditions:
                job = preset.run(condition, rates[condition.key], seed)
                jobs.setdefault(job.name, job)
    return list(jobs.values())


BATCHES = (1, 2, 5, 10, 128)
UPDATES = (1, 2, 5, 10, 50, 128)  # images in an update

PRESETS = {
    "smoke": Preset(
        "smoke", Subset("synthetic", 4, train=128, test=20), width={"all_cnn": 2, "nin": 4},
        epochs={128: 2, 10: 2, 5: 2, 2: 1, 1: 1}, lr_every=dict.fromkeys(BATCHES, 1),
        rates=dict.fromkeys(UPDATES, (0.01, 0.03)),
        search_epochs=dict.fromkeys(BATCHES, 1), validation=20, seeds=2),
    "scaled": Preset(
        "scaled", Subset("cifar100", 10, train=1000, test=1000),
        width={"all_cnn": 8, "nin": 12},
        # Batch 128 makes 7 updates an epoch, so it gets three times the epochs.
        epochs={128: 24, 10: 8, 5: 8, 2: 6, 1: 4}, lr_every={128: 18, 10: 6, 5: 6, 2: 5, 1: 3},
        rates={1: (0.0003, 0.001, 0.003), 2: (0.0003, 0.001, 0.003), 5: (0.001, 0.003, 0.01),
               10: (0.001, 0.003, 0.01), 50: (0.003, 0.01, 0.03), 128: (0.01, 0.03, 0.1)},
        search_epochs={128: 9, 10: 3, 5: 3, 2: 2, 1: 2},
        validation=500, seeds=5,
        seeds_of={"table4": 30, "fig3": 30, "fig2": 30, "table3": 30, "fig6": 30,
                  "fig1": 10, "table2": 10, "fig4": 10, "rates": 10},
        first_round=10,
        # With 0.99 the averages of a run at batch 128 would end, after 168 updates, with 18 % of
        # their initial values in them, and the early tests would show little else.
        decay={128: 0.9}),
    "paper": Preset(
        "paper", Subset("cifar100"), width={"all_cnn": 96, "nin": 192},
        epochs=dict.fromkeys(BATCHES, 100), lr_every={128: 64, 10: 26, 5: 26, 2: 26, 1: 26},
        rates=dict.fromkeys(UPDATES, (0.1,)), threshold={"all_cnn": 0.6, "nin": 0.6}),
}


def check_preset(results: Iterable[Result], preset: Preset, folder: Path) -> None:
    """Every result is of this preset: its training images, its width, its condition's recipe.

    Raises ValueError with the first that is not.
    """
    conditions = {one.key: one for one in conditions_of(EXPERIMENTS)}
    for result in results:
        job = result.job
        part = (job.subset.data, job.subset.classes, job.subset.train)
        ours = (preset.subset.data, preset.subset.classes, preset.subset.train)
        if (part, job.recipe.width) != (ours, preset.width.get(job.recipe.network)):
            raise ValueError(f"{folder} holds {job.name} of another preset than {preset.name} "
                             f"({job.subset.data}, {job.subset.train or 'all'} images, width "
                             f"{job.recipe.width})")
        condition = conditions.get(job.condition)
        if condition is not None and not any(
                (job.name, job.recipe) == (same.name, same.recipe)
                for same in jobs_like(job, preset, condition)):
            raise ValueError(f"{folder} holds {job.name} with another recipe than its name says")


def jobs_like(job: Job, preset: Preset, condition: Condition) -> list[Job]:
    """The preset's jobs of this kind and condition, at this rate and with this seed."""
    lr = job.recipe.lr
    if job.kind == "run":
        return [preset.run(condition, lr, job.recipe.seed)]
    if job.kind == "pilot":
        return preset.pilots({condition.key: lr})
    return [replace(one, name=f"search/{condition.key}-lr{lr:g}", recipe=replace(one.recipe, lr=lr))
            for one in preset.search(condition)]           # also at rates that are no part of it


def results_folder(preset: Preset) -> Path:
    """Where `replicate` keeps the results of a preset, and `report` looks for them."""
    return Path("runs/smoke" if preset.name == "smoke" else f"results/{preset.name}")
