"""Measure how long each notebook takes in a browser, for the sentence on top of its page.

    make site && python site/measure_times.py [NAME ...]

Runs every notebook of the built site (or those named, "04_moving_average_bias" or
"exercises/04_moving_average_bias") in headless Chromium, one after the other, and keeps the seconds
in browser_times.json: those that all cells take, without the start.  Where the system tells, they
are seconds of processor time, in which other programs on the machine do not count.  Needs what
`make test-site` needs.  A notebook that stops at an error keeps its old time and is named at the
end.
"""

import json
import math
import os
import platform
import shutil
import subprocess
import sys
import threading

import chapters
import packages
import serve
import sources
from project import OUT


def main() -> None:
    named = sys.argv[1:] or [*sources.chapters(),
                             *(f"exercises/{name}" for name in sources.exercises())]
    server = serve.server(OUT)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    known = json.loads(chapters.TIMES.read_text("utf-8")) if chapters.TIMES.exists() else {}
    seconds, failed = known.get("seconds", {}), []
    for name in named:
        path = f"{name}.ipynb"
        found = run(f"http://127.0.0.1:{server.server_port}/{chapters.live(path, '')}")
        if found is None or found["failed"] or found["done"] < found["cells"]:
            why = found["failed"] or ["not finished"] if found else ["the browser stopped"]
            failed.append(f"{path}: {why[0]}")
            print(failed[-1], flush=True)
        else:
            seconds[path] = round(min(found["seconds"], found["processor"] or math.inf), 1)
            print(f"{path}: start {found['started']:.0f} s, cells {found['seconds']:.1f} s, "
                  f"processor {found['processor']} s", flush=True)
            keep(seconds)
    if failed:
        raise SystemExit("\n".join(failed))


def keep(seconds: dict[str, float]) -> None:
    """Write the times of the notebooks that there are."""
    machine = f"{platform.machine()}, {os.cpu_count()} processors, headless Chromium"
    files = OUT / "lite" / "files"
    there = {name: seconds[name] for name in sorted(seconds) if (files / name).exists()}
    text = json.dumps({"machine": machine, "seconds": there}, indent=1)
    fresh = chapters.TIMES.with_suffix(".new")
    fresh.write_text(text + "\n", "utf-8")
    fresh.replace(chapters.TIMES)


def run(url: str) -> dict | None:
    """What the task "run" of browser.mjs says of a notebook, None if it ended in an error."""
    browser = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not browser:
        raise SystemExit("Chromium was not found: CHROMIUM names it")
    request = json.dumps({"task": "run", "url": url, "limit": 900})
    done = subprocess.run(["node", chapters.HERE / "browser.mjs", request], text=True,
                          stdout=subprocess.PIPE,
                          env={**os.environ, "CHROMIUM": browser,
                               "PLAYWRIGHT": str(packages.npm("playwright-core"))})
    return json.loads(done.stdout) if done.returncode == 0 else None


if __name__ == "__main__":
    main()
