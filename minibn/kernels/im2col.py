"""The windows that a convolution sees, laid out as rows of a matrix, a few images at a time."""

from __future__ import annotations

from minibn.backend import Array, array_module, parts, strided
from minibn.kernels.workspace import Workspace

# Floats in a block of windows (3 MB): it should still be in the cache when the product reads it.
TOGETHER = 768 * 1024


class Windows:
    """All windows of images x (N, H, W, C) under a kernel (kh, kw, …), stride and zero padding.

    height, width: of the result, which has one window for each position.
    Raises ValueError where the kernel is larger than the padded image.
    """

    def __init__(self, x: Array, kernel: tuple[int, ...], stride: int, padding: int,
                 workspace: Workspace) -> None:
        self.xp = array_module(x)
        self.x = x
        self.kh, self.kw = kernel[:2]
        self.padding = padding
        self.height = (x.shape[1] + 2 * padding - self.kh) // stride + 1
        self.width = (x.shape[2] + 2 * padding - self.kw) // stride + 1
        if self.height < 1 or self.width < 1:
            raise ValueError(f"x of {x.shape[1]}x{x.shape[2]}, padded by {padding}, is smaller "
                             f"than the kernel of {self.kh}x{self.kw}")
        # Beyond the image one stride is like another, and this one is no overflow in memory.
        self.stride = min(stride, max(x.shape[1:3]) + 2 * padding)
        self.workspace = workspace

    def blocks(self) -> list[slice]:
        """The images, cut into blocks whose windows are made together."""
        values = self.height * self.width * self.kh * self.kw * self.x.shape[3]
        return parts(len(self.x), values, self.xp, piece=TOGETHER)

    def matrix(self, n: slice) -> Array:
        """The windows of some images, (positions, kh·kw·C); valid until the next are asked for."""
        x = self.x[n]
        if self.kh == self.kw == self.stride == 1 and self.padding == 0:
            return x.reshape(-1, x.shape[3])                           # each pixel is a window
        padded = pad(x, self.padding, self.workspace)
        # Along a row of the image, a window's kw·C values lie side by side in memory: the copy
        # moves them as one run.
        image, row, column, item = padded.strides
        run = self.kw * x.shape[3]
        seen = strided(
            padded, (len(x), self.height, self.width, self.kh, run),
            (image, self.stride * row, self.stride * column, row, item))
        windows = self.workspace.array("windows", seen.shape, x.dtype, self.xp)
        windows[...] = seen
        return windows.reshape(-1, self.kh * run)


def pad(x: Array, padding: int, workspace: Workspace) -> Array:
    """x (N, H, W, C) with `padding` zeros around each image, in the workspace."""
    images, height, width, channels = x.shape
    shape = (images, height + 2 * padding, width + 2 * padding, channels)
    padded = workspace.array("padded", shape, x.dtype, array_module(x))
    rows, columns = slice(padding, padding + height), slice(padding, padding + width)
    padded[:, :padding] = 0
    padded[:, padding + height:] = 0
    padded[:, rows, :padding] = 0
    padded[:, rows, padding + width:] = 0
    padded[:, rows, columns] = x
    return padded
