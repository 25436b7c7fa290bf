"""HL7's v2-to-FHIR guide, row by row: what is mapped is seen in the result, what is not has a reason."""

import csv
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mappings.fhir.codes import diagnostic_report_status, observation_status, service_request_status
from mappings.fhir.provenance import SourceMessage
from mappings.fhir.result import Around
from mappings.fhir.transaction import result_transaction
from mappings.hl7.codes import order_action, order_action_of_status
from mappings.hl7.order_changes import OrderAction
from mappings.hl7.orders import read_orders
from mappings.hl7.reader import Hl7Message
from mappings.hl7.reports import read_reports
from mappings.tables import packaged
from radflow.connectors.fhir import check
from radflow.model import Order
from radflow.order import State
from tests.hl7_builders import message, segment

GUIDE = Path(__file__).parents[3] / "shared" / "samples" / "v2-to-fhir"
SEGMENTS = ("MSH", "PID", "PV1", "ORC", "OBR", "OBX", "NTE", "TQ1")
MAPPED, UNMAPPED = packaged("mapped-fields"), packaged("unmapped-fields")
ZONE = ZoneInfo("UTC")

guide = pytest.mark.skipif(not GUIDE.is_dir(), reason="HL7's v2-to-FHIR guide is not beside the project")

ORDER: dict[str, dict[int, str]] = {
    "MSH": {3: "EHR", 4: "HOSP", 9: "OMG^O19^OMG_O19", 10: "M1"},
    "PID": {3: "4711^^^HOSP"},
    "PV1": {2: "O", 19: "V1"},
    "ORC": {1: "NW", 2: "P9^EHR", 3: "F9^RIS", 12: "D7^Miller^Ann^^^^^^HOSP"},
    "TQ1": {1: "1"},
    "OBR": {1: "1", 2: "P9^EHR", 3: "F9^RIS", 4: "CTCHEST^CT chest^L"},
    "NTE": {1: "1"},
}
REPORT: dict[str, dict[int, str]] = {
    "MSH": {3: "RIS", 4: "HOSP", 9: "ORU^R01^ORU_R01", 10: "R1"},
    "PID": {3: "4711^^^HOSP"},
    "ORC": {1: "RE", 2: "P9^EHR", 3: "F9^RIS"},
    "OBR": {1: "1", 2: "P9^EHR", 3: "F9^RIS", 4: "CTCHEST^CT chest^L", 7: "202611240900", 25: "F"},
    "OBX": {1: "1", 2: "NM", 3: "SIZE^Size^L", 5: "7", 6: "mm^millimeter^UCUM", 11: "F"},
    "NTE": {1: "1"},
}
OF_THE_REPORT = re.compile(r"OBX|NTE-\d+\[Observation]|O\w\w-\d+\[DiagnosticReport]")
BESIDE: dict[str, dict[str, dict[int, str]]] = {
    # What has to be empty, or there, for the field to count.
    "ORC-2[ServiceRequest]": {"OBR": {2: ""}},
    "ORC-3[ServiceRequest]": {"OBR": {3: ""}},
    "OBR-2[ServiceRequest]": {"ORC": {2: ""}},
    "OBR-3[ServiceRequest]": {"ORC": {3: ""}},
    "OBR-16[ServiceRequest]": {"ORC": {12: ""}},
    "ORC-17[Provenance]": {"ORC": {10: "E1^Clerk^Carl"}},
    "ORC-22[ServiceRequest]": {"ORC": {21: "City Hospital"}},
    "ORC-23[ServiceRequest]": {"ORC": {21: "City Hospital"}},
    "PID-2[Patient]": {"PID": {3: ""}},
    "OBX-5[DocumentReference]": {"OBX": {2: "ED"}},
}
BEFORE = {"PID-2[Patient]": "9999"}
"""What stands in a field that cannot be empty."""
NAMED_IN_PROVENANCE = {"MSH-9[MessageHeader]", "MSH-10[Bundle]"}
ALSO_SAID: dict[str, str] = {
    "OBR-2[DiagnosticReport]": "the order's number: a report refers to it, and never changes it",
    "OBR-3[DiagnosticReport]": "the order's number: a report refers to it, and never changes it",
    "ORC-2[DiagnosticReport]": "the order's number: a report refers to it, and never changes it",
    "ORC-3[DiagnosticReport]": "the order's number: a report refers to it, and never changes it",
    "ORC-1[Provenance]": "by how many messages there are",
    "ORC-1[ServiceRequest]": "by the state that it leads to: test_order_controls_lead_to_the_guides_status",
    "ORC-5[ServiceRequest]": "by the state that it leads to: test_order_statuses_lead_to_the_guides_status",
}
"""Mapped fields that do not show in what one message makes, and why."""


def read_guide(folder: str, pattern: str) -> Iterator[tuple[re.Match[str], list[list[str]]]]:
    for file in sorted((GUIDE / folder).glob("*.csv")):
        if match := re.search(pattern, file.name):
            with file.open(newline="", encoding="utf-8") as lines:
                yield match, list(csv.reader(lines))[2:]


def concept_map(name: str) -> dict[str, str]:
    ((_, rows),) = read_guide("codesystems", rf"Map_ {re.escape(name)} - ")
    targets = ((row[0], next(filter(None, row[6:8]), "")) for row in rows if row[0].strip())
    # Where there is a remark instead of a code, there is no target.
    return {code: target if re.fullmatch(r"\S+", target) else "" for code, target in targets}


@guide
def test_every_row_of_the_guide_is_mapped_or_has_a_reason() -> None:
    """A field with a target in one of the segment maps stands in exactly one of the two tables."""
    rows = {
        f"{row[1].strip()}[{match['resource']}]"
        for match, rows in read_guide("segments", r"R4_ (?P<segment>\w+)\[(?P<resource>[^\]]+)\]")
        for row in rows
        if match["segment"] in SEGMENTS and re.match(r"[A-Z0-9]{3}-\d", row[1].strip()) and row[9].strip()
    }
    assert len(rows) > 190
    assert rows == MAPPED.keys() | UNMAPPED.keys()


def test_no_field_is_both() -> None:
    """And a reason is a sentence."""
    assert not MAPPED.keys() & UNMAPPED.keys()
    assert all(len(reason) > 20 and reason.endswith(".") for (reason,) in UNMAPPED.values())


def sent(base: Mapping[str, Mapping[int, str]], *changes: Mapping[str, Mapping[int, str]]) -> Hl7Message:
    segments = {name: dict(fields) for name, fields in base.items()}
    for change in changes:
        for name, fields in change.items():
            segments[name] |= fields
    msh = {f"msh_{number}": value for number, value in segments.pop("MSH").items() if number not in (9, 10)}
    kind, control_id = base["MSH"][9], base["MSH"][10]
    body = [segment(name, fields) for name, fields in segments.items()]
    return Hl7Message(message(kind, control_id, *body, **msh))


def published(order: Hl7Message, report: Hl7Message) -> dict[str, Any]:
    (placed,) = read_orders(order, site="main", zone=ZONE, uid_root="2.25")
    (reported,) = read_reports(report, site="main", zone=ZONE)
    # The order's own name comes of its number, and is not what is looked at here.
    named: Order = placed.order.model_copy(update={"key": "main-x", "study_instance_uid": "1.2.3"})
    transaction = result_transaction(
        named, (), reported, state=State.REPORTED, identifier_system="urn:x",
        around=Around(order_messages=[_source(order)], result_messages=[_source(report)]),
    )  # fmt: skip
    check(transaction)
    return transaction


def _source(given: Hl7Message) -> SourceMessage:
    return SourceMessage(
        control_id=given.get("MSH-10"),
        sender=f"{given.get('MSH-3')}|{given.get('MSH-4')}",
        message_type=f"{given.get('MSH-9.1')}^{given.get('MSH-9.2')}",
        received_at=datetime(2026, 11, 24, 8, tzinfo=UTC),
    )


@pytest.mark.parametrize("field", sorted(MAPPED.keys() - ALSO_SAID.keys() - NAMED_IN_PROVENANCE))
def test_a_mapped_field_is_seen_in_the_result(field: str) -> None:
    """With another value, or none, in the field, other resources come out; and both are valid."""
    name, _, number = field.partition("[")[0].partition("-")
    base, beside = (REPORT if OF_THE_REPORT.match(field) else ORDER), BESIDE.get(field, {})
    before = {name: {int(number): BEFORE.get(field, base[name].get(int(number), ""))}}
    after = {name: {int(number): MAPPED[field][1]}}
    one, other = (sent(base, beside, change) for change in (before, after))
    if base is REPORT:
        assert published(sent(ORDER), one) != published(sent(ORDER), other)
    else:
        assert published(one, sent(REPORT)) != published(other, sent(REPORT))


def test_the_message_is_named_in_the_provenance() -> None:
    """MSH-9 and MSH-10."""
    resources = [entry["resource"] for entry in published(sent(ORDER), sent(REPORT))["entry"]]
    provenances = [one for one in resources if one["resourceType"] == "Provenance"]
    named = {
        (entity["what"]["display"], entity["what"]["identifier"]["value"])
        for one in provenances
        for entity in one["entity"]
    }
    assert named == {("OMG^O19", "M1"), ("ORU^R01", "R1")}


STATE_OF = {
    OrderAction.PLACES: State.RECEIVED, OrderAction.REPLACES: State.RECEIVED,
    OrderAction.CANCELS: State.CANCELLED, OrderAction.DISCONTINUES: State.CANCELLED,
    OrderAction.HOLDS: State.HELD, OrderAction.RELEASES: State.RECEIVED,
}  # fmt: skip
"""Where an order stands after the action, before there are images."""
REQUESTS = {
    "CA": "the guide leaves a requested cancellation active until it is confirmed; here it is done at once",
    "HD": "the guide leaves a requested hold active until it is confirmed; here it is done at once",
}


@guide
def test_order_controls_lead_to_the_guides_status() -> None:
    """ORC-1, of those that are taken, but for requests that radflow fulfils itself."""
    differs = {
        control
        for control, status in concept_map("OrderControlCode[ServiceRequest.status]").items()
        if status and (action := order_action(control)) in STATE_OF
        and service_request_status(STATE_OF[OrderAction(action)]) != status
    }  # fmt: skip
    assert differs == REQUESTS.keys()


@guide
def test_order_statuses_lead_to_the_guides_status() -> None:
    """ORC-5: CA, DC, RP revoke, HD holds; IP and SC leave it active until a report completes it (CM)."""
    states = {"IP": State.ACQUIRED, "SC": State.WORKLISTED, "CM": State.REPORTED}
    unknown_here = {"ER"}
    for status, expected in concept_map("OrderStatus").items():
        action = order_action_of_status(status)
        state = STATE_OF[OrderAction(action)] if action else states.get(status)
        assert (state is None) == (status in unknown_here)
        assert state is None or service_request_status(state) == expected


@guide
@pytest.mark.parametrize(
    ("name", "mapping", "ours"),
    [
        ("ResultStatus[Non-Queries]", diagnostic_report_status, set("AMNYZ")),
        ("ObservationResultStatusCodesInterpretation", observation_status, set("BINORSUV")),
    ],
)
def test_result_statuses_are_the_guides(name: str, mapping: Any, ours: set[str]) -> None:
    """OBR-25 and OBX-11; those without a target in the guide are our own (docs/fhir-mapping.md)."""
    told = concept_map(name)
    assert {code for code, status in told.items() if not status} == ours
    assert {code: mapping(code) for code in told if told[code]} == {c: s for c, s in told.items() if s}


@guide
@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("AdministrativeSex", "administrative-gender"), ("MaritalStatus", "marital-status"),
        ("PatientClass[EncounterStatus]", "encounter-status"), ("AddressType[Use]", "address-use"),
        ("AddressType[Type]", "address-type"),
    ],
)  # fmt: skip
def test_a_table_says_nothing_else_than_the_guide(name: str, table: str) -> None:
    """Where the guide has a code, the table has the same one, or none."""
    told = concept_map(name)
    ours = packaged(table)
    assert ours
    assert {code: row[0] for code, row in ours.items()} == {code: told[code] for code in ours}
