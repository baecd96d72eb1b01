"""Show which data sets are there and where; download and verify them.

CIFAR-10 and CIFAR-100 are looked for in --data-dir, or else in the folder that the environment
variable MINIBN_DATA names, then in ~/.cache/minibn.  A folder that torchvision has filled is fine.
Downloads come from the official address, are checked, and are there whole or not at all.

  python -m minibn data
  python -m minibn data --fetch cifar100
  python -m minibn data --verify --data-dir DIR
"""

from __future__ import annotations

import argparse
import sys

from minibn.commands.table import format_table
from minibn.data import data_folders, fetch, list_sets, verify_files
from minibn.data.official import OFFICIAL


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `data`."""
    parser.add_argument("--data-dir", metavar="DIR",
                        help="the folder to look in and to download to")
    parser.add_argument("--fetch", choices=tuple(OFFICIAL), nargs="+", default=[], metavar="SET",
                        help=f"download a set: {', '.join(OFFICIAL)} (161 and 163 MiB)")
    parser.add_argument("--verify", action="store_true",
                        help="compare every file with the official checksums")


def run(args: argparse.Namespace) -> int:
    """Print the table; 2 where a file is missing or damaged."""
    for name in args.fetch:
        fetch(name, data_folders(args.data_dir)[0], progress=sys.stderr.isatty())
    rows = [["synthetic", "2,000 + 1,000", "always there: drawn when it is used", ""]]
    bad = []
    for found in list_sets(args.data_dir):
        state = "absent" if found.root is None else "there, not checked (--verify checks it)"
        if found.root is not None and not found.unpacked:
            state = "there, packed: unpacked and checked at first use"
        elif found.root is not None and args.verify:
            wrong = {file: what for file, what in verify_files(found.name, found.root).items()
                     if what != "ok"}
            bad += [f"{found.name}: {file} is {what}" for file, what in wrong.items()]
            state = "damaged" if wrong else "there, every file is the official one"
        rows.append([found.name, "50,000 + 10,000", state, str(found.root or "")])
    print(format_table(["set", "images", "state", "folder"], rows, left=4))
    print("\nlooked in: " + ", ".join(map(str, data_folders(args.data_dir))))
    if bad:
        raise ValueError("; ".join(bad))
    if args.verify and all(found.root is None for found in list_sets(args.data_dir)):
        raise ValueError("--verify: there is no set to verify")
    return 0
