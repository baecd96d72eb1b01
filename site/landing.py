"""The pages that are lists of other pages: the first page, the chapters, the teacher's kit."""

import tomllib
from pathlib import Path

import chapters
import glyphs
import sources
from project import repository

HERE = Path(__file__).resolve().parent
ABOUT = tomllib.loads((HERE / "book" / "chapters.toml").read_text("utf-8"))


def pages(index: str) -> dict[str, str]:
    """These pages as Markdown, by their paths in the book; `index` is the first page's source."""
    documents = {page.target for page in sources.documents()}
    found = {"index.md": first_page(index, documents), "chapters/index.md": chapters_page()}
    found["exercises/index.md"] = exercises_page()
    found["teach/index.md"] = teach_page(documents)
    return found


def first_page(text: str, documents: set[str]) -> str:
    """The landing page: book/index.md with its lists filled in."""
    return (text.replace("@CARDS@", cards(""))
            .replace("@DEMO@", (HERE / "book" / "demo.html").read_text("utf-8").strip())
            .replace("@DERIVATION@", derivation())
            .replace("@REPOSITORY@", f'<a href="{repository()}">Source</a>' if repository() else "")
            .replace("@TOCTREES@", toctrees(documents)))


def derivation() -> str:
    """The chapter on the bias of a zero start."""
    return next((f"chapters/{name}.html" for name in sources.chapters() if name.startswith("04")),
                "chapters/index.html")


def cards(up: str) -> str:
    """The chapters as HTML: a drawing, a sentence, minutes, and links that run it; `up`: to the
    root."""
    items = []
    for name in sources.chapters():
        number, _, title = chapters.title(name).partition(" · ")
        about = ABOUT.get(name[:2], "")
        links = [f'<a href="{chapters.live(f"{name}.ipynb", up or "./")}" '
                 f'aria-label="Run chapter {number}">▶ run</a>']
        if name in sources.exercises():
            links.append(f'<a href="{up}exercises/{name}.html" '
                         f'aria-label="Exercises of chapter {number}">✎ exercises</a>')
        if minutes := chapters.minutes(name):
            links.append(f"<span>{minutes} min</span>")
        items.append(f'<li>{glyphs.glyph(name[:2])}<a class="title" '
                     f'href="{up}chapters/{name}.html"><span>{number}</span> {title}</a>'
                     f'<p>{about}</p><p class="ways">{" ".join(links)}</p></li>')
    return '<ol class="cards">\n' + "\n".join(items) + "\n</ol>"


def chapters_page() -> str:
    """The course: the list of its chapters."""
    names = "\n".join(sources.chapters())
    return ("# Chapters\n\nEach chapter moves from an equation of the paper to a line or two of "
            "NumPy, to a check that asserts, to a picture. Each has exercises that grade "
            "themselves. Read the pages here, or run them in your browser: "
            "[how that works](../browser.md).\n\n"
            f"```{{raw}} html\n{cards('../')}\n```\n\n```{{toctree}}\n:hidden:\n{names}\n```\n")


def exercises_page() -> str:
    """The list of the exercises."""
    names = "\n".join(sources.exercises())
    return ("# Exercises and solutions\n\nEach page has the exercises of one chapter, and each "
            "solution in a fold. In your browser a check grades your answer, and an exercise that "
            "you skip does not stop the next.\n\n"
            f"```{{toctree}}\n:maxdepth: 1\n{names}\n```\n")


def teach_page(documents: set[str]) -> str:
    """The teacher's kit: what there is to read, and the slides and hand-outs."""
    names = [target.removeprefix("teach/").removesuffix(".md")
             for target in sorted(documents) if target.startswith("teach/")]
    order = list(ABOUT["kit"])
    names.sort(key=lambda name: order.index(name) if name in order else len(order))
    lines = ["# For teachers", "", "Everything needed to give one session or a whole unit: times, "
             "prerequisites, slides, exercises, and what students misunderstand.", ""]
    for folder, words in (("slides", "**Slides**, which open in a tab of their own"),
                          ("handouts", "**Hand-outs**, to print or to read on a phone")):
        there = [f'<a href="{place.removeprefix("teach/")}">chapter {Path(place).stem}</a>'
                 for place in sources.finished_pages().values() if f"/{folder}/" in place]
        if there:
            lines += [f"{words}: {', '.join(there)}.", ""]
    for name in names:
        if name in order:
            lines += [f"[]({name}.md)", f": {ABOUT['kit'][name]}", ""]
    return "\n".join([*lines, "```{toctree}", ":hidden:", *names, "```", ""])


def toctrees(documents: set[str]) -> str:
    """The sidebar."""
    def there(entry: str) -> list[str]:
        name = entry.rpartition("<")[2].rstrip(">")
        return [entry] if f"{name}.md" in documents else []

    groups = {
        "The course": ["Chapters <chapters/index>", "Exercises and solutions <exercises/index>",
                       "In the browser <browser>", "teach/index"],
        "The paper": ["equations", *there("report"), *there("report_details"),
                      *there("report_design"), *there("report_appendix")],
        "The library": [*there("Installation and use <library>"),
                        *there("A layer of your own <own_layer>"), "api/index"],
    }
    return "\n\n".join(f"```{{toctree}}\n:hidden:\n:caption: {caption}\n" + "\n".join(names)
                       + "\n```" for caption, names in groups.items())
