"""Overdue orders: which are to be looked at, what is noted of them, and what ops have been told."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Session, col, delete, func, select, update

from mappings.overdue import Verdict
from radflow.order import FINISHED, Event
from radflow.store import orders
from radflow.store.tables import OrderRow, OverdueAlert, OverdueLimits

SOURCE = "limits"


def to_look_at(session: Session, now: datetime, limit: int) -> Sequence[OrderRow]:
    """Orders whose time to be looked at has come: one indexed query, however many wait."""
    query = select(OrderRow).where(col(OrderRow.overdue_at) <= now).order_by(col(OrderRow.overdue_at))
    return session.exec(query.limit(limit).with_for_update(skip_locked=True)).all()


def look_at_all(session: Session, site: str, digest: str, now: datetime) -> None:
    """Let every open order of the site be looked at if its limits are other ones than before."""
    known = session.get(OverdueLimits, site) or OverdueLimits(site=site, digest="")
    if known.digest == digest:
        return
    open_ = col(OrderRow.state).not_in(FINISHED)
    session.exec(update(OrderRow).where(col(OrderRow.site) == site, open_).values(overdue_at=now))
    known.digest = digest
    session.add(known)


def note(session: Session, row: OrderRow, verdict: Verdict, now: datetime) -> bool:
    """Note what the limits say of the order, each thing once; returns whether that was anything new.

    Raises:
        NotAllowed: the order cannot expire any more.
    """
    stage = verdict.stage if verdict.since and not verdict.expired else None
    ended = bool(row.overdue_in) and row.overdue_in != stage
    if ended:
        _append(session, row, Event.OVERDUE_ENDED, row.overdue_in, now)
        row.overdue_in, row.overdue_since = "", None
    began = stage is not None and not row.overdue_in
    if began:
        _append(session, row, Event.ORDER_OVERDUE, str(stage), now)
        row.overdue_in = str(stage)
    if verdict.expired:
        _append(session, row, Event.ORDER_EXPIRED, str(verdict.stage), now)
    row.overdue_since = verdict.since if stage else None
    row.overdue_at = verdict.look_at
    session.add(row)
    return began or ended or verdict.expired


def _append(session: Session, row: OrderRow, event: Event, stage: str, now: datetime) -> None:
    orders.append(session, row, event, source=SOURCE, occurred_at=now, now=now, detail={"stage": stage})


@dataclass
class Late:
    """The orders that are overdue in one stage at one site."""

    site: str
    stage: str
    orders: int = 0
    since: datetime | None = None
    """When the first of them has become so."""
    modalities: Counter[str] = field(default_factory=Counter)


def late(session: Session) -> list[Late]:
    """All overdue orders, counted."""
    by = (col(OrderRow.site), col(OrderRow.overdue_in), col(OrderRow.modality))
    query = (
        sa.select(*by, func.count(), func.min(OrderRow.overdue_since))
        .where(col(OrderRow.overdue_since).is_not(None))
        .group_by(*by)
        .order_by(*by)
    )
    found: dict[tuple[str, str], Late] = {}
    for site, stage, modality, count, since in session.connection().execute(query):
        one = found.setdefault((site, stage), Late(site, stage))
        one.orders += count
        one.since = min(one.since or since, since)
        one.modalities[modality] += count
    return list(found.values())


class Kind(StrEnum):
    """What ops are told."""

    BEGAN = "began"
    GREW = "grew"
    """It goes on, and with more orders than when it was told."""
    ENDED = "ended"


@dataclass(frozen=True)
class News:
    """Something of a stage at a site that ops do not know yet."""

    kind: Kind
    late: Late
    began_at: datetime


def news(session: Session, again: dict[str, timedelta], now: datetime) -> list[News]:
    """What is to be told: the begin and the end, and in between seldom anything.

    Args:
        again: site → how long after it was told it may be told that it has grown; never for others.
    """
    alerts = {(alert.site, alert.stage): alert for alert in session.exec(select(OverdueAlert))}
    told: list[News] = []
    for one in late(session):
        alert = alerts.pop((one.site, one.stage), None)
        if alert is None:
            told.append(News(Kind.BEGAN, one, one.since or now))
        elif one.orders > alert.orders and one.site in again and alert.told_at + again[one.site] <= now:
            told.append(News(Kind.GREW, one, alert.began_at))
    told += [News(Kind.ENDED, Late(*key), alert.began_at) for key, alert in alerts.items()]
    return told


def told(session: Session, some: Sequence[News], now: datetime) -> None:
    """Note that ops know."""
    for one in some:
        key = (one.late.site, one.late.stage)
        if one.kind is Kind.ENDED:
            session.exec(
                delete(OverdueAlert).where(
                    col(OverdueAlert.site) == key[0], col(OverdueAlert.stage) == key[1]
                )
            )
            continue
        alert = session.get(OverdueAlert, key) or OverdueAlert(
            site=key[0], stage=key[1], began_at=one.began_at, told_at=now, orders=0
        )
        alert.told_at, alert.orders = now, one.late.orders
        session.add(alert)
