"""Write orders to the warehouse: one writer a day of a site, which takes along all that is to be written."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import uuid4

from mappings.warehouse import OF_ORDERS, TABLES, Privacy, Row, Table, rows_of, series_rows, study_row
from radflow.clock import utc_now
from radflow.connectors.warehouse import PartitionWriter, Warehouse, WarehouseUnavailable
from radflow.settings import ConfigError, Site, settings
from radflow.store import warehouse
from radflow.store.engine import store
from radflow.store.lives import lives
from radflow.store.tables import WarehousePending

PATIENCE = timedelta(seconds=30)
"""How long a leg waits for another one's writing; its order is then tried again later."""
BATCH = 200
"""Orders that are in memory at once."""

_TABLE = {table.name: table for table in TABLES}


@dataclass(frozen=True)
class Day:
    """A day of a site that this writer holds."""

    site: Site
    day: date
    holder: str

    @property
    def files(self) -> Warehouse:
        return Warehouse(settings().warehouse_url(self.site))

    def hold(self) -> None:
        """Keep holding it. Raises WarehouseUnavailable when another one has taken it over."""
        with store().write() as session:
            if not warehouse.take(session, self.site.name, self.day, self.holder, utc_now(), _lease()):
                raise WarehouseUnavailable(f"warehouse: another one writes {self.day} of {self.site.name}")


def write_order(order_key: str) -> str:
    """Write the order's rows as the store has them now, or find that another writer has; where they are.

    Raises:
        WarehouseUnavailable: it may work later; what is to be written is kept in mind.
    """
    with store().write() as session:
        row = warehouse.mark(session, order_key, utc_now())
    site = settings().site(row.site)
    give_up = time.monotonic() + PATIENCE.total_seconds()
    while True:
        try:
            with held(site, row.day) as day:
                write_pending(day)
        except _Busy:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.03)
        with store().read() as session:
            if not warehouse.is_pending(session, order_key):
                return Warehouse(settings().warehouse_url(site)).path(_TABLE["orders"], site.name, row.day)


class _Busy(WarehouseUnavailable):
    """Another one writes the day."""


@contextmanager
def held_in_time(site: Site, day: date) -> Iterator[Day]:
    """Hold the day of the site, if need be after the lease of a writer that was killed.

    Raises:
        WarehouseUnavailable: another one writes it for longer than that.
    """
    give_up = time.monotonic() + _lease().total_seconds() + 10
    with ExitStack() as stack:
        while True:
            try:
                mine = stack.enter_context(held(site, day))
                break
            except _Busy:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.5)
        yield mine


@contextmanager
def held(site: Site, day: date) -> Iterator[Day]:
    """Hold the day of the site. Raises WarehouseUnavailable while another one does."""
    mine = Day(site, day, f"writer-{uuid4().hex[:12]}")
    with store().write() as session:
        if not warehouse.take(session, site.name, day, mine.holder, utc_now(), _lease()):
            raise _Busy(f"warehouse: another one writes {day} of {site.name}")
    try:
        yield mine
    finally:
        with store().write() as session:
            warehouse.let_go(session, site.name, day, mine.holder)


def _lease() -> timedelta:
    """A writer that has not renewed for so long is lost, as a leg is. It renews before it replaces a file."""
    return timedelta(seconds=settings().leg_lease_seconds)


def write_pending(day: Day) -> int:
    """Write all orders of the day that are to be written; returns how many."""
    done = 0
    while True:
        with store().read() as session:
            batch = warehouse.pending(session, day.site.name, day.day, BATCH)
        if not batch:
            return done
        _upsert(day, [row.order_key for row in batch])
        with store().write() as session:
            warehouse.written(session, batch)
        done += len(batch)


def _upsert(day: Day, keys: Sequence[str]) -> None:
    rows: dict[str, list[Row]] = {table.name: [] for table in OF_ORDERS}
    for table, new in _order_rows(day, keys):
        rows[table.name] += new
    for table in OF_ORDERS:
        day.hold()
        day.files.upsert(table, day.site.name, day.day, keys, rows[table.name])


def rewrite_day(day: Day) -> dict[str, int]:
    """Write the day from what the store has, in the place of what is there; rows of each table.

    One file after another takes its place; a failure leaves those that are not yet written as they were.
    """
    name = day.site.name
    with store().read() as session:
        marked = warehouse.pending(session, name, day.day, 1_000_000)
    with ExitStack() as files:
        writers = {}
        for table in TABLES:
            writers[table.name] = files.enter_context(day.files.rewritten(table, name, day.day))
            # They take their place one by one when this block is left, each while the day is held.
            files.callback(day.hold)
        _add_orders(day, writers)
        _add_historic(day, writers)
        _add_messages(day, writers["messages"])
    _note(marked)
    return {table: writer.rows for table, writer in writers.items()}


def rewrite_messages(day: Day) -> int:
    """Write the day's messages anew; returns how many there are."""
    with day.files.rewritten(_TABLE["messages"], day.site.name, day.day) as writer:
        _add_messages(day, writer)
        day.hold()
    return writer.rows


def _note(written: Sequence[WarehousePending]) -> None:
    if written:
        with store().write() as session:
            warehouse.written(session, written)


def _add_orders(day: Day, writers: dict[str, PartitionWriter]) -> None:
    after = ""
    while True:
        with store().read() as session:
            keys = warehouse.order_keys(session, day.site.name, day.day, after, BATCH)
        if not keys:
            return
        day.hold()
        for table, rows in _order_rows(day, keys):
            writers[table.name].add(rows)
        after = keys[-1]


def _order_rows(day: Day, keys: Sequence[str]) -> Iterator[tuple[Table, list[Row]]]:
    privacy, now = _privacy(day.site), utc_now()
    with store().read() as session:
        for life in lives(session, keys, day.site.results.prefer):
            for name, rows in rows_of(life, limits=day.site.limit_seconds, now=now).items():
                yield _TABLE[name], privacy.applied(_TABLE[name], rows)


def _privacy(site: Site) -> Privacy:
    try:
        return site.warehouse.privacy()
    except ConfigError as error:
        raise WarehouseUnavailable(f"warehouse: {error}") from None


def _add_historic(day: Day, writers: dict[str, PartitionWriter]) -> None:
    privacy, after = _privacy(day.site), ""
    while True:
        with store().read() as session:
            found = warehouse.historic_studies(session, day.site.name, day.day, after, BATCH)
        if not found:
            return
        for study in found:
            writers["studies"].add(privacy.applied(_TABLE["studies"], [study_row(study, None)]))
            writers["series"].add(privacy.applied(_TABLE["series"], series_rows(study, None)))
        after = found[-1].study_instance_uid


def _add_messages(day: Day, writer: PartitionWriter) -> None:
    privacy, after = _privacy(day.site), 0
    while True:
        with store().read() as session:
            rows = warehouse.message_rows(session, day.site.name, day.day, after, 1_000)
        if not rows:
            return
        writer.add(privacy.applied(_TABLE["messages"], rows))
        after = rows[-1]["message_id"]


def refresh_site(site_name: str, after: datetime) -> dict[str, int]:
    """Write what has changed since then: orders, and the messages of the days since; how many of each.

    A day that another one writes is left to the next time.
    """
    site, now = settings().site(site_name), utc_now()
    with store().write() as session:
        warehouse.mark_changed(session, site_name, after, now)
    with store().read() as session:
        changed = warehouse.pending_days(session, site_name)
        recent = list(warehouse.days(session, site_name, warehouse.day_of(after), None))
    done = {"orders": 0, "messages": 0}
    for day in changed:
        with suppress(_Busy), held(site, day) as partition:
            done["orders"] += write_pending(partition)
    for day in recent:
        with suppress(_Busy), held(site, day) as partition:
            done["messages"] += rewrite_messages(partition)
    return done
