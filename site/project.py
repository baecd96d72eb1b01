"""What the site takes from pyproject.toml: versions, and the repository's address."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PINS = PYPROJECT["tool"]["minibn"]["site"]         # {"pyodide": "314.0.3", …, "integrity": {…}}

WORK = ROOT / "build" / "site-work"                # the cache and everything in between
OUT = ROOT / "build" / "site"                      # the finished site


def repository(pyproject: dict = PYPROJECT) -> str:
    """The address of the repository, [project.urls] Repository, or "" as long as there is none."""
    return pyproject["project"].get("urls", {}).get("Repository", "").rstrip("/")


def file_address(path: str, branch: str = "main", address: str | None = None) -> str:
    """The page of a file or folder on the code host, or "" as long as there is no address."""
    address = repository() if address is None else address
    return f"{address}/blob/{branch}/{path}" if address else ""


def hosted_notebook(path: str, branch: str = "main", address: str | None = None) -> str:
    """Where a hosted service opens a notebook of the repository, or "".

    The service in question opens notebooks from GitHub alone, so another host gets no button.
    """
    address = repository() if address is None else address
    found = re.fullmatch(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?", address)
    if not found:
        return ""
    owner, name = found.groups()
    return f"https://colab.research.google.com/github/{owner}/{name}/blob/{branch}/{path}"
