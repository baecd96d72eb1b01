"""The built site on a file server, in a subfolder, and headless Chromium to look at it."""

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

SITE = Path(__file__).parent.parent
sys.path.insert(0, str(SITE))

import packages  # noqa: E402
import serve  # noqa: E402
from project import OUT, WORK  # noqa: E402

SHOTS = WORK / "screenshots"                     # kept, for eyes


def chromium() -> str | None:
    """The browser: CHROMIUM, or what Debian, Ubuntu and hosted machines call it."""
    named = os.environ.get("CHROMIUM")
    names = [named] if named else ["chromium", "chromium-browser", "google-chrome"]
    return next((found for name in names if (found := shutil.which(name))), None)


@pytest.fixture(scope="session")
def out() -> Path:
    """The folder of the built site."""
    if not (OUT / "index.html").exists() or not (OUT / "lite" / "index.html").exists():
        pytest.skip(f"{OUT} has no site: `make site` builds it")
    return OUT


@pytest.fixture(scope="session")
def address(out, tmp_path_factory):
    """Where the site is served: in a subfolder, as a code host does it."""
    root = tmp_path_factory.mktemp("served")
    (root / "some" / "where").mkdir(parents=True)
    (root / "some" / "where" / "minibn").symlink_to(out)
    server = serve.server(root)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/some/where/minibn"
    server.shutdown()


@pytest.fixture(scope="session")
def browse():
    """A function that gives a task of browser.mjs to Chromium, and what came of it."""
    browser, node = chromium(), shutil.which("node")
    if not browser or not node:
        pytest.skip("Chromium is not installed" if node else "node is not installed")
    environment = {**os.environ, "CHROMIUM": browser,
                   "PLAYWRIGHT": str(packages.npm("playwright-core"))}

    def ask(task: str, **request):
        done = subprocess.run([node, SITE / "browser.mjs", json.dumps({"task": task, **request})],
                              capture_output=True, text=True, env=environment, timeout=600)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ask
