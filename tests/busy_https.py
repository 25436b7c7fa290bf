"""An HTTPS server that whoever gets through to it hears from: it is busy."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from radflow.connectors.tls import server_context
from radflow.settings import LOOPBACK
from radflow.settings.tls import ServerTls


class _Busy(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def do_GET(self) -> None:
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        pass


@contextmanager
def busy_https(tls: ServerTls) -> Iterator[str]:
    """Its URL; it answers 503 until the end."""
    context = server_context(tls)
    assert isinstance(context, ssl.SSLContext)
    http = HTTPServer((LOOPBACK, 0), _Busy)
    http.socket = context.wrap_socket(http.socket, server_side=True)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"https://{LOOPBACK}:{http.server_port}"
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
