"""What every data set here is: images and labels, in NumPy arrays."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from minibn.data.batches import channel_statistics


@dataclass(frozen=True, repr=False, eq=False)
class Dataset:
    """Training and test images with their labels, in the order of their file.

    train_images, test_images: uint8 (N, 32, 32, 3), channels red, green, blue.
    train_labels, test_labels: int64 (N,), from 0 to len(class_names) − 1.
    class_names: one name for each label.
    name: what tables and figures call the set.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    class_names: tuple[str, ...]
    name: str

    def __post_init__(self) -> None:
        for name in (self.name, *self.class_names):        # a checkpoint keeps them, as texts
            if not isinstance(name, str):
                raise TypeError(f"name and class_names must be texts, not {name!r}")

    @cached_property
    def statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the training images' channels, computed once."""
        return channel_statistics(self.train_images)

    def __repr__(self) -> str:
        return (
            f"<{self.name}: {len(self.train_images)} training and {len(self.test_images)} "
            f"test images, {len(self.class_names)} classes>"
        )
