"""Queries and what matches them, line by line of PS3.4 §C.2.2.2 and §K.6.1."""

import pytest
from pydicom import Dataset

from mappings.dicom.matching import answer, matches


def an_item() -> Dataset:
    item = Dataset()
    item.SpecificCharacterSet = "ISO_IR 192"
    item.AccessionNumber = "A1"
    item.PatientName = "Müller^Åse=山田^太郎"
    item.PatientID = "4711"
    item.PatientSex = ""
    item.StudyInstanceUID = "1.2.3"
    step = Dataset()
    step.Modality = "CT"
    step.ScheduledStationAETitle = ["CT1", "CT2"]
    step.ScheduledProcedureStepStartDate = "20261124"
    step.ScheduledProcedureStepStartTime = "143000"
    item.ScheduledProcedureStepSequence = [step]
    return item


def a_query(**values: object) -> Dataset:
    query = Dataset()
    for keyword, value in values.items():
        setattr(query, keyword, value)
    return query


def a_step_query(**values: object) -> Dataset:
    return a_query(ScheduledProcedureStepSequence=[a_query(**values)])


@pytest.mark.parametrize(
    ("keyword", "value", "expected"),
    [
        ("PatientID", "4711", True),
        ("PatientID", "471", False),
        ("PatientID", "", True),
        ("PatientID", "*", True),
        ("PatientID", "47*", True),
        ("PatientID", "4?11", True),
        ("PatientID", "4?1", False),
        ("PatientID", "[4]711", False),
        ("PatientSex", "F", False),
        ("PatientName", "Müller^Åse", True),
        ("PatientName", "MÜLLER^ÅSE", True),
        ("PatientName", "müller*", True),
        ("PatientName", "Müller^Åse^^", True),
        ("PatientName", "Müller", False),
        ("PatientName", "Müller^Åse^*", True),
        ("PatientName", "山田*", True),
        ("PatientName", "Müller*=山田*", True),
        ("PatientName", "Müller*=佐藤*", False),
        ("PatientName", "^^", True),
        ("StudyInstanceUID", ["1.2.9", "1.2.3"], True),
        ("StudyInstanceUID", "1.2.*", False),
        # Keys that are not supported match everything.
        ("MedicalAlerts", "ALLERGY", True),
        ("SpecificCharacterSet", "ISO_IR 100", True),
    ],
)
def test_a_key_matches(keyword: str, value: object, expected: bool) -> None:
    """Single value, wildcard, list of UIDs, names in any case and script, universal."""
    assert matches(a_query(**{keyword: value}), an_item()) is expected


@pytest.mark.parametrize(
    ("date", "time", "expected"),
    [
        ("20261124", "", True),
        ("20261125", "", False),
        ("20261124-", "", True),
        ("-20261123", "", False),
        ("20261120-20261124", "", True),
        ("", "1430", True),
        ("", "14-15", True),
        ("", "-14", True),
        ("", "-1429", False),
        ("", "143000.000000-", True),
        # The period from the 20th, 16:00, to the 25th, 10:00: table K.6-1.
        ("20261120-20261125", "160000-100000", True),
        ("20261124-20261125", "160000-100000", False),
        ("20261120-20261124", "160000-100000", False),
        ("20261124-", "140000-", True),
        ("20261124-", "150000-", False),
        # One day, and a range of its hours.
        ("20261124", "140000-150000", True),
        ("20261124", "150000-160000", False),
    ],
)
def test_start_date_and_time_match(date: str, time: str, expected: bool) -> None:
    """Ranges include both ends; date and time together are one period."""
    query = a_step_query(ScheduledProcedureStepStartDate=date, ScheduledProcedureStepStartTime=time)
    assert matches(query, an_item()) is expected


@pytest.mark.parametrize(("title", "expected"), [("CT1", True), ("CT2", True), ("CT", False), ("CT*", True)])
def test_any_of_the_stations_matches(title: str, expected: bool) -> None:
    """A step may be scheduled for several stations."""
    assert matches(a_step_query(ScheduledStationAETitle=title), an_item()) is expected


def test_the_answer_has_the_keys_of_the_query() -> None:
    """What is asked and nothing else; what is not known is there and empty."""
    found = answer(a_query(PatientID="", MedicalAlerts="", RequestedProcedureCodeSequence=[]), an_item())
    assert [element.keyword for element in found] == [
        "SpecificCharacterSet",
        "PatientID",
        "MedicalAlerts",
        "RequestedProcedureCodeSequence",
    ]
    assert (found.PatientID, found.MedicalAlerts, len(found.RequestedProcedureCodeSequence)) == (
        "4711",
        None,
        0,
    )


@pytest.mark.parametrize("asked", [[], [Dataset()]])
def test_an_empty_sequence_asks_for_all_of_it(asked: list[Dataset]) -> None:
    """Without an item, or with an empty one: every key of ours."""
    found = answer(a_query(ScheduledProcedureStepSequence=asked), an_item())
    assert found.ScheduledProcedureStepSequence == an_item().ScheduledProcedureStepSequence


def test_a_sequence_item_asks_for_its_keys() -> None:
    """Inside a sequence the rule is the same."""
    found = answer(a_step_query(Modality="", ScheduledProcedureStepLocation=""), an_item())
    (step,) = found.ScheduledProcedureStepSequence
    assert [(element.keyword, element.value) for element in step] == [
        ("Modality", "CT"),
        ("ScheduledProcedureStepLocation", None),
    ]
