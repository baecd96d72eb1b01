"""Serve the built site on this machine and open it in a browser: `make serve`.

    python site/serve.py [--port 8000] [--no-browser]
"""

import argparse
import functools
import http.server
import webbrowser
from pathlib import Path

from project import OUT


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A file server that says nothing of each file."""

    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map,
                      ".mjs": "text/javascript", ".wasm": "application/wasm"}

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


def server(folder: Path, port: int = 0) -> http.server.ThreadingHTTPServer:
    """A file server for `folder`, on a free port unless one is given; reached from here alone."""
    handler = functools.partial(Quiet, directory=str(folder))
    return http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve the site on this machine.")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    options = parser.parse_args()
    if not (OUT / "index.html").exists():
        raise SystemExit(f"{OUT} has no site: run `make site` first")
    try:
        there = server(OUT, options.port)
    except OSError as error:
        raise SystemExit(f"port {options.port}: {error.strerror}; --port takes another") from None
    address = f"http://127.0.0.1:{there.server_port}/"
    print(f"The site is at {address} (Ctrl+C ends it)")
    if not options.no_browser:
        webbrowser.open(address)
    try:
        there.serve_forever()
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main()
