"""Where FHIR servers say that a report has changed (rest-hook Subscription, R4 §2.1.0.5): it is read at once.

A notification is a hint: nothing in it is believed, it only has the server asked what has changed. One that
is forged or repeated costs a question, one that is lost the time until the next poll.
"""

import asyncio
import hmac
from collections.abc import Callable
from datetime import datetime

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from radflow.clock import utc_now
from radflow.settings import Site
from radflow.settings.report_sources import FhirSubscription
from radflow.store.engine import Store
from tasks.report_sources import poll

log = structlog.get_logger()

PATH = "/reports/{name}"


class ReportNotices:
    """The sources of a site that have said that there is something new."""

    def __init__(self, store: Store, site: Site, clock: Callable[[], datetime] = utc_now) -> None:
        """Raises ConfigError where a source's secret cannot be read."""
        self._store, self._site, self._clock = store, site, clock
        subscribed = [one for one in site.report_sources if isinstance(one, FhirSubscription)]
        self._secrets = {one.name: f"Bearer {one.secret.read()}".encode() for one in subscribed}
        self._pending: set[str] = set()
        self._told = asyncio.Event()

    def routes(self) -> list[Route]:
        """A resource for each source; a server that sends the report along puts it below."""
        how = ["POST", "PUT"]
        return [Route(path, self._take, methods=how) for path in (PATH, f"{PATH}/{{rest:path}}")]

    async def work(self) -> None:
        """Ask those that have told something, until cancelled; all that they tell meanwhile at once."""
        while True:
            await self._told.wait()
            self._told.clear()
            pending, self._pending = self._pending, set()
            for name in sorted(pending):
                await self._ask(name)

    async def _take(self, request: Request) -> Response:
        """200, as a server of R4 wants it; whatever the body says is left unread."""
        name = request.path_params["name"]
        if name not in self._secrets:
            raise HTTPException(404)
        sent = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(sent, self._secrets[name]):
            raise HTTPException(401, headers={"WWW-Authenticate": 'Bearer realm="reports"'})
        self._pending.add(name)
        self._told.set()
        return Response(status_code=200)

    async def _ask(self, name: str) -> None:
        source = self._site.report_source(name)
        try:
            polled = await run_in_threadpool(poll, self._store, self._site, source, self._clock())
        except Exception as error:
            # The next poll finds it all the same. The text of the error may hold patient data.
            log.warning("asking has failed", site=self._site.name, source=name, error=type(error).__name__)
        else:
            if polled.news:
                log.warning(polled.news, site=self._site.name)
