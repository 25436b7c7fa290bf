"""Order → worklist items."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from mappings.dicom.worklist import worklist_items
from radflow.model import (
    CodedConcept,
    Identifier,
    Order,
    Patient,
    PersonName,
    Practitioner,
    ScheduledProcedureStep,
)
from tests.builders import an_order

BERLIN = ZoneInfo("Europe/Berlin")


def a_full_order() -> Order:
    return an_order(
        filler_order_number=Identifier(value="F1", assigner="RIS"),
        reason="Cough",
        priority="STAT",
        visit_number=Identifier(value="V1"),
        patient=Patient(
            identifiers=(Identifier(value="4711", assigner="HOSP"),),
            name=PersonName(family="Yamada", given="Tarou", ideographic="山田^太郎"),
            birth_date=date(1950, 1, 2),
            sex="A",
        ),
        referring_physician=Practitioner(name=PersonName(family="House")),
        requesting_physician=Practitioner(name=PersonName(family="Wilson")),
        steps=(
            ScheduledProcedureStep(
                step_id="S1",
                modality="CT",
                start=datetime(2026, 11, 24, 23, 30, tzinfo=UTC),
                station_aet=("CT1", "CT2"),
                station_name="CT ROOM 1",
                location="BASEMENT",
                protocol=CodedConcept(code="P1", display="Thorax nativ", system="99LOCAL"),
                performing_physician=Practitioner(name=PersonName(family="Curie")),
            ),
            ScheduledProcedureStep(step_id="S2", modality="CT"),
        ),
    )


def test_an_item_has_all_that_the_order_knows() -> None:
    """The keys of PS3.4 table K.6-1, spelled out."""
    item = worklist_items(a_full_order(), BERLIN)[0]
    (step,) = item.ScheduledProcedureStepSequence
    (code,) = item.RequestedProcedureCodeSequence
    (protocol,) = step.ScheduledProtocolCodeSequence
    assert {element.keyword: str(element.value) for element in item if element.VR != "SQ"} == {
        "SpecificCharacterSet": "ISO_IR 192",
        "AccessionNumber": "AP1",
        "ReferringPhysicianName": "House",
        "PatientName": "Yamada^Tarou=山田^太郎",
        "PatientID": "4711",
        "IssuerOfPatientID": "HOSP",
        "PatientBirthDate": "19500102",
        "PatientSex": "O",
        "RequestingPhysician": "Wilson",
        "RequestedProcedureDescription": "CT chest",
        "StudyInstanceUID": "1.2.3.5031",
        "AdmissionID": "V1",
        "RequestedProcedureID": "RPP1",
        "ReasonForTheRequestedProcedure": "Cough",
        "RequestedProcedurePriority": "STAT",
        "PlacerOrderNumberImagingServiceRequest": "P1",
        "FillerOrderNumberImagingServiceRequest": "F1",
    }
    assert {element.keyword: str(element.value) for element in step if element.VR != "SQ"} == {
        "Modality": "CT",
        "ScheduledStationAETitle": "['CT1', 'CT2']",
        "ScheduledProcedureStepStartDate": "20261125",
        "ScheduledProcedureStepStartTime": "003000",
        "ScheduledPerformingPhysicianName": "Curie",
        "ScheduledProcedureStepDescription": "Thorax nativ",
        "ScheduledProcedureStepID": "S1",
        "ScheduledStationName": "CT ROOM 1",
        "ScheduledProcedureStepLocation": "BASEMENT",
        "ScheduledProcedureStepStatus": "SCHEDULED",
    }
    assert (code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning) == ("CTCHEST", "L", "CT chest")
    assert (protocol.CodeValue, protocol.CodingSchemeDesignator) == ("P1", "99LOCAL")


def test_each_scheduled_step_is_an_item() -> None:
    """Two steps of one requested procedure are two lines on the modality's screen."""
    items = worklist_items(a_full_order(), BERLIN)
    assert [item.ScheduledProcedureStepSequence[0].ScheduledProcedureStepID for item in items] == ["S1", "S2"]


def test_a_step_without_start_is_due_on_the_day_of_its_request() -> None:
    """Start date is type 1: an item without it is found by nobody who asks for today."""
    order = an_order(requested_at=datetime(2026, 11, 24, 9, tzinfo=UTC))
    (step,) = worklist_items(order, BERLIN)[0].ScheduledProcedureStepSequence
    assert step.ScheduledProcedureStepStartDate == "20261124"
    assert step.ScheduledProcedureStepStartTime == "100000"


def test_plain_ascii_names_no_character_set() -> None:
    """Specific Character Set (0008,0005) is there only when it is needed (type 1C)."""
    order = an_order(patient=Patient(identifiers=(Identifier(value="1"),), name=PersonName(family="Doe")))
    assert "SpecificCharacterSet" not in worklist_items(order, BERLIN)[0]


def test_values_fit_their_value_representation() -> None:
    """A long description is cut, a long code has an element of its own, a backslash splits no value."""
    order = an_order(procedure=CodedConcept(code="X" * 20, display="a\\b" + "c" * 100, system="L"))
    item = worklist_items(order, BERLIN)[0]
    assert item.RequestedProcedureDescription == ("a b" + "c" * 100)[:64]
    assert item.RequestedProcedureCodeSequence[0].LongCodeValue == "X" * 20


def test_a_step_without_a_station_is_scheduled_where_its_modality_is_acquired() -> None:
    """Scheduled Station AE Title is type 1; a station that the order names stays the only one."""
    named, nowhere = worklist_items(a_full_order(), BERLIN, {"CT": ("CT8", "CT9")}.__getitem__)
    assert named.ScheduledProcedureStepSequence[0].ScheduledStationAETitle == ["CT1", "CT2"]
    assert nowhere.ScheduledProcedureStepSequence[0].ScheduledStationAETitle == ["CT8", "CT9"]


def test_a_step_is_due_when_its_order_came_where_nothing_else_says_when() -> None:
    """Start date and time are type 1, and a day's query goes by them (table K.6-1)."""
    came = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)
    (item,) = worklist_items(an_order(), ZoneInfo("Europe/Berlin"), placed=came)
    step = item.ScheduledProcedureStepSequence[0]
    assert (step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime) == (
        "20261125", "003000",
    )  # fmt: skip
