"""What is said in several files is the same in all of them."""

import ast
import gzip
import importlib
import re
import shutil
import sys
from pathlib import Path

import pytest

import minibn
from minibn.replication import load_results, published

ROOT = Path(__file__).parents[1]
if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

pytestmark = pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="needs a clone")


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def cff(key, name="CITATION.cff"):
    """The value of a key at the top level of the citation file, or None."""
    found = re.search(rf"^{key}: *(.*)$", text(name), re.M)
    return found and found[1].strip('"')


def test_requirements_are_those_of_the_package_its_tests_and_its_notebooks(project):
    """With the same bounds; whatever is for one platform only stays in pyproject.toml."""
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["test"], *extras["notebooks"]]
    lines = [line for line in text("requirements.txt").splitlines() if not line.startswith("#")]
    assert sorted(lines) == sorted({line for line in wanted if ";" not in line})


def test_the_core_needs_what_it_imports_and_no_more(project):
    """Every third-party module that minibn imports at the top of a file is a dependency.

    But for the kernels for CuPy, which are imported when there is a GPU.
    """
    imported = set()
    for path in (ROOT / "minibn").rglob("*.py"):
        if path.name.startswith("cupy_"):
            continue
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.Import):
                imported |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).partition(".")[0])
    needed = {re.match(r"[\w-]+", line)[0] for line in project["dependencies"]}
    assert imported - set(sys.stdlib_module_names) - {"minibn", "PIL"} == needed  # matplotlib's PIL


def test_one_version_and_one_license(project):
    assert cff("version") == minibn.__version__
    assert re.search(rf"^## {re.escape(minibn.__version__)}", text("CHANGELOG.md"), re.M)
    for name in project["license-files"]:
        assert (ROOT / name).exists(), name
    assert cff("license") in project["license"]


def test_the_address_stands_in_one_place(project):
    """Once there is one: CITATION.cff, which tools read alone, repeats it."""
    address = project.get("urls", {}).get("Repository")
    assert cff("repository-code") == address


def test_nobody_who_does_not_exist_is_an_author(project):
    assert project["authors"] == [{"name": "The minibn authors"}]
    own = text("CITATION.cff").partition("references:")[0]
    assert re.findall(r"name: \"?(.*?)\"?$", own, re.M) == ["The minibn authors"]


def test_the_package_says_that_it_is_typed():
    assert (Path(minibn.__file__).parent / "py.typed").exists()


def test_every_workflow_and_hook_calls_a_command_of_the_project():
    """What runs elsewhere is what runs here: the files hold no logic of their own."""
    workflow = text(".github/workflows/checks.yml")
    assert ".ci/run" in workflow and workflow.count("run:") == 1
    hooks = text(".pre-commit-config.yaml")
    assert re.findall(r"entry: (.*)", hooks) == ["make lint"]


@pytest.fixture
def pack(monkeypatch):
    """What setup.py puts into a wheel for a folder of results."""
    pytest.importorskip("setuptools")
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.delitem(sys.modules, "setup", raising=False)
    return importlib.import_module("setup").pack


def test_packed_results_are_the_results(pack, tmp_path, monkeypatch):
    """An installed package has them packed; none is lost, and none is changed."""
    some = tmp_path / "some"
    for path in sorted((ROOT / "results" / "scaled").rglob("*b5-s1.json"))[:4]:
        target = some / path.relative_to(ROOT / "results" / "scaled")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    monkeypatch.setattr(sys.modules["minibn.replication.published"], "PACKED", tmp_path)
    (tmp_path / "mine.jsonl.gz").write_bytes(pack(some))
    assert pack(some) == pack(some) and pack(tmp_path / "nothing") == b""
    found, expected = published("mine"), load_results(some)
    assert len(found) == 4 and list(found) == list(expected)
    with pytest.raises(FileNotFoundError, match="no results 'other' here: only mine"):
        published("other")
    (tmp_path / "bad.jsonl.gz").write_bytes(gzip.compress(b"{}\n"))
    with pytest.raises(ValueError, match="bad.jsonl.gz, line 1 is not a result"):
        published("bad")


def test_a_clone_reads_its_own_folder():
    assert len(published("scaled")) == len(load_results(ROOT / "results" / "scaled"))
