"""The windows that a convolution sees, laid out as rows of a matrix, a few images at a time."""

from __future__ import annotations

from numpy import ndarray as Array

from minibn.kernels.blocking import parts, strided
from minibn.kernels.workspace import scratch

# Floats in a block of windows (3 MB): it should still be in the cache when the product reads it.
TOGETHER = 768 * 1024


class Windows:
    """All windows of images x (N, H, W, C) under a kernel (kh, kw, …), stride and zero padding.

    height, width: of the result, which has one window for each position.
    """

    def __init__(self, x: Array, kernel: tuple[int, ...], stride: int, padding: int) -> None:
        self.x = x
        self.kh, self.kw = kernel[:2]
        self.padding = padding
        self.height = (x.shape[1] + 2 * padding - self.kh) // stride + 1
        self.width = (x.shape[2] + 2 * padding - self.kw) // stride + 1
        self.stride = stride

    def blocks(self) -> list[slice]:
        """The images, cut into blocks whose windows are made together."""
        values = self.height * self.width * self.kh * self.kw * self.x.shape[3]
        return parts(len(self.x), values, piece=TOGETHER)

    def matrix(self, n: slice) -> Array:
        """The windows of some images, (positions, kh·kw·C); valid until the next are asked for."""
        x = self.x[n]
        if self.kh == self.kw == self.stride == 1 and self.padding == 0:
            return x.reshape(-1, x.shape[3])                           # each pixel is a window
        padded = pad(x, self.padding)
        # Along a row of the image, a window's kw·C values lie side by side in memory: the copy
        # moves them as one run.
        image, row, column, item = padded.strides
        run = self.kw * x.shape[3]
        seen = strided(
            padded, (len(x), self.height, self.width, self.kh, run),
            (image, self.stride * row, self.stride * column, row, item))
        windows = scratch("windows", seen.shape, x.dtype)
        windows[...] = seen
        return windows.reshape(-1, self.kh * run)


def pad(x: Array, padding: int) -> Array:
    """x (N, H, W, C) with `padding` zeros around each image, in scratch memory."""
    images, height, width, channels = x.shape
    shape = (images, height + 2 * padding, width + 2 * padding, channels)
    padded = scratch("padded", shape, x.dtype)
    rows, columns = slice(padding, padding + height), slice(padding, padding + width)
    padded[:, :padding] = 0
    padded[:, padding + height:] = 0
    padded[:, rows, :padding] = 0
    padded[:, rows, padding + width:] = 0
    padded[:, rows, columns] = x
    return padded
