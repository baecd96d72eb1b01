"""Build the site: the book, and JupyterLite with every notebook, in one static folder.

    python site/build.py [--book-only] [--out FOLDER]

Needs Python 3.11 or newer with the extra `site`, node's npm, and package registries, which are
asked once; `make site` sees to the first.  --book-only leaves JupyterLite out, for work on pages.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import api
import chapters
import equations
import graph
import landing
import links
import lite_pages
import packages
import pyodide_folder
import sources
from project import OUT, ROOT, WORK

HERE = Path(__file__).resolve().parent
STARTED = time.monotonic()


def say(text: str) -> None:
    """A line of progress."""
    print(f"{time.monotonic() - STARTED:4.0f} s  {text}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the site.")
    parser.add_argument("--book-only", action="store_true", help="leave JupyterLite as it is")
    parser.add_argument("--out", type=Path, default=OUT, help="where to (default: build/site)")
    options = parser.parse_args()
    out = options.out.resolve()
    WORK.mkdir(parents=True, exist_ok=True)
    if not options.book_only:
        build_lite(out / "lite")
    build_book(out)
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file()) / 1e6
    say(f"{out}, {size:.0f} MB")


def build_lite(out: Path) -> None:
    """JupyterLite with Pyodide, minibn and the notebooks."""
    minibn = packages.minibn_wheel()
    say(minibn.name)
    folder, contents = WORK / "lite", WORK / "contents"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(contents, ignore_errors=True)
    shutil.copytree(HERE / "lite", folder)
    say("Pyodide: " + pyodide_folder.assemble(folder / "static" / "pyodide", minibn))
    chapters.lite_files(contents)
    shutil.rmtree(out, ignore_errors=True)
    for memory in WORK.glob(".jupyterlite.doit.db*"):      # of what the last build had done
        memory.unlink()
    run("jupyter", "lite", "build", "--lite-dir", folder, "--contents", contents,
        "--output-dir", out, "--no-sourcemaps", "--no-unused-shared-packages",
        "--apps", "notebooks", "--apps", "lab", "--apps", "tree", log=WORK / "lite.log")
    lite_pages.finish(out)
    say("JupyterLite")


def build_book(out: Path) -> None:
    """The book's pages, from the working tree as it is."""
    book = WORK / "book"
    shutil.rmtree(book, ignore_errors=True)
    shutil.copytree(HERE / "book", book)
    static = book / "_static"
    shutil.move(book / "static", static)
    shutil.copy(packages.npm("mathjax") / "es5" / "tex-svg.js", static)
    for page in sources.documents():
        text = (ROOT / page.source).read_text("utf-8")
        put(book / page.target,
            links.rewrite(graph.replace(text), page.source, page.target, book))
    for name in sources.chapters():
        chapters.chapter_page(name, book)
    for name in sources.exercises():
        chapters.exercise_page(name, book)
    put(book / "equations.md", equations.page())
    for name, text in api.pages().items():
        put(book / "api" / f"{name}.md", text)
    for name, text in landing.pages((HERE / "book" / "index.md").read_text("utf-8")).items():
        put(book / name, text)
    doctrees = WORK / "doctrees"
    shutil.rmtree(doctrees, ignore_errors=True)
    for old in out.glob("*") if out.exists() else ():
        if old.name != "lite":
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    run("sphinx", "-q", "-j", "auto", "-b", "html", "-d", doctrees, book, out,
        log=WORK / "book.log")
    for source, place in sources.finished_pages().items():
        icon = '<head>\n<link rel="icon" type="image/svg+xml" href="../../_static/icon.svg">'
        put(out / place, (ROOT / source).read_text("utf-8").replace("<head>", icon, 1))
    (out / ".buildinfo").unlink(missing_ok=True)
    (out / ".nojekyll").touch()            # so a code host serves folders that begin with _
    say("book")


def put(path: Path, text: str) -> None:
    """Write a page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def run(module: str, *arguments: object, log: Path) -> None:
    """Run a module of this Python; what it says goes to `log`, and to the screen if it fails."""
    with log.open("w") as said:
        done = subprocess.run([sys.executable, "-m", module, *map(str, arguments)], cwd=WORK,
                              stdout=said, stderr=subprocess.STDOUT,
                              env={**os.environ,
                                   "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)])})
    text = log.read_text()
    if module == "sphinx" or done.returncode:
        sys.stderr.write(text)
    if done.returncode:
        raise SystemExit(f"{module} failed: see above, or {log}")


if __name__ == "__main__":
    main()
