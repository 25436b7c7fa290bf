"""What an order's receivers are sent, and when: the steps, on a real store."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlmodel import col, select

from mappings.dicom.sr import read_structured_report
from mappings.hl7.reader import Hl7Message
from radflow.connectors.errors import Refused
from radflow.model import Order
from radflow.order import Event
from radflow.settings import _read_sites, settings
from radflow.store import orders, outbox, reports, structured_reports, studies
from radflow.store.engine import Store
from radflow.store.tables import OutboxMessage
from tasks import order as order_of
from tasks import result as result_of
from tasks import send
from tasks.waiting import Waiting
from tests.builders import an_order
from tests.builders_result import a_report, a_study
from tests.builders_sr import measurement_report

SITE = """
[[destinations]]
kind = "mllp"
name = "ehr"
host = "127.0.0.1"
port = 1
takes = ["results", "status"]

[[destinations]]
kind = "mllp"
name = "ris"
host = "127.0.0.1"
port = 2
takes = ["orders"]
orders_as = "OMI^O23"
"""


@pytest.fixture(autouse=True)
def site(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An EHR that takes results and status, a RIS that takes orders."""
    for module in (send, order_of, result_of):
        monkeypatch.setattr(module, "store", lambda: store)
    (tmp_path / "main.toml").write_text(SITE)
    monkeypatch.setenv("RADFLOW_SITES_DIR", str(tmp_path))
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def order(store: Store, now: datetime) -> Order:
    placed = an_order()
    place(store, now, placed)
    return placed


def place(store: Store, now: datetime, order: Order) -> None:
    with store.write() as session:
        orders.place(session, order, source="test", occurred_at=now, now=now)


def happens(store: Store, now: datetime, key: str, *events: Event) -> None:
    with store.write() as session:
        for event in events:
            orders.record(session, key, event, source="test", occurred_at=now, now=now)


def tell(store: Store, now: datetime, key: str) -> list[tuple[str, str, str, str]]:
    """Do the step as a leg does; returns what it has queued: to whom, MSH-9, ORC-1, ORC-5."""
    before = len(queued(store))
    detail = send.tell_receivers.fn(key)
    with store.write() as session:
        orders.record(
            session, key, Event.STEP_COMPLETED, source="leg", occurred_at=now, now=now,
            step="tell_receivers", detail=detail,
        )  # fmt: skip
    new = queued(store)[before:]
    read = [(row.destination, row.message_type, Hl7Message(row.payload)) for row in new]
    return [(to, kind, message.get("ORC-1"), message.get("ORC-5")) for to, kind, message in read]


def test_a_receiver_may_have_the_measurements_too(
    store: Store, now: datetime, order: Order, tmp_path: Path
) -> None:
    """`results_as` of each destination: this one takes numbers of DICOM SR, in Latin-1 and v2.7."""
    wanted = 'results_as = { observations = "all", version = "2.7", character_set = "8859/1" }'
    (tmp_path / "main.toml").write_text(SITE.replace("port = 1\n", f"port = 1\n{wanted}\n"))
    _read_sites.cache_clear()
    study = a_study("1.2.3")
    document = read_structured_report(measurement_report(study.study_instance_uid), UTC)
    with store.write() as session:
        studies.save(session, order.key, study, now)
        reports.save(session, order.key, a_report(), None, now)
        structured_reports.save(
            session, order.key, study_instance_uid="1.2.3", series_instance_uid="1.2.3.77",
            sop_instance_uid="1.2.3.77.1", report=document, now=now,
        )  # fmt: skip
    assert send.send_result.fn(order.key) == {"queued": ["ehr"]}
    (row,) = queued(store)
    message = Hl7Message(row.payload)
    assert (message.get("MSH-12"), message.get("MSH-18")) == ("2.7", "8859/1")
    numbers = {obx.get("OBX-3"): obx.get("OBX-5") for obx in message.each("OBX") if obx.get("OBX-2") == "NM"}
    assert numbers["103339001"] == "12.5"
    assert "Röntgen".encode("latin-1") in row.payload


def queued(store: Store) -> list[OutboxMessage]:
    with store.read() as session:
        return list(session.exec(select(OutboxMessage).order_by(col(OutboxMessage.id))))


def test_an_order_s_life_as_its_receivers_hear_of_it(store: Store, now: datetime, order: Order) -> None:
    """RAD-4, RAD-13 and status; what they know already is not told again."""
    assert tell(store, now, order.key) == [
        ("ris", "OMI^O23", "NW", "SC"), ("ehr", "ORM^O01", "SC", "SC"),
    ]  # fmt: skip
    assert tell(store, now, order.key) == []
    place(store, now, order.model_copy(update={"reason": "changed"}))
    assert tell(store, now, order.key) == [("ris", "OMI^O23", "XO", "SC")]
    happens(store, now, order.key, Event.STUDY_FOUND)
    assert tell(store, now, order.key) == [("ehr", "ORM^O01", "SC", "IP")]
    happens(store, now, order.key, Event.REPORT_RECEIVED)
    assert tell(store, now, order.key) == [("ehr", "ORM^O01", "SC", "CM")]
    assert len({row.queue for row in queued(store)}) == 1


def test_a_cancelled_order_is_told_to_those_who_knew_it(store: Store, now: datetime, order: Order) -> None:
    """CA to the RIS, and the status to the EHR."""
    tell(store, now, order.key)
    happens(store, now, order.key, Event.ORDER_CANCELLED)
    assert tell(store, now, order.key) == [
        ("ris", "OMI^O23", "CA", "CA"), ("ehr", "ORM^O01", "SC", "CA"),
    ]  # fmt: skip


def test_a_performed_step_is_told(store: Store, now: datetime, order: Order) -> None:
    """RAD-13: IP while a modality performs it, told once; scheduled again when that was abandoned."""
    tell(store, now, order.key)
    happens(store, now, order.key, Event.WORKLISTED, Event.STEP_STARTED)
    assert tell(store, now, order.key) == [("ehr", "ORM^O01", "SC", "IP")]
    happens(store, now, order.key, Event.ACQUISITION_ABANDONED)
    assert tell(store, now, order.key) == [("ehr", "ORM^O01", "SC", "SC")]
    happens(store, now, order.key, Event.STEP_STARTED, Event.ACQUISITION_COMPLETED)
    assert tell(store, now, order.key) == [("ehr", "ORM^O01", "SC", "IP")]
    happens(store, now, order.key, Event.STUDY_FOUND)
    assert tell(store, now, order.key) == []


def test_a_change_while_they_are_told_is_told_next(store: Store, now: datetime, order: Order) -> None:
    """It came after the step had read the log, and before the step was recorded."""
    detail = send.tell_receivers.fn(order.key)
    place(store, now, order.model_copy(update={"reason": "changed"}))
    with store.write() as session:
        orders.record(
            session, order.key, Event.STEP_COMPLETED, source="leg", occurred_at=now, now=now,
            step="tell_receivers", detail=detail,
        )  # fmt: skip
    assert [control for _, _, control, _ in tell(store, now, order.key)] == ["XO"]


def test_the_step_done_again_queues_nothing_twice(store: Store, now: datetime, order: Order) -> None:
    """A leg that was cut off before it recorded the step."""
    send.tell_receivers.fn(order.key)
    send.tell_receivers.fn(order.key)
    assert len(queued(store)) == 2


def reported(store: Store, now: datetime, key: str) -> None:
    with store.write() as session:
        reports.save(session, key, a_report(), None, now)
    happens(store, now, key, Event.STUDY_FOUND, Event.REPORT_RECEIVED)


def test_a_result_is_delivered_before_the_order_is_published(
    store: Store, now: datetime, order: Order
) -> None:
    """Queued once for a revision; waited for; refused until a person has seen to it; then delivered."""
    reported(store, now, order.key)
    assert send.send_result.fn(order.key) == {"queued": ["ehr"]}
    send.send_result.fn(order.key)
    (row,) = queued(store)
    assert row.id is not None
    assert (row.message_type, row.awaited, Hl7Message(row.payload).get("MSH-10")) == (
        "ORU^R01", True, row.control_id,
    )  # fmt: skip
    assert send.confirm_delivery.fn(order.key) == Waiting("not yet delivered to ehr")
    with store.write() as session:
        outbox.parked(session, row.id, answer="The receiver answers AE", now=now)
    with pytest.raises(Refused, match="ehr: The receiver answers AE"):
        send.confirm_delivery.fn(order.key)
    with store.write() as session:
        outbox.resend(session, row.id)
    assert isinstance(send.confirm_delivery.fn(order.key), Waiting)
    with store.write() as session:
        outbox.sent(session, row.id, answer="AA", now=now)
    assert send.confirm_delivery.fn(order.key) == {"delivered": ["ehr"]}


def test_other_images_alone_are_no_news_for_those_who_take_results(
    store: Store, now: datetime, order: Order
) -> None:
    """Series that were added after publication: published anew elsewhere. With a corrected report: sent."""
    reported(store, now, order.key)
    send.send_result.fn(order.key)
    happens(store, now, order.key, Event.STUDY_CHANGED)
    assert send.send_result.fn(order.key) != {}, "not yet delivered: this revision has to be"
    sent = len(queued(store))
    happens(store, now, order.key, Event.PUBLISHED, Event.STUDY_CHANGED)
    assert send.send_result.fn(order.key) == {}
    happens(store, now, order.key, Event.STUDY_CHANGED)
    assert send.send_result.fn(order.key) == {}
    assert send.confirm_delivery.fn(order.key) == {"delivered": []}
    assert len(queued(store)) == sent
    happens(store, now, order.key, Event.REPORT_RECEIVED)
    assert send.send_result.fn(order.key) == {"queued": ["ehr"]}


def test_a_corrected_report_is_a_message_of_its_own(store: Store, now: datetime, order: Order) -> None:
    """Another revision, another MSH-10."""
    reported(store, now, order.key)
    send.send_result.fn(order.key)
    happens(store, now, order.key, Event.PUBLISHED, Event.REPORT_RECEIVED)
    send.send_result.fn(order.key)
    assert len({row.control_id for row in queued(store)}) == 2
