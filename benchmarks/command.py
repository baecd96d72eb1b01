"""What the two commands share: their options, and measure → print → save."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import machine
import turns


def parser(description: str, batches: list[int], rounds: int) -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--batch", type=int, nargs="+", default=batches, metavar="N")
    p.add_argument("--width", type=int, default=96, help="channels of the first layers (96)")
    p.add_argument("--seconds", type=float, default=45, help="of turns for each batch size (45)")
    p.add_argument("--rounds", type=int, default=rounds,
                   help=f"at least this many turns each ({rounds})")
    p.add_argument("--patience", type=float, default=8,
                   help="seconds that each turn may wait for a quiet machine (8)")
    p.add_argument("--quick", action="store_true",
                   help="two turns each and no patience: a first impression")
    p.add_argument("--json", type=Path, metavar="FILE", help="save the figures")
    p.add_argument("--markdown", type=Path, metavar="FILE",
                   help="print the tables of a saved file and measure nothing")
    return p


def run(p: argparse.ArgumentParser, args: argparse.Namespace,
        measure: Callable[[int, argparse.Namespace], dict], report: Callable[[dict], str],
        at_the_end: Callable[[argparse.Namespace], dict] = lambda args: {}) -> None:
    """Measure each batch size, then `at_the_end`; print the report and save the figures.

    What cannot run ends in one line and exit status 2.
    """
    if args.markdown:
        print(report(json.loads(args.markdown.read_text())))
        return
    if args.quick:
        args.seconds, args.rounds, args.patience = 0, 2, 0
    results = {"machine": machine.describe(), "width": args.width, "batches": []}
    try:
        for batch in args.batch:
            print(f"batch {batch} …", file=sys.stderr, flush=True)
            results["batches"].append(measure(batch, args))
            save(results, args)
        results |= at_the_end(args)
    except turns.Failed as error:
        p.exit(2, f"{p.prog}: {error}\n")
    save(results, args)
    print(report(results))


def save(results: dict, args: argparse.Namespace) -> None:
    """Write the figures so far: a long run that is broken off has not been in vain."""
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")
