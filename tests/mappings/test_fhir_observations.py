"""Observations: of structured OBX, and of DICOM SR as dcmtk and highdicom read it."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from highdicom.sr import Comprehensive3DSR
from pydicom import dcmread

from mappings.dicom.sr import read_structured_report
from mappings.fhir.codes import coding_system
from mappings.fhir.diagnostic_report import report_status
from mappings.fhir.quantities import quantity
from mappings.fhir.sr_observation import sr_observations
from radflow.findings import StructuredReport
from radflow.model import CodedConcept
from tests import peers
from tests.builders_around import a_structured_report_of_obx, everything, everything_around, resources
from tests.builders_result import a_report
from tests.builders_sr import measurement_report

DUMPED = re.compile(r'NUM:\((.+?),(\w+),"(.+?)"\)="(.*?)" \((.+?),(\w+),"(.+?)"\)>')
"""A line of dsrdump: the concept, the value, the unit."""


def of_obx() -> dict[str, dict[str, Any]]:
    """Name in our identifier → Observation."""
    found = resources(everything(around=everything_around(structured_reports=[])), "Observation")
    return {one["identifier"][0]["value"].partition("/")[2]: one for one in found}


def of_sr(report: StructuredReport) -> list[dict[str, Any]]:
    return sr_observations(
        report, subject="Patient/1", based_on="ServiceRequest/1", derived_from=["ImagingStudy/1"],
        encounter=None, base="urn:x",
    )  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "report.dcm"
    measurement_report().save_as(made, enforce_file_format=True)
    return made


def test_the_values_of_obx() -> None:
    """NM, SN, CWE, DT, TM and NA, each as the value[x] that means the same."""
    mm = {"unit": "millimeter", "system": "http://unitsofmeasure.org", "code": "mm"}
    values = [
        {name: part for name, part in one.items() if name.startswith(("value", "component", "dataAbsent"))}
        for one in of_obx().values()
    ]
    assert values[0] == {"valueQuantity": {"value": 12.5, **mm}}
    assert values[1] == {"valueQuantity": {"value": 3, "comparator": ">", **mm}}
    assert values[2] == {"valueRange": {"low": {"value": 1, **mm}, "high": {"value": 3, **mm}}}
    assert values[3] == {"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 128}}}
    assert [code["code"] for code in values[4]["valueCodeableConcept"]["coding"]] == ["RID3875", "N"]
    assert values[5:7] == [{"valueDateTime": "2026-11"}, {"valueTime": "10:15:00"}]
    assert [part["valueQuantity"]["value"] for part in values[7]["component"]] == [1, 2.5]
    assert values[8].keys() == {"dataAbsentReason"}


def test_what_qualifies_an_obx() -> None:
    """Site, method, device, performers, interpretation, range, note; from the images of the order."""
    one = next(iter(of_obx().values()))
    assert one["bodySite"]["coding"][0] == {
        "system": "http://snomed.info/sct", "code": "39607008", "display": "Lung",
    }  # fmt: skip
    assert (one["method"]["text"], one["device"]["identifier"]["value"]) == ("Caliper", "CT7")
    assert [who["display"] for who in one["performer"]] == ["Kim Reader", "Radiology"]
    assert one["interpretation"][0]["coding"][0]["system"].endswith("v3-ObservationInterpretation")
    assert (one["referenceRange"], one["note"]) == ([{"text": "<10"}], [{"text": "twice"}])
    assert one["derivedFrom"]


def test_the_report_lists_its_observations() -> None:
    """DiagnosticReport.result, of OBX and of SR."""
    transaction = everything()
    (report,) = resources(transaction, "DiagnosticReport")
    assert len(report["result"]) == len(resources(transaction, "Observation")) == 16


@pytest.mark.parametrize(
    ("obx_11", "report", "status"),
    [("D", "F", "entered-in-error"), ("W", "F", "entered-in-error"), ("C", "F", "corrected"),
     ("", "P", "preliminary"), ("", "F", "final"), ("", "?", "unknown"), ("?", "C", "corrected")],
)  # fmt: skip
def test_the_status_of_an_observation(obx_11: str, report: str, status: str) -> None:
    """OBX-11 (HL7 table 0085); without it, that of the report."""
    whole = a_structured_report_of_obx()
    one = whole.observations[0].model_copy(update={"status": obx_11})
    sent = whole.model_copy(update={"observations": (one,), "status": report})
    around = everything_around(structured_reports=[])
    (observation,) = resources(everything(report=sent, around=around), "Observation")
    assert observation["status"] == status


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"status": "F", "appended": True}, "appended"), ({"status": "C", "appended": True}, "corrected"),
     ({"status": "P", "appended": True}, "preliminary"), ({"withdrawn": True}, "entered-in-error"),
     ({"status": "W"}, "entered-in-error")],
)  # fmt: skip
def test_the_status_of_a_report(changes: dict[str, object], status: str) -> None:
    """An addendum to a final report; a report of which every part is withdrawn."""
    assert report_status(a_report(**changes)) == status


def test_sr_values_units_and_codes_are_those_of_dcmtk(file: Path) -> None:
    """Concept, value and unit of every number, as dsrdump shows them of the same file."""
    text = peers.run(peers.dcmtk("dsrdump"), "--print-all-codes", "--print-long-values", file)
    theirs = [
        (coding_system(system), code, Decimal(value), unit, coding_system(units))
        for code, system, _, value, unit, units, _ in DUMPED.findall(text)
    ]
    numbers = [one for one in of_sr(read(file)) if "valueQuantity" in one]
    assert len(numbers) == len(theirs) == 4
    for ours, (system, code, value, unit, units) in zip(numbers, theirs, strict=True):
        (coding,) = ours["code"]["coding"]
        assert (coding["system"], coding["code"]) == (system, code)
        measured = ours["valueQuantity"]
        # DS holds 16 characters; the floating point value, where there is one, has more digits.
        assert measured["value"] == pytest.approx(float(value))
        assert (measured["code"], measured["system"]) == (unit, units)


def test_sr_sites_methods_and_tracking_are_those_of_highdicom(file: Path) -> None:
    """Group by group, as highdicom reads the same file."""
    content = Comprehensive3DSR.from_dataset(dcmread(file)).content
    planar = content.get_planar_roi_measurement_groups()  # type: ignore[attr-defined]
    plain = content.get_image_measurement_groups()  # type: ignore[attr-defined]
    measured = [(group, one) for group in [*planar, *plain] for one in group.get_measurements()]
    numbers = [one for one in of_sr(read(file)) if "component" in one and "valueCodeableConcept" not in one]
    assert len(numbers) == len(measured)
    for ours, (group, their) in zip(numbers, measured, strict=True):
        (site,) = group.finding_sites
        assert ours["bodySite"]["coding"][0]["code"] == site.value.value
        if their.value is not None:
            assert ours["valueQuantity"]["value"] == float(their.value)
        if their.method:
            assert ours["method"]["coding"][0]["code"] == their.method.value
        tracking = [identifier["value"] for identifier in ours["identifier"][1:]]
        assert tracking == [f"urn:oid:{group.tracking_uid}", group.tracking_identifier]
        sides = [
            part["valueCodeableConcept"]["coding"][0]["code"]
            for part in ours["component"]
            if part["code"]["coding"][0]["code"] == "272741003"
        ]
        assert sides == ([site.laterality.value] if site.laterality else [])


def read(file: Path) -> StructuredReport:
    return read_structured_report(dcmread(file), ZoneInfo("UTC"))


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"preliminary": "PRELIMINARY", "verification": "VERIFIED"}, "preliminary"),
        ({"completion": "PARTIAL"}, "preliminary"),
        ({"preliminary": "FINAL", "completion": "COMPLETE", "verification": "UNVERIFIED"}, "final"),
        ({"preliminary": "", "completion": "COMPLETE", "verification": "VERIFIED"}, "final"),
        ({"preliminary": "", "completion": "COMPLETE", "verification": "UNVERIFIED"}, "preliminary"),
    ],
)
def test_the_status_of_what_an_sr_says(file: Path, changes: dict[str, str], status: str) -> None:
    """Preliminary, Completion and Verification Flag: what nobody has verified is preliminary."""
    report = read(file).model_copy(update=changes)
    assert {one["status"] for one in of_sr(report)} == {status}


@pytest.mark.parametrize(
    ("unit", "code"),
    [
        (CodedConcept(code="mm", system="UCUM"), "mm"), (CodedConcept(code="HU"), "[hnsf'U]"),
        (CodedConcept(code="1", display="ml", system="L"), "mL"), (CodedConcept(code="furlong"), None),
        (None, None),
    ],
)  # fmt: skip
def test_units_are_ucum_where_they_are_known_there(unit: CodedConcept | None, code: str | None) -> None:
    """As sent, by the table, or as text alone."""
    assert quantity(Decimal("1.50"), unit).get("code") == code


def test_a_retired_snomed_code_is_the_current_one() -> None:
    """SNOMED RT (`T-28000`, SRT) is no longer licensed; DICOM says which SNOMED CT code it is."""
    (old, new) = (
        CodedConcept(code="T-28000", display="Lung", system="SRT"),
        ("39607008", "http://snomed.info/sct"),
    )
    whole = a_structured_report_of_obx()
    one = whole.observations[0].model_copy(update={"body_site": old})
    sent = whole.model_copy(update={"observations": (one,)})
    (found, *_) = resources(everything(report=sent), "Observation")
    (coding,) = found["bodySite"]["coding"]
    assert (coding["code"], coding["system"]) == new
