"""Assemble Pyodide, Python for the browser, with just the packages that the course needs.

    core               npm's package pyodide: the interpreter, the standard library and the lock
                       file, which names a wheel and its sha256 for each package
    Pyodide's wheels   out of the wheel of open-webui, a web application that carries them: all that
                       are compiled, and some of pure Python.  Each is compared with the sha256 of
                       the lock file, so the carrier need not be trusted.  (Pyodide publishes them
                       at an address of its own; this site is built from package registries alone.)
    other wheels       wheels.txt, of pure Python, each with its hash there
    minibn             the wheel of this working tree
    the kernel         what jupyterlite-pyodide-kernel brings

The lock file is then cut down to these packages and completed by those that it does not know, so
that `import` and notebooks need no installation at run time, and nothing from outside.
"""

import hashlib
import json
import shutil
import sys
import zipfile
from pathlib import Path

import packages

# The roots; what they need follows from the lock file.
WANTED = ("numpy", "matplotlib", "ipython", "micropip", "jedi")
# What the lock file does not know, and what each of them needs.
EXTRA = {
    "autograd": ["numpy"],
    "comm": [],
    "ipywidgets": ["comm", "ipython", "traitlets"],
    "minibn": ["numpy", "matplotlib", "threadpoolctl", "tqdm", "ipywidgets", "autograd"],
    "ipykernel": ["pyodide-kernel"],
    "piplite": ["micropip"],
    "pyodide-kernel": ["comm", "ipython"],
    "threadpoolctl": [],
    "tqdm": [],
}
CORE = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip")


def assemble(folder: Path, minibn: Path) -> str:
    """Fill `folder` with a Pyodide that knows the wheel `minibn`; says in a line what is there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    core = packages.npm("pyodide")
    for name in CORE:
        shutil.copy(core / name, folder)
    lock = json.loads((core / "pyodide-lock.json").read_text("utf-8"))
    known = closure(lock["packages"], WANTED)

    result = {}
    with zipfile.ZipFile(packages.carrier()) as carrier:
        carried = set(carrier.namelist())
        for name, entry in known.items():
            path = "open_webui/frontend/pyodide/" + entry["file_name"]
            if path in carried:
                data = carrier.read(path)
                if hashlib.sha256(data).hexdigest() != entry["sha256"]:
                    raise SystemExit(f"{path} is not the wheel of Pyodide's lock file")
                (folder / entry["file_name"]).write_bytes(data)
                result[name] = entry
    for wheel in [*packages.pure_wheels(), *kernel_wheels(), minibn]:
        entry = describe(wheel)
        name = entry["name"]
        if name in known:
            same = ("version", "file_name")
            if [entry[key] for key in same] != [known[name][key] for key in same]:
                raise SystemExit(f"wheels.txt has {wheel.name}, Pyodide's lock file "
                                 f"{known[name]['file_name']}")
            entry["depends"] = known[name]["depends"]
            entry["imports"] = known[name]["imports"]
        elif name in EXTRA:
            entry["depends"] = EXTRA[name]
        else:
            raise SystemExit(f"wheels.txt has {name}, and nothing here says what it needs")
        shutil.copy(wheel, folder)
        result[name] = entry
    missing = sorted((set(known) | set(EXTRA)) - set(result))
    if missing:
        raise SystemExit(f"packages without a wheel: {', '.join(missing)}")

    lock["packages"] = result
    (folder / "pyodide-lock.json").write_text(json.dumps(lock, indent=1), "utf-8")
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    return f"{len(result)} packages, {size:.0f} MB"


def closure(lock: dict[str, dict], roots: tuple[str, ...]) -> dict[str, dict]:
    """The entries of `roots` and of all that they need."""
    found: dict[str, dict] = {}
    todo = list(roots)
    while todo:
        name = normal(todo.pop())
        if name not in found:
            found[name] = lock[name]
            todo += lock[name]["depends"]
    return found


def normal(name: str) -> str:
    """A package's name as the lock file spells it."""
    return name.lower().replace("_", "-").replace(".", "-")


def describe(wheel: Path) -> dict:
    """The entry of the lock file for a wheel."""
    name, version = wheel.name.split("-")[:2]
    with zipfile.ZipFile(wheel) as files:
        tops = {path.split("/")[0] for path in files.namelist()}
    return {
        "name": normal(name), "version": version, "file_name": wheel.name, "install_dir": "site",
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(), "package_type": "package",
        "imports": sorted(top.removesuffix(".py") for top in tops
                          if not top.endswith((".dist-info", ".data"))),
        "depends": [], "unvendored_tests": False,
    }


def kernel_wheels() -> list[Path]:
    """The wheels that the installed jupyterlite-pyodide-kernel brings."""
    folder = Path(sys.prefix, "share/jupyter/labextensions/@jupyterlite/pyodide-kernel-extension",
                  "static/pypi")
    wheels = [wheel for wheel in sorted(folder.glob("*.whl"))
              if normal(wheel.name.split("-")[0]) in EXTRA]
    if not wheels:
        raise SystemExit(f"no wheels in {folder}: is jupyterlite-pyodide-kernel installed?")
    return wheels
