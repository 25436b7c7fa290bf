"""Case 25: measurements of an SR and OBX NM, CWE, SN become Observations; PDF and CDA stay documents."""

from base64 import b64encode
from typing import Any

from tests.builders_sr import ct_dose_report, measurement_report
from tests.cases.conftest import AHospital
from tests.cases.hospital import Hospital
from tests.hl7_builders import segment

PDF = b64encode(b"%PDF-1.4 of the report").decode()
CDA = b64encode(b'<ClinicalDocument xmlns="urn:hl7-org:v3"/>').decode()


def report_of(hospital: Hospital, *results: dict[int, str], status: str = "F") -> bytes:
    obr = segment("OBR", {2: "P1^EHR", 4: "CTCHEST^CT chest^L", 25: status})
    obx = [segment("OBX", {1: str(number), 11: "F"} | one) for number, one in enumerate(results, start=1)]
    return hospital.message("ORU^R01^ORU_R01", segment("PID", {3: "4711^^^HOSP"}), obr, *obx)


def observations(hospital: Hospital) -> dict[str, dict[str, Any]]:
    """By code; of several of one code, the last."""
    return {one["code"]["coding"][0]["code"]: one for one in hospital.fhir("Observation")}


def quantity(one: dict[str, Any]) -> tuple[float, str, str]:
    value = one["valueQuantity"]
    return value["value"], value["code"], value["system"]


def imaged_with(hospital: Hospital, *documents: Any) -> None:
    """Have the order's study made and found, these SR documents in it."""
    images = hospital.study(hospital.item())
    for document in documents:
        for keyword in ("PatientID", "PatientName", "AccessionNumber", "StudyID", "StudyInstanceUID"):
            setattr(document, keyword, images[0].get(keyword, ""))
    hospital.keep([*images, *documents], "orthanc-web")
    hospital.advance(minutes=1)
    hospital.sweep()


def test_of_the_report(hospital: Hospital) -> None:
    """Numbers with UCUM units, codes, ranges, comparators: each where FHIR has it, and in the warehouse."""
    hospital.send(hospital.order())
    hospital.image()
    hospital.send(
        report_of(
            hospital,
            {2: "TX", 3: "18748-4^Diagnostic imaging study^LN", 5: "A nodule."},
            {2: "NM", 3: "33747-0^Size^LN", 4: "1", 5: "12.5", 6: "mm^millimeter^UCUM", 8: "H"},
            {2: "CWE", 3: "31094-9^Finding^LN", 4: "1", 5: "27925004^Nodule^SCT", 20: "39607008^Lung^SCT"},
            {2: "SN", 3: "81231-0^Ratio^LN", 5: "<^5", 6: "%"},
            {2: "SN", 3: "X2^Extent^L", 5: "^10^-^20", 6: "mm"},
        )
    )
    found = observations(hospital)
    assert quantity(found["33747-0"]) == (12.5, "mm", "http://unitsofmeasure.org")
    assert found["33747-0"]["interpretation"][0]["coding"][0]["code"] == "H"
    (code,) = found["31094-9"]["valueCodeableConcept"]["coding"]
    assert (code["system"], code["code"]) == ("http://snomed.info/sct", "27925004")
    assert found["31094-9"]["bodySite"]["coding"][0]["code"] == "39607008"
    assert found["81231-0"]["valueQuantity"]["comparator"] == "<"
    assert (found["X2"]["valueRange"]["low"]["value"], found["X2"]["valueRange"]["high"]["value"]) == (10, 20)
    (study,), (report,) = hospital.fhir("ImagingStudy"), hospital.fhir("DiagnosticReport")
    assert [one["derivedFrom"] for one in found.values()] == [
        [{"reference": f"ImagingStudy/{study['id']}"}]
    ] * 4
    assert {one["reference"] for one in report["result"]} == {
        f"Observation/{one['id']}" for one in found.values()
    }
    assert set(hospital.warehouse("findings")["code"]) == set(found)
    told = {obx.get("OBX-3"): obx.get("OBX-5") for obx in hospital.results()[-1].each("OBX")}
    assert (told["33747-0"], told["31094-9"]) == ("12.5", "27925004")


def test_of_dicom_sr(a_hospital: AHospital) -> None:
    """TID 1500 and TID 10011: values, units, methods and sites as the documents say, and none twice."""
    hospital = a_hospital(archives={"orthanc-web": {}})
    hospital.send(hospital.order())
    uid = hospital.item().StudyInstanceUID
    imaged_with(hospital, measurement_report(uid), ct_dose_report(uid))
    hospital.send(hospital.report(text="A nodule."))
    assert hospital.state() == "published"
    found = observations(hospital)
    assert quantity(found["103339001"]) == (12.5, "mm", "http://unitsofmeasure.org")
    assert found["103339001"]["bodySite"]["coding"][0]["code"] == "39607008"
    assert found["103339001"]["method"]["coding"][0]["code"] == "126081"
    assert quantity(found["112031"])[:2] == (-7, "[hnsf'U]")
    assert quantity(found["113813"])[:2] == (412.37, "mGy.cm")
    assert found["111014"]["valueCodeableConcept"]["coding"][0]["code"] == "129738005"
    before = [one["meta"]["versionId"] for one in hospital.fhir("Observation")]
    hospital.send(hospital.report(text="A nodule of 12.5 mm.", status="C"))
    assert [one["meta"]["versionId"] for one in hospital.fhir("Observation")] == before
    assert {"103339001", "113813"} <= set(hospital.warehouse("findings")["code"])


def test_documents(hospital: Hospital) -> None:
    """A PDF and a CDA (OBX ED): in the report, and a DocumentReference each; a correction replaces them."""
    hospital.send(hospital.order())
    hospital.image()
    text = {2: "TX", 3: "18748-4^Diagnostic imaging study^LN", 5: "See the documents."}
    pdf = {2: "ED", 3: "18748-4^Diagnostic imaging study^LN", 5: f"^application^pdf^Base64^{PDF}"}
    cda = {2: "ED", 3: "18748-4^Diagnostic imaging study^LN", 5: f"^text^xml^Base64^{CDA}"}
    hospital.send(report_of(hospital, text, pdf, cda))
    (report,) = hospital.fhir("DiagnosticReport")
    forms = {one["contentType"]: one["data"] for one in report["presentedForm"]}
    assert (forms["application/pdf"], forms["text/xml"]) == (PDF, CDA)
    documents = hospital.fhir("DocumentReference")
    held = {one["content"][0]["attachment"]["contentType"]: one for one in documents}
    assert set(held) == {"application/pdf", "text/xml"}
    assert held["text/xml"]["content"][0]["format"]["code"] == "application/hl7-cda+xml"
    assert {one["status"] for one in documents} == {"current"}
    sent = [obx.get("OBX-5.5") for obx in hospital.results()[-1].each("OBX") if obx.get("OBX-2") == "ED"]
    assert sent == [PDF, CDA]

    hospital.send(report_of(hospital, text, pdf, status="C"))
    after = {
        one["content"][0]["attachment"]["contentType"]: (one["status"], one["docStatus"])
        for one in hospital.fhir("DocumentReference")
    }
    assert after == {
        "application/pdf": ("current", "amended"),
        "text/xml": ("entered-in-error", "entered-in-error"),
    }
