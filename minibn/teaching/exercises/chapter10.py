"""Exercises 10: code for both devices, what is copied up, and how to time a GPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minibn.teaching.compare import equal, require, what
from minibn.teaching.emulated import FakeGPU, Far, far, held, log_of
from minibn.teaching.registry import exercise

Array = Any


def module_of(x: Any) -> Any:
    if isinstance(x, np.ndarray | Far):
        return np if isinstance(x, np.ndarray) else far
    raise TypeError(f"x must be an array, not {type(x).__name__}")


@exercise("10.1", "ask the array", answer="module_of", points=1, library=module_of)
def check_module(answer: Any, part: Any) -> None:
    with part(1):
        for x in (np.zeros(3), np.ones((2, 2), np.float32), np.array(1.0)):
            require(answer(x) is np, "for a NumPy array return the module np itself; you return "
                                    f"{name_of(answer(x))}.")
            require(answer(Far(x)) is far, "for a Far array return the module far itself; you "
                                          f"return {name_of(answer(Far(x)))}.")
        for other in ([1.0, 2.0], 3.0, None, "text", np.float64(3.0)):
            try:
                found = answer(other)
            except (ValueError, AssertionError, LookupError) as error:
                require(False, f"for {other!r} raise a TypeError, not "
                               f"{type(error).__name__}.")
            except TypeError as error:
                require(type(other).__name__ in str(error),
                        f"for {other!r} the message should name its type, "
                        f"{type(other).__name__}. The message is: {error}")
            else:
                require(False, f"{other!r} is not an array, and you return {name_of(found)}. "
                               "Raise a TypeError.")


def name_of(found: Any) -> str:
    """A module's name, or what came instead."""
    came = what(found)
    return str(getattr(found, "__name__", f"an object {came}" if came.startswith("of ") else came))


def smooth_loss(z: Array, target: Array) -> Array:
    xp = module_of(z)
    error = xp.abs(z - target)
    return xp.where(error < 1, 0.5 * error**2, error - 0.5).mean()


@exercise("10.2", "both devices", answer="smooth_loss", points=2, library=smooth_loss,
          allow=("minibn.teaching.exercises.chapter10.module_of",))
def check_both(answer: Any, part: Any) -> None:
    rng = np.random.default_rng()
    z, target = 2 * rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    want, error = smooth_loss(z, target), np.abs(z - target)
    mistakes = {
        "the mean is missing: return one number.": np.where(error < 1, error**2 / 2, error - 0.5),
        "a mean, not a sum.": 15 * want,
        "that is 0.5·error² for all errors; the large ones have error − 0.5.":
            (error**2 / 2).mean(),
        "0.5·error² is for the small errors, error − 0.5 for the large ones.":
            np.where(error < 1, error - 0.5, error**2 / 2).mean(),
        "the −0.5 of the large errors is missing.": np.where(error < 1, error**2 / 2, error).mean(),
        "the factor 0.5 of the small errors is missing.":
            np.where(error < 1, error**2, error - 0.5).mean(),
        "the error is the absolute value of z − target.":
            np.where(z - target < 1, error**2 / 2, z - target - 0.5).mean()}
    with part(1):
        equal("the loss of NumPy arrays", answer(z, target), want, mistakes)
        try:
            there = answer(Far(z), Far(target))
        except TypeError as refusal:
            require(False, f"with Far arrays: {refusal}. Is every function taken from the module "
                           "of z, and not from np?")
        equal("the loss of Far arrays", held(there), want, mistakes)
    with part(1):
        before = Far.trips
        there = answer(Far(z), Far(target))
        require(Far.trips == before, "with Far arrays, something was copied down to the CPU and "
                "had to be waited for. This happens in float(), int(), .item(), .tolist(), "
                "asnumpy() and in `if` on an entry.")
        require(isinstance(there, Far), "with Far arrays the result should be on the device, as a "
                                        f"Far array. It is {what(there)}.")


def bn_test(x: Array, mean: Array, std: Array) -> Array:
    xp = module_of(x)
    return (x - xp.asarray(mean)) / xp.asarray(std)


@exercise("10.3", "carry the constants", answer="bn_test", points=2, library=bn_test,
          allow=("minibn.teaching.exercises.chapter10.module_of",))
def check_carry(answer: Any, part: Any) -> None:
    rng = np.random.default_rng()
    x, mean, std = rng.normal(size=(6, 4)), rng.normal(size=4), rng.uniform(0.5, 2.0, 4)
    cases = (("x in NumPy", x, mean, std),
             ("x on the device, mean and std in NumPy", Far(x), mean, std),
             ("all three on the device", Far(x), Far(mean), Far(std)),
             ("x and mean on the device, std in NumPy", Far(x), Far(mean), std),
             ("x and std on the device, mean in NumPy", Far(x), mean, Far(std)))
    mistakes = {
        "that is training mode: use the mean and std that are given.": (x - x.mean(0)) / x.std(0),
        "std is a standard deviation already: no root of it.": (x - mean) / np.sqrt(std),
        "std is a standard deviation, not a variance: no square of it.": (x - mean) / std**2,
        "divide by std.": (x - mean) * std,
        "subtract mean, then divide all of it by std.": x - mean / std,
        "mean is subtracted, not added.": (x + mean) / std,
        "mean is not used.": x / std, "std is not used.": x - mean}
    tried = []
    for where, on, m, s in cases:
        before = Far.trips
        try:
            there = answer(on, m, s)
        except TypeError as refusal:
            there = Refused(f"{where}: {refusal}.")
        tried.append((where, on, there, Far.trips - before))
    with part(1):
        for where, _, there, _ in tried:
            require(not isinstance(there, Refused), str(there))
            equal(f"the result ({where})", held(there), (x - mean) / std, mistakes)
    with part(1):
        for where, on, there, trips in tried:
            require(not isinstance(there, Refused), str(there))
            require(not trips, f"{where}: an array was copied down to the CPU. Copy mean and std "
                               "up instead.")
            require(isinstance(there, type(on)), f"{where}: the result should be on x's device, as "
                    f"an array of the type {type(on).__name__}; it is {what(there)}.")
        equal("the result", held(tried[1][2]), (x - mean) / std, mistakes)


class Refused(str):
    """What the device said instead of a result."""


def bytes_up(images: int, batch_size: int) -> int:
    return images // batch_size * batch_size * (24 * 24 * 3 * 4 + 8)


@exercise("10.4", "bytes", answer="bytes_up", points=1, library=bytes_up)
def check_bytes(answer: Any, part: Any) -> None:
    rng = np.random.default_rng()
    with part(1):
        for images, size in ((131, 5), (131, 128), (int(rng.integers(430, 449)), 50)):
            whole, want = images // size, bytes_up(images, size)
            each = want / 6920                                         # images that go up
            equal(f"bytes for {images} images, batch {size}", answer(images, size), want, {
                "the last, incomplete batch is dropped.": images * 6920,
                "the last, incomplete batch is dropped, and not filled up.":
                    -(-images // size) * size * 6920,
                "these are numbers; a float32 has 4 bytes.": each * (24 * 24 * 3 + 8),
                "each image has a label; that is one label for each batch.":
                    whole * (size * 6912 + 8),
                "a label is a number, too, and has 8 bytes.": each * (24 * 24 * 3 * 4 + 1),
                "the labels go up, too: 8 bytes each.": each * 6912,
                "float32, not float64: 4 bytes a number.": each * (24 * 24 * 3 * 8 + 8),
                "int64 labels have 8 bytes each, not 4.": each * 6916,
                "an image has 3 channels.": each * (24 * 24 * 4 + 8),
                "that is one image of each batch; a batch has batch_size of them.": whole * 6920,
                "that is one batch; count all batches of the epoch.": size * 6920,
                "bits, not bytes: 8 times too much.": 8 * want,
                "in kilobytes; return bytes.": want / 1000,
                "in kilobytes; return bytes. ": want / 1024})


def timed(gpu: Any, work: Callable[[], None]) -> float:
    start = 0.0
    for _ in range(2):
        gpu.synchronize()
        start = gpu.clock()
        work()
        gpu.synchronize()
    return float(gpu.clock() - start)


@exercise("10.5", "timing", answer="timed", points=3, library=timed)
def check_timing(answer: Any, part: Any) -> None:
    rng = np.random.default_rng()
    with part(3):
        for kernel, launches in ((100.0, 4), (3.0, 6), (float(rng.uniform(11, 60)), 5)):
            gpu = FakeGPU(kernel, compiling=float(rng.uniform(4000, 9000)),
                          busy=float(rng.uniform(300, 2000)))
            log = log_of(gpu)

            def work(gpu: FakeGPU = gpu, launches: int = launches, log: list[str] = log) -> None:
                log.append("work")
                for _ in range(launches):
                    gpu.launch()

            got, want = answer(gpu, work), max(10.0 + launches * kernel, 10.0 * launches + kernel)
            require(got is not None, "nothing is returned.")
            try:
                equal("the time", got, want)
            except AssertionError as error:
                require(np.ndim(got) == 0 and not isinstance(got, str),
                        f"return one number, the time in µs, not {what(got)}.")
                require(False, f"with kernels of {kernel:.3g} µs and {launches} launches. "
                               f"{what_went_wrong(log)} {error}")


def what_went_wrong(log: list[str]) -> str:
    """What the calls show: the reader's use of the clock, the queue and `work`, in order."""
    readings = [i for i, event in enumerate(log) if event.startswith("clock")]
    if "work" not in log:
        return "work() was not called."
    if len(readings) < 2:
        return "The clock should be read twice, before and after work()."
    spans = [log[i:j + 1] for i, j in zip(readings, readings[1:], strict=False)]
    spans = [span for span in spans if "work" in span]
    if not spans:
        return "work() was not called between two readings of the clock."
    if any("launch, compiling" in span for span in spans):
        return "The clock ran while the first launch compiled: call work() once before."
    if any(span[0] == "clock, busy" for span in spans):
        return "Earlier work was still in the queue when the clock started: synchronize before."
    if any(span[-1] == "clock, busy" for span in spans):
        return "The clock was stopped while kernels were still running: synchronize before."
    if any(span.count("work") > 1 for span in spans):
        return "work() was called several times between two readings of the clock."
    return "The readings of the clock are right, and the result is not their difference."


def step_time(launches: int, c: float, k: float, batch_size: int) -> float:
    end = 0.0
    for i in range(1, launches + 1):
        end = max(end, i * c) + k * batch_size
    return end


@exercise("10.6", "who waits", answer="step_time", points=2, library=step_time)
def check_step_time(answer: Any, part: Any) -> None:
    rng = np.random.default_rng()
    sizes = np.array([1, 5, 10, 128])
    with part(2):
        for launches, c, k in ((1000, 5.0, 0.5), (7, 3.0, 0.2),
                               (int(rng.integers(20, 60)), float(rng.uniform(2, 4)),
                                float(rng.uniform(0.3, 0.6)))):
            kernel = k * sizes
            longer = launches * np.maximum(c, kernel)

            def steps(launches: int, c: float, k: float) -> Array:
                return np.array([step_time(launches, c, k, int(size)) for size in sizes])

            equal(f"the time of {launches} launches at {c:.3g} µs, kernels of {k:.3g} µs an image, "
                  "batch 1, 5, 10, 128", [answer(launches, c, k, int(size)) for size in sizes],
                  steps(launches, c, k), {
                "launches and kernels overlap: while one kernel runs, the next is launched.":
                    launches * (c + kernel),
                "that is the work of the GPU alone; it also waits for launches.":
                    launches * kernel,
                "that is Python's launching alone; kernels can be longer.":
                    np.full(4, launches * c),
                "nearly: the first kernel starts at c, and the last ends after its launch.": longer,
                "nearly: where kernels are shorter than c, the last kernel comes on top, not c.":
                    longer + c,
                "nearly: where kernels are longer than c, the first launch comes on top, not a "
                "kernel.": longer + kernel,
                "the shorter of the two cases; take the longer.":
                    np.minimum(c + launches * kernel, launches * c + kernel),
                "that is right only where kernels are longer than c.": c + launches * kernel,
                "that is right only where kernels are shorter than c.": launches * c + kernel,
                "a kernel runs for k·batch_size, not for k.":
                    np.full(4, step_time(launches, c, k, 1)),
                "the kernels i = 1 … launches: the first is launched at c, not at 0.":
                    steps(launches, c, k) - c,
                "the last kernel is missing: range(1, launches) ends at launches − 1.":
                    steps(launches - 1, c, k),
                "that is the time of one image.": steps(launches, c, k) / sizes,
                "`launches` is an argument, not always 1000.": steps(1000, c, k),
                "c is an argument, not always 5.": steps(launches, 5.0, k),
                "k is an argument, not always 0.5.": steps(launches, c, 0.5),
                "launches, c and k are arguments; use them.": steps(1000, 5.0, 0.5)}, tol=1e-9)
