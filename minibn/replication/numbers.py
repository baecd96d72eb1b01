"""Numbers of the registered replication as text: points, intervals, ratios, shares."""

from __future__ import annotations

from minibn.norms import NORMS
from minibn.replication.findings import Ratio
from minibn.replication.statistics import Difference, Estimate

MINUS = "\N{MINUS SIGN}"


def signed(points: float, digits: int = 2) -> str:
    """"+0.42", "−1.30", "0.00"."""
    text = f"{points:+.{digits}f}"
    return f"{0:.{digits}f}" if float(text) == 0 else text.replace("-", MINUS)


def points(found: Estimate | Difference) -> str:
    """"+0.42 points", of a difference of accuracies."""
    one = found.estimate if isinstance(found, Difference) else found
    return f"{signed(100 * one.mean)} points"


def interval(found: Estimate | Difference) -> str:
    """"+0.10 to +0.74", the 95 % interval in points; "no interval" for one seed."""
    one = found.estimate if isinstance(found, Difference) else found
    if one.n < 2:
        return "no interval"
    return f"{signed(100 * one.low)} to {signed(100 * one.high)}"


def with_interval(found: Estimate | Difference) -> str:
    """"+0.42 points (+0.10 to +0.74)"."""
    return f"{points(found)} ({interval(found)})"


def times(found: Ratio) -> str:
    """"0.83 times (0.79 to 0.88)"."""
    return f"{found.mean:.2f} times ({found.low:.2f} to {found.high:.2f})"


def percent(share: float) -> str:
    """"43.2 %"."""
    return f"{100 * share:.1f} %"


def percent_of(found: Estimate) -> str:
    """"43.21 ± 0.30", in %; one seed has no interval."""
    half = f" ± {100 * found.half:.2f}" if found.n > 1 else ""
    return f"{100 * found.mean:.2f}{half}"


def title(norm: str) -> str:
    """A method's name."""
    return NORMS[norm].title


def listed(words: list[str]) -> str:
    """"a", "a and b", "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def counted(number: int, noun: str) -> str:
    """"1 run", "12 runs"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
