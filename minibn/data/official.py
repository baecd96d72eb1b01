"""The official CIFAR files: their names, addresses and checksums."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from minibn.checks import check_choice

MAX_FILE_BYTES = 512 * 2**20  # no file of a set is larger; the largest official one has 148 MiB


@dataclass(frozen=True)
class OfficialSet:
    """A data set as its authors publish it (https://www.cs.toronto.edu/~kriz/cifar.html)."""

    name: str
    folder: str  # the folder that the archive unpacks to
    archive: str
    url: str
    archive_md5: str
    archive_bytes: int
    algorithm: str  # of the checksums of the files
    checksums: dict[str, str]  # file name -> checksum, for every file that is read


OFFICIAL = {
    "cifar100": OfficialSet(
        name="cifar100",
        folder="cifar-100-python",
        archive="cifar-100-python.tar.gz",
        url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        archive_md5="eb9058c3a382ffc7106e4002c42a8d85",
        archive_bytes=169_001_437,
        algorithm="sha256",
        checksums={
            "train": "735e79b04f092ca3d2e6d07f368c0a7d70d48c48d28865950cc24454cf45129b",
            "test": "4b67687d9933c4db8f0831104447f15b93774f4f464bd0516f0f0f2ac83b7864",
            "meta": "a5d4786345c961390f865e93b434dbd5c6904ce880667e0cb888c97d449f28b9",
        },
    ),
    "cifar10": OfficialSet(
        name="cifar10",
        folder="cifar-10-batches-py",
        archive="cifar-10-python.tar.gz",
        url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        archive_md5="c58f30108f718f92721af3b95e74349a",
        archive_bytes=170_498_071,
        algorithm="md5",
        checksums={
            "data_batch_1": "c99cafc152244af753f735de768cd75f",
            "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
            "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
            "data_batch_4": "634d18415352ddfa80567beed471001a",
            "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
            "test_batch": "40351d587109b95175f43aff81a1287e",
            "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
        },
    ),
}


def official(name: str) -> OfficialSet:
    """The set of that name; ValueError where there is none."""
    return OFFICIAL[check_choice("name", name, tuple(OFFICIAL))]


def checksum(algorithm: str, content: bytes) -> str:
    """Hexadecimal checksum of `content` (it tells damage and mix-ups; md5 no malice)."""
    return hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()


def read_file(path: Path) -> bytes:
    """The whole of a regular file that is no larger than any file of a set.

    FileNotFoundError where there is no such file, ValueError where it is too large.
    """
    if not path.is_file():  # a pipe or a device would keep the reader waiting
        raise FileNotFoundError(f"no file {path}")
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size > MAX_FILE_BYTES:
            raise ValueError(f"{path} is larger than {MAX_FILE_BYTES >> 20} MiB: not a file of the "
                             "set")
        return file.read()
