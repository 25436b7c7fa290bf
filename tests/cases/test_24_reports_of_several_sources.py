"""Case 24: the report as DiagnosticReport of a server that is polled, and as DICOM SR in the archive."""

from collections.abc import Iterator
from typing import Any

import pytest

from tasks.report_sources import poll
from tests.builders_sr import text_report
from tests.cases.conftest import AHospital
from tests.cases.hospital import Hospital
from tests.peers_fhir import FhirServer, fhir_server
from tests.report_servers import a_report_resource, write


@pytest.fixture(scope="module")
def ris_process() -> Iterator[FhirServer]:
    with fhir_server() as running:
        yield running


@pytest.fixture
def ris(ris_process: FhirServer) -> FhirServer:
    """A second FHIR server, whose reports are polled."""
    ris_process.clear()
    return ris_process


def hospital_with(a_hospital: AHospital, ris: FhirServer, *prefer: str) -> Hospital:
    """Its archive is asked over DICOMweb; it takes reports of these sources, best first."""
    # The server's clock is the machine's, not the case's.
    source = {"kind": "fhir-poll", "name": "ris-fhir", "url": ris.url, "first_days": 100_000}
    return a_hospital(archives={"orthanc-web": {}}, report_sources=[source], results={"prefer": list(prefer)})


def fetch(hospital: Hospital) -> int:
    """Poll every source, and have done what comes of it; how many versions are new."""
    site = hospital.site()
    new = [poll(hospital.store, site, source, hospital.now).kept for source in site.report_sources]
    hospital.settle()
    return sum(new)


def image(hospital: Hospital, *, with_report: bool = False, number: str = "P1") -> None:
    """Have the study of the order made and found, its report by DICOM SR in it."""
    images = [one for item in hospital.items(number) for one in hospital.study(item)]
    if with_report:
        document = text_report(images[0].StudyInstanceUID)
        document.VerificationFlag = "VERIFIED"
        for keyword in ("PatientID", "PatientName", "AccessionNumber", "StudyID"):
            setattr(document, keyword, images[0].get(keyword, ""))
        images.append(document)
    hospital.keep(images, "orthanc-web")
    hospital.advance(minutes=1)
    hospital.sweep()


def the_report(hospital: Hospital) -> dict[str, Any]:
    """The one DiagnosticReport that is published."""
    (report,) = hospital.fhir("DiagnosticReport")
    return report


def sent_texts(hospital: Hospital) -> list[str]:
    """The last line of each result that the EHR has got."""
    return [list(message.each("OBX"))[-1].get("OBX-5") for message in hospital.results()]


def sources_named(hospital: Hospital) -> set[str]:
    """The entities of the result's Provenance, by what they are called."""
    (result,) = [
        one for one in hospital.fhir("Provenance") if one["meta"]["tag"][0]["code"].endswith("/result")
    ]
    assert {entity["role"] for entity in result["entity"]} == {"source"}
    return {entity["what"]["display"] for entity in result["entity"] if "display" in entity["what"]}


def kept(hospital: Hospital) -> list[str]:
    """The source of every version in the warehouse, oldest first."""
    return list(hospital.warehouse("reports").sort_values("version")["source"])


def test_a_polled_report_is_published(a_hospital: AHospital, ris: FhirServer) -> None:
    """As one that came over HL7: to the EHR, to FHIR, to the warehouse; polled again, nothing is new."""
    hospital = hospital_with(a_hospital, ris, "hl7", "fhir")
    hospital.send(hospital.order())
    image(hospital)
    written = write(ris, a_report_resource(text="No focal lesion."))
    assert fetch(hospital) == 1
    assert hospital.state() == "published"
    assert sent_texts(hospital) == ["No focal lesion."]
    assert (the_report(hospital)["status"], the_report(hospital)["conclusion"]) == (
        "final",
        "No focal lesion.",
    )
    assert sources_named(hospital) == {"DiagnosticReport"}
    assert fetch(hospital) == 0

    write(ris, {**written, "status": "corrected", "conclusion": "A nodule of 5 mm."})
    assert fetch(hospital) == 1
    assert (the_report(hospital)["status"], the_report(hospital)["conclusion"]) == (
        "corrected",
        "A nodule of 5 mm.",
    )
    assert sent_texts(hospital) == ["No focal lesion.", "A nodule of 5 mm."]
    assert hospital.results()[-1].get("OBR-25") == "C"
    assert kept(hospital) == ["fhir", "fhir"]


def test_a_better_source_replaces_a_lesser_one(a_hospital: AHospital, ris: FhirServer) -> None:
    """SR, then FHIR, then HL7: one DiagnosticReport in three versions, and all three in its provenance."""
    hospital = hospital_with(a_hospital, ris, "hl7", "fhir", "sr")
    hospital.send(hospital.order())
    image(hospital, with_report=True)
    assert hospital.state() == "published"
    first = the_report(hospital)
    assert "Größenprogredient." in first["conclusion"]
    assert sources_named(hospital) == {"DICOM SR"}

    write(ris, a_report_resource(text="By FHIR."))
    fetch(hospital)
    assert the_report(hospital)["conclusion"] == "By FHIR."

    hospital.send(hospital.report(text="By HL7."))
    assert hospital.state() == "published"
    last = the_report(hospital)
    assert (last["id"], last["conclusion"]) == (first["id"], "By HL7.")
    assert hospital.fhir_server.versions(f"DiagnosticReport/{first['id']}") == 3
    assert sources_named(hospital) == {"ORU^R01", "DiagnosticReport", "DICOM SR"}
    assert sent_texts(hospital)[-2:] == ["By FHIR.", "By HL7."]
    assert kept(hospital) == ["sr", "fhir", "hl7"]


def test_a_lesser_source_is_kept_and_named(a_hospital: AHospital, ris: FhirServer) -> None:
    """What came by HL7 stays as it is, at FHIR and at the EHR; the provenance says that there is another."""
    hospital = hospital_with(a_hospital, ris, "hl7", "fhir", "sr")
    hospital.send(hospital.order())
    image(hospital)
    hospital.send(hospital.report(text="By HL7."))
    before = the_report(hospital)
    write(ris, a_report_resource(text="By FHIR.", status="corrected"))
    assert fetch(hospital) == 1
    assert hospital.state() == "published"
    assert the_report(hospital) == before
    assert sent_texts(hospital) == ["By HL7."]
    assert sources_named(hospital) == {"ORU^R01", "DiagnosticReport"}
    assert hospital.events()[-2:] == ["report-kept", "published"]
    assert kept(hospital) == ["hl7", "fhir"]
    orders = hospital.warehouse("orders")
    assert list(orders["report_status"]) == ["final"]


def test_the_same_report_twice_is_nothing_new(a_hospital: AHospital, ris: FhirServer) -> None:
    """From a better source, word for word: no version of the DiagnosticReport, no second message."""
    hospital = hospital_with(a_hospital, ris, "hl7", "fhir")
    hospital.send(hospital.order())
    image(hospital)
    write(ris, a_report_resource(
        text="No focal lesion.", effectiveDateTime="2026-11-24T09:00:00Z", issued="2026-11-24T10:00:00Z",
    ))  # fmt: skip
    fetch(hospital)
    before = the_report(hospital)
    same = {
        "OBR": {4: "24627-2^CT Chest^LN", 7: "20261124090000+0000", 22: "20261124100000+0000", 32: ""},
        "OBX": {2: "TX", 3: "18748-4^Diagnostic imaging study^LN"},
    }
    hospital.send(hospital.report(changes=same))
    assert hospital.events()[-2:] == ["report-kept", "published"]
    assert the_report(hospital) == before
    assert sent_texts(hospital) == ["No focal lesion."]


def test_the_site_says_which_source_wins(a_hospital: AHospital, ris: FhirServer) -> None:
    """Here FHIR before HL7: a corrected ORU that comes later is kept."""
    hospital = hospital_with(a_hospital, ris, "fhir", "hl7")
    hospital.send(hospital.order())
    image(hospital)
    hospital.send(hospital.report(text="By HL7."))
    write(ris, a_report_resource(text="By FHIR."))
    fetch(hospital)
    assert the_report(hospital)["conclusion"] == "By FHIR."
    hospital.advance(minutes=1)
    hospital.send(hospital.report(text="By HL7, corrected.", status="C"))
    assert (the_report(hospital)["conclusion"], the_report(hospital)["status"]) == ("By FHIR.", "final")
    assert sent_texts(hospital) == ["By HL7.", "By FHIR."]


def test_sr_is_no_report_where_the_site_does_not_say_so(a_hospital: AHospital, ris: FhirServer) -> None:
    """The order waits for its report."""
    hospital = hospital_with(a_hospital, ris, "hl7", "fhir")
    hospital.send(hospital.order())
    image(hospital, with_report=True)
    assert hospital.state() == "acquired"
    assert hospital.fhir("DiagnosticReport") == []


def test_a_polled_report_waits_for_its_order(a_hospital: AHospital, ris: FhirServer) -> None:
    """An orphan is linked when the order appears; what cannot be read is set aside with its reason."""
    hospital = hospital_with(a_hospital, ris, "hl7", "fhir")
    write(ris, a_report_resource(text="Quicker than its order."))
    write(ris, a_report_resource(basedOn=[]))
    assert fetch(hospital) == 2
    assert sorted(message.state for message in hospital.inbox()) == ["quarantined", "waiting"]
    hospital.send(hospital.order())
    assert hospital.events()[-1] == "report-received"
    assert hospital.state() == "reported-without-images"
    assert sorted(message.state for message in hospital.inbox()) == ["processed", "processed", "quarantined"]
    assert list(hospital.warehouse("reports")["text"]) == ["Quicker than its order."]


def test_a_polled_report_is_withdrawn(a_hospital: AHospital, ris: FhirServer) -> None:
    """`entered-in-error` at its server takes back what was published of it."""
    hospital = hospital_with(a_hospital, ris, "hl7", "fhir")
    hospital.send(hospital.order())
    image(hospital)
    written = write(ris, a_report_resource())
    fetch(hospital)
    write(ris, {**written, "status": "entered-in-error"})
    fetch(hospital)
    assert hospital.state() == "acquired"
    assert the_report(hospital)["status"] == "entered-in-error"
