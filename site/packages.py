"""Fetch what the site is made of, npm packages and wheels, each once and each checked."""

import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from project import PINS, ROOT, WORK

CACHE = WORK / "cache"


def npm(name: str) -> Path:
    """The unpacked folder of an npm package at its pinned version.

    Only the package itself is fetched: none of those used here needs another one at run time.
    """
    version, folder = PINS[name], WORK / "node_modules" / name
    archive = CACHE / f"{name}-{version}.tgz"
    if not archive.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as fresh:
            subprocess.run(["npm", "pack", "--silent", f"{name}@{version}"], cwd=fresh, check=True,
                           stdout=subprocess.DEVNULL)
            (Path(fresh) / archive.name).replace(archive)
    check_integrity(archive, PINS["integrity"][name])
    marker = folder / ".version"
    if not marker.exists() or marker.read_text() != version:
        shutil.rmtree(folder, ignore_errors=True)
        with tarfile.open(archive) as packed:
            for member in packed.getmembers():
                member.name = member.name.partition("/")[2]            # "package/…"
                if member.isfile():
                    packed.extract(member, folder, filter="data")
        marker.write_text(version)
    return folder


def check_integrity(archive: Path, integrity: str) -> None:
    """Raise unless the file has the hash that pyproject.toml has for it (npm's form: sha512-…)."""
    kind, _, wanted = integrity.partition("-")
    got = base64.b64encode(hashlib.new(kind, archive.read_bytes()).digest()).decode()
    if got != wanted:
        archive.unlink()
        raise SystemExit(f"{archive.name}: its {kind} is {got}, not {wanted} as in pyproject.toml")


def pip(*arguments: str) -> None:
    """Run pip without its remarks."""
    subprocess.run([sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check",
                    "--no-input", *arguments], check=True)


def carrier() -> Path:
    """The wheel that has Pyodide's own wheels in it (see `pyodide_folder.py`)."""
    version = PINS["open-webui"]
    wheel = CACHE / f"open_webui-{version}-py3-none-any.whl"
    if not wheel.exists():
        pip("download", "--no-deps", "--only-binary=:all:", "--python-version", "3.12",
            "--dest", str(CACHE), f"open-webui=={version}")
    return wheel


def pure_wheels() -> list[Path]:
    """The wheels of wheels.txt, all of pure Python; pip checks each against its hash there."""
    requirements = ROOT / "site" / "wheels.txt"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]
    folder = CACHE / f"wheels-{digest}"
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=CACHE) as fresh:
            pip("download", "--no-deps", "--require-hashes", "--only-binary=:all:",
                "--platform", "any", "--implementation", "py", "--abi", "none",
                "--python-version", "3.14", "--dest", fresh, "--requirement", str(requirements))
            Path(fresh).chmod(0o755)
            shutil.copytree(fresh, folder)
    return sorted(folder.glob("*.whl"))


def minibn_wheel() -> Path:
    """The wheel of this working tree, built from a copy, so that nothing stale gets into it.

    The results of the replication are in it (setup.py packs them), since chapter 11 reads them.
    """
    folder = WORK / "minibn"
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as copy:
        for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, copy)
        for name in ("minibn", "results"):
            shutil.copytree(ROOT / name, Path(copy) / name,
                            ignore=shutil.ignore_patterns("__pycache__", "*.png"))
        pip("wheel", "--no-deps", "--wheel-dir", str(folder), copy)
    return next(folder.glob("minibn-*.whl"))
