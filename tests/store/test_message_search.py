"""Messages are found by their columns and links, by an index."""

import dataclasses
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import select

from radflow.model import Identifier, Order
from radflow.store import message_search, messages, orders
from radflow.store.engine import Store
from radflow.store.message_search import Wanted
from radflow.store.messages import LinkKind, MessageState
from radflow.store.tables import Message
from tests.builders import an_order
from tests.builders_inbox import arrival
from tests.hl7_builders import an_orm, an_oru

SITES = ("main", "other")


@pytest.fixture
def inbox(store: Store, now: datetime) -> Store:
    """1 an order, 2 its report, 3 a report that waits, 4 in quarantine, 5 an order of another site."""
    order = the_order()
    with store.write() as session:
        batch = [
            arrival(an_orm("M1"), now),
            arrival(an_oru("M2"), now + timedelta(hours=1), sender="RIS|RAD"),
            arrival(an_oru("M3"), now + timedelta(hours=2), sender="RIS|RAD"),
            arrival(b"junk", now + timedelta(days=1)),
            arrival(an_orm("M5"), now + timedelta(days=2), site="other"),
        ]
        messages.keep(session, batch)
        orders.place(session, order, source="message:1", occurred_at=now, now=now)
    with store.write() as session:
        messages.link(session, {1: [order.key], 2: [order.key]}, LinkKind.ORDER)
        messages.link(session, {1: ["4711"], 2: ["4711", "4712"]}, LinkKind.PATIENT)
        third = session.get_one(Message, 3)
        messages.mark_waiting(session, third, "No order is known", [order.accession_number], now)
        messages.link(session, {5: [order.accession_number]}, LinkKind.AWAITS)
    return store


def the_order() -> Order:
    return an_order(filler_order_number=Identifier(value="F1", assigner="RIS"))


def found(store: Store, limit: int = 50, **wanted: Any) -> list[int | None]:
    with store.read() as session:
        return [row.id for row in message_search.search(session, Wanted(sites=SITES, **wanted), limit)]


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ({}, [5, 4, 3, 2, 1]),
        ({"message_type": "ORU^R01"}, [3, 2]),
        ({"message_type": "OR?^*"}, [5, 3, 2, 1]),
        ({"message_type": "ADT^*"}, []),
        ({"sender": "RIS|RAD"}, [3, 2]),
        ({"sender": "EHR|*", "site": "main"}, [1]),
        ({"control_id": "M3"}, [3]),
        ({"state": MessageState.WAITING}, [3]),
        ({"error": "NOT BEGIN with msh"}, [4]),
        ({"error": "100%"}, []),
        ({"patient": "4711"}, [2, 1]),
        ({"patient": "4712", "message_type": "ORM^O01"}, []),
        ({"site": "other"}, [5]),
        ({"before": 3}, [2, 1]),
    ],
)
def test_search(inbox: Store, wanted: dict[str, Any], ids: list[int]) -> None:
    """By each property, and by several at once; newest first."""
    assert found(inbox, **wanted) == ids


def test_times(inbox: Store, now: datetime) -> None:
    """Since is inclusive, until is not."""
    hour = timedelta(hours=1)
    assert found(inbox, since=now + hour, until=now + 2 * hour) == [2]
    assert found(inbox, since=now + 3 * hour) == [5, 4]


def test_pages(inbox: Store) -> None:
    """`before` goes on where the last page has ended."""
    first = found(inbox, limit=2)
    assert first == [5, 4]
    assert found(inbox, limit=2, before=first[-1]) == [3, 2]


@pytest.mark.parametrize(
    "named", ["key", "placer_order_number", "filler_order_number", "accession_number", "study_instance_uid"]
)
def test_an_order_by_whatever_it_is_called(inbox: Store, named: str) -> None:
    """Its messages, and those that wait for it; not those of an order that is called so elsewhere."""
    value = getattr(the_order(), named)
    assert found(inbox, order=getattr(value, "value", value)) == [3, 2, 1]


def test_what_waits_for_an_order_that_nobody_has_placed(inbox: Store, now: datetime) -> None:
    """By the number that it waits for, at any site."""
    with inbox.write() as session:
        messages.mark_waiting(session, session.get_one(Message, 5), "orphan", ["LATE1"], now)
    assert found(inbox, order="LATE1") == [5]


def test_bytes_stay_in_the_store(inbox: Store) -> None:
    """A page of results does not load the messages themselves."""
    with inbox.read() as session:
        row = message_search.search(session, Wanted())[0]
    assert "raw" not in row.__dict__


def test_ids_for_a_replay(inbox: Store) -> None:
    """Oldest first, all of them, in the states asked for."""
    with inbox.read() as session:
        states = (MessageState.WAITING, MessageState.QUARANTINED)
        assert message_search.ids(session, Wanted(), states) == [3, 4]


COMMON: list[tuple[dict[str, Any], str]] = [
    ({"state": "quarantined"}, "ix_messages_state_id"),
    ({"message_type": "ADT^A08"}, "ix_messages_type_id"),
    ({"message_type": "ADT^*"}, "ix_messages_type_id"),
    ({"sender": "EHR|HOSPITAL"}, "ix_messages_sender_id"),
    ({"control_id": "C42"}, "(control_id=?"),
    ({"error": "PID-3"}, "ix_messages_state_id"),
    ({"patient": "4711"}, "ix_message_links_kind_value"),
    ({"order": "P1"}, "ix_message_links_kind_value"),
    ({"since": 1, "until": 2}, "ix_messages_received_at"),
]
"""What is asked for, and the index that answers."""


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_common_questions_use_an_index(store: Store, now: datetime) -> None:
    """Among 10,000 messages, as SQLite plans it: the inbox is never read from end to end."""
    kinds = ("ORM^O01", "ORU^R01", "ADT^A08", "ADT^A01")
    base = arrival(an_orm(), now)
    many = [
        dataclasses.replace(
            base, control_id=f"C{number}", message_type=kinds[number % 4], raw=b"",
            received_at=now + timedelta(minutes=number),
        )
        for number in range(10_000)
    ]  # fmt: skip
    with store.write() as session:
        messages.keep(session, many)
    for wanted, index in COMMON:
        times = {
            name: now + timedelta(days=days) for name, days in wanted.items() if name in ("since", "until")
        }
        plan = the_plan(store, Wanted(sites=SITES, **(wanted | times)))
        assert index in plan, (wanted, plan)
        assert "SCAN messages" not in plan, (wanted, plan)


def the_plan(store: Store, wanted: Wanted) -> str:
    """How SQLite answers the last statement of a search."""
    asked: list[tuple[str, Any]] = []

    @event.listens_for(store.engine, "before_cursor_execute")
    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    with store.read() as session:
        message_search.search(session, wanted)
        statement, parameters = asked[-1]
        rows = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
        assert session.exec(select(Message.id).limit(1)).first()
    return "\n".join(row[-1] for row in rows)
