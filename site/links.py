"""Relative links of the repository's Markdown, turned into links of the book."""

import posixpath
import re
import shutil
from pathlib import Path

import api
import sources
from project import ROOT, file_address

LINK = re.compile(r"(?P<bang>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]"
                  r"\((?P<path>[^)\s#]*)(?P<anchor>#[^)\s]*)?\)")
FENCE = re.compile(r"(^```.*?^```|^~~~.*?^~~~)", re.DOTALL | re.MULTILINE)


def rewrite(text: str, source: str, target: str, book: Path) -> str:
    """Markdown of the file `source` as the page `target` has it.

    A link to a file that is a page of the book leads there; to another file, to the code host
    where the project has one, and else only its text is left.  Pictures are copied into the book.
    """
    def replace(link: re.Match) -> str:
        path, anchor, words = link["path"], link["anchor"] or "", link["text"]
        if not path or re.match(r"[a-z]+:", path):
            return link[0]
        full = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if link["bang"]:
            return f"![{words}]({picture(full, target, book)})"
        words = LINK.sub(replace, words)                               # a picture in a link
        place = sources.targets().get(full)
        if place is None:
            address = file_address(full) if (ROOT / full).exists() else ""
            return f"[{words}]({address}{anchor})" if address else words
        to = relative(place, target)
        if place.endswith(".html"):                    # made by Sphinx, from no source
            return f'<a href="{to}{anchor}">{words}</a>'
        return f"[{words}]({to}{anchor})"

    parts = FENCE.split(text)
    parts[::2] = [LINK.sub(replace, part) for part in parts[::2]]      # code is left as it is
    return subscripts("".join(parts))


def subscripts(text: str) -> str:
    """Markdown with σ_B and the like, outside of formulas, code, headings and names of pictures,
    as a letter with an index."""
    kept = (r"(```.*?```|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]*\$|!\[[^\]]*\]|^#[^\n]*$"
            r"|\\begin\{.*?\\end\{)")
    parts = re.split(kept, text, flags=re.DOTALL | re.MULTILINE)
    parts[::2] = [api.INDEXED.sub(r"\1<sub>\2</sub>", part) for part in parts[::2]]
    return "".join(parts)


def picture(path: str, target: str, book: Path) -> str:
    """Copy a picture of the repository into the book; its address as the page `target` sees it."""
    place = f"pictures/{path}"
    if (ROOT / path).exists():
        (book / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, book / place)
    return relative(place, target)


def relative(place: str, page: str) -> str:
    """The way from a page of the book to another place of it."""
    return posixpath.relpath(place, posixpath.dirname(page) or ".")
