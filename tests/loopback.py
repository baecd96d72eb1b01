"""A web server on the loopback address that sends what a test tells it to, mistakes included."""

import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@contextmanager
def serve(content, status=200, length=None, cut_at=None, stall=0.0, announce=True):
    """Yields the address of a server that answers every request with `content`.

    length: the Content-Length to claim, if not the true one; announce=False: claim none.
    cut_at: close the connection after so many bytes. stall: seconds of silence before it closes.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            if announce:
                self.send_header("Content-Length", str(len(content) if length is None else length))
            self.end_headers()
            try:
                self.wfile.write(content[:cut_at])
                self.wfile.flush()
            except ConnectionError:  # the reader has had enough
                return
            time.sleep(stall)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/archive.tar.gz"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
