"""Run notebooks from top to bottom, each on a fresh kernel.

    python notebooks/run_all.py                   # all, in full mode; outputs are saved
    python notebooks/run_all.py --mode short      # all, quickly; nothing is saved
    python notebooks/run_all.py --only 03 07      # those whose names begin so

Chapters, solutions and exercises (with their blanks empty) are run; outputs of chapters and
solutions are kept, exercises stay clean. Real CIFAR-100 is used in full mode where the environment
variable MINIBN_DATA names its folder. Ends with status 1 if a cell fails.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

HERE = Path(__file__).resolve().parent
KINDS = (".", "solutions", "exercises")


def run(path: Path, mode: str, timeout: int = 3600) -> nbformat.NotebookNode:
    """The notebook with its outputs; raises CellExecutionError where a cell fails."""
    os.environ["MINIBN_NOTEBOOK_MODE"] = mode
    os.environ["MINIBN_NOTEBOOK_STATIC"] = "1"         # no one will move a slider
    os.environ["PYTHONWARNINGS"] = "ignore::DeprecationWarning"
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=timeout, startup_timeout=300, record_timing=False,
                            kernel_name="python3", store_widget_state=False,
                            coalesce_streams=True,
                            resources={"metadata": {"path": str(path.parent)}})
    client.execute()
    # What depends on the machine and says nothing to a reader.
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def save(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write the notebook in one go: an interrupted run leaves the old one."""
    new = path.with_suffix(".new")
    nbformat.write(notebook, new)
    os.replace(new, path)


def find(only: list[str], kinds: list[str]) -> list[Path]:
    """The notebooks of these kinds, in the order of the course."""
    paths = [path for kind in kinds for path in (HERE / kind).glob("*.ipynb")
             if not only or path.name.startswith(tuple(only))]
    return sorted(paths, key=lambda path: (path.name, kinds.index(kind_of(path))))


def kind_of(path: Path) -> str:
    return "." if path.parent == HERE else path.parent.name


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--mode", choices=("short", "full"), default="full",
                        help="full (default) saves the outputs, short is a quick test")
    parser.add_argument("--only", nargs="+", default=[], metavar="NN",
                        help="run notebooks whose names begin so, for example 03")
    parser.add_argument("--kind", nargs="+", choices=KINDS, default=list(KINDS),
                        help="chapters (.), solutions, exercises; default: all three")
    options = parser.parse_args()
    failed = 0
    for path in find(options.only, options.kind):
        start = time.perf_counter()
        try:
            notebook = run(path, options.mode)
        except (CellExecutionError, RuntimeError, TimeoutError) as error:
            failed += 1
            print(f"{path.relative_to(HERE)} FAILED\n{error}", flush=True)
            continue
        if options.mode == "full" and kind_of(path) != "exercises":
            save(notebook, path)
        print(f"{path.relative_to(HERE)}  {time.perf_counter() - start:.0f} s", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
