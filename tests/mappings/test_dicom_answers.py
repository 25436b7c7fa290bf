"""Answers as bytes: the keys of table K.6-1, character sets, both encodings."""

from io import BytesIO
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.filereader import read_dataset
from pydicom.tag import Tag

from mappings.dicom.answers import answered
from mappings.dicom.character_sets import character_set, encoded
from mappings.dicom.items import Item, stored
from mappings.dicom.matching import Query
from mappings.dicom.worklist import worklist_items
from radflow.model import Identifier, Patient, PersonName, ScheduledProcedureStep
from tests.builders import an_order

STEP_KEYS = {
    "ScheduledStationAETitle": "1", "ScheduledProcedureStepStartDate": "1",
    "ScheduledProcedureStepStartTime": "1", "ScheduledProcedureStepEndDate": "3",
    "ScheduledProcedureStepEndTime": "3", "Modality": "1", "ScheduledPerformingPhysicianName": "2",
    "ScheduledProcedureStepDescription": "1C", "ScheduledProtocolCodeSequence": "1C",
    "ScheduledStationName": "2", "ScheduledProcedureStepLocation": "2",
    "ReferencedDefinedProtocolSequence": "1C", "ReferencedPerformedProtocolSequence": "1C",
    "PreMedication": "2C", "ScheduledProcedureStepID": "1", "RequestedContrastAgent": "2C",
    "ScheduledProcedureStepStatus": "3", "CommentsOnTheScheduledProcedureStep": "3",
    "AnatomicalOrientationType": "1C",
}  # fmt: skip
ORDER_KEYS = {
    "ScheduledSpecimenSequence": "3", "BarcodeValue": "3",
    "RequestedProcedureID": "1", "RequestedProcedureDescription": "1C",
    "RequestedProcedureCodeSequence": "1C",
    "StudyInstanceUID": "1", "StudyDate": "3", "StudyTime": "3", "ReferencedStudySequence": "2",
    "RequestedProcedurePriority": "2", "PatientTransportArrangements": "2",
    "ReasonForTheRequestedProcedure": "3", "RequestedProcedureComments": "3",
    "RequestedProcedureLocation": "3",
    "ConfidentialityCode": "3", "ReportingPriority": "3", "NamesOfIntendedRecipientsOfResults": "3",
    "ReasonForRequestedProcedureCodeSequence": "3",
    "AccessionNumber": "2", "IssuerOfAccessionNumberSequence": "2", "RequestingPhysician": "2",
    "ReferringPhysicianName": "2", "RequestingService": "3", "ImagingServiceRequestComments": "3",
    "PlacerOrderNumberImagingServiceRequest": "3", "FillerOrderNumberImagingServiceRequest": "3",
    "IssueDateOfImagingServiceRequest": "3", "OrderEnteredBy": "3",
    "AdmissionID": "2", "IssuerOfAdmissionIDSequence": "2", "InstitutionName": "3",
    "CurrentPatientLocation": "2", "ReferencedPatientSequence": "2",
    "PatientName": "1", "PatientID": "1", "IssuerOfPatientID": "3", "OtherPatientIDsSequence": "3",
    "PatientBirthDate": "2", "PatientSex": "2", "PatientPrimaryLanguageCodeSequence": "3",
    "PatientWeight": "2", "PatientSize": "3", "ConfidentialityConstraintOnPatientDataDescription": "2",
    "PatientState": "2", "PregnancyStatus": "2", "MedicalAlerts": "2", "Allergies": "2", "SpecialNeeds": "2",
    "EthnicGroup": "3", "PatientComments": "3", "AdditionalPatientHistory": "3", "LastMenstrualDate": "3",
}  # fmt: skip
"""The return keys of PS3.4 table K.6-1 with their types, and common ones of "all other attributes" there."""


def an_item(**patient: str) -> Dataset:
    step = ScheduledProcedureStep(step_id="S1", modality="CT", station_aet=("CT1",))
    order = an_order(steps=(step,))
    if patient:
        name = PersonName(**patient)
        order = order.model_copy(update={"patient": Patient(identifiers=(Identifier(value="1"),), name=name)})
    (item,) = worklist_items(order, ZoneInfo("UTC"))
    item.ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartDate = "20261124"
    item.ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartTime = "0900"
    return item


def a_query(*keywords: str) -> Dataset:
    query = Dataset()
    for keyword in keywords:
        setattr(query, keyword, [] if dictionary_VR(keyword) == "SQ" else None)
    return query


def read(answer: bytes, *, implicit: bool = True) -> Dataset:
    return read_dataset(BytesIO(answer), implicit, True)


def answer_to(query: Dataset, item: Dataset, character_set: tuple[str, ...] = ("",)) -> Dataset:
    data = answered(Query.of(query), Item(stored(item)), character_set, implicit=True)
    return read(data)


@pytest.mark.parametrize("implicit", [True, False])
def test_every_key_of_the_table_is_answered(implicit: bool) -> None:
    """Type 1 with a value, 2 and 3 at least empty; in the order of their tags, and nothing else."""
    query = a_query(*ORDER_KEYS)
    query.ScheduledProcedureStepSequence = [a_query(*STEP_KEYS)]
    data = answered(Query.of(query), Item(stored(an_item())), (), implicit=implicit)
    answer = read(data, implicit=implicit)
    (step,) = answer.ScheduledProcedureStepSequence
    for part, keys in ((answer, ORDER_KEYS), (step, STEP_KEYS)):
        for keyword, kind in keys.items():
            assert keyword in part, keyword
            assert kind != "1" or not part[keyword].is_empty, keyword
    assert step.ScheduledProcedureStepDescription
    assert answer.RequestedProcedureCodeSequence[0].CodeValue == "CTCHEST"
    extra = {"SpecificCharacterSet", "ScheduledProcedureStepSequence"}
    assert {keyword_for_tag(tag) for tag in answer.keys()} == set(ORDER_KEYS) | extra  # noqa: SIM118
    assert list(answer.keys()) == sorted(answer.keys())


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("asked", [[], [Dataset()]], ids=["no-item", "an-empty-item"])
def test_an_empty_sequence_asks_for_all_of_it(implicit: bool, asked: list[Dataset]) -> None:
    """The whole step, with what is in its own sequences (PS3.4 §C.2.2.2.6)."""
    query = Dataset()
    query.ScheduledProcedureStepSequence = asked
    item = an_item()
    answer = read(answered(Query.of(query), Item(stored(item)), (), implicit=implicit), implicit=implicit)
    assert answer.ScheduledProcedureStepSequence == item.ScheduledProcedureStepSequence


YAMADA = {"family": "Yamada", "given": "Tarou", "ideographic": "山田^太郎", "phonetic": "やまだ^たろう"}
WANG = {"family": "Wang", "given": "XiaoDong", "ideographic": "王^小东"}
HONG = {"family": "Hong", "given": "Gildong", "ideographic": "洪^吉洞", "phonetic": "홍^길동"}


@pytest.mark.parametrize(
    ("name", "asked_in", "answered_in"),
    [
        ({"family": "Doe"}, ("ISO_IR 100",), None),
        ({"family": "Doe"}, ("ISO_IR 192",), None),
        ({"family": "Müller"}, ("",), "ISO_IR 100"),
        ({"family": "Müller"}, ("ISO_IR 100",), "ISO_IR 100"),
        ({"family": "Müller"}, ("ISO_IR 192",), "ISO_IR 192"),
        ({"family": "Müller"}, ("ISO 2022 IR 6", "ISO 2022 IR 87"), "ISO_IR 100"),
        ({"family": "Łukasz"}, ("ISO_IR 100",), "ISO_IR 101"),
        ({"family": "Люкceмбypг"}, ("ISO_IR 144",), "ISO_IR 144"),
        ({"family": "Διονυσιος"}, ("",), "ISO_IR 126"),
        ({"family": "قباني"}, ("ISO_IR 127",), "ISO_IR 127"),
        ({"family": "Müller", "given": "Łukasz"}, ("ISO_IR 100",), "ISO_IR 101"),
        ({"family": "Müller", "given": "Дмитрий"}, ("ISO_IR 100",), "ISO_IR 192"),
        (YAMADA, ("", "ISO 2022 IR 87"), ["", "ISO 2022 IR 87"]),
        (YAMADA, ("ISO 2022 IR 6", "ISO 2022 IR 87", "ISO 2022 IR 159"),
         ["ISO 2022 IR 6", "ISO 2022 IR 87", "ISO 2022 IR 159"]),
        ({**YAMADA, "family": "ﾔﾏﾀﾞ", "given": "ﾀﾛｳ"}, ("ISO 2022 IR 13", "ISO 2022 IR 87"),
         ["ISO 2022 IR 13", "ISO 2022 IR 87"]),
        ({"family": "ﾔﾏﾀﾞ"}, ("ISO_IR 13",), "ISO_IR 13"),
        (YAMADA, ("ISO_IR 100",), "ISO_IR 192"),
        (HONG, ("", "ISO 2022 IR 149"), ["", "ISO 2022 IR 149"]),
        (WANG, ("GB18030",), "GB18030"),
        # pydicom leaves out the escape sequence of this one, which shows when it is read back.
        (WANG, ("", "ISO 2022 IR 58"), "ISO_IR 192"),
        ({"family": "Müller"}, ("NONSENSE",), "ISO_IR 100"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_the_answer_is_written_in_a_set_that_the_asker_knows(
    name: dict[str, str], asked_in: tuple[str, ...], answered_in: str | list[str] | None
) -> None:
    """ASCII where it is enough, else the query's, else one byte, else UTF-8; pydicom reads the same name."""
    item = an_item(**name)
    answer = answer_to(a_query("PatientName", "PatientID"), item, asked_in)
    assert answer.get("SpecificCharacterSet") == answered_in
    assert answer.PatientName == item.PatientName


@given(st.text(st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\\^=~¥"), max_size=20))
@pytest.mark.filterwarnings("ignore")
def test_any_text_comes_through_in_any_set(text: str) -> None:
    """Whatever a modality asks in, what it reads is what was ordered."""
    for asked_in in (("",), ("ISO_IR 100",), ("", "ISO 2022 IR 87"), ("", "ISO 2022 IR 149"), ("GB18030",)):
        item = Dataset()
        item.PatientID = text
        answer = answer_to(a_query("PatientID"), item, asked_in)
        assert str(answer.PatientID or "").strip() == text.strip()


def test_only_texts_decide_on_the_character_set() -> None:
    """A value asked for in no key of the answer names no set."""
    assert "SpecificCharacterSet" not in answer_to(a_query("PatientID"), an_item(family="Müller"))
    assert character_set(("ISO_IR 100",), [("LO", b""), ("PN", b"Doe")]) == ()
    assert encoded("LO", "ü".encode(), ("ISO_IR 100",)) == b"\xfc"


def test_private_attributes_do_not_exist() -> None:
    """They are left out, and what is asked beside them is answered (PS3.4 §C.2.2.1.3)."""
    query = a_query("PatientID")
    query.add_new(0x00090010, "LO", "VENDOR")
    query.add_new(0x00091001, "LO", "")
    assert list(answer_to(query, an_item()).keys()) == [Tag("PatientID")]


def test_an_item_of_another_character_set_is_kept_as_it_reads() -> None:
    """As others' worklist files are: ISO_IR 100 becomes UTF-8, and comes out again."""
    raw = b"\x08\x00\x05\x00\x0a\x00\x00\x00ISO_IR 100\x10\x00\x10\x00\x06\x00\x00\x00M\xfcller"
    answer = answer_to(a_query("PatientName"), read(raw), ("ISO_IR 100",))
    assert (answer.PatientName, answer.SpecificCharacterSet) == ("Müller", "ISO_IR 100")
