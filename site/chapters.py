"""The course's notebooks: as pages of the book, and as files that JupyterLite opens."""

import json
import re
from pathlib import Path

import links
import sources
from project import ROOT, hosted_notebook

HERE = Path(__file__).resolve().parent
TIMES = HERE / "browser_times.json"        # seconds, as `make site-times` measures them
START = "the first start takes about half a minute"
ANSWER = re.compile(r"^ *### BEGIN SOLUTION\n(.*?)^ *### END SOLUTION$", re.DOTALL | re.MULTILINE)
# The first cell's words on how to install minibn, which is there already in the browser.
INSTALL = re.compile(r"\A(?:#.*\n)*#.*%pip install.*\n(?:#.*\n)*")
CHECK_FOLD = {"code_prompt_show": "Show the check", "code_prompt_hide": "Hide the check"}
SETUP_FOLD = {"code_prompt_show": "Show the imports", "code_prompt_hide": "Hide the imports"}
# What the browser cannot do, and so what the page says of it, by the chapter's number.
REAL_MACHINE = {
    "07": "Training on real CIFAR-100 in full mode needs an installation: see [The library]",
    "08": "The networks of the full mode, trained on real CIFAR-100, need an installation: "
          "see [The library]",
    "09": "The comparison of the full mode needs an installation: see [The library]",
    "10": "A browser has no CUDA: the notebook uses its emulated GPU. Timing a real one needs an "
          "installation: see [The library]",
}


def read(folder: str, name: str) -> dict:
    """A notebook as JSON, every text in it as one string (JupyterLite asks for that)."""
    notebook = json.loads((ROOT / "notebooks" / folder / f"{name}.ipynb").read_text("utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
        for output in cell.get("outputs", []):
            for part in [output, output.get("data", {})]:
                for key, value in part.items():
                    if isinstance(value, list) and key != "traceback":
                        part[key] = "".join(value)
    return notebook


def write(notebook: dict, path: Path) -> None:
    """Save a notebook."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook, ensure_ascii=False, indent=1), "utf-8")


def title(name: str) -> str:
    """The heading of a chapter, "04 · The bias of a moving average"."""
    return read("", name)["cells"][0]["source"].splitlines()[0].lstrip("# ").strip()


def minutes(name: str) -> int | None:
    """How long the core sections take to read, as the chapter's first cell says."""
    found = re.search(r"^\*\*Time\*\*: (\d+) minutes", read("", name)["cells"][0]["source"],
                      re.MULTILINE)
    return int(found[1]) if found else None


def seconds_in_browser(path: str) -> float | None:
    """How long all cells of a notebook take in a browser, where that has been measured."""
    times = json.loads(TIMES.read_text("utf-8")) if TIMES.exists() else {}
    return times.get("seconds", {}).get(path)


def duration(seconds: float) -> str:
    """A time as a reader wants it: "8 seconds", "about 40 seconds", "about 2 minutes"."""
    if seconds < 10:
        return "a few seconds"
    if seconds < 95:
        return f"about {max(10, round(seconds / 10) * 10)} seconds"
    return f"about {round(seconds / 60)} minutes"


def live(path: str, up: str = "../") -> str:
    """The address under which the notebook `path` of the course runs, from one folder down."""
    return f"{up}lite/notebooks/index.html?path={path}"


def box(buttons: list[tuple[str, str]], note: str) -> str:
    """Buttons and a sentence under a page's title; the first button is the main one."""
    anchors = "\n".join(f'<a href="{address}">{text}</a>' for text, address in buttons if address)
    return (f'\n```{{raw}} html\n<nav class="live" aria-label="Run this page">\n{anchors}\n</nav>\n'
            f"```\n\n```{{container}} live-note\n{note}\n```\n")


def note(path: str, number: str = "") -> str:
    """What a reader should know before a start in the browser (Markdown)."""
    seconds = seconds_in_browser(path)
    time = (f", and in the browser all cells take {duration(seconds)} (short mode: smaller "
            "experiments)" if seconds else ". In the browser it runs in short mode: "
            "smaller experiments")
    text = (f"Nothing to install; {START}{time}. Your changes are kept in this browser: "
            "[how it works](../browser.md).")
    if number in REAL_MACHINE:
        text += " " + REAL_MACHINE[number].replace("[The library]", "[the library](../library.md)")
        text += "."
    return text


def chapter_page(name: str, book: Path) -> None:
    """The chapter with its outputs, and on top the ways to run it."""
    notebook, target = read("", name), f"chapters/{name}.ipynb"
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = tagged(links.rewrite(cell["source"], f"notebooks/{name}.ipynb", target,
                                                  book))
        else:
            cell["metadata"]["mystnb"] = {"image": {"alt": alternative(cell)}}
            for output in cell.get("outputs", []):
                if "text/markdown" in output.get("data", {}):
                    output["data"]["text/markdown"] = said(output["data"]["text/markdown"])
    fold_imports(notebook)
    buttons = [("▶ Run in your browser", live(f"{name}.ipynb"))]
    if name in sources.exercises():
        buttons += [("✎ Exercises in your browser", live(f"exercises/{name}.ipynb")),
                    ("Exercises and solutions", f"../exercises/{name}.html")]
    buttons += derivation(notebook) if name.startswith("04") else []
    buttons += [("Open in Colab", hosted_notebook(f"notebooks/{name}.ipynb"))]
    head, _, rest = notebook["cells"][0]["source"].partition("\n")
    notebook["cells"][0]["source"] = "\n".join(
        [head, box(buttons, note(f"{name}.ipynb", name[:2])), rest])
    write(notebook, book / target)


def derivation(notebook: dict) -> list[tuple[str, str]]:
    """A button that leads to the section with the derivation, which the first page promises."""
    text = "\n".join(cell["source"] for cell in notebook["cells"])
    found = re.search(r"^## (.*\bderivation\b.*)$", text, re.MULTILINE)
    if not found:
        return []
    anchor = re.sub(r"[^a-z0-9]+", "-", found[1].lower())
    return [("The derivation", "#" + re.sub(r"^[-0-9]+", "", anchor).strip("-"))]


def tagged(text: str) -> str:
    """Markdown whose numbered formulas of several lines Sphinx can set.

    It puts a formula with a line break into an environment in which a number (\\tag) is an error.
    """
    def wrap(found: re.Match) -> str:
        inside = found[1].strip()
        if r"\tag" not in inside or "\\\\" not in inside or inside.startswith(r"\begin{align"):
            return found[0]
        return f"\n\n\\begin{{equation*}}\n{inside}\n\\end{{equation*}}\n\n"

    return re.sub(r"\$\$(.+?)\$\$", wrap, text, flags=re.DOTALL)


def alternative(cell: dict) -> str:
    """What the pictures of a code cell show, in words: `teaching.show` keeps them in the output."""
    found = []
    for output in cell.get("outputs", []):
        if "image/png" in output.get("data", {}):
            words = output.get("metadata", {}).get("image/png", {}).get("alt", "")
            if words and words not in found:
                found.append(words)
    return " ".join(found) or "A figure drawn by the code above."


def said(text: str) -> str:
    """A sentence that a cell shows, with its indices; a figure's caption set as one."""
    text = links.subscripts(text)
    if text.startswith("*Figure.* "):
        return f"```{{container}} caption\n{text}\n```"
    return text


def exercise_page(name: str, book: Path) -> None:
    """The exercises as a student gets them, each answer in a fold below its blank."""
    student, solved = read("exercises", name), read("solutions", name)
    target, cells = f"exercises/{name}.ipynb", []
    for blank, answer in zip(student["cells"], solved["cells"], strict=True):
        graded = blank["metadata"].get("nbgrader", {})
        answered = blank["source"] != answer["source"] and answer["source"].strip()
        if blank["cell_type"] == "markdown":
            blank["source"] = tagged(links.rewrite(
                blank["source"], f"notebooks/exercises/{name}.ipynb", target, book))
        elif (graded.get("grade") and not graded.get("solution")
              and blank["source"].count("\n") > 4):                   # a long check
            blank["metadata"].update(tags=["hide-input"], mystnb=CHECK_FOLD)
        cells.append(blank)
        if answered:
            cells.append({**fold(answer), "id": f"{answer.get('id', len(cells))}-solution"})
    student["cells"] = cells
    fold_imports(student)
    path = f"exercises/{name}.ipynb"
    buttons = [("✎ Do them in your browser", live(path))]
    if name in sources.chapters():
        buttons += [("Back to the chapter", f"../chapters/{name}.html")]
    buttons += [("Open in Colab", hosted_notebook(f"notebooks/{path}"))]
    head, _, rest = cells[0]["source"].partition("\n")
    words = "Every check grades your answer in the browser, too. " + note(path)
    cells[0]["source"] = "\n".join([head, box(buttons, words), rest])
    write(student, book / target)


def fold_imports(notebook: dict) -> None:
    """Fold the first cell of code, which finds the package and imports."""
    first = next((cell for cell in notebook["cells"] if cell["cell_type"] == "code"), None)
    if first and "import" in first["source"]:
        first["metadata"]["tags"] = ["hide-input"]
        first["metadata"].setdefault("mystnb", {}).update(SETUP_FOLD)


def fold(answer: dict) -> dict:
    """A cell that shows the solution when it is opened."""
    source = answer["source"]
    if answer["cell_type"] == "code":
        source = f"```python\n{ANSWER.sub(lambda found: found[1].rstrip(), source)}\n```"
    return {"cell_type": "markdown", "metadata": {},
            "source": f'<details class="solution"><summary>Solution</summary>\n\n{source}\n\n'
                      "</details>"}


def lite_files(folder: Path) -> None:
    """The notebooks as JupyterLite opens them, each with a line on what is different there."""
    for sub, names in (("", sources.chapters()), ("exercises", sources.exercises())):
        for name in names:
            notebook = read(sub, name)
            path = f"{sub}/{name}.ipynb".lstrip("/")
            seconds = seconds_in_browser(path)
            takes = f" All cells take {duration(seconds)} here." if seconds else ""
            number = name[:2] if not sub else ""
            real = REAL_MACHINE.get(number, "").split(":" if number != "10" else ": see")[0]
            text = ("*You are in the browser, in short mode: experiments are smaller, and their "
                    f"numbers differ from those of the page.{takes} Run a cell with Shift+Enter. "
                    f"What you change is kept in this browser.{' ' + real + '.' if real else ''}*")
            head = {"cell_type": "markdown", "metadata": {}, "source": text}
            if "id" in notebook["cells"][0]:
                head["id"] = "in-the-browser"
            notebook["cells"].insert(1, head)
            for cell in notebook["cells"]:
                if cell["cell_type"] == "markdown":
                    cell["source"] = lite_links(cell["source"], sub)
                else:
                    cell["source"] = INSTALL.sub("", cell["source"])
            write(notebook, folder / path)


def lite_links(text: str, folder: str) -> str:
    """Links to other notebooks stay, since they lie there in the same places; the others go."""
    def replace(link: re.Match) -> str:
        known = re.fullmatch(r"(?:\.\./|exercises/)?\d\d_\w+\.ipynb", link["path"])
        outside = re.match(r"[a-z]+:", link["path"])
        return link[0] if known or outside or not link["path"] or link["bang"] else link["text"]

    return links.LINK.sub(replace, text)
