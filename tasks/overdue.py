"""Overdue orders: noted, each once, and told to ops, each trouble once."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlmodel import Session

from mappings.overdue import Stage, Verdict, judge
from radflow.model import Order
from radflow.order import Event, State
from radflow.settings import Site
from radflow.store import archives, orders, overdue
from radflow.store.engine import Store
from radflow.store.overdue import Kind, News
from radflow.store.tables import OrderRow

AT_ONCE = 200
"""Orders in one transaction."""
_ARCHIVE_DOWN = timedelta(hours=1)
"""Images may be where nobody can look: so long no order is given up for the want of them."""


def look_at_limits(store: Store, sites: Mapping[str, Site], now: datetime) -> list[str]:
    """Look at every order whose time has come; returns the keys of those that something was noted of."""
    with store.write() as session:
        for name, site in sites.items():
            overdue.look_at_all(session, name, _digest(site), now)
    noted: list[str] = []
    while True:
        with store.write() as session:
            rows = overdue.to_look_at(session, now, AT_ONCE)
            noted += [row.key for row in rows if _look_at(session, row, sites.get(row.site), now)]
        if len(rows) < AT_ONCE:
            return noted


def _look_at(session: Session, row: OrderRow, site: Site | None, now: datetime) -> bool:
    return overdue.note(session, row, _verdict(session, row, site, now), now)


def _verdict(session: Session, row: OrderRow, site: Site | None, now: datetime) -> Verdict:
    if site is None or not site.overdue:
        return Verdict()
    log = [(Event(line.event), line.occurred_at) for line in orders.events_of(session, row.key)]
    verdict = judge(Order.model_validate(row.document), State(row.state), log, site.overdue, now)
    if verdict.expired and verdict.stage is Stage.IMAGES and _archive_down(session, site):
        return Verdict(verdict.stage, verdict.since, look_at=now + _ARCHIVE_DOWN)
    return verdict


def _archive_down(session: Session, site: Site) -> bool:
    return any(archives.look(session, site.name, archive.name).failures for archive in site.archives)


def _digest(site: Site) -> str:
    rules = "\n".join(limit.model_dump_json() for limit in site.overdue)
    return hashlib.sha256(rules.encode()).hexdigest()


def news_to_tell(session: Session, sites: Mapping[str, Site], now: datetime) -> list[News]:
    """What ops are to be told now."""
    again = {name: site.notify.again for name, site in sites.items() if site.notify}
    return overdue.news(session, again, now)


def by_block(some: Iterable[News], sites: Mapping[str, Site]) -> dict[str, list[News]]:
    """What goes to which notification block: one message each, however many orders; `""` stands for none."""
    found: dict[str, list[News]] = {}
    for one in some:
        site = sites.get(one.late.site)
        found.setdefault(site.notify.block if site and site.notify else "", []).append(one)
    return found


_WAITS_FOR = {
    Stage.WORKLIST: "to be put on the worklist",
    Stage.IMAGES: "for images",
    Stage.REPORT: "for the report",
    Stage.PUBLICATION: "for publication",
}


def subject(some: Sequence[News]) -> str:
    """The subject of a message about all of them."""
    begun = sum(one.late.orders for one in some if one.kind is not Kind.ENDED)
    sites = ", ".join(sorted({one.late.site for one in some}))
    what = f"{_orders(begun)} overdue" if begun else "what was overdue no longer is"
    return f"radflow: {what} at {sites}"


def body(some: Sequence[News]) -> str:
    """The message: a line for each stage of each site, free of patient data."""
    return "\n".join(_line(one) for one in some)


def _line(one: News) -> str:
    where = f"{one.late.site}, waiting {_WAITS_FOR[Stage(one.late.stage)]}"
    since = f"since {one.began_at:%Y-%m-%d %H:%M} UTC"
    if one.kind is Kind.ENDED:
        return f"{where}: no order is overdue any more (some were {since})"
    modalities = ", ".join(f"{name or '?'} {count}" for name, count in one.late.modalities.items())
    more = "now " if one.kind is Kind.GREW else ""
    return f"{where}: {more}{_orders(one.late.orders)} overdue {since} ({modalities})"


def _orders(count: int) -> str:
    return "1 order is" if count == 1 else f"{count} orders are"
