"""Look at minibn from outside of its clone, as it was installed: called by .ci/package.

    python outside.py contents DIST        what is in the archives, and in the installed package
    python outside.py notebooks FOLDER     the first code cell of every notebook runs
"""

import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import minibn

NEEDED_BY_TESTS = ("tests/conftest.py", "notebooks/README.md", "results/REPORT.md", "README.md",
                   "benchmarks/README.md", "Makefile", "requirements.txt", "CITATION.cff",
                   "CHANGELOG.md", ".ci/run", ".github/workflows/checks.yml", "site/build.py",
                   ".pre-commit-config.yaml", "docs", "LICENSE", "setup.py")


def contents(dist: Path) -> None:
    """Both archives have what they need, and the wheel nothing else."""
    wheel, = dist.glob("minibn-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for name in ("minibn/py.typed", "minibn/replication/published/scaled.jsonl.gz"):
        assert name in names, f"{wheel.name} lacks {name}"
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"minibn", f"minibn-{minibn.__version__}.dist-info"}, tops
    assert wheel.stat().st_size < 12e6, f"{wheel.name} has {wheel.stat().st_size:,} bytes"

    source, = dist.glob("minibn-*.tar.gz")
    with tarfile.open(source) as archive:
        found = {name.partition("/")[2] for name in archive.getnames()}
    missing = [name for name in NEEDED_BY_TESTS if name not in found]
    assert not missing, f"{source.name} lacks {missing}"
    assert not any("__pycache__" in name or name.startswith(("runs/", "build/")) for name in found)

    from minibn.replication import judge, published
    from minibn.replication.presets import PRESETS

    assert "site-packages" in minibn.__file__, f"this is not an installed minibn: {minibn.__file__}"
    results = published("scaled")
    assert len(judge(results, PRESETS["scaled"])) > 3 and len(results) > 100


def notebooks(folder: Path) -> None:
    """The first code cell of each: all imports, from the installed package."""
    for path in sorted(folder.rglob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        first = next("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        done = subprocess.run([sys.executable, "-c", first], cwd=path.parent, text=True,
                              capture_output=True)
        assert done.returncode == 0, f"{path.name}:\n{done.stderr}"


if __name__ == "__main__":
    {"contents": contents, "notebooks": notebooks}[sys.argv[1]](Path(sys.argv[2]))
