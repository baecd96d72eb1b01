"""Standard output as the commands use it: in every encoding, and without control characters.

Names of classes, commands and messages come from files, also from files of others. A terminal
would take orders from the escape sequences in them (another title, text that is not seen), so they
are shown as text.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import Any, TextIO

# What the commands print, for encodings that lack it.
SIMPLER = str.maketrans({"–": "-", "−": "-", "—": "-", "×": "x", "±": "+-", "…": "...", "≥": ">=",
                         "≤": "<=", "·": "*", "\N{NO-BREAK SPACE}": " "})
SPACE = "\n\t\N{NO-BREAK SPACE}"


class ReaderGone(Exception):
    """Whoever read our output (head, less) has closed it."""


def printable(text: str) -> str:
    """The text with control characters, and other invisible ones, as escapes: \\x1b."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in SPACE else ascii(c)[1:-1] for c in text)


def encodable(text: str, encoding: str | None) -> str:
    """The text in characters that the encoding has: others are simplified, or a question mark."""
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError as error:
        return text.translate(SIMPLER).encode(error.encoding, "replace").decode(error.encoding)
    return text


class Terminal:
    """A text stream in front of standard output; everything but writing is that stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Print. Raises ReaderGone where nobody reads any more, OSError where the disk is full."""
        with self._watched():
            return self.stream.write(encodable(printable(text), self.stream.encoding))

    def flush(self) -> None:
        """Print at once what was held back; errors as for `write`."""
        with self._watched():
            self.stream.flush()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # Python flushes once more at its end, and would fail once more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())
            if isinstance(error, BrokenPipeError):
                raise ReaderGone from None
            error.filename = "standard output"
            raise


@contextmanager
def standard_streams() -> Iterator[None]:
    """Standard output through `Terminal`; where the shell has closed a stream, it goes nowhere."""
    for name in ("stdin", "stdout", "stderr"):    # in order: a new file gets the lowest free number
        if getattr(sys, name) is None:
            nowhere = open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8")  # noqa: SIM115
            os.set_inheritable(nowhere.fileno(), True)
            setattr(sys, name, nowhere)
    with redirect_stdout(Terminal(sys.stdout)):  # type: ignore[type-var]
        yield


def say(text: str) -> None:
    """One line on standard error, if that can be written."""
    with suppress(OSError):
        print(printable(text), file=sys.stderr)
