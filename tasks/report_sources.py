"""Fetch reports from the FHIR servers of a site: what has changed since they were asked last.

What comes goes to the inbox, as an HL7 message does: committed first, read afterwards by the intake, which
brings it to its order, has it wait for one, or sets it aside with a reason.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import structlog
from prefect import task
from prefect.cache_policies import NO_CACHE

from mappings.fhir.report_source import RESOURCE_TYPE, is_own
from radflow.clock import utc_now
from radflow.connectors.errors import Refused, Unavailable
from radflow.connectors.fhir.report_server import ReportServer, open_report_server
from radflow.connectors.fhir.rest import Json
from radflow.settings import ConfigError, Site, settings
from radflow.settings.report_sources import FhirSource, ReportSource
from radflow.store import messages, report_sources
from radflow.store.engine import Store, store
from radflow.store.messages import Arrival, MessageState
from tasks.run_log import run_log

log = structlog.get_logger()

FHIR_VERSION = "4.0.1"


@dataclass(frozen=True)
class Polled:
    """What a question has come to."""

    kept: int = 0
    """Versions of reports that were not here before."""
    news: str = ""
    """That the source fails, or answers again: said once. Free of patient data."""


@task(name="poll_source", cache_policy=NO_CACHE)
def poll_source(site_name: str, source_name: str) -> int:
    """Fetch what the source has; returns how many versions of reports are new.

    A source that does not answer is noted as failing: it is logged once, and left alone for a while.
    """
    site = settings().site(site_name)
    polled = poll(store(), site, site.report_source(source_name), utc_now())
    if polled.news:
        run_log().warning("%s (site %s)", polled.news, site_name)
    return polled.kept


def due(store: Store, site: Site, now: datetime) -> list[str]:
    """The sources that are to be asked now."""
    with store.read() as session:
        return [
            source.name
            for source in site.report_sources
            if report_sources.is_due(
                report_sources.look(session, site.name, source.name),
                timedelta(minutes=source.every_minutes),
                now,
            )
        ]


def poll(store: Store, site: Site, source: ReportSource, now: datetime) -> Polled:
    """Keep what has changed at the source; a repeat, or what was kept before, changes nothing."""
    with store.read() as session:
        state = report_sources.look(session, site.name, source.name)
    since = state.read_until or now - timedelta(days=source.first_days)
    poll = _Poll(store, site, source, now)
    try:
        with open_report_server(source) as server:
            for page in server.changed(since - timedelta(seconds=source.overlap_seconds)):
                poll.keep(server, page)
    except (Unavailable, Refused, ConfigError) as error:
        return Polled(poll.kept, _failed(store, site, source, str(error), now))
    except Exception as error:
        # The text of an unforeseen error may hold patient data; its type does not.
        log.debug("polling failed", source=source.name, exc_info=True)
        return Polled(poll.kept, _failed(store, site, source, f"unforeseen {type(error).__name__}", now))
    with store.write() as session:
        failures = report_sources.answered(
            session, site.name, source.name, read_until=poll.newest or since, now=now
        )
    again = f"report source {source.name} answers again after {failures} failed tries"
    return Polled(poll.kept, again if failures else "")


class _Poll:
    """The pages of one round."""

    def __init__(self, store: Store, site: Site, source: FhirSource, now: datetime) -> None:
        self._store, self._site, self._source, self._now = store, site, source, now
        # One server may be the source of one site, and have what another one publishes.
        self._own = {one.identifier_system for one in (site, *settings().sites.values())}
        self.kept = 0
        self.newest: datetime | None = None

    def keep(self, server: ReportServer, page: Sequence[Json]) -> None:
        """Keep the page's reports that are not here yet, each with what it refers to."""
        for report in page:
            self.newest = max(filter(None, (self.newest, _last_updated(report))), default=None)
        named = {_name(report): report for report in page if not is_own(report, self._own)}
        with self._store.read() as session:
            known = messages.control_ids(session, self._site.name, self._source.name, named)
        arrivals = [
            self._arrival(name, server.whole(report)) for name, report in named.items() if name not in known
        ]
        if arrivals:
            with self._store.write() as session:
                messages.keep(session, arrivals)
        self.kept += len(arrivals)

    def _arrival(self, name: str, raw: bytes) -> Arrival:
        return Arrival(
            received_at=self._now,
            site=self._site.name,
            peer=urlsplit(self._source.url).netloc.rpartition("@")[2],
            sender=self._source.name,
            control_id=name,
            message_type=RESOURCE_TYPE,
            version=FHIR_VERSION,
            raw=raw,
            digest=hashlib.sha256(raw).hexdigest(),
            state=MessageState.RECEIVED,
            ack_code="AA",
        )


def _failed(store: Store, site: Site, source: FhirSource, trouble: str, now: datetime) -> str:
    """Note it; what is to be logged of it, the first time."""
    limits = settings()
    trouble = f"report source {source.name}: {trouble}"
    with store.write() as session:
        failures = report_sources.failed(
            session, site.name, source.name, trouble=trouble, now=now,
            first=limits.retry_seconds, longest=limits.retry_max_seconds,
        )  # fmt: skip
    return f"{trouble}; it is tried again, later and later" if failures == 1 else ""


def _name(report: Json) -> str:
    """What names this version of the report at its server, as MSH-10 names a message at its sender.

    A server without versions tells when it was changed; one that tells neither, by the content itself.
    """
    meta = report.get("meta") if isinstance(report.get("meta"), dict) else {}
    assert isinstance(meta, dict)
    version = meta.get("versionId") or meta.get("lastUpdated") or _digest(report)
    return f"{RESOURCE_TYPE}/{report.get('id', '')}/_history/{version}"


def _digest(report: Json) -> str:
    return hashlib.sha256(repr(sorted(report.items())).encode()).hexdigest()[:20]


def _last_updated(report: Json) -> datetime | None:
    meta = report.get("meta")
    try:
        told = datetime.fromisoformat(meta["lastUpdated"]) if isinstance(meta, dict) else None
    except (KeyError, TypeError, ValueError):
        return None
    return told if told and told.tzinfo else None
