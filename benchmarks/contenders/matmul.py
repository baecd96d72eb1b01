"""The measure of the machine: one square float32 matrix product in NumPy, or CuPy on a GPU."""

from __future__ import annotations

import numpy as np

from minibn.backend import device_module

SIZE = {"cpu": 1536, "gpu": 4096}


class MatrixProduct:
    def __init__(self, batch, width, norm, device):
        self.xp = device_module(device)
        n = SIZE[device]
        factors = np.random.default_rng(0).standard_normal((2, n, n), dtype="f4")
        self.a, self.b = self.xp.asarray(factors)
        self.out = self.xp.empty((n, n), "f4")
        self.flops = 2.0 * n**3
        self.wait = (lambda: None) if device == "cpu" else self.xp.cuda.Device().synchronize

    def step(self):
        self.xp.matmul(self.a, self.b, out=self.out)
        return self.out[0, 0]
