"""A result as one FHIR transaction."""

import json
from pathlib import Path
from typing import Any

import orjson
from hypothesis import example, given
from hypothesis import strategies as st

from mappings.fhir.transaction import result_transaction
from radflow.connectors.fhir import check
from radflow.model import CodedConcept, Order, Patient, PersonName, Report, Study
from radflow.order import State
from tests.builders import an_order
from tests.builders_result import a_full_order, a_report, a_study
from tests.peers_fhir import validate

GOLDEN = Path(__file__).parent.parent / "messages" / "fhir"

words = st.text(max_size=12)
names = st.builds(PersonName, family=words, given=words, prefix=words, ideographic=words, phonetic=words)
concepts = st.builds(CodedConcept, code=words, display=words, system=words)


def bundle(
    order: Order | None = None,
    studies: tuple[Study, ...] = (),
    report: Report | None = None,
    state: State = State.REPORTED,
) -> dict[str, Any]:
    return result_transaction(
        order or a_full_order(), studies, report, state=state, identifier_system="urn:radflow"
    )


def types_of(transaction: dict[str, Any]) -> list[str]:
    return [entry["resource"]["resourceType"] for entry in transaction["entry"]]


def test_a_full_result_is_the_golden_transaction() -> None:
    """Order, study and report with every value become the transaction in the file."""
    expected = json.loads((GOLDEN / "result.json").read_text(encoding="utf-8"))
    assert bundle(studies=(a_study(),), report=a_report()) == expected


def test_what_is_missing_is_left_out() -> None:
    """Without studies and report there are the patient and the order alone."""
    assert types_of(bundle()) == ["Patient", "ServiceRequest"]
    assert types_of(bundle(report=a_report())) == ["Patient", "ServiceRequest", "DiagnosticReport"]


def test_the_same_result_gives_the_same_bytes() -> None:
    """A repeat sends the same transaction, in whatever order the studies were found."""
    studies = (a_study("1.2.3.80"), a_study("1.2.3.81"))
    forward, backward = bundle(studies=studies), bundle(studies=studies[::-1])
    assert orjson.dumps(forward) == orjson.dumps(backward)


def test_a_new_version_of_the_report_meets_the_same_resource() -> None:
    """Preliminary, final and corrected are one DiagnosticReport."""
    first, second = (bundle(report=a_report(status=status))["entry"][-1] for status in "PC")
    assert first["request"] == second["request"]
    assert (first["resource"]["status"], second["resource"]["status"]) == ("preliminary", "corrected")


def test_an_entry_is_found_by_its_own_first_identifier() -> None:
    """Two orders of one patient share the Patient and nothing else."""
    one, other = (
        {entry["request"]["url"] for entry in bundle(a_full_order(number), report=a_report())["entry"]}
        for number in ("P1", "P2")
    )
    assert [url.partition("?")[0] for url in one & other] == ["Patient"]


def test_every_resource_passes_both_validators() -> None:
    """fhir.resources and the npm package `fhir` accept the fullest and the barest result."""
    barest = bundle(an_order(), (Study(study_instance_uid="1.2.3", archive="pacs"),), a_report(text=""))
    fullest = bundle(studies=(a_study(),), report=a_report())
    for transaction in (barest, fullest):
        check(transaction)
    assert validate(e["resource"] for t in (barest, fullest) for e in t["entry"]) == []


@example(
    name=PersonName(family="\x00"),
    concept=CodedConcept(code="\x1b\r0  1\x85", display="\x1b"),
    text="\x1c",
    sex=" ",
    priority="",
    status="",
)
@given(name=names, concept=concepts, text=words, sex=words, priority=words, status=words)
def test_whatever_was_sent_the_transaction_is_valid(
    name: PersonName, concept: CodedConcept, text: str, sex: str, priority: str, status: str
) -> None:
    """Odd characters and unknown codes from a sender never make invalid FHIR, nor empty elements."""
    patient = Patient(identifiers=a_full_order().patient.identifiers, name=name, sex=sex)
    order = a_full_order(patient=patient, procedure=concept, reason=text, priority=priority)
    report = a_report(status=status, code=concept, text=text)
    transaction = bundle(order, (a_study(description=text),), report)
    check(transaction)
    assert not list(empty_parts(transaction))


def empty_parts(value: Any) -> Any:
    if value in (None, "", [], {}):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from empty_parts(part)
