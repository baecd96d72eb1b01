"""How the report says things: differences, shares, intervals and names, as text."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from minibn.replication.conditions import Condition
from minibn.replication.results import Result
from minibn.replication.statistics import Difference, Estimate
from minibn.replication.verdicts import Judged


def reasons(one: Judged) -> str:
    """What the verdict rests on, in a sentence."""
    measured = "; ".join(f"{part.what} {shown(part.difference, part.unit)}" for part in one.parts)
    return f"{measured[0].upper()}{measured[1:]}."


def shown(difference: Difference | None, unit: str) -> str:
    """"+1.20 ± 0.60 points (5/5; 0.81)": mean, interval, pairs above 0, detectable size."""
    if difference is None:
        return "–"
    scale, digits = (100, 2) if unit == "points" else (1, 2 if unit == "epochs" else 3)
    found = difference.estimate
    if round(scale * abs(found.mean), digits) == round(scale * found.half, digits):
        digits += 1                                        # to see which of them is larger
    return (f"{scale * found.mean:+.{digits}f} ± {scale * found.half:.{digits}f} {unit} "
            f"({difference.wins}/{found.n}; {scale * difference.detectable:.{digits}f})"
            ).replace("  ", " ").replace("-", "\N{MINUS SIGN}")


def percent(found: Estimate) -> str:
    """A share as "54.3 ± 1.2"."""
    return plus_minus(scaled(found), 1)


def scaled(found: Estimate) -> Estimate:
    """A share in percent."""
    return Estimate(100 * found.mean, 100 * found.half, found.n)


def plus_minus(found: Estimate, digits: int) -> str:
    """"54.3 ± 1.2"; one seed alone has no interval."""
    half = f" ± {found.half:.{digits}f}" if np.isfinite(found.half) else ""
    return f"{found.mean:.{digits}f}{half}"


def clipped(found: Sequence[Result]) -> str:
    """Mean share of clipped channels over the epochs, in training and in test mode "batch".

    "" where no run has any: other methods, and runs that diverged in their first epoch.
    """
    both = ([r.history.clipped_train for r in found], [r.history.clipped_test for r in found])
    means = [[np.mean(shares) for shares in runs if shares] for runs in both]
    return "/".join(f"{100 * np.mean(values):.1f}" for values in means if values)


def batch_name(condition: Condition) -> str:
    """"5", or "10 × 5" where batches are gathered."""
    gathered = f"{condition.accumulate} × " if condition.accumulate > 1 else ""
    return f"{gathered}{condition.batch_size}"


def number(value: float | None) -> str:
    """A number of the paper, or nothing."""
    return "" if value is None else f"{value:g}"


def names(found: Sequence[Result]) -> str:
    """How many runs of which condition, and what became of them."""
    count = Counter(f"{r.job.condition} ({'stuck' if r.stuck else 'diverged'}" for r in found)
    return ", ".join(f"{what} × {number})" for what, number in count.items())


def capital(text: str) -> str:
    """The first letter large."""
    return text[0].upper() + text[1:]


def literal(text: object) -> str:
    """A text from a file, as Markdown that shows it: in one line, no markup, link or HTML."""
    line = html.escape(" ".join(str(text).split()), quote=False)
    return re.sub(r"([\\`*_{}\[\]()#+!|~])", r"\\\1", "".join(
        c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line))


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
