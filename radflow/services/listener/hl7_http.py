"""HL7 over HTTP: a POST with a message gets its ACK as the response (HAPI's HL7 over HTTP specification).

Whatever the ACK says, the status is 200: AE and AR are no errors of the transport (§2.6). Other statuses mean
that there is no ACK: the request was not understood or not allowed, or the message could not be stored.
"""

import asyncio
import base64
import binascii
import hmac
from datetime import UTC
from email.utils import format_datetime
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from mappings.hl7.http_charset import charset_of, in_its_own_set
from radflow.connectors.hl7_http import MEDIA_TYPE, is_hl7, media_type
from radflow.services.listener.reception import Parcel, Reception
from radflow.settings import ConfigError, HttpListener

_ENDS_WITHIN = 5
"""Seconds for the answer in flight when a connection ends."""


class HttpWelcome:
    """Makes and serves connections."""

    def __init__(self, settings: HttpListener, reception: Reception) -> None:
        self._seconds = settings.request_seconds
        endpoint = _Endpoint(settings, reception)
        app = Starlette(routes=[Route(settings.path, endpoint.post, methods=["POST"])])
        self._config = uvicorn.Config(
            app,
            http=_Exchange,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=max(1, round(settings.request_seconds)),
        )
        self._config.load()
        self._state = ServerState()

    def protocol(self, _peer: str) -> "_Exchange":
        return _Exchange(self._config, self._state, {})

    async def see_through(self, protocol: "_Exchange", transport: asyncio.Transport) -> None:
        """Until it is closed, or has come to no request for too long."""
        try:
            while await protocol.is_busy_within(self._seconds):
                pass
        except asyncio.CancelledError:
            protocol.shutdown()
            await asyncio.wait([protocol.closed], timeout=_ENDS_WITHIN)
        finally:
            transport.abort()


class _Exchange(H11Protocol):
    """A connection that knows how it fares. uvicorn itself waits for ever for the end of a request's head."""

    def __init__(
        self, config: uvicorn.Config, server_state: ServerState, app_state: dict[str, object]
    ) -> None:
        super().__init__(config, server_state, app_state)
        self.closed: asyncio.Future[None] = self.loop.create_future()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if not self.closed.done():
            self.closed.set_result(None)

    async def is_busy_within(self, seconds: float) -> bool:
        """Whether it is open and a request was begun within this time, or is still worked on."""
        before = self.cycle
        await asyncio.wait([self.closed], timeout=seconds)
        works = self.cycle is not None and not self.cycle.response_complete
        return not self.closed.done() and (works or self.cycle is not before)


class _Endpoint:
    """The one resource: it takes messages."""

    def __init__(self, settings: HttpListener, reception: Reception) -> None:
        self._settings, self._reception = settings, reception
        self._allowed = _credentials(settings)

    async def post(self, request: Request) -> Response:
        self._check(request.headers)
        raw = in_its_own_set(await self._body(request), _charset(request.headers))
        client = request.client
        parcel = await self._reception.take(raw, f"{client.host}:{client.port}" if client else "")
        return self._response(await parcel.settled())

    def _check(self, headers: Headers) -> None:
        if self._allowed and not any(
            hmac.compare_digest(_authorization(headers), allowed) for allowed in self._allowed
        ):
            schemes = "Basic" if self._settings.user else "Bearer"
            raise HTTPException(401, headers={"WWW-Authenticate": f'{schemes} realm="HL7"'})
        if not is_hl7(headers.get("content-type", "")):
            raise HTTPException(415, f"Only {MEDIA_TYPE} is taken.", {"Accept-Post": MEDIA_TYPE})
        try:
            in_its_own_set(b"", _charset(headers))
        except LookupError:
            raise HTTPException(415, "The charset of Content-Type is not known.") from None

    async def _body(self, request: Request) -> bytes:
        most = self._settings.max_message_bytes
        too_long = HTTPException(413, f"A message may have {most} bytes.")
        if int(request.headers.get("content-length") or 0) > most:
            raise too_long
        body = bytearray()
        try:
            async with asyncio.timeout(self._settings.request_seconds):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > most:
                        raise too_long
        except TimeoutError:
            raise HTTPException(408, headers={"Connection": "close"}) from None
        except ClientDisconnect:
            raise HTTPException(400) from None
        if not body.strip():
            raise HTTPException(400, "There is no message in the request.")
        return bytes(body)

    def _response(self, parcel: Parcel) -> Response:
        answers = self._reception.answers(parcel)
        headers = {"Date": format_datetime(self._reception.now().astimezone(UTC), usegmt=True)}
        if not answers:
            # The sender wants to hear nothing (MSH-15, MSH-16); HTTP has no way to say less than this.
            return Response(None, 204 if parcel.is_stored else 503, headers)
        message = parcel.messages[0].verdict.message
        charset = charset_of(message.delimiters.codec if message else "utf_8")
        headers["Content-Type"] = f"{MEDIA_TYPE}; charset={charset}"
        # There is room for one: of an accept and an application acknowledgment the second says more.
        said = answers[-1] if len(parcel.messages) == 1 else b"".join(answers)
        return Response(said, 200, headers)


def _credentials(settings: HttpListener) -> list[bytes]:
    """What an Authorization header may be; none where anyone may send."""
    allowed = []
    if settings.password_file:
        user = f"{settings.user}:{_secret(settings.password_file)}".encode()
        allowed.append(b"basic " + user)
    if settings.token_file:
        allowed.append(b"bearer " + _secret(settings.token_file).encode())
    return allowed


def _secret(file: Path) -> str:
    try:
        secret = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ConfigError(f"{file}: the secret cannot be read: {reason}") from None
    if not secret:
        raise ConfigError(f"{file}: the secret is empty")
    return secret


def _authorization(headers: Headers) -> bytes:
    """The header with its scheme in lower case, and Basic's user and password as they were before base64."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    sent = value.strip().encode()
    if scheme.lower() == "basic":
        try:
            sent = base64.b64decode(sent, validate=True)
        except binascii.Error:
            sent = b""
    return scheme.lower().encode() + b" " + sent


def _charset(headers: Headers) -> str:
    """Without the parameter it is UTF-8 (§2.4)."""
    return media_type(headers.get("content-type", ""))[1] or "utf-8"
