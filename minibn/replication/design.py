"""The table of arms in results/medium/DESIGN.md, from the arms themselves."""

from __future__ import annotations

from collections.abc import Sequence

from minibn.norms import NORMS
from minibn.replication.arms import ARMS, FIRST_SEEDS, METHODS, Runs, Search, Size, length_of
from minibn.replication.plan import expected_jobs
from minibn.replication.wording import markdown


def arms_table(size: Size) -> str:
    """Every arm's searches and runs, one a line."""
    rows = []
    for name, arm in ARMS.items():
        lines: list[Search | Runs] = [*arm.searches, *arm.runs]
        for line in lines:
            rows.append([f"**{name}**", arm.title, *_row(size, line)])
        rows[-1].append(str(len({job.name for job in expected_jobs(size, name)})))
    rows = [row if len(row) == 9 else [*row, ""] for row in rows]
    return markdown(["arm", "question", "methods", "batch", "width", "rates", "seeds",
                     "epochs (rate ÷ 10 after)", "runs of the arm"], rows)


def _row(size: Size, line: Search | Runs) -> list[str]:
    if isinstance(line, Search):
        rates, width = f"search among {', '.join(f'{lr:g}' for lr in line.rates)}", size.width
    else:
        rates = line.rate if isinstance(line.rate, str) else f"{line.rate:g}"
        width = size.wide if line.wide else size.width
    epochs, drops = length_of(size, line.length)
    after = f" ({', '.join(map(str, drops))})" if drops else ""
    seeds = span(line.seeds)
    if line in ARMS["A"].runs:
        seeds = f"{span(line.seeds[:FIRST_SEEDS])}, by the stopping rule to {line.seeds[-1]}"
    return [methods(line.norms), str(line.batch), str(width), rates, seeds, f"{epochs}{after}"]


def methods(norms: Sequence[str]) -> str:
    """"the three", or their names."""
    return "the three" if tuple(norms) == METHODS else ", ".join(
        NORMS[norm].title for norm in norms)


def span(seeds: Sequence[int]) -> str:
    """"101–108"."""
    return str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]}–{seeds[-1]}"
