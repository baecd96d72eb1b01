"""The images of the course: real CIFAR-100 where it is found, else the embedded ones."""

from __future__ import annotations

import numpy as np

from minibn.data import Dataset, find_root, load_cifar100, make_synthetic
from minibn.teaching import setting


def load_images(classes: int = 10, train: int = 2000, test: int = 1000) -> Dataset:
    """Images of CIFAR-100's first classes where it is found, else the embedded ones; says which.

    train, test: numbers of images, at most (CIFAR-100 has 500 and 100 of each class).  CIFAR-100
    is looked for in full mode, in the folder that MINIBN_DATA names and in the cache folder.
    """
    if setting.FULL:
        try:
            data = first_classes(load_cifar100(find_root("cifar100")), classes, train, test)
            print(f"Data: real CIFAR-100, {size(data)}.")
            return data
        except FileNotFoundError:
            print("CIFAR-100 was not found (python -m minibn data --fetch cifar100 gets it).")
    data = make_synthetic(min(classes, 25), train, test)
    print(f"Data: drawn images in the place of CIFAR-100, {size(data)}.")
    return data


def size(data: Dataset) -> str:
    """How many images there are, in words."""
    return (f"{len(data.train_images)} training and {len(data.test_images)} test images, "
            f"{len(data.class_names)} classes")


def first_classes(data: Dataset, classes: int, train: int, test: int) -> Dataset:
    """The first images of the first classes, in the file's order."""
    train_rows = np.flatnonzero(data.train_labels < classes)[:train]
    test_rows = np.flatnonzero(data.test_labels < classes)[:test]
    return Dataset(data.train_images[train_rows], data.train_labels[train_rows],
                   data.test_images[test_rows], data.test_labels[test_rows],
                   data.class_names[:classes], data.name)
