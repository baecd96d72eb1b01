"""Wrong answers to the exercises of notebook 10.

For each exercise: (what to replace in the solution, by what, words of the hint that must come).
"""

WRONG = {
    "module": [
        ("return np", "return far", "np itself"),
        ("return far", "return np", "far itself"),
        ('raise TypeError(f"x must be an array, not {type(x).__name__}")', "return np", "no array"),
        ("{type(x).__name__}", "that", "name the type"),
    ],
    "free": [
        ("xp = module_of(z)", "xp = np", "np."),
        ("xp.where", "np.where", "np."),
        (".mean()", ".mean().__float__()", "come down"),
        ("- 0.5)", ")", "too large"),
        ("xp.where(error < 1, small, error - 0.5).mean()",
         "xp.asarray(float(xp.where(error < 1, small, error - 0.5).mean()))", "on the way"),
        ("return xp.where(error < 1, small, error - 0.5).mean()",
         "loss = xp.where(error < 1, small, error - 0.5)\n"
         "    return xp.asarray(xp.asnumpy(loss).mean()) if xp is far else loss.mean()", "on the way"),
        ("error = xp.abs(z - target)",
         "if xp is far:\n"
         "        z, target = far.asnumpy(z), far.asnumpy(target)\n"
         "        return far.asarray(smooth_loss(z, target))\n"
         "    error = xp.abs(z - target)", "on the way"),
    ],
    "carry": [
        ("(x - xp.asarray(mean)) / xp.asarray(std)", "(x - mean) / std", "may be NumPy"),
        ("return (x - xp.asarray(mean)) / xp.asarray(std)",
         "return (xp.asnumpy(x) - mean) / std if xp is far else (x - mean) / std", "came down"),
        (") / xp.asarray(std)", ") * xp.asarray(std)", "largest error"),
        ("(x - xp.asarray(mean)) / xp.asarray(std)", "(x - x.mean(0)) / x.std(0)", "training mode"),
        ("xp = module_of(x)", "xp = far", "x may be a NumPy array, too"),
        ("xp.asarray(std)", "xp.sqrt(xp.asarray(std))", "no root"),
    ],
    "bytes": [
        ("batches * batch_size *", "images *", "dropped"),
        ("images // batch_size", "-(-images // batch_size)", "not filled up"),
        (" * 4 + 8", " + 8", "4 bytes"),
        (" * 4 + 8", " * 4", "labels"),
        (" * 4 + 8", " * 8 + 8", "not float64"),
        ("batches * batch_size", "batch_size", "one batch"),
        ("* 4 + 8", "* 4 + 4", "int64 labels"),
        ("batches * batch_size", "batches", "one image of each batch"),
    ],
    "time": [
        ("work()\n    gpu.synchronize()\n    start", "gpu.synchronize()\n    start", "warm up"),
        ("work()\n    gpu.synchronize()\n    return", "work()\n    return", "how long Python took"),
        ("gpu.synchronize()\n    start", "start", "older work"),
        ("work()\n    gpu.synchronize()\n    start = gpu.clock()\n    work()\n    gpu.synchronize()\n    return gpu.clock() - start",
         "gpu.synchronize()\n    start = gpu.clock()\n    work()\n    gpu.synchronize()\n    return gpu.clock() - start - 5000",
         "warm up"),
        ("start = gpu.clock()\n    work()", "start = gpu.clock()\n    work()\n    work()", "several calls"),
        ("start = gpu.clock()\n    work()", "start = gpu.clock()\n    work()\n    gpu.synchronize()\n    work()", "several calls"),
        ("start = gpu.clock()\n    work()", "start = gpu.clock()\n    for _ in range(10):\n        work()", "several calls"),
        ("start = gpu.clock()\n    work()\n    gpu.synchronize()\n    return gpu.clock() - start",
         "start = gpu.clock()\n    for _ in range(10):\n        work()\n    gpu.synchronize()\n    return (gpu.clock() - start) / 10", "queue up"),
        ("return gpu.clock() - start", "gpu.clock() - start", "nothing is returned"),
    ],
    "bound": [
        ("max(c + launches * kernel, launches * c + kernel)", "launches * (c + kernel)", "overlap"),
        ("max(c + launches * kernel, launches * c + kernel)", "launches * kernel", "alone"),
        ("max(c + launches * kernel, launches * c + kernel)", "launches * c", "alone"),
        ("max(c + launches * kernel, launches * c + kernel)", "launches * max(c, kernel)", "nearly"),
        ("max(c + launches * kernel, launches * c + kernel)", "launches * max(c, kernel) + c", "the last kernel comes on top"),
        ("max(c + launches * kernel, launches * c + kernel)", "launches * max(c, kernel) + kernel", "the first launch comes on top"),
        ("kernel = k", "launches = 1000\n    kernel = k", "not always 1000"),
        ("kernel = k", "c = 5.0\n    kernel = k", "not always 5"),
        ("kernel = k", "kernel = 0.5", "not always 0.5"),
        ("kernel = k", "launches, c, k = 1000, 5.0, 0.5\n    kernel = k", "as they come in"),
    ],
}
