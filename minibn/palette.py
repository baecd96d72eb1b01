"""The colors and markers of all figures.

Okabe and Ito's colors, which color-blind readers tell apart; markers for print in gray.
"""

from __future__ import annotations

from typing import NamedTuple


class Style(NamedTuple):
    """How a normalization looks in every figure."""

    color: str
    marker: str


class Styles(dict):
    """Styles by the norm's name; one without a style of its own gets the next free one."""

    def __missing__(self, norm: str) -> Style:
        self[norm] = FREE[(len(self) - NAMED) % len(FREE)]
        return self[norm]


STYLES: dict[str, Style] = Styles({
    "bn": Style("#0072B2", "o"), "brn": Style("#D55E00", "s"),
    "renorm_debias": Style("#009E73", "^"), "ln": Style("#CC79A7", "v"),
    "gn": Style("#E69F00", "D"), "wn": Style("#56B4E9", "P"), "none": Style("#666666", "X"),
})
NAMED = len(STYLES)
FREE = (Style("#8C510A", "<"), Style("#5E3C99", ">"), Style("#000000", "*"), Style("#B2ABD2", "h"),
        Style("#A6A100", "p"))

BATCHES = {128: "#56B4E9", 10: "#E69F00", 5: "#0072B2", 2: "#CC79A7", 1: "#D55E00"}  # batch sizes
GRAY = "#888888"                 # lines that are only there to compare with
BAND = 0.14                      # opacity of bands
