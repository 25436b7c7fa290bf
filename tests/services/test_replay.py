"""Replays: what is right already stays as it is, whatever is replayed, and in which order."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, SQLModel, select

from mappings.dicom.worklist import worklist_items
from mappings.hl7.acceptance import judge
from radflow.model import Order
from radflow.order import Event
from radflow.services.intake import take_in
from radflow.settings import Site
from radflow.store import messages, orders, replays, worklist
from radflow.store.engine import Store
from radflow.store.messages import MessageState
from radflow.store.tables import Message, OrderRow
from tests.builders_inbox import arrival
from tests.hl7_builders import an_adt, an_mfn, an_orm, an_oru, an_siu, message, order_named, segment

SITE = Site.model_validate(
    {
        "name": "main",
        "time_zone": "Europe/Berlin",
        "destinations": [{"kind": "mllp", "name": "lab", "host": "127.0.0.1", "port": 1}],
        "routes": [{"name": "all", "to": ["lab"]}],
    }
)
UNCHANGED = [name for name in SQLModel.metadata.tables if name not in ("messages", "alembic_version")]


FILLED = (
    "orders", "order_events", "reports", "worklist_items", "outbox", "patients", "patient_identifiers",
    "catalogue", "message_links",
)  # fmt: skip


def control(number: str, code: str, control_id: str, **obr: str) -> bytes:
    """An order message; `obr_13="…"` changes a field of OBR."""
    changes = order_named(number, orc_1=code)
    changes["OBR"] = changes["OBR"] | {int(name.removeprefix("obr_")): value for name, value in obr.items()}
    return an_orm(control_id, changes=changes)


def report(number: str, status: str, control_id: str, text: str) -> bytes:
    changes = {"OBR": {2: f"{number}^EHR", 25: status}, "OBX": {5: text}}
    return an_oru(control_id, changes=changes)


def replaced(old: str, new: str, control_id: str) -> bytes:
    """RP of one order, RO of the one that comes in its place (v2.5.1 §4.13.1)."""
    segments = [segment("PID", {3: "4711^^^HOSP", 5: "Meyer^Åse"})]
    for code, number in (("RP", old), ("RO", new)):
        segments += [segment("ORC", {1: code, 2: f"{number}^EHR"})]
        segments += [segment("OBR", {2: f"{number}^EHR", 4: "CTCHEST", 24: "CT"})]
    return message("ORM^O01^ORM_O01", control_id, *segments)


def a_day() -> Iterator[bytes]:
    """Every kind of message, in the order in which a hospital sends them."""
    yield an_mfn("M13", "D1")
    yield an_adt("A04", "D2")
    yield control("P1", "CA", "D3")  # before its order
    yield control("P1", "NW", "D4")
    yield control("P2", "NW", "D5")
    yield report("P2", "P", "D6", "early")
    yield control("P2", "XO", "D7", obr_13="changed")
    yield an_siu("S12", "D8", changes={"ARQ": {2: "P2^EHR"}})
    yield control("P3", "NW", "D9")
    yield control("P3", "HD", "D10")
    yield control("P3", "XO", "D11", obr_13="while held")
    yield control("P3", "RL", "D12")
    yield control("P3", "HD", "D13")
    yield an_adt("A08", "D14", changes={"PID": {5: "Meyer^Åse"}})
    yield report("P2", "F", "D15", "final")
    yield report("P2", "C", "D16", "corrected")
    yield control("P4", "NW", "D17")
    yield control("P4", "XO", "D18", obr_13="again")
    yield control("P4", "CA", "D19")
    yield control("P5", "NW", "D20")
    yield replaced("P5", "P7", "D21")
    yield report("P9", "F", "D22", "of an order that nobody knows")
    yield an_adt("A40", "D23")
    yield an_adt("A11", "D24")
    yield control("P6", "NW", "D25")
    yield control("P6", "XO", "D26", obr_36="someday")  # no time: in quarantine
    yield b"junk"


@pytest.fixture
def after_a_day(store: Store, now: datetime) -> Store:
    """All of these messages have been taken in, one after another, and some orders have gone further."""
    for number, raw in enumerate(a_day()):
        receive(store, now + timedelta(minutes=number), raw)
    for key in keys(store):
        advance(store, key, now)
    return store


def receive(store: Store, now: datetime, *raws: bytes) -> None:
    with store.write() as session:
        messages.keep(session, [arrival(raw, now) for raw in raws])
    process(store, now)


def process(store: Store, now: datetime) -> None:
    while take_in(store, {"main": SITE}, now):
        pass


def keys(store: Store) -> Sequence[str]:
    with store.read() as session:
        return session.exec(select(OrderRow.key).where(OrderRow.state == "received")).all()


def advance(store: Store, key: str, now: datetime) -> None:
    """As a leg does: onto the worklist; P6 as far as its images."""
    with store.write() as session:
        order = Order.model_validate(session.get_one(OrderRow, key).document)
        worklist.put(session, key, "main", worklist_items(order, SITE.zone))
        orders.record(session, key, Event.WORKLISTED, source="leg:1", occurred_at=now, now=now)
        if order.placer_order_number and order.placer_order_number.value == "P6":
            orders.record(session, key, Event.STUDY_FOUND, source="archive:a", occurred_at=now, now=now)


def everything(store: Store) -> dict[str, list[Any]]:
    """All rows of all tables but the inbox."""
    with store.read() as session:
        return {name: _rows(session, name) for name in UNCHANGED}


def _rows(session: Session, table: str) -> list[Any]:
    return sorted(map(repr, session.connection().execute(SQLModel.metadata.tables[table].select())))


def what_became(store: Store) -> list[tuple[int | None, str]]:
    with store.read() as session:
        return sorted((row.id, row.state) for row in session.exec(select(Message)))


def requeue(store: Store, *ids: int) -> int:
    with store.write() as session:
        return replays.requeue(session, ids)


def test_the_day_is_what_it_should_be(after_a_day: Store) -> None:
    """Otherwise the tests below would prove nothing: there are all kinds of states and rows."""
    found = everything(after_a_day)
    assert not [name for name in FILLED if not found[name]]
    assert {state for _, state in what_became(after_a_day)} == {"processed", "waiting", "quarantined"}
    with after_a_day.read() as session:
        states = {row.state for row in session.exec(select(OrderRow))}
    assert {"cancelled", "held", "reported-without-images", "worklisted", "acquired"} <= states


def test_a_day_replayed_changes_nothing(after_a_day: Store, now: datetime) -> None:
    """All at once, in their order."""
    before, states = everything(after_a_day), what_became(after_a_day)
    assert requeue(after_a_day, *range(1, 100)) == len(states)
    process(after_a_day, now + timedelta(days=7))
    assert everything(after_a_day) == before
    assert what_became(after_a_day) == states


@pytest.mark.parametrize("backwards", [False, True])
def test_each_message_replayed_alone_changes_nothing(
    after_a_day: Store, now: datetime, backwards: bool
) -> None:
    """Whatever the order of the replays: an older message never comes on top of a newer one."""
    before, states = everything(after_a_day), what_became(after_a_day)
    for message_id, _ in reversed(states) if backwards else states:
        requeue(after_a_day, message_id or 0)
        process(after_a_day, now + timedelta(days=7))
        assert everything(after_a_day) == before, message_id
    assert what_became(after_a_day) == states


def test_an_old_change_that_was_in_quarantine_does_not_come_on_top(store: Store, now: datetime) -> None:
    """It never had an effect, and a newer one has: that stands."""
    receive(store, now, control("P1", "NW", "M1"), control("P1", "XO", "M2", obr_13="old"))
    with store.write() as session:
        # As if it had never come to the order.
        session.delete(orders_log(session)[-1])
        old = session.get_one(Message, 2)
        messages.quarantine(session, old, "for the test", now)
    receive(store, now, control("P1", "XO", "M3", obr_13="new"))
    requeue(store, 2)
    process(store, now)
    with store.read() as session:
        (row,) = session.exec(select(OrderRow))
        assert row.document["reason"] == "new"
        assert session.get_one(Message, 2).state == MessageState.PROCESSED


def orders_log(session: Session) -> Sequence[Any]:
    (row,) = session.exec(select(OrderRow))
    return orders.events_of(session, row.key)


def test_what_a_message_had_not_done_is_done(store: Store, now: datetime) -> None:
    """A replay is no promise to do nothing: what is wrong is put right by the newest message."""
    receive(store, now, control("P1", "NW", "M1"), control("P1", "XO", "M2", obr_13="right"))
    with store.write() as session:
        (row,) = session.exec(select(OrderRow))
        row.document = {**row.document, "reason": "mapped wrongly"}
        session.add(row)
    requeue(store, 1, 2)
    process(store, now)
    with store.read() as session:
        (row,) = session.exec(select(OrderRow))
        assert row.document["reason"] == "right"
        assert [line.source for line in orders_log(session)] == ["message:1", "message:2", "message:2"]


def test_a_repair_stands_in_the_place_of_its_original(store: Store, now: datetime) -> None:
    """It is the newest message, and is taken in as any other."""
    receive(store, now, control("P1", "NW", "M1", obr_36="someday"))
    with store.write() as session:
        original = replays.repairable(session, 1)
        assert original is not None
        assert original.state == MessageState.QUARANTINED
        raw = original.raw.replace(b"someday", b"20261201")
        replays.repair(session, original, raw, judge(raw), author="ann", now=now)
    process(store, now)
    assert what_became(store) == [(1, "repaired"), (2, "processed")]
    assert requeue(store, 1) == 0
