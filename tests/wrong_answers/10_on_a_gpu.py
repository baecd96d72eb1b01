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
    ],
    "carry": [
        ("(x - xp.asarray(mean)) / xp.asarray(std)", "(x - mean) / std", "may be NumPy"),
        ("return (x - xp.asarray(mean)) / xp.asarray(std)",
         "return (xp.asnumpy(x) - mean) / std if xp is far else (x - mean) / std", "came down"),
        (") / xp.asarray(std)", ") * xp.asarray(std)", "largest error"),
    ],
    "bytes": [
        ("batches * batch_size *", "images *", "dropped"),
        (" * 4 + 8", " + 8", "4 bytes"),
        (" * 4 + 8", " * 4", "labels"),
        (" * 4 + 8", " * 8 + 8", "not float64"),
        ("batches * batch_size", "batch_size", "one batch"),
    ],
    "time": [
        ("work()\n    gpu.synchronize()\n    start", "gpu.synchronize()\n    start", "warm up"),
        ("work()\n    gpu.synchronize()\n    return", "work()\n    return", "how long Python took"),
        ("gpu.synchronize()\n    start", "start", "older work"),
        ("return gpu.clock() - start", "gpu.clock() - start", "nothing is returned"),
    ],
    "bound": [
        ("max(c + launches * kernel, launches * c + kernel)", "launches * (c + kernel)", "overlap"),
        ("max(c + launches * kernel, launches * c + kernel)", "launches * kernel", "alone"),
        ("max(c + launches * kernel, launches * c + kernel)", "launches * c", "alone"),
        ("max(c + launches * kernel, launches * c + kernel)", "launches * max(c, kernel)", "nearly"),
    ],
}
