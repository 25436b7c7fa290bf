"""The worklist service, asked over real associations."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    ModalityWorklistInformationFind,
    PatientRootQueryRetrieveInformationModelFind,
)

from radflow.model import Identifier, Patient, PersonName, ScheduledProcedureStep
from radflow.order import Event
from radflow.services.dicom.server import RunningServer
from radflow.settings import LOOPBACK
from radflow.simulators.archive import SimulatedArchive
from radflow.simulators.modality import acquire, ask_worklist
from radflow.store import orders, worklist
from radflow.store.engine import Store
from tests import peers
from tests.builders import an_order
from tests.services.worklisted import asked, association, found, names_asked, put, put_in, serving

SAMPLES = peers.SAMPLES / "worklist"
MANY_ITEMS = 1500


@pytest.fixture
def service(store: Store) -> Iterator[RunningServer]:
    """The worklist of the site main, on a free port."""
    with serving(store) as running:
        yield running


def test_a_modality_finds_what_is_scheduled(service: RunningServer, store: Store, now: datetime) -> None:
    """A name outside of ASCII arrives as it was ordered, then success."""
    put(store, now, "P1")
    (pending, answer), last = asked(service.port, names_asked())
    assert (pending, last) == (0xFF00, (0x0000, None))
    assert answer is not None
    assert answer.PatientName == "Müller^Åse"
    assert answer.ScheduledProcedureStepSequence[0].Modality == "CT"


@pytest.mark.parametrize("event", [Event.STUDY_FOUND, Event.ORDER_CANCELLED])
def test_an_order_whose_time_is_over_is_gone(
    service: RunningServer, store: Store, now: datetime, event: Event
) -> None:
    """Images exist, or the order was taken back: the very next query does not show it."""
    key = put(store, now, "P1")
    put(store, now, "P2")
    assert len(asked(service.port, names_asked())) == 3
    with store.write() as session:
        orders.record(session, key, event, source="t", occurred_at=now, now=now)
    assert len(asked(service.port, names_asked())) == 2


def test_an_order_taken_off_is_gone(service: RunningServer, store: Store, now: datetime) -> None:
    """As a completed MPPS or a change does it."""
    key = put(store, now, "P1")
    with store.write() as session:
        worklist.take_off(session, key)
    assert asked(service.port, names_asked()) == [(0x0000, None)]


def test_a_status_is_kept_when_the_order_changes(service: RunningServer, store: Store, now: datetime) -> None:
    """Scheduled Procedure Step Status (0040,0020): who has arrived is there, whatever is changed."""
    key = put(store, now, "P1")
    query = names_asked()
    assert [_status(answer) for answer in found(service.port, query)] == ["SCHEDULED"]
    with store.write() as session:
        assert worklist.set_status(session, key, "ARRIVED", "S1") == 1
        assert worklist.set_status(session, key, "READY", "S9") == 0
    put(store, now, "P1")
    assert [_status(answer) for answer in found(service.port, query)] == ["ARRIVED"]
    step = Dataset()
    step.ScheduledProcedureStepStatus = "SCHEDULED"
    query.ScheduledProcedureStepSequence = [step]
    assert found(service.port, query) == []


def _status(answer: Dataset) -> str:
    return str(answer.ScheduledProcedureStepSequence[0].ScheduledProcedureStepStatus)


def test_each_step_is_an_answer_in_the_script_of_the_asker(
    service: RunningServer, store: Store, now: datetime
) -> None:
    """Two steps of one request; found by the name as a Japanese modality writes it, and so answered."""
    patient = Patient(
        identifiers=(Identifier(value="2"),),
        name=PersonName(family="Yamada", given="Tarou", ideographic="山田^太郎", phonetic="やまだ^たろう"),
    )
    steps = tuple(
        ScheduledProcedureStep(step_id=step_id, modality="MR", start=now) for step_id in ("S1", "S2")
    )
    put(store, now, "P1", patient=patient, steps=steps)
    put(store, now, "P2")
    query = names_asked(SpecificCharacterSet=["", "ISO 2022 IR 87"], PatientName="=山田*")
    answers = found(service.port, query)
    steps_answered = [one.ScheduledProcedureStepSequence[0].ScheduledProcedureStepID for one in answers]
    assert steps_answered == ["S1", "S2"]
    assert {str(answer.PatientName) for answer in answers} == {"Yamada^Tarou=山田^太郎=やまだ^たろう"}
    assert answers[0].SpecificCharacterSet == ["", "ISO 2022 IR 87"]


def test_a_cancelled_query_ends(service: RunningServer, store: Store, now: datetime) -> None:
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


def test_a_query_without_a_key_is_refused(service: RunningServer) -> None:
    """An identifier that asks for nothing is not one of a worklist."""
    query = Dataset()
    query.SpecificCharacterSet = "ISO_IR 192"
    assert asked(service.port, query) == [(0xA900, None)]


def test_a_store_that_fails_is_told_and_forgiven(service: RunningServer, store: Store, now: datetime) -> None:
    """A query that the database refuses ends with C001; the next is answered."""
    put(store, now, "P1")
    with store.write() as session:
        session.connection().exec_driver_sql("ALTER TABLE worklist_items RENAME TO elsewhere")
    assert asked(service.port, names_asked()) == [(0xC001, None)]
    with store.write() as session:
        session.connection().exec_driver_sql("ALTER TABLE elsewhere RENAME TO worklist_items")
    assert len(asked(service.port, names_asked())) == 2


def test_no_patient_is_in_the_log(
    service: RunningServer, store: Store, now: datetime, caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Neither the query nor the answers: above DEBUG a log holds no patient data."""
    put(store, now, "P1")
    query = names_asked()
    query.PatientName = "Müller*"
    with caplog.at_level("INFO"):
        assert len(asked(service.port, query)) == 2
    assert "ller" not in caplog.text + "".join(capfd.readouterr())


def test_another_service_is_not_offered(service: RunningServer) -> None:
    """A presentation context of query/retrieve is rejected, and the worklist goes on."""
    with association(service.port, PatientRootQueryRetrieveInformationModelFind) as opened:
        assert not opened.is_established
        assert len(opened.rejected_contexts) == 1
    assert asked(service.port, names_asked()) == [(0x0000, None)]


def test_the_simulated_modality_finds_its_day(
    service: RunningServer, store: Store, now: datetime, tmp_path: Path
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


def test_dcmtk_is_echoed(service: RunningServer) -> None:
    """C-ECHO, as a technician tries a new connection."""
    peers.echoscu(service.port)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"no {SAMPLES}: others' worklist samples are not here")
@pytest.mark.parametrize("number", range(6))
def test_others_queries_get_others_answers(
    service: RunningServer, store: Store, now: datetime, tmp_path: Path, number: int
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
