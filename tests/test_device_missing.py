"""Without CuPy, a GPU or a library that CuPy needs: one line says what is missing."""

import sys
from types import ModuleType

import numpy as np
import pytest

import minibn
from minibn.__main__ import main
from minibn.backend import device_module, to_device
from minibn.data import make_synthetic
from minibn.training import Run
from minibn.training.recipe import Recipe

DATA = make_synthetic(train=50, test=23)
TINY = Recipe(width=2, epochs=1, lr=0.02, batch_size=5, dtype="float64")
SMALL = ["--limit-train", "20", "--limit-test", "10", "--width", "2", "--epochs", "1"]


def no_cupy(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "cupy", None)        # what makes an import fail
    return "device gpu needs CuPy, which is not installed: pip install 'minibn[gpu]'"


def broken_cupy(monkeypatch, tmp_path):
    """CuPy without CUDA's libraries: a page of advice, raised from the error that says why."""
    (tmp_path / "cupy.py").write_text(
        "raise ImportError('''\n====\nFailed to import CuPy.\n\nIf you installed …\n===='''\n"
        ") from ImportError('libcudart.so.12: cannot open shared object file')\n")
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    return ("device gpu: CuPy is installed, but cannot be imported "
            "(libcudart.so.12: cannot open shared object file)")


class Lacking:
    """An array of a CuPy in which one operation fails with `error`."""

    def __init__(self, operation, error):
        self.operation, self.error = operation, error

    def attempt(self, operation):
        if operation == self.operation:
            raise self.error
        return self

    def __add__(self, other):
        return self.attempt("kernel")

    def __matmul__(self, other):
        return self.attempt("product")


def lacking_cupy(monkeypatch, operation, error):
    cupy = ModuleType("cupy")
    cupy.zeros = lambda shape, dtype: Lacking(operation, error).attempt("memory")
    cupy.ndarray = Lacking
    monkeypatch.setitem(sys.modules, "cupy", cupy)


def no_gpu(monkeypatch, tmp_path):
    lacking_cupy(monkeypatch, "memory", RuntimeError(
        "cudaErrorNoDevice:\n  no CUDA-capable device is detected"))
    return ("device gpu: CuPy found no usable GPU "
            "(cudaErrorNoDevice: no CUDA-capable device is detected)")


def no_compiler(monkeypatch, tmp_path):
    lacking_cupy(monkeypatch, "kernel", RuntimeError(
        "Failed to find CUDA headers.\nPlease install …"))
    return ("device gpu: CuPy cannot compile and run a kernel "
            "(Failed to find CUDA headers. Please install …)")


def no_cublas(monkeypatch, tmp_path):
    lacking_cupy(monkeypatch, "product", ImportError("no libcublas.so.12"))
    return "device gpu: CuPy cannot multiply matrices (no libcublas.so.12)"


without = pytest.mark.parametrize("lacking", [no_cupy, broken_cupy, no_gpu, no_compiler, no_cublas])


@without
def test_without_a_gpu_the_error_is_one_line(lacking, monkeypatch, tmp_path):
    message = lacking(monkeypatch, tmp_path)
    for attempt in (lambda: device_module("gpu"), lambda: to_device(np.zeros(1), "gpu"),
                    lambda: minibn.Linear(1, 1).to("gpu"), lambda: Run(TINY, DATA, "gpu")):
        with pytest.raises(RuntimeError) as caught:
            attempt()
        assert str(caught.value) == message


@without
def test_without_a_gpu_a_command_ends_with_status_2(lacking, monkeypatch, tmp_path, capsys):
    message = lacking(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["train", *SMALL, "--device", "gpu"]) == 2
    assert capsys.readouterr().err == f"minibn train: {message}\n"


def test_another_device_is_refused():
    with pytest.raises(ValueError, match="device must be one of cpu, gpu, not 'tpu'"):
        device_module("tpu")
