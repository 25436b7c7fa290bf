"""Five pairs of DICOM in, ImagingStudy out that nobody here wrote: ours agrees, or says why it does not."""

import json
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydicom import Dataset

from mappings.dicom import studies
from mappings.fhir.imaging_study import imaging_study
from radflow.connectors.fhir import check
from radflow.model import CodedConcept, Study
from tests.builders import an_order
from tests.peers_fhir import validate

PAIRS = Path(__file__).parents[3] / "shared" / "samples" / "imagingstudy"
ZONE = ZoneInfo("UTC")

pytestmark = [
    pytest.mark.skipif(not PAIRS.is_dir(), reason="the sample pairs are not beside the project"),
    pytest.mark.filterwarnings("ignore:.*(maximum length|Invalid value for VR):UserWarning"),
]

EVERYWHERE = {
    "subject.reference": "required in R4: the order's patient, where the sample has none",
    "basedOn.reference": "the ServiceRequest of the order that the study was found for",
}
NO_MODALITY = {
    "series.modality.code": "required in R4: OT, DICOM's code for other, where the sample has none",
    "series.modality.system": "the same",
}
A_TYPE = "a logical reference says what it refers to (R4 Reference.type)"
IN_WORDS = "a name in the order of writing, not as PN components: display is for people"
UNDER_BASE = (
    "a local name is no URI, which Identifier.system and Coding.system have to be: under the site's base"
)

DIFFERENCES: dict[str, dict[str, str]] = {
    "accession_local": {"identifier.system": UNDER_BASE},
    "instance_title": {
        "series.instance.title": "the document's own title, not four attributes put together as a text",
    },
    "interpreter_full": {
        "interpreter.type": A_TYPE,
        "interpreter.display": IN_WORDS,
        "interpreter.identifier.system": UNDER_BASE,
    },
    "operator_full": {
        "series.performer.actor.type": A_TYPE,
        "series.performer.actor.display": IN_WORDS,
        "series.performer.actor.identifier.system": UNDER_BASE,
        "series.performer.function.coding.display": "the code's display beside it",
    },
    "dicom": {
        "subject.display": "the order's Patient is referred to: the sample refers by PatientID and name",
        "subject.identifier.system": "the same",
        "subject.identifier.value": "the same",
        "basedOn.display": "the sample refers to a requested procedure's code, which identifies no request",
        "basedOn.identifier.system": "the same",
        "basedOn.identifier.value": "the same",
        "identifier.value": "Study ID (0020,0010) is unique in nothing, and has no system: left out",
        "location.identifier.value": "a department's name is a name: Reference.display",
        "location.display": "the same",
        "location.type": A_TYPE,
        "modality.code": "sorted, so that a repeat is the same whatever the archive's order",
        "note.text": "the sample repeats the description as a note",
        "procedureCode.coding.system": UNDER_BASE,
        "procedureCode.text": "what the code means, as text",
        "reasonCode.coding.system": UNDER_BASE,
        "reasonCode.coding.code": "each reason once, however many requests bear it",
        "reasonCode.coding.display": "the same",
        "reasonCode.text": "what the code means, as text",
        "reasonReference.display": "a reason's code is no identifier of a resource; it is in reasonCode",
        "reasonReference.identifier.system": "the same",
        "reasonReference.identifier.value": "the same",
        "referrer.type": A_TYPE,
        "referrer.display": IN_WORDS,
        "referrer.identifier.system": UNDER_BASE,
        "series.bodySite.display": "the code's display beside it",
        "series.started": "a date without a time has no zone: the beginning of the day there, in UTC",
        "started": "the same instant, in UTC",
    },
}


def read(name: str) -> tuple[Study, dict[str, Any]]:
    """The study of the input, read as an archive's answers are, and the output."""
    sent, expected = (json.loads((PAIRS / f"{name}.{kind}.json").read_text()) for kind in ("input", "output"))
    instances = [Dataset.from_json(instance) for instance in sent["study"]]
    series = tuple(
        studies.series(members[0], ZONE, tuple(studies.instance(one) for one in members))
        for members in (
            list(group) for _, group in groupby(instances, key=lambda one: str(one.SeriesInstanceUID))
        )
    )
    return studies.study(instances[0], "pacs", ZONE, series), expected


def ours(study: Study) -> dict[str, Any]:
    order = an_order(accession_number="", procedure=CodedConcept())
    return imaging_study(
        study, order, subject="Patient/1", based_on="ServiceRequest/1", base="urn:x", who=None
    )


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every plain value, by its path with places in lists."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from leaves(part, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from leaves(part, f"{path}[{place}]")
    else:
        yield path, value


@pytest.mark.parametrize("name", sorted(DIFFERENCES))
def test_a_pair_agrees_but_for_what_is_explained(name: str) -> None:
    """Every value that differs, is missing or is more stands in the table above; and nothing else does."""
    study, expected = read(name)
    differ = {re.sub(r"\[\d+]", "", path) for path, _ in set(leaves(expected)) ^ set(leaves(ours(study)))}
    explained = DIFFERENCES[name] | EVERYWHERE | ({} if name == "dicom" else NO_MODALITY)
    assert differ == explained.keys()


def test_every_pair_is_looked_at() -> None:
    """A pair that is added beside them is not forgotten."""
    assert {file.name.partition(".")[0] for file in PAIRS.glob("*.output.json")} == DIFFERENCES.keys()


def test_the_started_time_is_the_same_instant() -> None:
    """01:02:03 at +01:00 is two minutes past midnight in UTC."""
    study, expected = read("dicom")
    assert expected["started"] == "2000-01-01T01:02:03+01:00"
    assert ours(study)["started"] == "2000-01-01T00:02:03Z"


def test_ours_are_valid_where_the_samples_are_not() -> None:
    """Both validators take ours; the samples lack what R4 requires."""
    resources = [ours(read(name)[0]) for name in sorted(DIFFERENCES)]
    for resource in resources:
        check({"resourceType": "Bundle", "type": "transaction", "entry": [_entry(resource)]})
    assert validate(resources) == []


def _entry(resource: dict[str, Any]) -> dict[str, Any]:
    return {
        "fullUrl": "urn:uuid:1",
        "resource": resource,
        "request": {"method": "PUT", "url": "ImagingStudy"},
    }
