"""Tables and numbers for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from minibn.commands.terminal import printable


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Aligned columns, the first `left` of them to the left, under a rule.

    A cell is one line of printable text, whatever it came from.
    """
    lines = [[printable(" ".join(cell.split())) for cell in line] for line in (header, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]

    def aligned(line: Sequence[str]) -> str:
        cells = (cell.ljust(width) if column < left else cell.rjust(width)
                 for column, (cell, width) in enumerate(zip(line, widths, strict=True)))
        return "  ".join(cells).rstrip()

    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    first, *others = map(aligned, lines)
    return "\n".join([first, rule, *others])


def percent(share: float | None) -> str:
    """0.8765 → "87.7 %"; None → "–"."""
    return "–" if share is None else f"{100 * share:.1f} %"


def duration(seconds: float) -> str:
    """A time to wait, roughly: "40 s", "12 min", "3.5 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def count(number: int, noun: str) -> str:
    """"1 epoch", "2,000 epochs"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
