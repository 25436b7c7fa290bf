"""Servers that check who asks: each recomputes what it is shown, and refuses what is wrong."""

import hashlib
import hmac
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from radflow.settings import LOOPBACK


@dataclass(frozen=True)
class Asked:
    """A request as the server has it."""

    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode()))


Answer = Callable[[Asked], tuple[int, Any]]
"""What is answered: a status, and what becomes JSON."""


@dataclass
class Server:
    """A server that runs."""

    port: int
    secure: bool
    asked: list[Asked] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http{'s' if self.secure else ''}://{LOOPBACK}:{self.port}"


@contextmanager
def serving(answer: Answer, context: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Answer every request by the function, until the end."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, body)
            server.asked.append(asked)
            status, content = answer(asked)
            written = b"" if status == 204 else json.dumps(content).encode()
            self.send_response(status)
            self.send_header(
                "Content-Type", "application/dicom+json" if status == 200 else "application/json"
            )
            if "access_token" in written.decode() or "token_endpoint" in written.decode():
                self.send_header("Cache-Control", "no-store")
            self.send_header("Content-Length", str(len(written)))
            self.end_headers()
            self.wfile.write(written)

        do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 (named by http.server)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    if context:
        http.socket = context.wrap_socket(http.socket, server_side=True)
    server = Server(http.server_address[1], context is not None)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


@dataclass
class Tokens:
    """Tokens that were issued, and which of them are still good."""

    issued: list[str] = field(default_factory=list)
    good: set[str] = field(default_factory=set)

    def issue(self) -> str:
        token = f"token-{len(self.issued) + 1}"
        self.issued.append(token)
        self.good.add(token)
        return token

    def archive(self, asked: Asked) -> tuple[int, Any]:
        """An archive that takes requests with a good token only, and finds nothing."""
        scheme, _, token = asked.headers.get("authorization", "").partition(" ")
        return (200, []) if scheme == "Bearer" and token in self.good else (401, {})


def signature_v4(asked: Asked, secret: str, region: str, service: str) -> str:
    """The signature that AWS would compute (Signature Version 4), by hand: not by what makes it."""
    parts = dict(
        part.strip().split("=", 1)
        for part in asked.headers["authorization"].removeprefix("AWS4-HMAC-SHA256").split(",")
    )
    signed = parts["SignedHeaders"].split(";")
    url = urlsplit(asked.path)
    pairs = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in parse_qsl(url.query, keep_blank_values=True)
    )
    canonical = "\n".join(
        [
            asked.method,
            quote(url.path, safe="/-_.~"),
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{' '.join(asked.headers[name].split())}" for name in signed),
            "",
            parts["SignedHeaders"],
            hashlib.sha256(asked.body).hexdigest(),
        ]
    )
    moment = asked.headers["x-amz-date"]
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    to_sign = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


def aws_archive(secret: str, region: str = "eu-central-1") -> Answer:
    """HealthImaging as far as it asks who we are: 403 where the signature or the digest is wrong."""

    def answer(asked: Asked) -> tuple[int, Any]:
        shown = asked.headers.get("authorization", "").rpartition("Signature=")[2]
        if not shown:
            return 403, {"message": "Missing Authentication Token"}
        right = hmac.compare_digest(shown, signature_v4(asked, secret, region, "medical-imaging"))
        digest = hashlib.sha256(asked.body).hexdigest()
        signed_host = "host" in asked.headers["authorization"]
        if not (right and signed_host and asked.headers["x-amz-content-sha256"] == digest):
            return 403, {"message": "The request signature we calculated does not match"}
        return 200, []

    return answer


def now() -> int:
    """Seconds since 1970: what a JWT's times are in."""
    return int(time.time())
