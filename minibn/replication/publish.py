"""Write the reports as files: the registered one, that of an earlier preset, and README's lines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from minibn.files import write_atomically
from minibn.plots import save_figure
from minibn.replication.arms import Size
from minibn.replication.details import details
from minibn.replication.drawings import figures
from minibn.replication.figures import report_figures
from minibn.replication.page import page, readme_lines
from minibn.replication.presets import Preset
from minibn.replication.report import report
from minibn.replication.results import Results

BEGIN = "<!-- These lines are written by `python -m minibn report`. -->"
END = "<!-- The end of what it writes. -->"


def write_registered(size: Size, results: Results, out: Path) -> list[Path]:
    """REPORT.md, DETAILS.md and their figures below `out`; returns the pages' paths."""
    write_figures(figures(size, results), out)
    return [write_text(out / "REPORT.md", page(size, results)),
            write_text(out / "DETAILS.md", details(size, results))]


def write_earlier(preset: Preset, results: Results, second: Results, path: Path) -> Path:
    """The report of an earlier preset as `path`, with its figures beside it.

    second: the results of doing everything once more.
    """
    write_figures(report_figures(results, preset), path.parent)
    cost = path.parent / "paper-cost.txt"
    return write_text(path, report(
        results, preset, cost.read_text(encoding="utf-8") if cost.exists() else "", second))


def write_readme(path: Path, size: Size, results: Results) -> bool:
    """Put the answer between README's two marks; False where they are not there."""
    if not path.exists():
        return False
    text = path.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        return False
    write_text(path, with_lines(text, readme_lines(size, results)))
    return True


def with_lines(text: str, lines: str) -> str:
    """A page with these lines between its two marks."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{lines}\n\n{END}{rest.split(END)[1]}"


def write_figures(drawn: Mapping[str, Figure], out: Path) -> None:
    """All figures as PNG files in out/figures."""
    for name, figure in drawn.items():
        save_figure(figure, out / "figures" / f"{name}.png")


def write_text(path: Path, text: str) -> Path:
    """Write a page, whole or not at all."""
    write_atomically(path, lambda file: file.write(text.encode("utf-8")))
    return path
