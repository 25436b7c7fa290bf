"""Messages are applied in groups: one transaction for many, and each for itself all the same."""

from datetime import datetime

import pytest
from sqlalchemy import event
from sqlmodel import func, select

from radflow.services import intake
from radflow.services.intake import take_in
from radflow.store import following
from radflow.store.engine import Store
from radflow.store.tables import OrderRow, PatientRow
from tests.hl7_builders import an_orm, an_oru, order_named
from tests.inbox import SITES, an_adt, as_told, became, keep, receive, the_order, the_orders


def commits_of(store: Store) -> list[object]:
    seen: list[object] = []
    event.listen(store.engine, "commit", seen.append)
    return seen


def registrations(count: int) -> list[bytes]:
    return [an_adt("A28", f"A{n}", {3: f"{n}^^^HOSP", 5: f"Müller{n}"}) for n in range(count)]


def test_a_hundred_patients_are_a_transaction_or_a_few(
    store: Store, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no order, so no flow run, comes of them."""
    monkeypatch.setattr(intake, "HOLD", 60)
    keep(store, now, *registrations(100))
    commits = commits_of(store)
    assert take_in(store, SITES, now, limit=100) == 100
    assert len(commits) <= 2
    with store.read() as session:
        assert session.exec(select(func.count()).select_from(PatientRow)).one() == 100
        assert session.exec(select(func.count()).select_from(OrderRow)).one() == 0


def test_a_group_ends_when_its_time_is_over(
    store: Store, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for a transaction of a hundred slow messages; each group does one at least."""
    monkeypatch.setattr(intake, "HOLD", -1)
    raws = [an_orm(f"M{n}", changes=order_named(f"P{n}")) for n in range(5)]
    keep(store, now, *raws)
    commits = commits_of(store)
    assert take_in(store, SITES, now) == 5
    assert len(commits) >= 5
    assert [state for state, _ in became(store)] == ["processed"] * 5


def test_a_bad_message_is_set_aside_alone(
    store: Store, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others of its group are applied, each once; nothing of the bad one is left."""
    follow = following.follow

    def broken(*arguments: object, **named: object) -> object:
        if named["source"] == "message:3":
            raise RuntimeError("Müller")
        return follow(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(following, "follow", broken)
    pid = {3: "4711^^^HOSP"}
    adts = [an_adt("A08", f"A{n}", pid | {5: f"Name{n}", 8: "F" if n == 2 else ""}) for n in (1, 2, 3)]
    receive(store, now, an_orm(), *adts)
    assert [state for state, _ in became(store)] == ["processed", "processed", "quarantined", "processed"]
    assert became(store)[2][1] == "It could not be processed: RuntimeError."
    patient = as_told(the_order(store)).patient
    assert (patient.name.family, patient.sex) == ("Name3", "")


def test_kinds_that_take_turns_keep_their_order(store: Store, now: datetime) -> None:
    """An order between two ADT messages, a report after it: as if each had come alone."""
    receive(
        store,
        now,
        an_adt("A28", "A1", {3: "4711^^^HOSP", 5: "Eins"}),
        an_orm("M1", changes={"PID": {5: ""}}),
        an_adt("A40", "A2", {3: "1^^^HOSP", 5: "Zwei"}, merged="4711^^^HOSP"),
        an_oru("R1"),
        an_orm("M2", changes=order_named("P2") | {"PID": {3: "1^^^HOSP", 5: ""}}),
    )
    assert [state for state, _ in became(store)] == ["processed"] * 5
    assert [as_told(row).patient.name.family for row in the_orders(store)] == ["Zwei", "Zwei"]


def test_one_look_takes_no_more_than_it_is_told(store: Store, now: datetime) -> None:
    """The dispatcher has orders to wake in between."""
    keep(store, now, *registrations(30))
    assert take_in(store, SITES, now, limit=20) == 20
    assert [state for state, _ in became(store)].count("received") == 10
