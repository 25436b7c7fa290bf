"""The worklist in the store, on both databases."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from pydicom import Dataset
from pydicom.tag import Tag

from mappings.dicom.items import Item
from mappings.dicom.matching import Query
from mappings.dicom.worklist import worklist_items
from radflow.model import Identifier, Order, Patient, PersonName, ScheduledProcedureStep
from radflow.order import Event
from radflow.store import orders, worklist
from radflow.store.engine import Store
from radflow.store.worklist import Offer
from tests.builders import an_order

UTC_ZONE = ZoneInfo("UTC")


def worklisted(store: Store, now: datetime, order: Order) -> None:
    with store.write() as session:
        orders.place(session, order, source="test", occurred_at=now, now=now)
        worklist.put(session, order.key, order.site, worklist_items(order, UTC_ZONE))


def a_patient(identifier: str, family: str, given: str, **more: str) -> Patient:
    return Patient(
        identifiers=(Identifier(value=identifier),), name=PersonName(family=family, given=given, **more)
    )


def a_step(step_id: str, modality: str, day: int, hour: int, *stations: str) -> ScheduledProcedureStep:
    start = datetime(2026, 11, day, hour, tzinfo=UTC)
    return ScheduledProcedureStep(step_id=step_id, modality=modality, start=start, station_aet=stations)


def a_day(store: Store, now: datetime) -> None:
    """Three orders with four steps."""
    mueller = a_patient("1", "Müller", "Åse")
    yamada = a_patient("2", "Yamada", "Tarou", ideographic="山田^太郎")
    oneil = a_patient("3%", "O'Neil", "X")
    two = (a_step("S2", "MR", 24, 15, "MR_1"), a_step("S3", "CT", 25, 9, "CT1"))
    worklisted(store, now, an_order("P1", patient=mueller, steps=(a_step("S1", "CT", 24, 8, "CT1", "CT2"),)))
    worklisted(store, now, an_order("P2", patient=yamada, steps=two))
    worklisted(store, now, an_order("P3", patient=oneil, steps=(a_step("S4", "US", 26, 9, "MRX1"),)))


def a_query(**values: object) -> Dataset:
    """Keys of the order, and of the step where their name begins with `step_`."""
    query, step = Dataset(), Dataset()
    step.ScheduledProcedureStepID = ""
    for keyword, value in values.items():
        target = step if keyword.startswith("step_") else query
        setattr(target, keyword.removeprefix("step_"), value)
    query.ScheduledProcedureStepSequence = [step]
    return query


def found(store: Store, query: Dataset, site: str = "main") -> list[str]:
    items = worklist.find(store, site, Query.of(query))
    return [_step(item).texts(Tag("ScheduledProcedureStepID"))[0] for item in items]


def _step(item: Item) -> Item:
    return item.items(Tag("ScheduledProcedureStepSequence"))[0]


QUERIES: list[tuple[dict[str, object], list[str]]] = [
    ({}, ["S1", "S2", "S3", "S4"]),
    ({"PatientID": "1"}, ["S1"]),
    ({"PatientID": "3%"}, ["S4"]),
    ({"PatientID": "%"}, []),
    ({"PatientName": "müller^åse"}, ["S1"]),
    ({"PatientName": "MÜL*"}, ["S1"]),
    ({"PatientName": "Yamada^Tarou"}, ["S2", "S3"]),
    ({"PatientName": "山田^太郎"}, ["S2", "S3"]),
    ({"PatientName": "yamada*=山田*"}, ["S2", "S3"]),
    ({"PatientName": "O'Neil^?"}, ["S4"]),
    ({"PatientName": "=山田*"}, ["S2", "S3"]),
    ({"PatientName": "*^Tarou"}, ["S2", "S3"]),
    ({"PatientName": "Yamad?^T*"}, ["S2", "S3"]),
    ({"PatientName": "Mu\u0308ller*"}, ["S1"]),
    ({"PatientName": "Yam"}, []),
    ({"PatientName": "= ="}, ["S1", "S2", "S3", "S4"]),
    ({"AccessionNumber": "AP?"}, ["S1", "S2", "S3", "S4"]),
    ({"AccessionNumber": "ap1"}, []),
    ({"StudyInstanceUID": ["1.2.3.5031", "1.2.3.5033"]}, ["S1", "S4"]),
    ({"StudyInstanceUID": ["1.2.3.5031", *(f"9.{n}" for n in range(2000))]}, ["S1"]),
    ({"RequestedProcedureID": "RPP2"}, ["S2", "S3"]),
    ({"step_Modality": "CT"}, ["S1", "S3"]),
    # A step's key outside of the step's sequence is one that no item has.
    ({"Modality": "CT"}, ["S1", "S2", "S3", "S4"]),
    ({"step_ScheduledStationAETitle": "CT2"}, ["S1"]),
    ({"step_ScheduledStationAETitle": "MR_1"}, ["S2"]),
    ({"step_ScheduledStationAETitle": "MR*"}, ["S2", "S4"]),
    ({"step_ScheduledProcedureStepStartDate": "20261124"}, ["S1", "S2"]),
    ({"step_ScheduledProcedureStepStartDate": "20261125-"}, ["S3", "S4"]),
    ({"step_ScheduledProcedureStepStartDate": "-20261124"}, ["S1", "S2"]),
    ({"step_ScheduledProcedureStepStartTime": "1200-"}, ["S2"]),
    (
        {
            "step_ScheduledProcedureStepStartDate": "20261124-20261125",
            "step_ScheduledProcedureStepStartTime": "120000-120000",
        },
        ["S2", "S3"],
    ),
    ({"step_ScheduledProcedureStepStartDate": "nonsense"}, []),
    ({"step_Modality": "CT", "PatientID": "2"}, ["S3"]),
    ({"RequestingPhysician": "NOBODY"}, []),
    # Empty value matching: what has no value.
    ({"RequestingPhysician": '""'}, ["S1", "S2", "S3", "S4"]),
    ({"PatientID": '""'}, []),
    ({"PatientBirthDate": '""', "PatientID": "2"}, ["S2", "S3"]),
    ({"step_ScheduledStationAETitle": '""'}, []),
    ({"step_ScheduledProtocolCodeSequence": [], "step_ScheduledStationName": '""'}, ["S1", "S2", "S3", "S4"]),
]


@pytest.mark.parametrize(("keys", "expected"), QUERIES)
def test_a_query_finds_its_steps(
    store: Store, now: datetime, keys: dict[str, object], expected: list[str]
) -> None:
    """In the order in which they are due; both databases find the same."""
    a_day(store, now)
    assert found(store, a_query(**keys)) == expected


@pytest.mark.parametrize(
    ("offer", "expected"),
    [
        (Offer(), ["S1", "S2", "S3", "S4"]),
        (Offer(stations=("CT1",)), ["S1", "S3"]),
        (Offer(stations=("ct1",)), []),
        (Offer(stations=("CT2", "MR_1")), ["S1", "S2"]),
        (Offer(modalities=("CT",)), ["S1", "S3"]),
        (Offer(stations=("CT1",), modalities=("MR",)), []),
    ],
)
def test_an_offer_leaves_out_what_is_not_in_it(
    store: Store, now: datetime, offer: Offer, expected: list[str]
) -> None:
    """An AE title is compared letter by letter, on both databases."""
    a_day(store, now)
    items = worklist.find(store, "main", Query.of(a_query()), offer)
    assert [_step(item).texts(Tag("ScheduledProcedureStepID"))[0] for item in items] == expected


def test_more_items_than_are_read_at_once_come_in_their_order(store: Store, now: datetime) -> None:
    """Each once, as they are due; what goes off the list meanwhile is left out."""
    with store.write() as session:
        for number in range(450):
            step = a_step("S1", "CT", 1 + number % 28, number % 24)
            order = an_order(f"P{number}", steps=(step,))
            orders.place(session, order, source="test", occurred_at=now, now=now)
            worklist.put(session, order.key, order.site, worklist_items(order, UTC_ZONE))
    items = worklist.find(store, "main", Query.of(Dataset()))
    first = next(items)
    with store.write() as session:
        worklist.take_off(session, an_order("P447").key)
    due = [_due(item) for item in (first, *items)]
    assert (len(due), due) == (449, sorted(due))


def _due(item: Item) -> tuple[str, str]:
    step = _step(item)
    date, time = Tag("ScheduledProcedureStepStartDate"), Tag("ScheduledProcedureStepStartTime")
    return step.texts(date)[0], step.texts(time)[0]


def test_sql_never_hides_what_matches(store: Store, now: datetime) -> None:
    """Narrowing by columns changes no result: every query finds what a walk over all items finds."""
    a_day(store, now)
    everything = list(worklist.find(store, "main", Query.of(Dataset())))
    for keys, _ in QUERIES:
        query = a_query(**keys)
        walked = [item for item in everything if Query.of(query).matches(item)]
        assert len(found(store, query)) == len(walked), keys


def test_the_answer_is_what_was_put(store: Store, now: datetime) -> None:
    """Names in every script come through the database as they are."""
    a_day(store, now)
    (item, _) = worklist.find(store, "main", Query.of(a_query(PatientName="Yamada*")))
    assert item.texts(Tag("PatientName")) == ["Yamada^Tarou=山田^太郎"]
    assert Tag("MedicalAlerts") not in item


def test_a_changed_order_replaces_its_items(store: Store, now: datetime) -> None:
    """A step that is no longer there is off the list, one that moved is found where it is now."""
    two = (a_step("S1", "CT", 24, 8), a_step("S2", "CT", 24, 9))
    worklisted(store, now, an_order(steps=two))
    worklisted(store, now, an_order(steps=(a_step("S2", "MR", 25, 9),)))
    assert found(store, a_query()) == ["S2"]
    assert found(store, a_query(step_Modality="MR")) == ["S2"]


def test_an_order_taken_off_is_gone(store: Store, now: datetime) -> None:
    """Twice is not an error."""
    worklisted(store, now, an_order())
    for _ in range(2):
        with store.write() as session:
            worklist.take_off(session, an_order().key)
    assert found(store, a_query()) == []


@pytest.mark.parametrize("event", [Event.STUDY_FOUND, Event.ORDER_CANCELLED])
def test_an_order_that_waits_for_no_images_is_not_answered(store: Store, now: datetime, event: Event) -> None:
    """Not even where an item was put after the fact: the order's state decides."""
    order = an_order()
    worklisted(store, now, order)
    with store.write() as session:
        orders.record(session, order.key, event, source="t", occurred_at=now, now=now)
        worklist.put(session, order.key, order.site, worklist_items(order, UTC_ZONE))
    assert found(store, a_query()) == []


def test_a_site_sees_its_own(store: Store, now: datetime) -> None:
    """Each site's modalities ask for that site's orders."""
    worklisted(store, now, an_order())
    assert found(store, a_query(), site="other") == []
