"""Small data sets in the official CIFAR layout, for the tests of the readers."""

import dataclasses
import hashlib
import io
import struct
import tarfile

import numpy as np

from minibn.data.official import OFFICIAL


def python2_pickle(values):
    """The pickle that Python 2 writes for a dict of bytes, integers, lists and uint8 arrays.

    The same instructions as in the official files, compared with them in test_data_cifar.py.
    """
    memo = 0

    def remember():
        nonlocal memo
        memo += 1
        return b"q" + bytes([memo]) if memo < 256 else b"r" + struct.pack("<I", memo)

    def write(value):
        if isinstance(value, bytes):
            short = len(value) < 256
            head = b"U" + bytes([len(value)]) if short else b"T" + struct.pack("<I", len(value))
            return head + value + remember()
        if isinstance(value, int):
            if 0 <= value < 256:
                return b"K" + bytes([value])
            return b"M" + struct.pack("<H", value) if 0 <= value < 65536 else b"J" + struct.pack(
                "<i", value)
        if isinstance(value, list):
            written = b"]" + remember()
            for start in range(0, len(value), 1000):
                written += b"(" + b"".join(map(write, value[start : start + 1000])) + b"e"
            return written
        if isinstance(value, dict):
            items = b"}" + remember() + b"("
            return items + b"".join(write(k) + write(v) for k, v in value.items()) + b"u"
        assert isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 2
        written = b"cnumpy.core.multiarray\n_reconstruct\n" + remember()
        written += b"cnumpy\nndarray\n" + remember() + b"K\x00\x85U\x01b\x87R" + remember()
        written += b"(K\x01" + write(value.shape[0]) + write(value.shape[1]) + b"\x86"
        written += b"cnumpy\ndtype\n" + remember() + b"U\x02u1K\x00K\x01\x87R" + remember()
        written += b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        content = value.tobytes()
        return written + b"T" + struct.pack("<I", len(content)) + content + b"tb"

    return b"\x80\x02" + write(values) + b"."


def pixels(count, seed=0):
    """uint8 (count, 3072): rows as in the files."""
    return np.random.default_rng(seed).integers(0, 256, (count, 3072), dtype=np.uint8)


def cifar100_values(count, seed):
    labels = np.random.default_rng(seed).integers(0, 4, count).tolist()
    return {
        b"filenames": [b"image_%d.png" % i for i in range(count)],
        b"batch_label": b"a tiny batch",
        b"fine_labels": labels,
        b"coarse_labels": [label // 2 for label in labels],
        b"data": pixels(count, seed),
    }


def cifar100_files(write=python2_pickle):
    meta = {
        b"fine_label_names": [b"apple", b"bear", b"cloud", b"dolphin"],
        b"coarse_label_names": [b"still", b"moving"],
    }
    return {
        "meta": write(meta),
        "train": write(cifar100_values(7, 1)),
        "test": write(cifar100_values(3, 2)),
    }


def cifar10_files():
    files = {"batches.meta": python2_pickle({b"num_vis": 3072, b"label_names": [b"cat", b"dog"]})}
    for k, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        files[name] = python2_pickle({b"labels": [k % 2, 1], b"data": pixels(2, k)})
    return files


def write_files(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def entry(name, content=b"", kind=tarfile.REGTYPE, link=""):
    header = tarfile.TarInfo(name)
    header.size, header.type, header.linkname = len(content), kind, link
    return header, content


def archive(*entries):
    """A .tar.gz of (header, content) pairs, as bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=tarfile.GNU_FORMAT) as tar:
        for header, content in entries:
            tar.addfile(header, io.BytesIO(content))
    return buffer.getvalue()


def cifar100_archive(files):
    folder = entry("cifar-100-python", kind=tarfile.DIRTYPE)
    extra = entry("cifar-100-python/file.txt~", b"the official archive has it too")
    return archive(
        folder, extra, *(entry(f"cifar-100-python/{n}", c) for n, c in files.items())
    )


def as_official(monkeypatch, name, files, archive_bytes=b""):
    """Make minibn take `files` and the archive for the official ones."""
    replaced = dataclasses.replace(
        OFFICIAL[name],
        algorithm="sha256",
        checksums={n: hashlib.sha256(c).hexdigest() for n, c in files.items()},
        archive_md5=hashlib.md5(archive_bytes, usedforsecurity=False).hexdigest(),
        archive_bytes=len(archive_bytes),
    )
    monkeypatch.setitem(OFFICIAL, name, replaced)
    return replaced
