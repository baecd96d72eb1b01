"""Wrong answers to the exercises of notebook 10.

For each exercise: (what to replace in the solution, by what, words of the hint that must come);
None in the first place replaces the whole solution.
"""

BOTH = "max(c + launches * kernel, launches * c + kernel)"
RAISE = 'raise TypeError(f"x must be an array, not {type(x).__name__}")'

WRONG = {
    "module": [
        (None, "if hasattr(x, 'dtype'):\n    return far if isinstance(x, Far) else np\n"
               "raise TypeError(type(x).__name__)", "is not an array"),
        ("return np", "return far", "np itself"),
        ("return far", "return np", "far itself"),
        (RAISE, "return np", "is not an array"),
        ("{type(x).__name__}", "that", "name its type"),
        (RAISE, "return None", "is not an array"),
        ("raise TypeError", "raise ValueError", "raise a TypeError, not ValueError"),
        ("raise TypeError", "return TypeError", "you return an object of type TypeError"),
        ("return np", "return 'np'", "np itself"),
        ("return np", "return np.ndarray", "np itself"),
        ("return far", "return Far", "far itself"),
        ("return far", "return far.exp", "far itself"),
        ("return np\n", "pass\n", "ndarray"),
        (None, "return np if isinstance(x, np.ndarray) else far", "is not an array"),
        (None, "return far if hasattr(x, 'get') else np", "is not an array"),
        (None, "return {np.ndarray: np, Far: far}.get(type(x), np)", "is not an array"),
        (None, "return {np.ndarray: np, Far: far}[type(x)]", "not KeyError"),
        (None, "assert isinstance(x, (np.ndarray, Far))\n"
               "return np if isinstance(x, np.ndarray) else far", "not AssertionError"),
        (None, "from minibn.backend import array_module\nreturn array_module(x)", "minibn.backend"),
        (RAISE, 'raise TypeError("no array")', "name its type"),
    ],
    "free": [
        (None, "return (0.5 * (z - target) ** 2).mean()", "for all errors"),
        ("xp = module_of(z)", "xp = np", "not from np"),
        ("xp.where", "np.where", "not from np"),
        (".mean()", ".mean().__float__()", "copied down"),
        ("- 0.5)", ")", "−0.5"),
        ("xp.where(error < 1, small, error - 0.5).mean()",
         "xp.asarray(float(xp.where(error < 1, small, error - 0.5).mean()))", "copied down"),
        ("return xp.where(error < 1, small, error - 0.5).mean()",
         "loss = xp.where(error < 1, small, error - 0.5)\n"
         "    return xp.asarray(xp.asnumpy(loss).mean()) if xp is far else loss.mean()", "copied down"),
        ("error = xp.abs(z - target)",
         "if xp is far:\n"
         "        z, target = far.asnumpy(z), far.asnumpy(target)\n"
         "        return far.asarray(smooth_loss(z, target))\n"
         "    error = xp.abs(z - target)", "copied down"),
        ("error = xp.abs(z - target)",
         "if xp is far:\n        z, target = np.asarray(z.data), np.asarray(target.data)\n"
         "    error = xp.abs(z - target)", "AttributeError"),
        (None, "z, target = (getattr(a, 'data', a) for a in (z, target))\n"
               "error = np.abs(np.asarray(z) - np.asarray(target))\n"
               "return np.where(error < 1, 0.5 * error ** 2, error - 0.5).mean()", "not from np"),
        (None, "import copy\nhere = np.array(z.tolist()) if isinstance(z, Far) else z\n"
               "there = np.array(target.tolist()) if isinstance(target, Far) else target\n"
               "error = np.abs(here - there)\n"
               "loss = np.where(error < 1, 0.5 * error ** 2, error - 0.5).mean()\n"
               "return far.asarray(loss) if isinstance(z, Far) else loss", "copied down"),
        (None, "error = np.abs(z - target)\nsmall = 0.5 * error ** 2\n"
               "return np.where(error < 1, small, error - 0.5).mean()", "not from np"),
        (None, "z, target = (getattr(a, '_Far__held', a) for a in (z, target))\n"
               "error = np.abs(z - target)\n"
               "return np.where(error < 1, 0.5 * error ** 2, error - 0.5).mean()", "not from np"),
        (None, "from minibn.teaching.emulated import held\nz, target = held(z), held(target)\n"
               "error = np.abs(z - target)\n"
               "return np.where(error < 1, 0.5 * error ** 2, error - 0.5).mean()", "asnumpy alone"),
        ("xp.where(error < 1, small, error - 0.5).mean()",
         "xp.asarray(float(xp.where(error < 1, small, error - 0.5).mean())); Far.trips = 0", "copied down"
         ),
        (".mean()", ".sum()", "not a sum"),
        (".mean()", "", "the mean is missing"),
        ("0.5 * error ** 2", "error ** 2", "factor 0.5"),
        ("small, error - 0.5", "error - 0.5, small", "for the small errors"),
        ("xp.abs(z - target)", "z - target", "absolute value"),
        ("xp = module_of(z)", "xp = far", "on the CPU"),
        ("error < 1", "float(error.max()) < 1", "the loss of"),
        (None, "return module_of(z).zeros(()) + 0.3", "the loss of"),
        ("xp.where(error < 1, small, error - 0.5).mean()",
         "xp.where(error < 1, small, error - 0.5).mean().item()", "copied down"),
        ("return xp", "loss = xp", "None"),
    ],
    "carry": [
        ("(x - xp.asarray(mean)) / xp.asarray(std)", "(x - mean) / std", "on the CPU"),
        ("return (x - xp.asarray(mean)) / xp.asarray(std)",
         "return (xp.asnumpy(x) - mean) / std if xp is far else (x - mean) / std", "on the CPU"),
        (") / xp.asarray(std)", ") * xp.asarray(std)", "divide by std"),
        ("(x - xp.asarray(mean)) / xp.asarray(std)", "(x - x.mean(0)) / x.std(0)", "training mode"),
        ("xp = module_of(x)", "xp = far", "x in NumPy"),
        ("xp.asarray(std)", "xp.sqrt(xp.asarray(std))", "no root"),
        ("xp.asarray(std)", "xp.asarray(std) ** 2", "no square"),
        ("(x - xp.asarray(mean)) / xp.asarray(std)", "x - xp.asarray(mean) / xp.asarray(std)",
         "divide all of it"),
        ("x - xp", "x + xp", "not added"),
        ("(x - xp.asarray(mean)) / xp.asarray(std)", "x / xp.asarray(std)", "mean is not used"),
        (" / xp.asarray(std)", "", "std is not used"),
        ("xp.asarray(std)", "std", "on the CPU"),
        ("xp.asarray(mean)", "mean", "on the CPU"),
        (None, "x = x.data if isinstance(x, Far) else x\nreturn (x - mean) / std", "AttributeError"),
        (None, "down = [a.get() if isinstance(a, Far) else a for a in (x, mean, std)]\n"
               "y = (down[0] - down[1]) / down[2]\n"
               "return far.asarray(y) if isinstance(x, Far) else y", "copied down"),
        (None, "down = [a.get() if isinstance(a, Far) else a for a in (x, mean, std)]\n"
               "return (down[0] - down[1]) / down[2]", "copied down"),
        (None, "return (far.asarray(x) - far.asarray(mean)) / far.asarray(std)",
         "x in NumPy: the result should be on x's device"),
        (None, "return (np.asarray(x) - mean) / std", "Implicit conversion"),
        (None, "if isinstance(x, Far) and isinstance(mean, np.ndarray):\n"
               "    mean, std = far.asarray(mean), far.asarray(std)\nreturn (x - mean) / std",
         "x and mean on the device, std in NumPy"),
        (None, "if isinstance(x, Far) and isinstance(std, np.ndarray):\n"
               "    mean, std = far.asarray(mean), far.asarray(std)\nreturn (x - mean) / std",
         "x and std on the device, mean in NumPy"),
        ("xp.asarray(std)", "xp.asarray(std + 1e-5)", "largest error"),
        (None, "try:\n    return (x - mean) / std\nexcept TypeError:\n    return x", "mean"),
        ("return (", "y = (", "None"),
    ],
    "bytes": [
        (None, "return images // batch_size * (batch_size * 6912 + 8)", "one label for each batch"),
        ("batches * batch_size *", "images *", "dropped"),
        ("images // batch_size", "-(-images // batch_size)", "not filled up"),
        (" * 4 + 8", " + 8", "has 4 bytes"),
        (" * 4 + 8", " * 4", "labels"),
        (" * 4 + 8", " * 8 + 8", "not float64"),
        ("batches * batch_size", "batch_size", "one batch"),
        ("* 4 + 8", "* 4 + 4", "int64 labels"),
        ("batches * batch_size", "batches", "one image of each batch"),
        ("* 4 + 8", "* 4 + 1", "a label is a number"),
        ("24 * 24 * 3 * 4", "24 * 24 * 4", "3 channels"),
        ("return batches", "return 8 * batches", "bits"),
        ("(24 * 24 * 3 * 4 + 8)", "(24 * 24 * 3 * 4 + 8) / 1000", "kilobytes"),
        ("(24 * 24 * 3 * 4 + 8)", "(24 * 24 * 3 * 4 + 8) / 1024", "kilobytes"),
        ("24 * 24 * 3", "32 * 32 * 3", "bytes for"),
        ("return batches * batch_size * (24 * 24 * 3 * 4 + 8)", "return 899600", "bytes for"),
        ("return batches", "batches", "None"),
        (None, "return f'{images * 6920} bytes'", "should be a number"),
        (None, "return images, batch_size", "shape"),
        (None, "return images / batch_size * batch_size * 6920", "dropped"),
        (None, "return round(images / batch_size) * batch_size * 6920", "bytes for"),
    ],
    "time": [
        ("work()\n    gpu.synchronize()\n    start", "gpu.synchronize()\n    start", "compiled"),
        ("work()\n    gpu.synchronize()\n    return", "work()\n    return", "still running"),
        ("gpu.synchronize()\n    start", "start", "still in the queue"),
        ("work()\n    gpu.synchronize()\n    start = gpu.clock()\n    work()\n    gpu.synchronize()\n    return gpu.clock() - start",
         "gpu.synchronize()\n    start = gpu.clock()\n    work()\n    gpu.synchronize()\n    return gpu.clock() - start - 5000",
         "compiled"),
        ("start = gpu.clock()\n    work()", "start = gpu.clock()\n    work()\n    work()", "several times"),
        ("start = gpu.clock()\n    work()", "start = gpu.clock()\n    work()\n    gpu.synchronize()\n    work()", "several times"),
        ("start = gpu.clock()\n    work()", "start = gpu.clock()\n    for _ in range(10):\n        work()", "several times"),
        ("start = gpu.clock()\n    work()\n    gpu.synchronize()\n    return gpu.clock() - start",
         "start = gpu.clock()\n    for _ in range(10):\n        work()\n    gpu.synchronize()\n    return (gpu.clock() - start) / 10",
         "several times"),
        ("return gpu.clock() - start", "gpu.clock() - start", "nothing is returned"),
        ("work()\n    gpu.synchronize()\n    start = gpu.clock()\n    work()",
         "gpu.compiled = True\n    gpu.synchronize()\n    start = gpu.clock()\n    work()", "AttributeError"),
        (None, "gpu.synchronize()\nstart = gpu.clock()\nwork()\ngpu.synchronize()\n"
               "return gpu.clock() - start - getattr(gpu, 'compiling', 0)", "compiled"),
        (None, "gpu.synchronize()\nstart = gpu.clock()\nwork()\ngpu.synchronize()\n"
               "return gpu.clock() - start", "compiled"),
        (None, "start = gpu.clock()\nwork()\ngpu.synchronize()\nreturn gpu.clock() - start", "compiled"),
        (None, "gpu.synchronize()\nstart = gpu.clock()\nwork()\nreturn gpu.clock() - start", "compiled"),
        (None, "work()\nstart = gpu.clock()\nwork()\nreturn gpu.clock() - start", "still in the queue"),
        (None, "work()\ngpu.synchronize()\nstart = gpu.clock()\ngpu.synchronize()\n"
               "return gpu.clock() - start", "not called between"),
        (None, "work()\ngpu.synchronize()\nwork()\ngpu.synchronize()\nreturn gpu.clock()",
         "read twice"),
        (None, "gpu.synchronize()\nstart = gpu.clock()\ngpu.launch()\ngpu.synchronize()\n"
               "return gpu.clock() - start", "was not called"),
        (None, "work()\ngpu.synchronize()\nstart = gpu.clock()\nwork()\ngpu.synchronize()\n"
               "return start - gpu.clock()", "sign"),
        (None, "work()\ngpu.synchronize()\nstart = gpu.clock()\nwork()\ngpu.synchronize()\n"
               "return (gpu.clock() - start) / 4", "not their difference"),
        (None, "work()\ngpu.synchronize()\nstart = gpu.clock()\nwork()\ngpu.synchronize()\n"
               "return start, gpu.clock()", "one number"),
        (None, "import time\nwork()\nstart = time.perf_counter()\nwork()\ngpu.synchronize()\n"
               "return 1e6 * (time.perf_counter() - start)", "read twice"),
        (None, "times = []\nfor _ in range(3):\n    gpu.synchronize()\n    start = gpu.clock()\n"
               "    work()\n    gpu.synchronize()\n    times.append(gpu.clock() - start)\n"
               "return np.mean(times)", "compiled"),
        (None, "work()\ntimes = []\nfor _ in range(3):\n    start = gpu.clock()\n    work()\n"
               "    gpu.synchronize()\n    times.append(gpu.clock() - start)\nreturn times[0]",
         "still in the queue"),
        (None, "return 410.0", "was not called"),
        (None, "work()\ngpu.synchronize()\nstart = gpu._FakeGPU__free\nwork()\n"
               "return gpu._FakeGPU__free - start", "AttributeError"),
    ],
    "bound": [
        (BOTH, "launches * (c + kernel)", "overlap"),
        (BOTH, "launches * kernel", "GPU alone"),
        (BOTH, "launches * c", "launching alone"),
        (BOTH, "launches * max(c, kernel)", "nearly"),
        (BOTH, "launches * max(c, kernel) + c", "the last kernel comes on top"),
        (BOTH, "launches * max(c, kernel) + kernel", "the first launch comes on top"),
        ("kernel = k", "launches = 1000\n    kernel = k", "not always 1000"),
        ("kernel = k", "c = 5.0\n    kernel = k", "not always 5"),
        ("kernel = k", "kernel = 0.5", "not always 0.5"),
        ("kernel = k", "launches, c, k = 1000, 5.0, 0.5\n    kernel = k", "use them"),
        ("max(c", "min(c", "take the longer"),
        (BOTH, "c + launches * kernel", "only where kernels are longer"),
        (BOTH, "launches * c + kernel", "only where kernels are shorter"),
        ("k * batch_size", "k", "not for k"),
        (BOTH, BOTH + " - c", "launched at c, not at 0"),
        (BOTH, BOTH + " / batch_size", "one image"),
        (BOTH, BOTH + " / 1000", "times what it should be"),
        ("return max", "max", "None"),
        (BOTH, "(c + launches * kernel, launches * c + kernel)", "shape"),
        (BOTH, "str(max(c, kernel))", "should be numbers"),
        (BOTH, "launches * c + launches * kernel", "overlap"),
        (None, "end = 0.0\nfor i in range(launches):\n    end = max(end, i * c) + k * batch_size\n"
               "return end", "launched at c, not at 0"),
        (None, "end = 0.0\nfor i in range(1, launches):\n    end = max(end, i * c) + k * batch_size\n"
               "return end", "last kernel is missing"),
    ],
}

# Other right answers: (what to replace in the solution, by what).
ALSO_RIGHT = {
    "module": [
        (None, "for kind, module in ((np.ndarray, np), (Far, far)):\n"
               "    if isinstance(x, kind):\n        return module\n"
               "raise TypeError('no array: ' + type(x).__name__)"),
        (None, "try:\n    return {np.ndarray: np, Far: far}[type(x)]\n"
               "except KeyError:\n    raise TypeError(f'{type(x)} is not an array') from None")],
    "free": [
        (None, "xp = module_of(z)\nerror = abs(z - target)\n"
               "return xp.mean(xp.where(error < 1, error * error / 2, error - 0.5))"),
        (None, "xp = module_of(z)\nerror = xp.absolute(xp.subtract(z, target))\n"
               "small = xp.minimum(error, 1)\nreturn (small * (error - small / 2)).mean()"),
        (None, "xp = far if isinstance(z, Far) else np\nerror = xp.abs(z - target)\n"
               "inside = error < 1\nloss = inside * (0.5 * error ** 2) + (~inside) * (error - 0.5)\n"
               "return loss.sum() / loss.size")],
    "carry": [
        (None, "to = far.asarray if isinstance(x, Far) else np.asarray\nreturn (x - to(mean)) / to(std)"),
        (None, "xp = module_of(x)\nmean, std = xp.asarray(mean), xp.asarray(std)\n"
               "return x / std - mean / std"),
        (None, "if isinstance(x, Far):\n"
               "    mean, std = (a if isinstance(a, Far) else Far(a) for a in (mean, std))\n"
               "return (x - mean) / std")],
    "bytes": [
        (None, "total = 0\nfor _ in range(images // batch_size):\n"
               "    total += np.zeros((batch_size, 24, 24, 3), np.float32).nbytes\n"
               "    total += np.zeros(batch_size, np.int64).nbytes\nreturn total"),
        (None, "return (images - images % batch_size) * 6920.0")],
    "time": [
        (None, "times = []\nfor _ in range(3):\n    gpu.synchronize()\n    start = gpu.clock()\n"
               "    work()\n    gpu.synchronize()\n    times.append(gpu.clock() - start)\n"
               "return min(times)"),
        (None, "for _ in range(5):\n    work()\ngpu.synchronize()\nstart = gpu.clock()\nwork()\n"
               "gpu.synchronize()\nstop = gpu.clock()\nreturn np.float64(stop - start)"),
        (None, "gpu.launch()\ngpu.synchronize()\ngpu.synchronize()\nstart = gpu.clock()\nwork()\n"
               "gpu.synchronize()\nreturn gpu.clock() - start")],
    "bound": [
        (None, "end = 0.0\nfor i in range(1, launches + 1):\n"
               "    end = max(end, i * c) + k * batch_size\nreturn end"),
        (None, "kernel = k * batch_size\nreturn launches * max(c, kernel) + min(c, kernel)")],
}
