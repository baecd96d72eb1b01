"""The learning rates that `compare` and `train` use where --lr is not given.

A comparison at one common rate favors the method that this rate suits.  So every method has the
rate that one and the same small search found for it: `compare --search` trains it at each rate of
a grid, on three quarters of the training images, and takes the one with the highest accuracy on the
last quarter.  The search's results are kept in docs/rates/, and a test holds this table to them.

500 held-out images leave an accuracy uncertain by some 4 points (95 %), so neighboring rates
are often equally good.
"""

from __future__ import annotations

from typing import NamedTuple


class Found(NamedTuple):
    """Rates by norm, the command that found them, when, and its result file in this repository."""

    command: str
    date: str
    file: str
    rates: dict[str, float]


RATES = {
    "synthetic": Found(
        "python -m minibn compare --search --norms bn brn renorm_debias ln gn wn none --seeds 2",
        "2026-11-28", "docs/rates/synthetic.json",
        {"bn": 0.017, "brn": 0.017, "renorm_debias": 0.01, "ln": 0.003, "gn": 0.01, "wn": 0.0017,
         "none": 0.003}),
}

OTHERWISE = 0.01                 # for data sets and norms that no search has covered


def rate_for(data: str, norm: str) -> float:
    """The learning rate of a norm on a data set ("synthetic", "cifar10", "cifar100")."""
    found = RATES.get(data)
    return found.rates.get(norm, OTHERWISE) if found else OTHERWISE


def where_from(data: str, norms: list[str]) -> str:
    """A sentence on how the rates of these norms were chosen."""
    found = RATES.get(data)
    searched = [norm for norm in norms if found and norm in found.rates]
    others = [norm for norm in norms if norm not in searched]
    sentences = []
    if found and searched:
        sentences.append("each method has the rate that one search found for it "
                         f"({found.command}, {found.date})")
    if others:
        sentences.append(f"no search has been made for {', '.join(others)} on {data}, so "
                         f"{OTHERWISE:g} (compare --search makes one)")
    return "; ".join(sentences)
