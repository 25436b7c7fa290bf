"""The worklist service, asked over real associations."""

import json
import re
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydicom import Dataset, dcmread
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    ModalityWorklistInformationFind,
    PatientRootQueryRetrieveInformationModelFind,
)
from sqlmodel import Session

from mappings.dicom.worklist import worklist_items
from radflow.order import Event
from radflow.services.worklist import RunningWorklist, start
from radflow.settings import LOOPBACK, Site, Worklist
from radflow.simulators.archive import SimulatedArchive
from radflow.simulators.modality import acquire, ask_worklist
from radflow.store import orders, worklist
from radflow.store.engine import Store
from tests import peers
from tests.builders import an_order

SAMPLES = peers.SAMPLES / "worklist"
MANY_ITEMS = 1500


@pytest.fixture
def service(store: Store) -> Iterator[RunningWorklist]:
    """The worklist of the site main, on a free port."""
    running = start(Site(name="main", worklist=Worklist(port=0, max_associations=5)), store)
    yield running
    running.stop()


def put(store: Store, now: datetime, number: str, item: Dataset | None = None) -> str:
    """Place an order with one worklist item; returns the order's key."""
    with store.write() as session:
        return put_in(session, now, number, item)


def put_in(session: Session, now: datetime, number: str, item: Dataset | None = None) -> str:
    order = an_order(number, requested_at=now)
    orders.place(session, order, source="test", occurred_at=now, now=now)
    worklist.put(session, order.key, order.site, [item] if item else worklist_items(order, ZoneInfo("UTC")))
    return order.key


@contextmanager
def association(port: int, sop_class: str = ModalityWorklistInformationFind) -> Iterator[Association]:
    ae = AE("MODALITY")
    ae.add_requested_context(sop_class)
    opened = ae.associate(LOOPBACK, port)
    try:
        yield opened
    finally:
        opened.release()


def asked(port: int, query: Dataset) -> list[tuple[int, Dataset | None]]:
    with association(port) as opened:
        responses = opened.send_c_find(query, ModalityWorklistInformationFind)
        return [(int(status.Status), answer) for status, answer in responses]


def names_asked() -> Dataset:
    query = Dataset()
    query.PatientName = query.PatientID = ""
    query.ScheduledProcedureStepSequence = []
    return query


def test_a_modality_finds_what_is_scheduled(service: RunningWorklist, store: Store, now: datetime) -> None:
    """A name outside of ASCII arrives as it was ordered, then success."""
    put(store, now, "P1")
    (pending, answer), last = asked(service.port, names_asked())
    assert (pending, last) == (0xFF00, (0x0000, None))
    assert answer is not None
    assert answer.PatientName == "Müller^Åse"
    assert answer.ScheduledProcedureStepSequence[0].Modality == "CT"


@pytest.mark.parametrize("event", [Event.STUDY_FOUND, Event.ORDER_CANCELLED])
def test_an_order_whose_time_is_over_is_gone(
    service: RunningWorklist, store: Store, now: datetime, event: Event
) -> None:
    """Images exist, or the order was taken back: the very next query does not show it."""
    key = put(store, now, "P1")
    put(store, now, "P2")
    assert len(asked(service.port, names_asked())) == 3
    with store.write() as session:
        orders.record(session, key, event, source="t", occurred_at=now, now=now)
    assert len(asked(service.port, names_asked())) == 2


def test_an_order_taken_off_is_gone(service: RunningWorklist, store: Store, now: datetime) -> None:
    """As a completed MPPS or a change does it."""
    key = put(store, now, "P1")
    with store.write() as session:
        worklist.take_off(session, key)
    assert asked(service.port, names_asked()) == [(0x0000, None)]


def test_a_cancelled_query_ends(service: RunningWorklist, store: Store, now: datetime) -> None:
    """C-CANCEL is honoured before all answers are sent: there are more than fit between two packets."""
    with store.write() as session:
        for number in range(MANY_ITEMS):
            put_in(session, now, f"P{number}")
    with association(service.port) as opened:
        statuses: list[int] = []
        for status, _ in opened.send_c_find(names_asked(), ModalityWorklistInformationFind):
            if not statuses:
                opened.send_c_cancel(1, None, ModalityWorklistInformationFind)
            statuses.append(int(status.Status))
    assert statuses[-1] == 0xFE00
    assert len(statuses) < MANY_ITEMS


def test_a_query_without_a_key_is_refused(service: RunningWorklist) -> None:
    """An identifier that asks for nothing is not one of a worklist."""
    query = Dataset()
    query.SpecificCharacterSet = "ISO_IR 192"
    assert asked(service.port, query) == [(0xA900, None)]


@pytest.mark.parametrize(
    "identifier",
    [
        b"\x10",
        b"\x10\x00\x10\x00\xff\xff\xff\x7fAB",
        b"\x40\x00\x00\x01\x08\x00\x00\x00garbage!",
        b"\xff" * 99,
    ],
    ids=["short", "too-long", "a-sequence-of-text", "ff"],
)
def test_an_identifier_that_is_none_does_no_harm(
    service: RunningWorklist, monkeypatch: pytest.MonkeyPatch, identifier: bytes
) -> None:
    """Bytes that are no dataset end with a status, and the association goes on."""
    monkeypatch.setattr("pynetdicom.association.encode", lambda *_: identifier)
    with association(service.port) as opened:
        for _ in range(2):
            ((status, _),) = opened.send_c_find(Dataset(), ModalityWorklistInformationFind)
            # Some garbage happens to read as keys that nobody knows: then there is nothing to match.
            assert status.Status in (0xA900, 0xC001, 0x0000)


def test_a_store_that_fails_is_told_and_forgiven(
    service: RunningWorklist, store: Store, now: datetime
) -> None:
    """A query that the database refuses ends with C001; the next is answered."""
    put(store, now, "P1")
    with store.write() as session:
        session.connection().exec_driver_sql("ALTER TABLE worklist_items RENAME TO elsewhere")
    assert asked(service.port, names_asked()) == [(0xC001, None)]
    with store.write() as session:
        session.connection().exec_driver_sql("ALTER TABLE elsewhere RENAME TO worklist_items")
    assert len(asked(service.port, names_asked())) == 2


def test_no_patient_is_in_the_log(
    service: RunningWorklist, store: Store, now: datetime, caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Neither the query nor the answers: above DEBUG a log holds no patient data."""
    put(store, now, "P1")
    query = names_asked()
    query.PatientName = "Müller*"
    with caplog.at_level("INFO"):
        assert len(asked(service.port, query)) == 2
    assert "ller" not in caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: worklist\r\n\r\n",
        b"\x00" * 4096,
        b"\x01\x00\xff\xff\xff\xff" + b"A" * 100,
        b"\x04\x00\x00\x00\x00\x06\x00\x00\x00\x02\x01\x03",
        bytes(range(256)) * 64,
        b"",
    ],
    ids=["http", "zeros", "a-huge-request", "a-data-pdu-first", "all-bytes", "nothing"],
)
def test_bytes_that_are_not_dicom_do_no_harm(service: RunningWorklist, garbage: bytes) -> None:
    """Whoever else finds the port, the next modality is served."""
    for _ in range(3):
        with socket.create_connection((LOOPBACK, service.port), timeout=10) as connection:
            connection.sendall(garbage)
    assert asked(service.port, names_asked()) == [(0x0000, None)]


def test_another_service_is_not_offered(service: RunningWorklist) -> None:
    """A presentation context of query/retrieve is rejected, and the worklist goes on."""
    with association(service.port, PatientRootQueryRetrieveInformationModelFind) as opened:
        assert not opened.is_established
        assert len(opened.rejected_contexts) == 1
    assert asked(service.port, names_asked()) == [(0x0000, None)]


def test_more_associations_than_allowed_are_rejected_until_one_ends(service: RunningWorklist) -> None:
    """The limit protects the service, and nobody is locked out for good."""
    ae = AE("MODALITY")
    ae.add_requested_context(ModalityWorklistInformationFind)
    opened = [ae.associate(LOOPBACK, service.port) for _ in range(6)]
    assert [one.is_established for one in opened] == [True] * 5 + [False]
    for one in opened[:5]:
        one.release()
    assert asked(service.port, names_asked()) == [(0x0000, None)]


def test_the_simulated_modality_finds_its_day(
    service: RunningWorklist, store: Store, now: datetime, tmp_path: Path
) -> None:
    """It asks for today, and what it stores bears the order's numbers."""
    put(store, now, "P1")
    put(store, now + timedelta(days=1), "P2")
    (item,) = ask_worklist(LOOPBACK, service.port, day=now.date(), modality="CT")
    with SimulatedArchive(tmp_path) as archive:
        acquire(item, LOOPBACK, archive.port, archive.ae_title)
    images = [dcmread(file) for file in tmp_path.glob("*.dcm")]
    assert len(images) == 4
    assert {(i.AccessionNumber, i.StudyInstanceUID, str(i.PatientName)) for i in images} == {
        ("AP1", an_order("P1").study_instance_uid, "Müller^Åse")
    }
    assert all(image.pixel_array.shape == (64, 64) for image in images)


def test_dcmtk_is_echoed(service: RunningWorklist) -> None:
    """C-ECHO, as a technician tries a new connection."""
    peers.echoscu(service.port)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"no {SAMPLES}: others' worklist samples are not here")
@pytest.mark.parametrize("number", range(6))
def test_others_queries_get_others_answers(
    service: RunningWorklist, store: Store, now: datetime, tmp_path: Path, number: int
) -> None:
    """Orthanc's ten sample items, asked by dcmtk, give the answers that Orthanc gives.

    In one thing the standard says otherwise: a key that an item does not have is answered with an empty
    value (PS3.4 §C.2.2.1.3), where Orthanc leaves it out. Query 0 asks for such a one.
    """
    for dump in sorted((SAMPLES / "entries").glob("*.dump")):
        put(store, now, dump.stem, dcmread(peers.from_dump(dump, tmp_path / f"{dump.stem}.dcm")))
    query = peers.from_dump(SAMPLES / "queries" / f"wlistqry{number}.dump", tmp_path / "query.dcm")
    answers = peers.findscu(service.port, query, tmp_path / "answers")
    expected = json.loads((SAMPLES / "expected" / f"all-{number}.json").read_text())
    assert Counter(map(_told, answers)) == Counter(map(_expected, expected))
    if number == 0:
        assert all(answer["RequestedProcedureCodeSequence"].is_empty for answer in answers)


def _told(answer: Dataset) -> frozenset[tuple[str, str]]:
    """Top-level values of an answer, without Specific Character Set, which the samples leave out."""
    return frozenset(
        (f"{element.tag.group:04x},{element.tag.element:04x}", str(element.value))
        for element in answer
        if element.VR != "SQ" and element.keyword != "SpecificCharacterSet"
    )


def _expected(lines: list[str]) -> frozenset[tuple[str, str]]:
    parsed = (re.match(r"\(([\da-f,]+)\) \w\w \[(.*)\]", line) for line in lines)
    return frozenset((line[1], line[2].strip()) for line in parsed if line)
