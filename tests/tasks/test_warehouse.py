"""Orders on their way to the warehouse: concurrent writers lose nothing, and what fails is written later."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from radflow.connectors.warehouse import Warehouse, WarehouseUnavailable
from radflow.order import Event
from radflow.settings import settings
from radflow.store import messages, orders, warehouse
from radflow.store.engine import Store
from tasks import warehouse as writing
from tasks.warehouse import held, refresh_site, write_order
from tests.builders_inbox import arrival
from tests.builders_result import a_full_order
from tests.hl7_builders import an_adt

HOUR = timedelta(hours=1)


@pytest.fixture
def folder(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: datetime) -> Path:
    """The warehouse of the one site."""
    (installed / "main.toml").write_text(f"[warehouse]\nurl = '{tmp_path / 'warehouse'}'\n")
    monkeypatch.setattr(writing, "utc_now", lambda: now)
    return tmp_path / "warehouse" / "v1"


def place(store: Store, now: datetime, count: int) -> list[str]:
    keys = []
    for number in range(count):
        order = a_full_order(f"W{number}")
        with store.write() as session:
            orders.place(session, order, source="test", occurred_at=now, now=now)
        keys.append(order.key)
    return keys


def states(folder: Path) -> dict[str, str]:
    table = pd.read_parquet(folder / "orders")
    return dict(zip(table["order_key"], table["state"], strict=True))


def test_concurrent_legs_lose_no_row(store: Store, folder: Path, now: datetime) -> None:
    """Twenty orders of one day, written at once by eight legs, some twice: each has its row, and one."""
    keys = place(store, now, 20)
    with ThreadPoolExecutor(8) as legs:
        list(legs.map(write_order, [*keys, *keys[:5]]))
    assert states(folder) == dict.fromkeys(keys, "received")
    assert len(pd.read_parquet(folder / "events")) == 20
    with store.read() as session:
        assert warehouse.pending(session, "main", now.date(), 100) == []


def test_a_day_that_another_one_writes_is_tried_again(
    store: Store, folder: Path, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leg's step fails as one that may work later; the other writer takes the order along."""
    monkeypatch.setattr(writing, "PATIENCE", timedelta(0))
    (key,) = place(store, now, 1)
    with held(settings().site("main"), now.date()) as day:
        with pytest.raises(WarehouseUnavailable, match="another one writes"):
            write_order(key)
        assert writing.write_pending(day) == 1
    assert list(states(folder)) == [key]


def test_a_lost_writer_is_overtaken_and_stopped(
    store: Store, folder: Path, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its lease another one writes; should the first wake up, it may replace no file any more."""
    (key,) = place(store, now, 1)
    with held(settings().site("main"), now.date()) as lost:
        monkeypatch.setattr(writing, "utc_now", lambda: now + HOUR)
        write_order(key)
        with held(settings().site("main"), now.date()), pytest.raises(WarehouseUnavailable):
            writing.rewrite_day(lost)
    assert list(states(folder)) == [key]


def test_what_changes_while_it_is_written_is_written_again(
    store: Store, folder: Path, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An order that is cancelled, and marked, during its own writing ends as cancelled."""
    (key,) = place(store, now, 1)
    upsert, meanwhile = Warehouse.upsert, [True]

    def cancelled_meanwhile(*arguments: Any) -> None:
        upsert(*arguments)
        if meanwhile:
            meanwhile.clear()
            with store.write() as session:
                orders.record(session, key, Event.ORDER_CANCELLED, source="test", occurred_at=now, now=now)
                warehouse.mark(session, key, now)

    monkeypatch.setattr(Warehouse, "upsert", cancelled_meanwhile)
    write_order(key)
    assert states(folder) == {key: "cancelled"}


def test_the_warehouse_follows_the_store(store: Store, folder: Path, now: datetime) -> None:
    """What has changed since then is written, with the messages of these days; what has not is left alone."""
    keys = place(store, now, 2)
    with store.write() as session:
        messages.keep(session, [arrival(an_adt(), now)])
    assert refresh_site("main", now - HOUR) == {"orders": 2, "messages": 1}
    later = now + 2 * HOUR
    with store.write() as session:
        orders.record(session, keys[0], Event.ORDER_CANCELLED, source="test", occurred_at=later, now=later)
    assert refresh_site("main", now + HOUR) == {"orders": 1, "messages": 1}
    assert states(folder) == {keys[0]: "cancelled", keys[1]: "received"}
    (message,) = pd.read_parquet(folder / "messages").to_dict("records")
    assert message["message_type"] == "ADT^A08"
    assert pd.isna(message["control_id"])


def test_hashes_by_the_sites_key(
    store: Store, folder: Path, installed: Path, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A site that wants hashes has them, by the key in its environment; without it nothing is written."""
    with (installed / "main.toml").open("a") as file:
        file.write('identifiers = "hashed"\nhash_key = { env = "WAREHOUSE_KEY" }\n')
    (key,) = place(store, now, 1)
    with pytest.raises(WarehouseUnavailable, match="WAREHOUSE_KEY"):
        write_order(key)
    monkeypatch.setenv("WAREHOUSE_KEY", "a key of more than sixteen bytes")
    write_order(key)
    (row,) = pd.read_parquet(folder / "orders").to_dict("records")
    assert len(row["patient_id"]) == len(row["accession_number"]) == 64
    assert pd.isna(row["reason"])
