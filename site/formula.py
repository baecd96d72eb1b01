"""The grammar of a typed formula, and its LaTeX (`mathematics.py` says for what).

    formula   sums with relations and commas between them
    sum       terms with + and −
    term      factors with · and /, or side by side; Σ reaches as far as its term
    factor    an atom with accents, indices, powers and arguments
    atom      a number, a name, a root, a norm, brackets
"""

from __future__ import annotations

import re
import unicodedata

SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ᵗᵀⁱⁿᵏᵐˣ", [*"0123456789-+t", r"\top ", *"inkmx"], strict=True))
NAMES = (r"\alpha \beta \gamma \delta \varepsilon \zeta \eta \theta \kappa \lambda \mu \nu \xi \pi "
         r"\rho \sigma \tau \varphi \chi \psi \omega \Delta \sum \prod \Omega \Phi")
GREEK = dict(zip("αβγδεζηθκλμνξπρστφχψωΔΣΠΩΦ", NAMES.split(), strict=True))
ACCENTS = {"\u0302": r"\hat", "\u0304": r"\bar", "\u0303": r"\tilde", "\u0307": r"\dot"}
RELATIONS = {"=": "=", "←": r"\leftarrow", "→": r"\to", "∈": r"\in", "≤": r"\le", "≥": r"\ge",
             "≈": r"\approx", "≠": r"\ne", "<": "<", ">": ">", "∝": r"\propto", "⇒": r"\Rightarrow"}
SUMS = {"+": "+", "−": "-", "±": r"\pm"}
PRODUCTS = {"·": r"\cdot", "×": r"\times", "∗": "*", "⊙": r"\odot"}
FUNCTIONS = {"exp", "log", "ln", "max", "min", "det", "sin", "cos"}
UPRIGHT = {"mean", "clip", "sign", "std", "var"}
PROSE = {"an", "the", "of", "so", "is", "if", "in", "as", "or", "and", "where", "with", "else",
         "over", "for", "by", "at", "to", "from", "it", "all", "every", "each", "one"}
TOKEN = re.compile(r"\s*(?:(\d+(?:[.,]\d+)*)|(L+(?:\d+L+)*)|(.))"
                   .replace("L", rf"(?:(?![{''.join(SUPERSCRIPTS)}])[^\W\d_])"), re.DOTALL)


class NotAFormula(Exception):
    """This text is words, or mathematics that is not known here."""


class Parser:
    """A formula's tokens, read from left to right."""

    def __init__(self, text: str, aligned: bool = True) -> None:
        decomposed = unicodedata.normalize("NFD", text.strip())
        self.tokens: list[tuple[str, bool]] = []             # and whether a space is before it
        place = 0
        while place < len(decomposed):
            found = TOKEN.match(decomposed, place)
            if found is None:
                raise NotAFormula(text)
            token = found[1] or found[2] or found[3]
            self.tokens.append((token, decomposed[place].isspace()))
            place = found.end()
        self.at = 0
        self.depth = 0
        self.aligned = aligned                               # mark the first relation for that
        self.first: str | None = None                        # the first relation

    def next(self) -> str:
        """The token that is to be read, "" at the end."""
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    def spaced(self) -> bool:
        """Whether a space stands before it."""
        return self.at < len(self.tokens) and self.tokens[self.at][1]

    def take(self, wanted: str | None = None) -> str:
        """Read a token."""
        token = self.next()
        if not token or (wanted is not None and token != wanted):
            raise NotAFormula(token)
        self.at += 1
        return token

    def whole(self) -> str:
        """All of it: sums, with relations and commas between them."""
        text = "" if self.next() in RELATIONS else self.sum()
        while self.next():
            token = self.take()
            if token in (",", ";") and not self.next():
                return text + token
            if token in RELATIONS:
                mark = "&" if self.aligned and self.first is None else ""
                self.first = self.first or token
                text += f" {mark}{RELATIONS[token]} {self.sum()}"
            elif token == ",":
                text += rf",\; {self.sum()}"
            elif token == ".":
                text += "."
            else:
                raise NotAFormula(token)
        return text

    def sum(self) -> str:
        """Terms with + and − between them."""
        text = ""
        if self.next() in SUMS:
            text = SUMS[self.take()]
        text += self.term()
        while self.next() in SUMS:
            text += f" {SUMS[self.take()]} {self.term()}"
        return text

    def term(self) -> str:
        """Factors: a·b, a/b, and a b."""
        parts = [self.factor()]
        while True:
            if self.next() in PRODUCTS:
                parts += [f" {PRODUCTS[self.take()]} ", self.factor()]
            elif self.next() == "/":
                self.take()
                above, below = parts.pop(), self.factor()
                if self.depth == 0:
                    parts.append(rf"\frac{{{bare(above)}}}{{{bare(below)}}}")
                else:
                    parts.append(f"{above}/{below}")
            elif self.spaced() and self.starts_a_factor():
                parts += [r"\,", self.factor()]
            else:
                return "".join(parts)

    def starts_a_factor(self) -> bool:
        """Whether a product can go on here without a sign."""
        token = self.next()
        if len(token) > 2 and token.isascii() and token.isalpha():
            if token not in FUNCTIONS | UPRIGHT:
                raise NotAFormula(token)
            return True
        return bool(token) and (token[0].isalnum() or token in "(√Σ∏∂‖…")

    def factor(self) -> str:
        """An atom with its accents, indices, powers and arguments."""
        text = self.atom()
        while True:
            token = self.next()
            if token == "_":
                self.take()
                text += f"_{{{self.index()}}}"
            elif token == "^":
                self.take()
                text += f"^{{{self.index()}}}"
            elif token and token[0] in SUPERSCRIPTS:
                power = ""
                while self.next() and self.next()[0] in SUPERSCRIPTS:
                    power += "".join(map(superscript, self.take()))
                text += f"^{{{power}}}"
            elif token == "′":
                self.take()
                text += "'"
            elif token == "(" and not self.spaced() and not text[-1:].isdigit():
                text = text.rstrip() + self.bracket("(", ")")
            elif token == "[" and not self.spaced():
                text += self.bracket("[", "]")
            else:
                return text

    def index(self) -> str:
        """What stands behind _ or ^: a name, a number, or anything in braces."""
        if self.next() == "{":
            self.take()
            text = self.inside("}")
            self.take("}")
            return text
        token = self.take()
        if token == "−":
            return "-" + self.take()
        if not token[0].isalnum():
            raise NotAFormula(token)
        if len(token) == 1 or token in FUNCTIONS or re.fullmatch("[i-n]{2}", token):
            return name(token) if len(token) != 2 else token
        return rf"\mathrm{{{token}}}"

    def inside(self, end: str) -> str:
        """Sums with commas and relations between them, up to `end`."""
        self.depth += 1
        text = ""
        while self.next() != end:
            token = self.next()
            if token in (",", ":"):
                text += self.take() + r"\,"
            elif token == ".":
                self.take()
                self.take(".")
                text += r"\dots "
            elif token in RELATIONS:
                text += f" {RELATIONS[self.take()]} "
            else:
                text += self.sum()
        self.depth -= 1
        return text

    def bracket(self, left: str, right: str) -> str:
        """Brackets with what they hold."""
        self.take(left)
        text = self.inside(right)
        self.take(right)
        return f"{left}{text}{right}"

    def atom(self) -> str:
        """A number, a name, a root, a sum's sign, or brackets."""
        token = self.take()
        if token[0].isdigit():
            return token.replace(",", "{,}")
        if token == "(":
            self.at -= 1
            return self.bracket("(", ")")
        if token == "√":
            self.depth += 1
            inner = bare(self.bracket("(", ")") if self.next() == "(" else self.atom())
            self.depth -= 1
            return rf"\sqrt{{{inner}}}"
        if token == "‖":
            inner = self.sum()
            self.take("‖")
            return rf"\lVert {inner}\rVert "
        if token == "∂":
            return rf"\partial {self.factor()}"
        if token in ("…", "⋯"):
            return r"\dots "
        if token[0] in "ΣΠ∏" and len(token) == 1:
            sign = r"\sum" if token == "Σ" else r"\prod"
            if self.next() == "_":
                self.take()
                limits = re.sub(r"^(\w) = (.*?)\\dots (.*)$", r"\1=\2}^{\3", self.index())
                sign += rf"_{{{limits}}}"
            return rf"{sign} {self.term()}"
        if token[0].isalpha():
            return self.accented(token)
        raise NotAFormula(token)

    def accented(self, token: str) -> str:
        """A name; the accent behind it belongs to its last letter."""
        accent = ACCENTS.get(self.next())
        if accent is None:
            return name(token)
        self.take()
        before = name(token[:-1]) if len(token) > 1 else ""
        return rf"{before}{accent}{{{name(token[-1])}}}"


def name(word: str) -> str:
    """A name: a letter, a Greek one, d and a letter, or a word in upright letters."""
    if word in PROSE:
        raise NotAFormula(word)
    if word in FUNCTIONS:
        return rf"\{word} "
    if len(word) == 1:
        return f"{GREEK[word]} " if word in GREEK else word
    if len(word) == 2 and word[0] == "d":
        return f"d{name(word[1])}"
    if any(letter in GREEK for letter in word):
        return "".join(map(name, word))
    if not word.isascii() or not word.isalnum():
        raise NotAFormula(word)
    return rf"\operatorname{{{word}}}" if word in UPRIGHT else rf"\mathrm{{{word}}}"


def superscript(letter: str) -> str:
    """A raised letter, lowered."""
    if letter not in SUPERSCRIPTS:
        raise NotAFormula(letter)
    return SUPERSCRIPTS[letter]


def bare(text: str) -> str:
    """Without the brackets around all of it, which a fraction or a root does not need."""
    if text.startswith("(") and text.endswith(")") and balanced(text[1:-1]):
        return text[1:-1]
    return text


def balanced(text: str) -> bool:
    """Whether no bracket of the text is closed before it is opened."""
    depth = 0
    for mark in re.findall("[()]", text):
        depth += 1 if mark == "(" else -1
        if depth < 0:
            return False
    return depth == 0
