"""DiagnosticReport of another server → Report."""

import json
from base64 import b64encode
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from mappings.fhir.report_source import NotAReport, is_own, read_collection, read_report
from mappings.hl7.codes import report_event
from mappings.tables import packaged
from radflow.connectors.fhir_rules import required_codes
from radflow.model import Attachment, CodedConcept, Identifier, Order, Practitioner, Report
from radflow.order import Event
from tests.builders_around import (
    a_structured_report_of_obx,
    an_order_with_everything,
    everything,
    everything_around,
    resources,
)

BASE = "urn:radflow"
URL = "https://fhir.example/r4"


def collection(*resources: dict[str, Any]) -> bytes:
    entries = [
        {"fullUrl": f"{URL}/{one['resourceType']}/{one.get('id', '')}", "resource": one} for one in resources
    ]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()


def a_resource(**changes: Any) -> dict[str, Any]:
    """As small as a DiagnosticReport can be that says what it reports."""
    return {
        "resourceType": "DiagnosticReport",
        "id": "r1",
        "status": "final",
        "code": {"text": "CT"},
        "identifier": [a_number("ACSN", "AP1")],
        **changes,
    }


def a_number(kind: str, value: str, system: str = "urn:oid:1.2.3") -> dict[str, Any]:
    system_of_types = "http://terminology.hl7.org/CodeSystem/v2-0203"
    return {"type": {"coding": [{"system": system_of_types, "code": kind}]}, "system": system, "value": value}


def read(*resources: dict[str, Any]) -> Report:
    return read_report(read_collection(collection(*resources)), site="main", base=BASE)


def base64(text: str) -> str:
    return b64encode(text.encode()).decode()


def test_what_radflow_publishes_is_read_back() -> None:
    """Published by one radflow, read by another: numbers, text, people, documents and observations."""
    order, report = an_order_with_everything(), a_structured_report_of_obx()
    bundle = everything(order=order, report=report, around=everything_around(structured_reports=[]))
    by_url = {entry["fullUrl"]: entry["resource"] for entry in bundle["entry"]}
    (sent,) = resources(bundle, "DiagnosticReport")
    entries = [{"fullUrl": "x", "resource": {**sent, "id": "1"}}]
    entries += [{"fullUrl": url, "resource": one} for url, one in by_url.items() if one is not sent]
    raw = json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()
    found = read_report(read_collection(raw), site="main", base=BASE)
    assert (found.source, found.status, found.text) == ("fhir", "C", report.text + "\n\nCompared with 2025.")
    assert (found.placer_order_number, found.filler_order_number, found.accession_number) == (
        order.placer_order_number, Identifier(value="F1"), order.accession_number,
    )  # fmt: skip
    assert (found.observed, found.ended, found.issued) == (report.observed, report.ended, report.issued)
    assert [one.data for one in found.attachments] == [one.data for one in report.attachments]
    assert found.study_instance_uid
    assert found.technicians[0].identifier == report.technicians[0].identifier
    assert found.transcriptionists == report.transcriptionists
    number, over, between, ratio, coded, *_ = found.observations
    assert (number.value_type, number.number, number.unit.code) == ("NM", Decimal("12.5"), "mm")
    assert (number.body_site.code, number.method.display, number.notes) == ("39607008", "Caliper", ("twice",))
    assert number.interpretations == (CodedConcept(code="H"),)
    assert (over.comparator, over.number) == (">", Decimal(3))
    assert (between.separator, between.number, between.second_number) == ("-", Decimal(1), Decimal(3))
    assert (ratio.separator, ratio.second_number) == (":", Decimal(128))
    assert coded.codes[0].code == "RID3875"


def test_the_order_is_named_by_what_the_report_refers_to() -> None:
    """basedOn and imagingStudy are followed; references may be absolute, of a version, or logical.

    Who assigns a number is known where the system is the site's own: others are not named as in HL7.
    """
    request = {
        "resourceType": "ServiceRequest",
        "id": "s1",
        "identifier": [a_number("PLAC", "P1", f"{BASE}:EHR")],
    }
    study = {
        "resourceType": "ImagingStudy", "id": "i1",
        "identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:1.2.3.5031"}],
    }  # fmt: skip
    logical = {"identifier": a_number("FILL", "F1", "http://ris.example/filler")}
    found = read(
        a_resource(
            identifier=[], basedOn=[{"reference": f"{URL}/ServiceRequest/s1/_history/3"}, logical],
            imagingStudy=[{"reference": "ImagingStudy/i1"}],
        ),
        request, study,
    )  # fmt: skip
    assert found.placer_order_number == Identifier(value="P1", assigner="EHR")
    assert found.filler_order_number == Identifier(value="F1")
    assert (found.study_instance_uid, found.accession_number) == ("1.2.3.5031", "")


def test_the_only_number_of_a_request_may_have_no_type() -> None:
    """Then it is its placer's."""
    request = {"resourceType": "ServiceRequest", "id": "s1", "identifier": [{"system": "x", "value": "P1"}]}
    found = read(a_resource(identifier=[], basedOn=[{"reference": "ServiceRequest/s1"}]), request)
    assert found.placer_order_number == Identifier(value="P1")


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({"conclusion": "No pneumonia."}, "No pneumonia."),
        ({"presentedForm": [{"contentType": "text/plain; charset=utf-8", "data": base64("Größe\r\n5 mm")}]},
         "Größe\n5 mm"),
        ({"presentedForm": [{"contentType": "text/html", "data": base64("<p>One</p><p>two<br/>three</p>")}]},
         "One\ntwo\nthree"),
        ({"presentedForm": [{"contentType": "text/plain", "data": base64("Findings")}],
          "conclusion": "Nodule"}, "Findings\n\nNodule"),
        ({"text": {"status": "generated", "div": "<div><style>p {}</style><p>A &amp; B</p></div>"}}, "A & B"),
    ],
)  # fmt: skip
def test_where_the_text_is(parts: dict[str, Any], text: str) -> None:
    """The presented form, else the conclusion, else the narrative; a conclusion that it lacks is added."""
    found = read(a_resource(**parts))
    assert (found.text, found.attachments) == (text, ())


def test_documents_stay_documents() -> None:
    """A PDF is no text."""
    found = read(a_resource(presentedForm=[{"contentType": "application/pdf", "data": "JVBE\nRi0x"}]))
    assert found.attachments == (Attachment(content_type="application/pdf", data="JVBERi0x"),)


def test_people_by_role_name_and_reference() -> None:
    """A role leads to its practitioner; one that is not here is known by display."""
    doctor = {
        "resourceType": "Practitioner", "id": "p1",
        "identifier": [{"system": f"{BASE}:STAFF", "value": "88"}],
        "name": [{"family": "Hartmann", "given": ["Jörg", "A."], "prefix": ["Dr."]}],
    }  # fmt: skip
    role = {"resourceType": "PractitionerRole", "id": "x", "practitioner": {"reference": "Practitioner/p1"}}
    found = read(
        a_resource(
            resultsInterpreter=[
                {"reference": "PractitionerRole/x"},
                {"reference": "Practitioner/gone", "display": "Ann Miller"},
            ],
        ),
        role, doctor,
    )  # fmt: skip
    assert found.interpreter.identifier == Identifier(value="88", assigner="STAFF")
    assert (found.interpreter.name.given, found.interpreter.name.middle) == ("Jörg", "A.")
    assert [one.name.family for one in found.assistant_interpreters] == ["Ann Miller"]


def test_members_and_components_belong_together() -> None:
    """A panel's members have its number (OBX-4), also where they refer to each other in a circle."""
    panel = {
        "resourceType": "Observation", "id": "a", "status": "final", "code": {"text": "Nodule"},
        "hasMember": [{"reference": "Observation/b"}, {"reference": "Observation/a"}],
    }  # fmt: skip
    member = {
        "resourceType": "Observation", "id": "b", "status": "entered-in-error", "code": {"text": "Size"},
        "component": [
            {"code": {"text": "long"}, "valueInteger": 12},
            {"code": {"text": "solid"}, "valueBoolean": True},
            {"code": {"text": "said"}, "valueString": "round"},
        ],
    }  # fmt: skip
    found = read(a_resource(result=[{"reference": "Observation/a"}]), panel, member).observations
    assert [(one.code.display, one.sub_id, one.status) for one in found] == [
        ("long", "1", "W"), ("solid", "1", "W"), ("said", "1", "W"),
    ]  # fmt: skip
    assert (found[0].number, found[1].codes[0].code, found[2].text) == (Decimal(12), "Y", "round")


def test_every_status_of_fhir_has_its_event() -> None:
    """By the table; none of R4's codes is left out."""
    table = packaged("fhir-report-status")
    assert set(table) >= required_codes("DiagnosticReport", "status")
    events = {status: report_event(code) for status, (code,) in table.items()}
    assert {status for status, event in events.items() if event is Event.REPORT_RECEIVED} == {
        "final", "amended", "corrected", "appended",
    }  # fmt: skip
    assert events["cancelled"] is events["entered-in-error"] is Event.REPORT_WITHDRAWN
    assert events["registered"] is None
    assert set(packaged("fhir-observation-status")) | {"unknown"} == required_codes("Observation", "status")


def test_appended_and_withdrawn() -> None:
    """What OBR-25 alone cannot say."""
    assert read(a_resource(status="appended")).appended
    assert read(a_resource(status="entered-in-error")).withdrawn


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\xff", "Not a Bundle"),
        (b"[]", "Not a Bundle"),
        (collection(), "Not a Bundle"),
        (collection({"resourceType": "Patient", "id": "1"}), "resourceType"),
        (collection(a_resource(id="")), "id: string_too_short"),
        (collection(a_resource(issued="yesterday")), "issued"),
        (collection(a_resource(status="done")), "status: not a code"),
        (collection(a_resource(identifier=[])), "which order"),
        (collection(a_resource(presentedForm=[{"contentType": "application/pdf", "data": "%"}])), "base64"),
    ],
)
def test_what_is_no_report_says_why(raw: bytes, reason: str) -> None:
    """In words and paths, never the values."""
    with pytest.raises(NotAReport, match=reason) as refused:
        read_report(read_collection(raw), site="main", base=BASE)
    assert "yesterday" not in str(refused.value)


def test_nulls_and_elements_of_its_own_lose_nothing() -> None:
    """A server may be careless."""
    found = read(a_resource(conclusion="ok", issued=None, x_vendor={"a": 1}, effectiveDateTime="2026-11"))
    assert (found.text, found.issued, found.observed) == ("ok", None, datetime(2026, 11, 1, tzinfo=UTC))


def test_its_own_reports_are_known() -> None:
    """A server that radflow publishes to may be a source too."""
    order: Order = an_order_with_everything()
    (published,) = resources(everything(order=order, report=a_structured_report_of_obx()), "DiagnosticReport")
    assert is_own(published, ["urn:other", BASE])
    assert not is_own(a_resource(), [BASE])
    assert not is_own(published, ["urn:other"])


def test_nobody_is_nobody() -> None:
    """A performer that is an organization of which nothing is known is no interpreter."""
    assert read(a_resource(performer=[{"reference": "Organization/1"}])).interpreter == Practitioner()
