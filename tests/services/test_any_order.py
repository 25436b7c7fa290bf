"""Messages of one order in any order, over the intake: the same state, content and report in the end."""

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlmodel import select

from radflow.store import reports
from radflow.store.engine import Store
from radflow.store.tables import OrderRow
from tests.hl7_builders import an_adt, an_orm, an_oru
from tests.inbox import receive

BEFORE, AFTER = "Müller^Åse", "Meyer^Åse"
"""The patient's name, before and after the ADT message."""
Story = Callable[[str], list[bytes]]
_numbers = count(1)


def said(number: str, control: str, second: int, name: str = BEFORE, **fields: dict[int, str]) -> bytes:
    """An order message that was sent at this second."""
    changes: dict[str, dict[int, str]] = {
        "PID": {3: f"{number}^^^HOSP^MR", 5: name},
        "ORC": {1: control, 2: f"{number}^EHR"} | fields.get("orc", {}),
        "OBR": {2: f"{number}^EHR"} | fields.get("obr", {}),
    }
    return an_orm(f"{number}-{second}", changes=changes, msh_7=f"202611240800{second:02}")


def reported(number: str, status: str, second: int, text: str, issued: str = "") -> bytes:
    changes = {
        "PID": {3: f"{number}^^^HOSP^MR"},
        "OBR": {2: f"{number}^EHR", 22: issued, 25: status},
        "OBX": {5: text, 11: status},
    }
    return an_oru(f"{number}-{second}", changes=changes, msh_7=f"202611240800{second:02}")


def told(number: str, second: int) -> bytes:
    """ADT^A08: another name."""
    changes = {"PID": {3: f"{number}^^^HOSP^MR", 5: AFTER}}
    return an_adt("A08", f"{number}-{second}", changes=changes, msh_7=f"202611240800{second:02}")


def cancelled(number: str) -> list[bytes]:
    return [
        said(number, "NW", 1, obr={13: "pain", 21: "CT1"}),
        said(number, "XO", 2, obr={24: "MR", 27: "^^^20261125090000"}),
        told(number, 3),
        said(number, "SC", 4, AFTER, orc={3: f"F{number}^RIS", 5: "SC"}, obr={27: "^^^20261126090000"}),
        said(number, "CA", 5, AFTER),
    ]


def published(number: str) -> list[bytes]:
    return [
        said(number, "NW", 1, obr={13: "pain"}),
        said(number, "XO", 2, obr={13: "more pain"}),
        told(number, 3),
        said(number, "SC", 4, AFTER, orc={3: f"F{number}^RIS", 5: "CM"}),
        reported(number, "P", 5, "early"),
        reported(number, "F", 6, "final"),
        reported(number, "C", 7, "corrected"),
    ]


def issued(number: str) -> list[bytes]:
    """OBR-22 against MSH-7: an old version is sent again, and was issued before the one that stands."""
    return [
        said(number, "NW", 1),
        reported(number, "C", 2, "corrected", "20261124093000"),
        reported(number, "F", 3, "final", "20261124090000"),
    ]


def held(number: str) -> list[bytes]:
    return [
        said(number, "NW", 1),
        said(number, "HD", 2),
        said(number, "XO", 3, obr={13: "while held"}),
        said(number, "RL", 4),
    ]


def held_again(number: str) -> list[bytes]:
    return [*held(number), said(number, "HD", 5)]


STORIES: dict[str, tuple[Story, str]] = {
    "cancelled": (cancelled, "cancelled"),
    "published": (published, "reported-without-images"),
    "issued": (issued, "reported-without-images"),
    "held": (held, "received"),
    "held again": (held_again, "held"),
}


@pytest.mark.parametrize("story", STORIES)
@hypothesis_settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_the_end_is_the_same(store: Store, now: datetime, story: str, data: st.DataObject) -> None:
    """As it is when they come in the order in which they were sent."""
    messages, state = STORIES[story]
    usual = after(store, now, messages)
    assert usual["state"] == state
    order = data.draw(st.permutations(range(len(messages("")))))
    assert after(store, now, messages, order) == usual


def after(store: Store, now: datetime, story: Story, order: Sequence[int] | None = None) -> dict[str, Any]:
    """What becomes of an order of its own, whose messages come in this order; without its numbers."""
    number = f"P{next(_numbers)}"
    messages = story(number)
    for place in order or range(len(messages)):
        receive(store, now, messages[place])
    with store.read() as session:
        row = session.exec(select(OrderRow).where(OrderRow.placer_order_number == number)).one()
        report = reports.present(session, row.key, ("hl7",))
    return {
        "state": row.state,
        "document": _without_numbers(row.document, row, number),
        "report": report.text if report else None,
    }


def _without_numbers(value: Any, row: OrderRow, number: str) -> Any:
    if isinstance(value, dict):
        return {name: _without_numbers(one, row, number) for name, one in value.items()}
    if isinstance(value, list):
        return [_without_numbers(one, row, number) for one in value]
    own = {row.study_instance_uid, row.accession_number, row.key, number, f"F{number}"}
    suffix = row.key.rpartition("-")[2].upper()
    return "own" if value in own or value == f"S{suffix}" else value
