"""CIFAR-10 and CIFAR-100 in the layout that their authors publish for Python.

Each file is a pickled dictionary. Its `data` is a uint8 array (N, 3072), an image per row: 1024
red values, row by row from the top left, then green, then blue.
"""

from pathlib import Path
from typing import Any

import numpy as np

from minibn.checks import check_choice
from minibn.data.archive import unpack
from minibn.data.dataset import Dataset
from minibn.data.official import OfficialSet, checksum, official, read_file
from minibn.data.restricted_pickle import read_pickle

MOST_NAMES = 10_000        # of classes
LONGEST_NAME = 200         # characters


def load_cifar100(root: str | Path, labels: str = "fine", verify: bool = True) -> Dataset:
    """CIFAR-100: 50,000 + 10,000 images, 100 fine or 20 coarse classes.

    root: the folder that holds `cifar-100-python/`, or its archive, which is then unpacked there.
    labels: "fine" or "coarse".
    verify: compare each file with the checksum of the official one before it is read. Without it,
    other data in the same layout can be read, by the same reader that runs no code.

    Raises FileNotFoundError where data is missing, ValueError where it is not what it should be.
    """
    check_choice("labels", labels, ("fine", "coarse"))
    files = _Files(root, official("cifar100"), verify)
    names = files.class_names("meta", f"{labels}_label_names")
    train_images, train_labels = files.images("train", f"{labels}_labels", len(names))
    test_images, test_labels = files.images("test", f"{labels}_labels", len(names))
    name = "cifar100" if labels == "fine" else "cifar100-coarse"
    return Dataset(train_images, train_labels, test_images, test_labels, names, name)


def load_cifar10(root: str | Path, verify: bool = True) -> Dataset:
    """CIFAR-10: 50,000 + 10,000 images, 10 classes; root and verify as in `load_cifar100`.

    root: the folder that holds `cifar-10-batches-py/` or its archive.
    """
    files = _Files(root, official("cifar10"), verify)
    names = files.class_names("batches.meta", "label_names")
    batches = [files.images(f"data_batch_{k}", "labels", len(names)) for k in range(1, 6)]
    train_images, train_labels = map(np.concatenate, zip(*batches, strict=True))
    test_images, test_labels = files.images("test_batch", "labels", len(names))
    return Dataset(train_images, train_labels, test_images, test_labels, names, "cifar10")


class _Files:
    """The files of one set in one folder, read, checked and turned into arrays."""

    def __init__(self, root: str | Path, official: OfficialSet, verify: bool):
        self.official, self.verify = official, verify
        self.folder = Path(root) / official.folder
        archive = Path(root) / official.archive
        if not self.folder.is_dir() and archive.is_file():
            try:
                unpack(archive, official, verify)
            except ValueError as error:
                raise ValueError(f"{error}; remove it, {self.fetch}") from None
            except OSError as error:
                raise OSError(f"cannot unpack {archive}: {error.strerror or error}") from error

    @property
    def fetch(self) -> str:
        return f"`python -m minibn data --fetch {self.official.name}` downloads the official files"

    def read(self, file: str) -> tuple[Path, dict[str, Any]]:
        path = self.folder / file
        try:
            content = read_file(path)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{self.official.name}: {error}; {self.fetch}") from None
        if self.verify:
            expected = self.official.checksums[file]
            found = checksum(self.official.algorithm, content)
            if found != expected:
                raise ValueError(
                    f"{path} is damaged or not the official file ({self.official.algorithm} "
                    f"{found[:8]}…, not {expected[:8]}…); remove {self.folder}, {self.fetch}"
                )
        return path, read_pickle(content, str(path))

    def class_names(self, file: str, key: str) -> tuple[str, ...]:
        path, values = self.read(file)
        names = values.get(key)
        # One long text can be in a list a million times; each of its decoded copies takes memory.
        if type(names) is not list or not 1 <= len(names) <= MOST_NAMES or any(
                type(n) not in (bytes, str) or len(n) > LONGEST_NAME for n in names):
            raise ValueError(f"{path}: {key!r} must be a list of names")
        return tuple(n.decode("latin1") if isinstance(n, bytes) else n for n in names)

    def images(self, file: str, key: str, classes: int) -> tuple[np.ndarray, np.ndarray]:
        """uint8 (N, 32, 32, 3) and int64 (N,), new arrays that may be written to."""
        path, values = self.read(file)
        data, labels = values.get("data"), values.get(key)
        if type(data) is not np.ndarray or data.ndim != 2 or data.shape[1] != 3072 or not len(data):
            raise ValueError(f"{path}: 'data' must be a uint8 array (N, 3072), an image per row")
        if type(labels) is not list or len(labels) != len(data):
            raise ValueError(f"{path}: {key!r} must be a list of {len(data)} labels")
        if not all(type(label) is int and 0 <= label < classes for label in labels):
            raise ValueError(f"{path}: {key!r} must be integers from 0 to {classes - 1}")
        images = data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        return np.array(images, order="C"), np.array(labels, dtype=np.int64)
