"""What is not valid FHIR is found before it is sent."""

from collections.abc import Callable
from typing import Any

import pytest

from radflow.connectors.fhir import FhirInvalid, check
from tests.fhir_publishing import PATIENT_DATA, a_bundle


def _set(entry: int, element: str, value: Any) -> Callable[[list[dict[str, Any]]], None]:
    return lambda entries: entries[entry]["resource"].__setitem__(element, value)


def _refer(entry: int, element: str, target: int) -> Callable[[list[dict[str, Any]]], None]:
    return lambda entries: entries[entry]["resource"].__setitem__(
        element, [{"reference": entries[target]["fullUrl"]}]
    )


@pytest.mark.parametrize(
    ("spoil", "where"),
    [
        (_set(0, "gender", "F"), "Patient.gender"),
        (_set(0, "birthDate", "Yamada"), "birthDate"),
        (_set(0, "nonsense", "Yamada"), "nonsense"),
        (_set(1, "status", "done"), "ServiceRequest.status"),
        (_set(1, "priority", "STAT"), "ServiceRequest.priority"),
        (_set(1, "intent", "wish"), "ServiceRequest.intent"),
        (_set(1, "subject", {"reference": "Practitioner/4711"}), "ServiceRequest.subject"),
        (_set(2, "status", "final"), "ImagingStudy.status"),
        (_set(3, "status", "F"), "DiagnosticReport.status"),
        (_refer(2, "basedOn", 0), "ImagingStudy.basedOn"),
        (_refer(3, "imagingStudy", 1), "DiagnosticReport.imagingStudy"),
        (_set(3, "basedOn", [{"reference": "urn:uuid:0"}]), "DiagnosticReport.basedOn"),
        (_set(3, "resultsInterpreter", [{"type": "Patient"}]), "DiagnosticReport.resultsInterpreter"),
    ],
)
def test_what_is_not_valid_is_found_before_it_is_sent(
    spoil: Callable[[list[dict[str, Any]]], None], where: str
) -> None:
    """Bad codes, bad dates, unknown elements, references to the wrong type or to nothing."""
    bundle = a_bundle()
    check(bundle)
    spoil(bundle["entry"])
    with pytest.raises(FhirInvalid, match=where) as problem:
        check(bundle)
    assert not any(secret in str(problem.value) for secret in PATIENT_DATA)
