"""Kernels and the textbook are tied: the same signatures, results and caches, one table."""

import ast
import inspect
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from cases import CASES, Case, needs_kernels
from threadpoolctl import threadpool_info

import minibn
from minibn import functional, kernels, layers, losses, norms, optim
from minibn.gradcheck import relative_error
from minibn.kernels import threads

PACKAGE = Path(minibn.__file__).parent
ROOMS = ("norms", "layers")
WITHIN = {np.float64: 1e-10, np.float32: 1e-5}

TIED = [case for case in CASES if case.name in kernels.TABLE or case.name == "batch_renorm"]
FAR = [Case(name, ((6, 5, 4, 6), (6,), (6,)), tuple(constants))                     # means of 10⁴ σ
       for name, *constants in [("batch_norm",), ("layer_norm",), ("group_norm", 3),
                                ("batch_renorm", np.full(6, 0.7), np.full(6, -0.2))]]


def textbook_functions():
    """Every accelerated function of the package, by name."""
    found = {}
    for module in sys.modules.values():
        if getattr(module, "__name__", "").startswith("minibn."):
            for name, value in vars(module).items():
                if hasattr(value, "textbook") and value.__module__ == module.__name__:
                    found[name] = value
    return found


def test_the_table_names_all_accelerated_functions_and_no_other():
    assert norms and layers and losses and optim               # their modules are loaded
    assert set(textbook_functions()) == set(kernels.TABLE)


@pytest.mark.parametrize("name", kernels.TABLE)
def test_a_kernel_has_the_signature_of_its_textbook_function(name):
    textbook = inspect.signature(textbook_functions()[name].textbook)
    kernel = inspect.signature(kernels.find(name, np.ndarray))
    assert list(kernel.parameters.values()) == [
        p.replace(annotation=kernel.parameters[p.name].annotation)
        for p in textbook.parameters.values()]


def outcomes(case, arguments, dy):
    """y and the gradients of forward and backward, each with and without kernels."""
    with kernels.disabled():
        y, cache = case.forward(*arguments, *case.constants)
        want = [y, *listed(case.backward(dy, cache))]
    fast, fast_cache = case.forward(*arguments, *case.constants)
    assert type(fast_cache) is type(cache)
    with kernels.disabled():
        crossed = [fast, *listed(case.backward(dy, fast_cache))]
    return want, crossed, [y, *listed(case.backward(dy, cache))], \
        [fast, *listed(case.backward(dy, fast_cache))]


def listed(gradients):
    return gradients if isinstance(gradients, tuple) else (gradients,)


@needs_kernels
@pytest.mark.parametrize("dtype", WITHIN)
@pytest.mark.parametrize("case", TIED, ids=str)
def test_kernels_agree_with_the_textbook(case, dtype, rng):
    arguments = case.arguments(rng, dtype)
    constants = tuple(c.astype(dtype) if isinstance(c, np.ndarray) and c.dtype.kind == "f" else c
                      for c in case.constants)
    case = case._replace(constants=constants)
    y = case.forward(*arguments, *constants)[0]
    dy = rng.standard_normal(np.shape(y)).astype(dtype)
    want, *others = outcomes(case, arguments, dy)
    for found in others:
        for a, b in zip(found, want, strict=True):
            assert (a is None) == (b is None)
            if b is not None:
                assert a.dtype == b.dtype and relative_error(a, b) < WITHIN[dtype]


@needs_kernels
@pytest.mark.parametrize("case", FAR, ids=str)
def test_they_agree_far_from_zero(case, rng):
    """Mean 10⁴ and deviation 1 in float32, where a plain float32 sum would be off by several σ."""
    x, gamma, beta = (a.astype(np.float32) for a in case.arguments(rng))
    x = (1e4 + x).astype(np.float32)
    dy = rng.standard_normal(x.shape).astype(np.float32)
    want, *others = outcomes(case, (x, gamma, beta), dy)
    for found in others:
        for a, b in zip(found, want, strict=True):
            assert relative_error(a, b) < 2e-5


@needs_kernels
@pytest.mark.parametrize("size", [1e20, 1e30])
def test_a_kernel_declines_what_it_cannot_hold(size, rng):
    """Squares that overflow in float32: the textbook takes over."""
    x = (size * rng.standard_normal((8, 3))).astype(np.float32)
    one, zero = np.ones(3, np.float32), np.zeros(3, np.float32)
    for name, more in (("batch_norm", ()), ("layer_norm", ()), ("group_norm", (1,))):
        assert kernels.find(name, np.ndarray)(x, one, zero, *more) is NotImplemented
    assert np.isfinite(functional.batch_norm(x, one, zero)[0]).all()


@needs_kernels
def test_kernels_can_be_switched_off():
    def entered():
        return [kernels.enabled, ran_a_kernel()]

    assert entered() == [True, True]
    with kernels.disabled():
        assert entered() == [False, False]
        with kernels.disabled():
            pass
        assert entered() == [False, False]                     # the outer block goes on
    assert entered() == [True, True]
    with pytest.raises(ZeroDivisionError), kernels.disabled():
        raise ZeroDivisionError
    assert entered() == [True, True]


def ran_a_kernel():
    names = functions_entered(lambda: functional.relu(np.ones(3)))
    return any(name.startswith("kernels") for name in names)


@pytest.mark.parametrize("value, ending", [("0", "False"), ("1", "True"), ("2", "not '2'")])
def test_the_environment_switches_them_off(value, ending):
    program = "from minibn import kernels; print(kernels.enabled)"
    run = subprocess.run([sys.executable, "-c", program], text=True, capture_output=True,
                         env=os.environ | {"MINIBN_KERNELS": value})
    assert (run.stdout + run.stderr).strip().endswith(ending)


def functions_entered(call):
    """The functions of minibn that a debugger would enter, checks aside, in order."""
    entered = []

    def see(frame, event, _):
        path = frame.f_code.co_filename
        if event == "call" and path.startswith(str(PACKAGE)):
            entered.append(f"{Path(path).relative_to(PACKAGE)}:{frame.f_code.co_name}")

    sys.setprofile(see)
    try:
        call()
    finally:
        sys.setprofile(None)
    return [name for name in entered if ":check_" not in name]


def test_a_reader_enters_few_functions(rng):
    """With kernels off, the formula is at most so many calls away."""
    x = rng.standard_normal((5, 8, 8, 6)).astype(np.float32)
    w = rng.standard_normal((3, 3, 6, 4)).astype(np.float32)
    one, zero = np.ones(6, np.float32), np.zeros(6, np.float32)
    layer = minibn.RenormDebias(6)
    with kernels.disabled():
        y, bn = functional.batch_norm(x, one, zero)
        z, conv = functional.conv2d(x, w, None, 1, 1)
        assert len(functions_entered(lambda: functional.batch_norm(x, one, zero))) <= 4
        assert len(functions_entered(lambda: functional.batch_norm_backward(y, bn))) <= 3
        assert len(functions_entered(lambda: layer.forward(x, training=True))) <= 10
        assert len(functions_entered(lambda: functional.conv2d(x, w, None, 1, 1))) <= 4
        assert len(functions_entered(lambda: functional.conv2d_backward(z, conv))) <= 5


def imports(path):
    """The modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def test_only_dispatch_knows_the_kernels():
    for path in PACKAGE.rglob("*.py"):
        where = path.relative_to(PACKAGE)
        if where.parts[0] != "kernels" and where.name != "dispatch.py":
            assert not [name for name in imports(path) if name.startswith("minibn.kernels")], where


@needs_kernels
def test_one_model_tests_in_many_threads(rng):
    """Each thread has scratch memory of its own."""
    model = minibn.all_cnn(10, "gn", width=24)
    batches = rng.standard_normal((8, 6, 24, 24, 3)).astype(np.float32)
    alone = [model.forward(x) for x in batches]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(model.forward, np.concatenate([batches] * 3)))
    for found, want in zip(together, alone * 3, strict=True):
        assert np.array_equal(found, want)


class Counted:
    """A thread count like OpenBLAS's, to be read and written."""

    def __init__(self, number):
        self.number, self.lowest = number, number

    def read(self):
        return self.number

    def write(self, number):
        self.number, self.lowest = number, min(number, self.lowest)


@pytest.mark.parametrize("number", [1, 2, 8])
def test_one_thread_and_then_as_many_as_before(number):
    counted = Counted(number)
    one = threads._OneThread(counted.read, counted.write)
    with one:
        assert counted.number == 1
        with one:
            assert counted.number == 1
        assert counted.number == 1
    assert counted.number == number
    with pytest.raises(ZeroDivisionError), one:
        raise ZeroDivisionError
    assert counted.number == number


def test_the_number_of_threads_outlives_many_users():
    """Whoever leaves last restores it, whoever came first."""
    counted = Counted(4)
    one = threads._OneThread(counted.read, counted.write)
    first, second = threading.Event(), threading.Event()

    def early():
        with one:
            first.set()
            second.wait(10)

    thread = threading.Thread(target=early)
    thread.start()
    first.wait(10)
    with one:
        second.set()
        thread.join()
        assert counted.number == 1
    assert counted.number == 4


@pytest.mark.parametrize("multiplications, channels, alone", [
    (threads.WORTH, threads.WIDE, False), (threads.WORTH - 1, threads.WIDE, True),
    (threads.WORTH, threads.WIDE - 1, True), (2880 * 216 * 24, 24, True),
    (144 * 864 * 96, 96, False)])
def test_all_threads_for_large_products_of_wide_layers(monkeypatch, multiplications, channels,
                                                       alone):
    counted = Counted(2)
    one = threads._OneThread(counted.read, counted.write)
    monkeypatch.setattr(threads, "_one", lambda: one)
    with threads.threads_for(multiplications, channels):
        assert counted.number == (1 if alone else 2)
    assert counted.number == 2


def test_training_leaves_the_threads_as_they_were(rng):
    def used():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before = used()
    model = minibn.all_cnn(3, "bn", width=4)
    x = rng.standard_normal((2, 24, 24, 3)).astype(np.float32)
    model.backward(model.forward(x, training=True))
    assert used() == before
