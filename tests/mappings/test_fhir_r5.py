"""FHIR R5: everything that is published, as the R5 models have it, and nothing of it lost on the way."""

from copy import deepcopy
from typing import Any

import pytest

from mappings.fhir.r5 import as_r5
from radflow.connectors.fhir import FhirInvalid, check
from radflow.order import State
from tests.builders_around import everything, everything_around, resources


@pytest.fixture(scope="module")
def r4() -> dict[str, Any]:
    return everything(around=everything_around(with_task=True, replaced=["Patient/before"]))


@pytest.fixture(scope="module")
def r5(r4: dict[str, Any]) -> dict[str, Any]:
    return as_r5(r4)


def test_everything_is_valid(r4: dict[str, Any], r5: dict[str, Any]) -> None:
    """By the R5 models, which refuse the same resources as R4, and the reverse."""
    check(r5, "R5")
    check(r4, "R4")
    with pytest.raises(FhirInvalid, match="not valid FHIR R5"):
        check(r4, "R5")
    with pytest.raises(FhirInvalid, match="not valid FHIR R4"):
        check(r5, "R4")


@pytest.mark.parametrize("state", sorted(State))
def test_every_state_is_valid(state: State) -> None:
    """Statuses that follow from where the order stands are codes of R5 too."""
    check(as_r5(everything(around=everything_around(with_task=True), state=state)), "R5")


def test_names_and_urls_stay(r4: dict[str, Any]) -> None:
    """A resource is found, and referred to, by the same in both; the R4 resources are left as they were."""
    before = deepcopy(r4)
    r5 = as_r5(r4)
    assert r4 == before
    assert [(one["fullUrl"], one["request"]) for one in r4["entry"]] == [
        (one["fullUrl"], one["request"]) for one in r5["entry"]
    ]


def test_what_is_elsewhere(r4: dict[str, Any], r5: dict[str, Any]) -> None:
    """The values of what R5 has in another place or form."""
    (before,), (study,) = resources(r4, "ImagingStudy"), resources(r5, "ImagingStudy")
    assert [one["coding"][0] for one in study["modality"]] == before["modality"]
    assert study["series"][0]["modality"]["coding"] == [before["series"][0]["modality"]]
    assert study["series"][0]["bodySite"]["concept"]["coding"] == [before["series"][0]["bodySite"]]
    assert [one["concept"] for one in study["procedure"]] == before["procedureCode"]
    assert study["series"][0]["instance"] == before["series"][0]["instance"]
    (asked,), (request,) = resources(r4, "ServiceRequest"), resources(r5, "ServiceRequest")
    assert request["code"]["concept"] == asked["code"]
    assert [one["concept"] for one in request["reason"]] == asked["reasonCode"]
    (told,), (report,) = resources(r4, "DiagnosticReport"), resources(r5, "DiagnosticReport")
    assert report["study"] == told["imagingStudy"]
    (visit,), (encounter,) = resources(r4, "Encounter"), resources(r5, "Encounter")
    assert encounter["class"][0]["coding"] == [visit["class"]]
    assert [one["actor"] for one in encounter["participant"]] == [
        one["individual"] for one in visit["participant"]
    ]
