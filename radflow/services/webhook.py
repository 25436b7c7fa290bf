"""Where archives say that a study has come: it is looked up at once, without waiting for the sweep.

Beside it FHIR servers say that a report has changed (`report_notices.py`).

A POST names studies by UID; Orthanc's changes without one let all that is waited for be looked for. What is
told is a hint: only what an archive shows is believed, and a hint that is lost costs no more than the time
until the next sweep.
"""

import asyncio
import hmac
import json
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mappings.dicom.notices import NotANotice, studies_named
from radflow.clock import utc_now
from radflow.connectors.tls import server_context
from radflow.services.report_notices import ReportNotices
from radflow.settings import ConfigError, Site, settings
from radflow.settings.finding import Webhook
from radflow.store.engine import Store, store
from tasks.notices import look_up

log = structlog.get_logger()

ALL = "*"
"""In place of a UID: whatever is waited for."""


class Notices:
    """What archives have told of a site and has not been looked up yet; told twice, it is looked up once."""

    def __init__(self, store: Store, site: Site, clock: Callable[[], datetime] = utc_now) -> None:
        self._store, self._site, self._clock = store, site, clock
        self._pending: set[str] = set()
        self._told = asyncio.Event()

    def tell(self, uids: Sequence[str]) -> None:
        """Have these studies looked up; without any, whatever is waited for."""
        self._pending.update(uids or [ALL])
        self._told.set()

    async def work(self) -> None:
        """Look up what is told, until cancelled; what comes meanwhile is looked up together."""
        while True:
            await self._told.wait()
            self._told.clear()
            pending, self._pending = self._pending, set()
            uids = None if ALL in pending else sorted(pending)
            try:
                news = await run_in_threadpool(look_up, self._store, self._site, uids, self._clock())
            except Exception as error:
                # The next sweep finds it all the same. The text of the error may hold patient data.
                log.warning("looking up has failed", site=self._site.name, error=type(error).__name__)
            else:
                for line in news:
                    log.warning(line, site=self._site.name)


def application(site: Site, notices: Notices, reports: ReportNotices) -> Starlette:
    """Studies, and sources of reports. Each is answered at once: looking up goes on behind it."""
    webhook = site.webhook
    assert webhook is not None
    token = _token(webhook)

    async def post(request: Request) -> JSONResponse:
        sent = request.headers.get("authorization", "").encode()
        if token and not hmac.compare_digest(sent, b"Bearer " + token):
            raise HTTPException(401, headers={"WWW-Authenticate": 'Bearer realm="studies"'})
        try:
            uids = studies_named(await _json(request, webhook.max_request_bytes))
        except NotANotice as error:
            raise HTTPException(400, str(error)) from None
        if uids is not None:
            notices.tell(uids)
        return JSONResponse({"studies": len(uids or ())}, 202)

    return Starlette(routes=[Route(webhook.path, post, methods=["POST"]), *reports.routes()])


async def serve(
    sites: Sequence[Site],
    store: Store,
    *,
    clock: Callable[[], datetime] = utc_now,
    started: Callable[[dict[str, int]], None] | None = None,
) -> None:
    """Serve the webhooks of these sites until cancelled.

    Args:
        started: called once with the port of each site; the system has chosen it where the settings say 0.

    Raises:
        ConfigError: a token, a secret or a TLS file cannot be read.
    """
    notices = {site.name: Notices(store, site, clock) for site in sites}
    reports = {site.name: ReportNotices(store, site, clock) for site in sites}
    servers = {
        site.name: _Server(_configured(site, application(site, notices[site.name], reports[site.name])))
        for site in sites
    }
    async with asyncio.TaskGroup() as group:
        for name, server in servers.items():
            group.create_task(notices[name].work())
            group.create_task(reports[name].work())
            group.create_task(server.serve())
        for server in servers.values():
            await server.is_up.wait()
        ports = {name: server.port for name, server in servers.items()}
        log.info("webhook started", ports=ports)
        if started:
            started(ports)


def run_webhook(site_names: list[str] | None = None) -> None:
    """Serve these sites, or all that have a `[webhook]`, until SIGTERM or SIGINT."""
    known = [settings().site(name) for name in site_names or settings().sites]
    sites = [site for site in known if site.webhook]
    if not sites:
        raise ConfigError("No site has a [webhook]: docs/archives.md shows one.")
    store().migrate()
    asyncio.run(_until_told(sites))
    log.info("webhook stopped")


async def _until_told(sites: Sequence[Site]) -> None:
    serving = asyncio.create_task(serve(sites, store()))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    with suppress(asyncio.CancelledError):
        await serving


class _Server(uvicorn.Server):
    """A server among others: it leaves the process's signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.is_up.set()

    @property
    def port(self) -> int:
        return int(self.servers[0].sockets[0].getsockname()[1])

    async def serve(self, sockets: Any = None) -> None:
        await self._serve(sockets)


def _configured(site: Site, app: Starlette) -> uvicorn.Config:
    """Raises ConfigError where a TLS file cannot be used."""
    assert site.webhook is not None
    context = server_context(site.webhook.tls)
    return uvicorn.Config(
        app, host=site.webhook.host, port=site.webhook.port, ws="none", lifespan="off", log_config=None,
        access_log=False, proxy_headers=False, server_header=False, timeout_keep_alive=30,
        limit_concurrency=200, ssl_context_factory=(lambda *_: context) if context else None,
    )  # fmt: skip


async def _json(request: Request, most: int) -> Any:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise HTTPException(413, f"A request may have {most} bytes.")
    except ClientDisconnect:
        raise HTTPException(400) from None
    try:
        return json.loads(body)
    except ValueError:
        raise NotANotice("The request is not JSON.") from None


def _token(webhook: Webhook) -> bytes:
    """The token that is wanted; empty where anyone on this machine may tell."""
    if webhook.token_variable:
        token, where = os.environ.get(webhook.token_variable, ""), f"${webhook.token_variable}"
    elif webhook.token_file:
        try:
            token, where = webhook.token_file.read_text().strip(), str(webhook.token_file)
        except (OSError, UnicodeDecodeError):
            raise ConfigError(f"{webhook.token_file}: the token cannot be read") from None
    else:
        return b""
    if not token:
        raise ConfigError(f"{where}: the webhook's token is empty")
    return token.encode()
