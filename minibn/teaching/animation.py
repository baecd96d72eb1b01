"""Pictures that move, small enough for a notebook: an animated PNG, which needs no player."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from minibn.teaching.display import show_png


def animate(draw: Callable[[plt.Figure, Any], None], frames: Iterable[Any], *, alt: str,
            caption: str = "", figsize: tuple[float, float] = (7.0, 3.0),
            milliseconds: int = 250) -> None:
    """Show an animation with its alternative text and, below it, its caption.

    draw(figure, frame) draws one frame into an empty figure.  frames: the values of `frame`, in
    order.  Each stays for so many milliseconds, the last one ten times as long; then it begins
    again.  A page that does not play animated PNGs shows the last frame.
    alt, caption: as in `teaching.show`.
    """
    if not alt.strip():
        raise ValueError("alt is empty: say in words what the animation shows")
    pictures = [_picture(draw, frame, figsize) for frame in frames]
    if not pictures:
        raise ValueError("frames is empty: an animation needs at least one frame")
    show_png(animated_png(pictures, milliseconds), alt, caption)


def animated_png(pictures: list[Image.Image], milliseconds: int) -> bytes:
    """An animated PNG of 64 colors. Readers that cannot play it show the last picture."""
    palette = pictures[-1].quantize(64)
    small = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    colors = np.array(palette.getpalette()).reshape(-1, 3)
    colors[colors.min(1) > 245] = 255                          # paper is white, not nearly so
    for picture in small:
        picture.putpalette(colors.ravel().tolist())
    file = io.BytesIO()
    small[-1].save(file, format="PNG", save_all=True, append_images=small, default_image=True,
                   duration=[milliseconds] * (len(small) - 1) + [10 * milliseconds], loop=0,
                   optimize=True)
    return file.getvalue()


def _picture(draw: Callable[[plt.Figure, Any], None], frame: Any, figsize: tuple[float, float]
             ) -> Image.Image:
    figure = plt.figure(figsize=figsize)
    try:
        draw(figure, frame)
        figure.canvas.draw()
        buffer = figure.canvas.buffer_rgba()          # type: ignore[attr-defined]
        return Image.fromarray(np.asarray(buffer)).convert("RGB")
    finally:
        plt.close(figure)
