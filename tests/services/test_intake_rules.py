"""A site's rules on what it receives: dropped, rewritten, passed on."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from sqlmodel import select

from radflow.model import Order
from radflow.services.intake import take_in
from radflow.settings import Site
from radflow.store import messages, replays
from radflow.store.engine import Store
from radflow.store.tables import Message, OutboxMessage
from tests.hl7_builders import an_orm, an_oru, order_named
from tests.inbox import SITES, became, receive, states, the_order, the_orders


@pytest.fixture
def with_rules(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Gives the site these rules, as its file would."""

    def give(**rules: Any) -> None:
        destinations = [
            {"kind": "mllp", "name": name, "host": "127.0.0.1", "port": 1} for name in ("ris", "lab")
        ]
        content = {"name": "main", "time_zone": "Europe/Berlin", "destinations": destinations}
        monkeypatch.setitem(SITES, "main", Site.model_validate(content | rules))

    return give


def outbox(store: Store) -> Sequence[OutboxMessage]:
    with store.read() as session:
        return session.exec(select(OutboxMessage).order_by(OutboxMessage.id)).all()  # type: ignore[arg-type]


def test_a_message_that_is_filtered(store: Store, now: datetime, with_rules: Any) -> None:
    """It is kept and can be found, with the rule that drops it; it does nothing, and goes to nobody."""
    with_rules(
        filters=[{"name": "no CT", "when": {"OBR-24": "CT"}, "reason": "CT has a system of its own."}],
        routes=[{"name": "all", "to": ["ris"]}],
    )
    assert receive(store, now, an_orm(), an_orm("M2", changes={**order_named("P2"), "OBR": {24: "MR"}})) == [
        ("filtered", "The site's filter 'no CT' drops it: CT has a system of its own."),
        ("processed", ""),
    ]
    assert [row.modality for row in the_orders(store)] == ["MR"]
    assert [row.control_id for row in outbox(store)] == ["M2"]
    with store.read() as session:
        (found,) = session.exec(select(Message).where(Message.state == "filtered"))
    assert found.control_id == "M1"


def test_a_filtered_message_is_taken_once_its_rule_is_gone(
    store: Store, now: datetime, with_rules: Any
) -> None:
    """A replay asks the rules that there are then."""
    with_rules(filters=[{"name": "nothing", "when": {}}])
    assert states(store, now, an_orm()) == ["filtered"]
    with_rules()
    with store.write() as session:
        replays.requeue(session, [1])
    take_in(store, SITES, now)
    assert became(store) == [("processed", "")]


def test_identifiers_and_codes_are_the_site_s(store: Store, now: datetime, with_rules: Any) -> None:
    """The order has them; the message stays as it came, and is found by both numbers of its patient."""
    with_rules(
        patient_identifiers={
            "default_authority": "HOSP",
            "numbers": [{"authority": "HOSP", "leading_zeros": "strip"}],
        },
        tables=[
            {
                "name": "procedures",
                "path": "OBR-4",
                "codes": {"CTC": {"to": "CTCHEST", "display": "CT chest"}},
            },
            {"name": "modalities", "path": "OBR-24", "codes": {"COMPUTED": "CT"}},
        ],
    )
    sent = {"PID": {3: "0004711"}, "OBR": {4: "CTC^thorax^L", 24: "COMPUTED"}}
    assert states(store, now, an_orm(changes=sent)) == ["processed"]
    order = Order.model_validate(the_order(store).document)
    assert [(one.value, one.assigner) for one in order.patient.identifiers] == [("4711", "HOSP")]
    assert (order.procedure.code, order.procedure.display, order.modality) == ("CTCHEST", "CT chest", "CT")
    with store.read() as session:
        (kept,) = session.exec(select(Message))
        patients = messages.links_of(session, [kept.id], messages.LinkKind.PATIENT)
    assert set(patients[1]) == {"0004711", "4711"}
    assert kept.raw == an_orm(changes=sent)


def test_what_a_rule_rejects_is_in_quarantine(store: Store, now: datetime, with_rules: Any) -> None:
    """With a reason that says what to do, and nothing of the patient; nobody else gets it either."""
    with_rules(
        patient_identifiers={"numbers": [{"check_digit": "M10"}]}, routes=[{"name": "all", "to": ["ris"]}]
    )
    ((state, reason),) = receive(store, now, an_orm(changes={"PID": {3: "12346"}}))
    assert state == "quarantined"
    assert reason.startswith("PID-3: the check digit (M10) of a patient identifier is wrong.")
    assert "12346" not in reason
    assert outbox(store) == []


def test_a_message_is_passed_on_as_it_came(store: Store, now: datetime, with_rules: Any) -> None:
    """To each destination once, in its patient's queue; a replay passes nothing on again."""
    with_rules(
        tables=[{"name": "t", "path": "OBR-24", "codes": {"CT": "MR"}}],
        routes=[
            {"name": "orders", "when": {"MSH-9": "ORM^O01"}, "to": ["ris"]},
            {"name": "ct", "when": {"OBR-24": "CT"}, "to": ["lab", "ris"]},
        ],
    )
    states(store, now, an_orm())
    with store.write() as session:
        replays.requeue(session, [1])
    take_in(store, SITES, now)
    assert became(store) == [("processed", "")]
    copies = [
        (one.destination, one.queue, one.control_id, one.payload, one.message_id) for one in outbox(store)
    ]
    assert copies == [
        ("ris", "HOSP|4711", "M1", an_orm(), 1),
        ("lab", "HOSP|4711", "M1", an_orm(), 1),
    ]


def test_two_senders_may_use_one_control_id(store: Store, now: datetime, with_rules: Any) -> None:
    """Each message is passed on."""
    with_rules(routes=[{"name": "all", "to": ["ris"]}])
    states(store, now, an_orm("1"), an_orm("1", changes=order_named("P2"), msh_3="OTHER"))
    assert [row.message_id for row in outbox(store)] == [1, 2]


def test_what_waits_here_keeps_nobody_else_waiting(store: Store, now: datetime, with_rules: Any) -> None:
    """A report of an unknown order is passed on at once, and once: not again when its order comes."""
    with_rules(routes=[{"name": "reports", "when": {"MSH-9": "ORU^*"}, "to": ["lab"]}])
    assert states(store, now, an_oru()) == ["waiting"]
    assert [row.control_id for row in outbox(store)] == ["R1"]
    assert states(store, now, an_orm()) == ["processed", "processed"]
    assert [row.control_id for row in outbox(store)] == ["R1"]
