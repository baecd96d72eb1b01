"""Formulas of docstrings, as they are typed in Unicode, turned into LaTeX.

    μ_t = α·μ_{t−1} + (1 − α)·μ_B          (eq. 5)

is \\mu_{t-1} and so on, with fractions for `/` and roots for `√(…)`.  What does not parse as a
formula is left alone: `block` then returns None, and the page shows the lines as they are.
"""

from __future__ import annotations

import re
import unicodedata

from formula import RELATIONS, NotAFormula, Parser


def block(lines: list[str]) -> str | None:
    """The LaTeX of lines that are all formulas, aligned at their relation; None if one is not."""
    text = ""
    for line in long_remarks(lines):
        cells = row(line) if line.strip() else ""
        if cells is None:
            return None
        if cells:
            text += f"{cells} \\\\[3pt]\n"
        else:
            text = text.removesuffix("[3pt]\n") + "[12pt]\n"
    text = text.removesuffix(" \\\\[3pt]\n")
    return rf"\begin{{aligned}}{text}\end{{aligned}}"


def long_remarks(lines: list[str]) -> list[str]:
    """The lines; a remark in brackets that goes on in the next one becomes a line of its own."""
    found: list[str] = []
    for line in lines:
        last = found[-1] if found else ""
        if last.count("(") > last.count(")") and re.match(r" {20,}\S", line):
            head, gap, remark = last.rpartition("  (")
            if gap:
                found[-1:] = [head, f"({remark} {line.strip()}"]
                continue
        found.append(line)
    return found


def row(line: str) -> str | None:
    """One line: formulas and remarks with two spaces or more between them."""
    if line.startswith("("):                      # a remark alone, which widens no column
        return rf"&\rlap{{{plain(line)}}}"
    line = re.sub(rf" +([{''.join(RELATIONS)}]) +", r" \1 ", line.strip())
    cells = []
    for i, part in enumerate(re.split(r" {2,}", line)):
        cell = formula(part) or (remark(part) if i else None)
        if cell is None:
            return None
        cells.append(cell)
    return " &\\quad ".join(cells)


def formula(part: str) -> str | None:
    """A formula, perhaps with words behind it, or a symbol that is explained by words."""
    behind = [*re.findall(r"^(.*\S) (\([a-z][^()]*\))$", part),
              *re.findall(r"^([^,]*,) (\w+ \w+ .*)$", part)]
    for text, words in ((part, ""), *behind):
        try:
            return relation(text) + (rf"\quad {plain(words)}" if words else "")
        except NotAFormula:
            continue
    for symbol, words in re.findall(r"^(\S+) = ([a-z]+ [a-z]+ [^=]*)$", part):
        try:
            return f"{Parser(symbol).whole()} &= {plain(words)}"
        except NotAFormula:
            continue
    return None


def remark(part: str) -> str | None:
    """A remark beside a formula, as text; "with x = y" is a word and a formula."""
    word, _, rest = part.partition(" ")
    if word in ("with", "from", "where", "so", "and", "for", "if", "as"):
        try:
            return rf"&\text{{{word} }}{Parser(rest, aligned=False).whole()}"
        except NotAFormula:
            pass
    return None if "√" in part else f"&{plain(part)}"


def plain(words: str) -> str:
    """Words in a formula; letters with an accent are mathematics in them."""
    parts = re.split(r"(\w[\u0302-\u0304])", unicodedata.normalize("NFD", words))
    parts[1::2] = [Parser(letter).whole() for letter in parts[1::2]]
    for i in range(0, len(parts), 2):
        text = re.sub(r"([#$%&_{}^~\\])", r"\\\1", parts[i])
        parts[i] = r"\text{" + re.sub(r"`([^`]*)`", r"\\texttt{\1}", text) + "}"
    return "".join(part for part in parts if part != r"\text{}")


def relation(part: str) -> str:
    """A formula with its alignment mark at the first relation."""
    parser = Parser(part)
    text = parser.whole()
    if parser.first is None:
        raise NotAFormula(part)
    return text
