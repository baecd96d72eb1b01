"""Tables for the terminal and for the README."""

from __future__ import annotations


def spread_text(s: dict[str, float], digits: int) -> str:
    """`median (q1–q3)`."""
    return f"{s['median']:.{digits}f} ({s['q1']:.{digits}f}–{s['q3']:.{digits}f})"


def ms_text(s: dict[str, float]) -> str:
    return spread_text(s, 1 if s["median"] < 100 else 0)


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table whose columns are padded, so that it reads well in a terminal too."""
    cells = [header, *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]

    def line(row: list[str]) -> str:
        return "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |"

    rule = "|" + "|".join("-" * (w + 2) for w in widths) + "|"
    return "\n".join([line(header), rule, *map(line, rows)])


def machine_text(machine: dict[str, str]) -> str:
    return ", ".join(v if k in ("date", "processor", "system") else f"{k} {v}"
                     for k, v in machine.items())


def distances(label: str, ratio: dict) -> list[str]:
    """A sentence, if the cores were far apart in any round."""
    if "far" not in ratio:
        return []
    parts = [f"{spread_text(ratio[name], 2)} in {counted(ratio[name]['rounds'])} with the cores "
             f"{words}" for name, words in (("near", "near each other"), ("far", "far apart"))
             if name in ratio]
    return [f"{label}: {', '.join(parts)}."]


def counted(rounds: int) -> str:
    return f"{rounds} round" + "s" * (rounds != 1)


def disturbance(batches: list[dict]) -> list[str]:
    """A sentence, if other programs disturbed any turn."""
    disturbed = sum(result["disturbed"] for result in batches)
    turns = sum(result["turns"] for result in batches)
    return [f"Other programs disturbed {disturbed} of {turns} turns."] if disturbed else []
