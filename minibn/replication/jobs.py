"""A job: one recipe, on one part of a data set, with one seed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from minibn.checks import check_choice, check_flag, check_integer
from minibn.data import Dataset, find_root, load_cifar100, make_synthetic
from minibn.training.recipe import Recipe

KINDS = ("run", "search", "pilot")
MOST_DRAWN = 100_000          # images of a synthetic set: 300 MB


@dataclass(frozen=True)
class Subset:
    """A fixed part of a data set, the same for every run.

    data: "cifar100" or "synthetic"; classes: how many, at equal distances in the set's order (of
    CIFAR-100: every tenth for 10); train, test: images, an equal number of each class, the first
    ones in the file's order; None: all of them.  held_out: test on the training images that come
    next in the file, which nothing trains on, instead of on the test images; this is what learning
    rates are chosen on.
    """

    data: str = "cifar100"
    classes: int | None = None
    train: int | None = None
    test: int | None = None
    held_out: bool = False

    def __post_init__(self) -> None:
        check_choice("data", self.data, ("cifar100", "synthetic"))
        for name in ("classes", "train", "test"):
            value = getattr(self, name)
            if value is not None:
                check_integer(name, value, least=1)
                if self.classes is not None and value % self.classes:
                    raise ValueError(f"{name} must be a multiple of the {self.classes} classes, "
                                     f"not {value}")
        check_flag("held_out", self.held_out)
        if self.data == "synthetic" and max(self.train or 0, self.test or 0) > MOST_DRAWN:
            raise ValueError(f"at most {MOST_DRAWN:,} synthetic images can be drawn, not "
                             f"{max(self.train or 0, self.test or 0):,}")
        if self.classes is None and not self.train is self.test is None:
            raise ValueError("train and test choose images of some classes: give classes, too")
        if None in (self.classes, self.train, self.test) and (
                self.held_out or self.data == "synthetic"):
            raise ValueError("held-out and synthetic images need classes, train and test")

    def load(self, data_dir: str | Path | None = None) -> Dataset:
        """The images; FileNotFoundError where the set is missing."""
        whole = _load(self, data_dir)
        if self.classes is None:
            return whole
        total = len(whole.class_names)
        chosen = [i * total // self.classes for i in range(self.classes)]
        train = pick(whole.train_labels, chosen, 0, self.train)
        if self.held_out:
            test_images, test_labels = whole.train_images, whole.train_labels
            test = pick(test_labels, chosen, self.train, self.test)
        else:
            test_images, test_labels = whole.test_images, whole.test_labels
            test = pick(test_labels, chosen, 0, self.test)
        new_label = np.zeros(total, np.int64)
        new_label[chosen] = np.arange(self.classes)
        return Dataset(
            whole.train_images[train], new_label[whole.train_labels[train]],
            test_images[test], new_label[test_labels[test]],
            tuple(whole.class_names[c] for c in chosen), whole.name)


def pick(labels: np.ndarray, classes: list[int], skip: int | None, count: int | None
         ) -> np.ndarray:
    """Indices, ascending, of `count` images, equally many of each class, after `skip` others."""
    parts = []
    for c in classes:
        of_class = np.flatnonzero(labels == c)
        if count is None:
            parts.append(of_class)
            continue
        start, each = (skip or 0) // len(classes), count // len(classes)
        if start + each > len(of_class):
            raise ValueError(f"class {c} has {len(of_class)} images, but {start + each} are needed")
        parts.append(of_class[start:start + each])
    return np.sort(np.concatenate(parts))


@lru_cache(maxsize=1)
def _cifar100(data_dir: str | Path | None) -> Dataset:
    return load_cifar100(find_root("cifar100", data_dir))


def _load(subset: Subset, data_dir: str | Path | None) -> Dataset:
    if subset.data == "cifar100":
        return _cifar100(data_dir)
    assert subset.classes and subset.train and subset.test        # held by Subset
    return make_synthetic(subset.classes, subset.train + subset.test, subset.test)


@dataclass(frozen=True)
class Job:
    """One training run.

    name: the result's path without ".json"; condition: the key of the condition that it measures;
    kind: "run", "search" (of a learning rate) or "pilot"; probes: whether to probe the network
    on the way (`probes.py`); tests_per_epoch: how often to test in an epoch, at equal distances
    and in every test mode (0: after it, in the modes of the history alone); reestimate: from how
    many training images each of these tests estimates BN's statistics anew (0: not at all).
    """

    name: str
    condition: str
    kind: str
    recipe: Recipe
    subset: Subset
    probes: bool = True
    tests_per_epoch: int = 0
    reestimate: int = 0

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, KINDS)
        check_flag("probes", self.probes)
        check_integer("tests_per_epoch", self.tests_per_epoch, least=0)
        check_integer("reestimate", self.reestimate, least=0)

    @property
    def images(self) -> int:
        """Training images over all epochs: a measure of its length."""
        return self.recipe.epochs * (self.subset.train or 50_000)

    @property
    def updates_per_epoch(self) -> int:
        """Updates in an epoch."""
        return (self.subset.train or 50_000) // (self.recipe.batch_size * self.recipe.accumulate)

    def as_dict(self) -> dict[str, Any]:
        """The record as JSON can hold it."""
        return {**asdict(self), "recipe": self.recipe.as_dict()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Job:
        """The job that `as_dict` wrote; ValueError for names that no job has."""
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"a job has no {', '.join(sorted(unknown))}")
        return cls(**{**values, "recipe": Recipe.from_dict(values["recipe"]),
                      "subset": Subset(**values["subset"])})
