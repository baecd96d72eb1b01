"""What a cell shows: sentences, figures with a caption and an alternative text, sliders."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt

from minibn.teaching import setting


def say(text: str) -> None:
    """Show a sentence of Markdown: how a number that a cell computed gets into the prose."""
    try:
        from IPython.display import Markdown, display
    except ImportError:
        print(text)
    else:
        display(Markdown(text))


def show(fig: plt.Figure, alt: str, caption: str = "") -> None:
    """Show a figure with its alternative text and, below it, its caption as text.

    alt: what a reader who does not see the figure needs: kind of figure, axes, what it shows. It
    goes into the output's metadata (`alt`), where nbconvert and readers for the blind find it, and
    is the output's plain text.
    caption: Markdown; what to see in the figure. As text it wraps on a narrow page, can be
    searched, and is read out. The figure is closed.
    """
    if not alt.strip():
        raise ValueError("alt is empty: say in words what the figure shows")
    picture = io.BytesIO()
    fig.savefig(picture, format="png")
    plt.close(fig)
    show_png(picture.getvalue(), alt, caption)


def show_png(png: bytes, alt: str, caption: str = "") -> None:
    """Show a picture that is already a PNG file, with its alternative text and its caption."""
    try:
        from IPython.display import display
    except ImportError:
        print(caption or alt)
        return
    about = {"alt": alt}
    display({"image/png": base64.b64encode(png).decode("ascii"), "text/plain": alt},
            raw=True, metadata={"image/png": about, **about})
    if caption:
        say(f"*Figure.* {caption}")


def play(draw: Callable[..., None], **sliders: Any) -> None:
    """Sliders for the arguments of `draw`; where nobody can move them, the picture as it starts.

    sliders: widgets of ipywidgets, which comes with jupyter.
    """
    if setting.STATIC:
        draw(**{name: slider.value for name, slider in sliders.items()})
    else:
        import ipywidgets
        from IPython.display import display

        display(ipywidgets.interactive(draw, **sliders))
