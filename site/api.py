"""The API reference: one page for each room of the package, made from its docstrings.

minibn's docstrings are plain text that reads well in a terminal: paragraphs, and formulas or tables
in lines that are indented or hold runs of spaces.  `to_rst` sets formulas as mathematics, keeps
other such lines as they are, in a box of their own, and turns the rest into paragraphs.
"""

import importlib
import pkgutil
import re
from types import ModuleType

import mathematics

import minibn

INDEXED = re.compile(r"([α-ω]\u0302?)_(\w)(?![A-Za-z0-9_])")      # σ_B, μ_t
# The rooms in the order of the reference, with what its first page says of them.
ROOMS = {
    "norms": "Every normalizer, one file for each algorithm: the equations, the derivation, the "
             "pure functions, and last a layer that keeps parameters and state.",
    "layers": "Convolution, pooling, activations and the chain that holds them.",
    "losses": "The loss and its derivative.",
    "models": "The paper's networks.",
    "optim": "Momentum and the step schedule.",
    "training": "One run, from a recipe to a history.",
    "data": "CIFAR-10, CIFAR-100 and drawn images; batches.",
    "gradcheck": "A derivative against differences.",
    "backend": "Which library an array belongs to.",
    "dispatch": "A formula, or its faster twin.",
    "kernels": "The faster twins of the formulas, on NumPy. Who never reads them has missed no "
               "mathematics.",
    "replication": "The paper's experiments as data, their runs, and the verdicts.",
    "teaching": "What the notebooks share, and the checks of the exercises.",
}


def rooms() -> dict[str, list[ModuleType]]:
    """The modules of each room that there is; the answers of the exercises are no reference."""
    found = {}
    for room in ROOMS:
        if any(module.name == room for module in pkgutil.iter_modules(minibn.__path__)):
            top = importlib.import_module(f"minibn.{room}")
            below = pkgutil.walk_packages(getattr(top, "__path__", []), f"{top.__name__}.")
            names = [module.name for module in below
                     if not re.search(r"\._|teaching\.exercises", module.name)]
            found[room] = [top, *filter(None, map(load, names))]
    return found


def load(name: str) -> ModuleType | None:
    """A module, or None where it needs a library that is not installed, such as CuPy."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("minibn"):
            raise
        return None


def pages() -> dict[str, str]:
    """The pages of the reference as Markdown, by their names without a suffix."""
    there = rooms()
    found = {"index": index(list(there)), "functional": functional()}
    for room, modules in there.items():
        found[room] = "\n\n".join([f"# minibn.{room}", *map(section, modules)]) + "\n"
    return found


def index(there: list[str]) -> str:
    """The first page of the reference."""
    lines = [f"- [minibn.{room}]({room}.md): {ROOMS[room]}" for room in there]
    return "\n".join([
        "# API reference", "",
        "Made from the docstrings, which hold the derivations. Arrays are channels-last: "
        "(N, H, W, C) for images, (N, C) for dense layers. `decay` is the paper's α.", "",
        "- [minibn.functional](functional.md): Every pair of pure functions, forward and backward.",
        *lines, "", "```{toctree}", ":hidden:", "functional", *there, "```", ""])


def functional() -> str:
    """The page of the pure functions, which are documented where they are defined."""
    module = importlib.import_module("minibn.functional")
    rows = []
    for name in sorted(module.__all__):
        if name.endswith("_backward"):
            continue
        cells = []
        for each in (name, f"{name}_backward"):
            function = getattr(module, each, None)
            cells.append(f"{{py:obj}}`{each} <{function.__module__}.{each}>`" if function else "")
        first = to_plain((getattr(module, name).__doc__ or "").strip().split("\n")[0])
        rows.append(f"| {cells[0]} | {cells[1]} | {first} |")
    text = to_plain(" ".join((module.__doc__ or "").split("\n\n", 1)[-1].split()))
    return "\n".join(["# minibn.functional", "", text, "", "| forward | backward | |",
                      "|---|---|---|", *rows, ""])


def to_plain(text: str) -> str:
    """A line of a docstring inside Markdown."""
    text = INDEXED.sub(r"\1<sub>\2</sub>", text)
    return re.sub(r"([|*_])", r"\\\1", text)


def section(module: ModuleType) -> str:
    """One module of a page."""
    heading = "" if module.__name__.count(".") == 1 else f"## {module.__name__}\n\n"
    return (f"{heading}```{{eval-rst}}\n.. automodule:: {module.__name__}\n   :members:\n"
            "   :member-order: bysource\n   :ignore-module-all:\n```")


def to_rst(lines: list[str]) -> list[str]:
    """A docstring of minibn as reStructuredText."""
    result: list[str] = []
    for block in blocks(lines):
        formulas = mathematics.block(block) if is_indented(block) else None
        if formulas is not None:
            result += [".. math::", "   :nowrap:", ""]
            result += [f"   {line}" for line in rf"\[{formulas}\]".splitlines()]
        elif is_layout(block) and (terms := definitions(block)):
            for term, words in terms:
                result += [escape(term), f"   {escape(words)}"]
        elif is_layout(block):
            result += [".. code-block:: none", "   :class: formula", ""]
            margin = min(len(line) - len(line.lstrip()) for line in block if line.strip())
            result += [f"   {line[margin:]}".rstrip() for line in block]
        else:
            result += [escape(line.strip()) for line in block]
        result.append("")
    return result


def blocks(lines: list[str]) -> list[list[str]]:
    """Runs of lines of one kind: a paragraph, or a layout with the blank lines inside it."""
    found: list[list[str]] = []
    fresh = True
    for line in lines:
        if not line.strip():
            fresh = True
            continue
        indented = line.startswith("  ")
        if found and indented and is_indented(found[-1]):
            found[-1] += [""] * fresh + [line]
        elif found and not fresh and indented == is_indented(found[-1]):
            found[-1].append(line)
        else:
            found.append([line])
        fresh = False
    return found


def is_indented(block: list[str]) -> bool:
    """Whether a block belongs to the indented ones."""
    return block[0].startswith("  ")


def is_layout(block: list[str]) -> bool:
    """Whether the places of a block's characters matter: indented, or a table by spaces."""
    return is_indented(block) or any(re.search(r"\S {3,}\S", line) or re.match(r"\w+ {2,}\w", line)
                                     for line in block)


def definitions(block: list[str]) -> list[tuple[str, str]]:
    """The terms of a block and what is said of each, if it is two columns, terms and words."""
    margin = min(len(line) - len(line.lstrip()) for line in block if line.strip())
    lines = [line[margin:].rstrip() for line in block if line.strip()]
    first = re.match(r"(\S+(?: \S+)*) {2,}(?=\S)", lines[0])
    if not first or not lines[0][0].isalpha():
        return []
    column, found = first.end(), []
    for line in lines:
        term, words = line[:column].strip(), line[column:]
        if (not words or words[0] == " " or line[column - 1] != " " or re.search(r"\S {3,}", words)
                or re.search("[=(.]", term) or (term and len(term) > column - 2)):
            return []
        if term:
            found.append((term, words))
        elif found:
            found[-1] = (found[-1][0], f"{found[-1][1]} {words}")
    return found


def escape(line: str) -> str:
    """Text without the characters that mean something in reStructuredText, `code` apart."""
    parts = re.split(r"(``[^`]+``|`[^`]+`)", line)
    for i, part in enumerate(parts):
        if i % 2:
            name = part.strip("`")
            plain = re.fullmatch(r"[\w.]+", name)
            parts[i] = f":py:obj:`{name}`" if plain else f"``{name}``"
            if parts[i - 1][-1:].isalnum():
                parts[i] = "\\ " + parts[i]
        else:
            parts[i] = re.sub(r"([*|\\])", r"\\\1", part)
            parts[i] = re.sub(r"(\w)_(?!\w)", r"\1\\_", parts[i])
            parts[i] = INDEXED.sub(r"\1\\ :sub:`\2`\\ ", parts[i])
    for i in range(2, len(parts), 2):
        if parts[i][:1].isalnum():
            parts[i] = "\\ " + parts[i]
    return "".join(parts)


def connect(app: object) -> None:
    """Tell Sphinx how to read docstrings, and what to leave out."""
    def docstring(app, what, name, thing, options, lines):  # noqa: ANN001
        lines[:] = to_rst(lines)

    def skip(app, what, name, thing, skipped, options):  # noqa: ANN001
        doc = getattr(thing, "__doc__", "") or ""
        hidden = doc.startswith("Alias for field number") or name.startswith("check_")
        return True if hidden else None

    def signature(app, what, name, thing, options, arguments, returns):  # noqa: ANN001
        # Sphinx leaves its own name for an alias where that stands inside of another type.
        plain = [text and re.sub(r"TypeAliasForwardRef\('(\w+)'\)", r"\1", text)
                 for text in (arguments, returns)]
        return tuple(plain)

    app.connect("autodoc-process-docstring", docstring)
    app.connect("autodoc-process-signature", signature)
    app.connect("autodoc-skip-member", skip)
