"""A SMART server for tests: it verifies JWTs with joserfc, gives tokens, and guards a FHIR server."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from radflow.settings import LOOPBACK

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass
class SmartServer:
    """What it knows of its one client, and what has happened."""

    fhir_url: str
    client_id: str
    keys: dict[str, RSAKey | ECKey]
    """Public keys by `kid`."""
    url: str = ""
    algorithms: list[str] = field(default_factory=lambda: ["RS384", "ES384"])
    expires_in: int = 300
    issued: list[str] = field(default_factory=list)
    """Tokens, oldest first."""
    revoked: set[str] = field(default_factory=set)
    refusals: list[str] = field(default_factory=list)
    """Why token requests were refused."""
    _seen: set[str] = field(default_factory=set)

    def token(self, form: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        """SMART Backend Services, "Issuing access token"."""
        try:
            self._verify(form)
        except (JoseError, KeyError, ValueError) as error:
            self.refusals.append(f"{type(error).__name__}: {error}")
            return 400, {"error": "invalid_client"}
        self.issued.append(f"token-{len(self.issued)}")
        scope = form["scope"][0]
        token = self.issued[-1]
        return 200, {
            "access_token": token,
            "token_type": "bearer",
            "expires_in": self.expires_in,
            "scope": scope,
        }

    def _verify(self, form: dict[str, list[str]]) -> None:
        if form["grant_type"] != ["client_credentials"] or form["client_assertion_type"] != [ASSERTION_TYPE]:
            raise ValueError("not a client assertion")
        token = jwt.decode(
            form["client_assertion"][0],
            lambda given: self.keys[given.headers()["kid"]],
            algorithms=self.algorithms,
        )
        rules = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": self.client_id},
            sub={"essential": True, "value": self.client_id},
            aud={"essential": True, "value": f"{self.url}/token"},
            exp={"essential": True},
            jti={"essential": True},
        )
        rules.validate(token.claims)
        if token.claims["jti"] in self._seen:
            raise ValueError("an assertion is used once")
        self._seen.add(token.claims["jti"])

    def lets_in(self, authorization: str) -> bool:
        token = authorization.removeprefix("Bearer ")
        return token in self.issued and token not in self.revoked


@contextmanager
def smart_server(server: SmartServer) -> Iterator[SmartServer]:
    """The server on a port of its own: `/fhir` is what it guards."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/fhir/.well-known/smart-configuration":
                configuration = {
                    "token_endpoint": f"{server.url}/token",
                    "token_endpoint_auth_signing_alg_values_supported": server.algorithms,
                }
                self._answer(200, json.dumps(configuration).encode())
            else:
                self._answer(404, b"{}")

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/token":
                status, body = server.token(parse_qs(content.decode()))
                self._answer(status, json.dumps(body).encode())
            elif server.lets_in(self.headers.get("Authorization", "")):
                answer = httpx.post(
                    server.fhir_url, content=content, headers={"Content-Type": "application/fhir+json"}
                )
                self._answer(answer.status_code, answer.content)
            else:
                self._answer(401, b"{}")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
            pass

    http = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    server.url = f"http://{LOOPBACK}:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
