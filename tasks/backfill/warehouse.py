"""rebuild-warehouse: an item is a day."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import islice

from sqlmodel import Session

from radflow.settings import settings
from radflow.store import warehouse
from radflow.store.backfills import Outcome
from tasks.backfill.parameters import RebuildWarehouse
from tasks.warehouse import held_in_time, rewrite_day


def plan(session: Session, what: RebuildWarehouse, after: str, limit: int) -> Sequence[str]:
    since = date.fromisoformat(after) + timedelta(days=1) if after else what.since
    days = warehouse.days(session, what.site, since, what.until)
    return [day.isoformat() for day in islice(days, limit)]


def do(what: RebuildWarehouse, item: str) -> Outcome:
    with held_in_time(settings().site(what.site), date.fromisoformat(item)) as day:
        return Outcome(detail={"rows": rewrite_day(day)})
