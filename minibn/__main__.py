"""The command line: `python -m minibn COMMAND …`, also installed as `minibn`.

A command is a module in `minibn.commands` with add_arguments(parser) and run(args) -> exit status,
and a line in `COMMANDS`.  It is imported when it is called, so that help appears at once.

Exit status: 0; 1 where a training diverged; 2 after a mistake on the command line or in the data,
with one line that says what is wrong; 130 after Ctrl-C; 141 where the program that reads the output
(head, less) has ended, and the work with it.
"""

from __future__ import annotations

import argparse
import logging
import os
import shlex
import sys
import warnings
from difflib import get_close_matches
from importlib import import_module
from typing import NoReturn

import minibn
from minibn.commands.terminal import ReaderGone, say, standard_streams

COMMANDS = {
    "compare": "train several normalizations side by side: table, figure, result file",
    "train": "train one model, with every setting; stop and resume by a checkpoint",
    "evaluate": "test a checkpoint, or classify your own images with it",
    "data": "show, download and verify the data sets",
    "replicate": "repeat the paper's experiments with several seeds, every run a file",
    "report": "tables, figures and verdicts from the results of replicate",
}

EPILOG = """\
Begin with:
  python -m minibn compare                   a comparison at batch size 5, about a minute
  python -m minibn compare --help            its options
  python -m minibn data --fetch cifar100     the paper's images (161 MiB)
  python -m minibn compare --data cifar100   the same comparison on them
  python -m minibn replicate --preset smoke  the paper's experiments, in seconds, to see them run

An error is one line. With MINIBN_TRACEBACK=1 in the environment Python prints where it arose.
"""

# What bad input, a full disk, a missing GPU or too little memory raise.
EXPECTED = (ValueError, TypeError, OSError, RuntimeError, ArithmeticError, MemoryError)


class Parser(argparse.ArgumentParser):
    """Reports a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        problem, _, given = message.partition(": --")
        if problem == "unrecognized arguments":
            option = "--" + given.split()[0].partition("=")[0]
            close = get_close_matches(option, self._option_string_actions, n=1)
            message += f": did you mean {close[0]}?" if close else ""
        say(f"{self.prog}: {message} ({self.prog} --help explains)")
        self.exit(2)


def main(argv: list[str] | None = None) -> int:
    """Run a command; argv: its name and options (default: those of the process)."""
    argv = sys.argv[1:] if argv is None else list(argv)
    with standard_streams():
        try:
            return _status(argv)
        except ReaderGone:
            return 141                               # what a shell says of a broken pipe


def _status(argv: list[str]) -> int:
    try:
        known = bool(argv) and argv[0] in COMMANDS
        return _run(argv[0], argv[1:]) if known else _without_command(argv)
    except SystemExit as stop:                       # argparse: after --help and after mistakes
        sys.stdout.flush()
        return int(stop.code or 0)


def _run(name: str, argv: list[str]) -> int:
    prog = f"minibn {name}"
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            if not sys.warnoptions:                  # python -W shows them
                warnings.simplefilter("ignore")
            command = import_module(f"minibn.commands.{name}")
            parser = Parser(prog=prog, description=command.__doc__, allow_abbrev=False,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
            command.add_arguments(parser)
            args = parser.parse_args(argv)
            args.command = f"python -m minibn {shlex.join([name, *argv])}"
            status = command.run(args)
            sys.stdout.flush()                       # a full disk shows here
            return status
    except KeyboardInterrupt:
        say(f"{prog}: stopped")
        return 130
    except EXPECTED as error:
        if os.environ.get("MINIBN_TRACEBACK"):
            raise
        say(f"{prog}: {one_line(error)}")
        return 2


def one_line(error: BaseException) -> str:
    """What an error says, in one line: for a file, what the system says of which file."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        text = f"{error.filename}: {error.strerror}"
    if isinstance(error, MemoryError):
        text = f"not enough memory ({text})" if text else "not enough memory"
    return " ".join(text.split()) or type(error).__name__


def _without_command(argv: list[str]) -> int:
    table = "\n".join(f"  {name:<10}{summary}" for name, summary in COMMANDS.items())
    parser = Parser(
        prog="minibn", usage="python -m minibn COMMAND [options]",
        description=f"{minibn.__doc__}\n\nCommands (COMMAND --help explains each):\n{table}",
        epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"minibn {minibn.__version__}")
    parser.add_argument("command", nargs="?", help=argparse.SUPPRESS)
    args, _ = parser.parse_known_args(argv)
    if args.command is not None:
        close = get_close_matches(args.command, COMMANDS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"one of {', '.join(COMMANDS)}"
        parser.error(f"there is no command {args.command!r}: {hint}")
    if argv:
        parser.error(f"{argv[0]} needs a command before it: one of {', '.join(COMMANDS)}")
    parser.print_help()
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
