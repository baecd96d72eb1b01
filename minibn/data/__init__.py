"""Data sets and the batches made of them."""

from minibn.data.batches import (
    channel_statistics,
    standardize_images,
    test_batches,
    training_batches,
)
from minibn.data.cifar import load_cifar10, load_cifar100
from minibn.data.dataset import Dataset
from minibn.data.download import DownloadError, fetch
from minibn.data.find import data_folders, find_root, list_sets, verify_files
from minibn.data.synthetic import make_synthetic

__all__ = [
    "Dataset",
    "DownloadError",
    "channel_statistics",
    "data_folders",
    "fetch",
    "find_root",
    "list_sets",
    "load_cifar10",
    "load_cifar100",
    "make_synthetic",
    "standardize_images",
    "test_batches",
    "training_batches",
    "verify_files",
]
