"""Case 22: P, F, C, an addendum, OBX-11 D and W, X: in FHIR's status and version, in the EHR's message."""

from typing import Any

from tests.cases.hospital import Hospital
from tests.hl7_builders import segment

LESION = {1: "2", 2: "NM", 3: "L1^Lesion^L", 5: "12", 6: "mm", 11: "F"}
DENSITY = {1: "3", 2: "NM", 3: "D1^Density^L", 5: "40", 6: "[hnsf'U]", 11: "F"}


def versions(hospital: Hospital) -> tuple[str, str, int]:
    """Status, text and version of the one DiagnosticReport."""
    (report,) = hospital.fhir("DiagnosticReport")
    reference = f"DiagnosticReport/{report['id']}"
    return report["status"], report.get("conclusion", ""), hospital.fhir_server.versions(reference)


def statuses(hospital: Hospital, resource_type: str) -> dict[str, str]:
    """Status of each resource of this type, by its code."""
    found = hospital.fhir(resource_type)
    return {one["code"]["coding"][0]["code"]: one["status"] for one in found}


def told_ehr(hospital: Hospital) -> tuple[str, dict[str, tuple[str, str]]]:
    """OBR-25 of the last result, and OBX-5 and OBX-11 by OBX-3."""
    last = hospital.results()[-1]
    told = {obx.get("OBX-3"): (obx.get("OBX-5"), obx.get("OBX-11")) for obx in last.each("OBX")}
    return last.get("OBR-25"), {name: what for name, what in told.items() if name != "113014"}


def structured(hospital: Hospital, status: str, *results: dict[int, str], text: str = "F") -> bytes:
    """A report with numbers; `text` is OBX-11 of its narrative."""
    narrative = {1: "1", 2: "TX", 3: "18748-4^Diagnostic imaging study^LN", 5: "No focal lesion.", 11: text}
    obr = segment("OBR", {2: "P1^EHR", 4: "CTCHEST^CT chest^L", 25: status})
    obx = [segment("OBX", one) for one in (narrative, *results)]
    return hospital.message("ORU^R01^ORU_R01", segment("PID", {3: "4711^^^HOSP"}), obr, *obx)


def live_results(hospital: Hospital) -> set[str]:
    """Codes of the Observations that the DiagnosticReport has as its results."""
    (report,) = hospital.fhir("DiagnosticReport")
    found: list[dict[str, Any]] = [hospital.referred(one) for one in report.get("result", [])]
    return {one["code"]["coding"][0]["code"] for one in found}


def test_preliminary_final_corrected_addendum(hospital: Hospital) -> None:
    """One DiagnosticReport, a version for each, and none for what comes twice; a message to the EHR each."""
    hospital.send(hospital.order())
    hospital.image()
    hospital.send(hospital.report(status="P", text="Opacity."))
    assert (versions(hospital), hospital.state()) == (("preliminary", "Opacity.", 1), "acquired")
    hospital.send(hospital.report(status="F", text="Pneumonia."))
    assert (versions(hospital), hospital.state()) == (("final", "Pneumonia.", 2), "published")
    corrected = hospital.report(status="C", text="No pneumonia.")
    hospital.send(corrected)
    assert versions(hospital) == ("corrected", "No pneumonia.", 3)
    assert told_ehr(hospital) == ("C", {"18748-4": ("No pneumonia.", "C")})
    hospital.send(corrected)
    assert versions(hospital)[2] == 3

    addendum = {1: "2", 2: "TX", 3: "55107-7^Addendum Document^LN", 5: "Seen by Dr. Ito.", 11: "F"}
    hospital.send(structured(hospital, "F", addendum))
    assert versions(hospital) == ("appended", "No focal lesion.\nSeen by Dr. Ito.", 4)
    assert [message.get("OBR-25") for message in hospital.results()] == ["P", "F", "C", "F"]


def test_single_results_deleted_or_wrong(hospital: Hospital) -> None:
    """OBX-11 D and W: out of the report; the Observation is entered in error, and the EHR is told so."""
    hospital.send(hospital.order())
    hospital.image()
    hospital.send(structured(hospital, "F", LESION, DENSITY))
    assert live_results(hospital) == {"L1", "D1"}
    hospital.send(structured(hospital, "C", {**LESION, 11: "D"}, {**DENSITY, 11: "W"}, text="C"))
    assert statuses(hospital, "Observation") == {"L1": "entered-in-error", "D1": "entered-in-error"}
    assert live_results(hospital) == set()
    assert versions(hospital)[:2] == ("corrected", "No focal lesion.")
    told = told_ehr(hospital)
    assert (told[0], told[1]["L1"][1], told[1]["D1"][1]) == ("C", "D", "W")
    assert hospital.warehouse("findings").empty


def test_a_result_that_a_correction_no_longer_has(hospital: Hospital) -> None:
    """It is entered in error, though no OBX says so."""
    hospital.send(hospital.order())
    hospital.image()
    hospital.send(structured(hospital, "F", LESION, DENSITY))
    hospital.send(structured(hospital, "C", LESION))
    assert statuses(hospital, "Observation") == {"L1": "final", "D1": "entered-in-error"}
    assert live_results(hospital) == {"L1"}


def test_all_results_wrong(hospital: Hospital) -> None:
    """The report is withdrawn: entered in error, its text taken from the EHR; the images wait for another."""
    hospital.publish()
    hospital.send(hospital.report(status="W", changes={"OBR": {25: "C"}}))
    assert versions(hospital)[:2] == ("entered-in-error", "")
    assert told_ehr(hospital) == ("X", {"18748-4": ("", "X")})
    assert (hospital.state(), hospital.events()[-2:]) == (
        "acquired",
        ["report-withdrawn", "withdrawal-published"],
    )
    hospital.send(hospital.report(status="F", text="The right one."))
    assert versions(hospital)[:2] == ("final", "The right one.")
    assert (hospital.state(), told_ehr(hospital)[0]) == ("published", "F")


def test_a_preliminary_report_is_cancelled(hospital: Hospital) -> None:
    """OBR-25 X before anything was final: cancelled, the Observations too, as FHIR says of what never was."""
    hospital.send(hospital.order())
    hospital.image()
    hospital.send(structured(hospital, "P", {**LESION, 11: "P"}, text="P"))
    cancelled = hospital.report(status="X", text="")
    hospital.send(cancelled)
    assert versions(hospital)[0] == "cancelled"
    assert statuses(hospital, "Observation") == {"L1": "cancelled"}
    assert told_ehr(hospital) == ("X", {"18748-4": ("", "X")})
    assert hospital.state() == "acquired"
    before = (hospital.log(), len(hospital.results()), versions(hospital))
    hospital.send(cancelled)
    assert (hospital.log(), len(hospital.results()), versions(hospital)) == before
    kept = hospital.warehouse("reports").sort_values("version")
    assert list(kept["status"]) == ["preliminary", "cancelled"]


def test_a_final_report_is_cancelled(hospital: Hospital) -> None:
    """OBR-25 X after a final one: entered in error, as FHIR says of a report withdrawn after its release."""
    hospital.publish()
    hospital.send(hospital.report(status="X", text=""))
    assert versions(hospital)[0] == "entered-in-error"
    (request,) = hospital.fhir("ServiceRequest")
    assert request["status"] == "active"
    assert (hospital.state(), told_ehr(hospital)[0]) == ("acquired", "X")


def test_a_report_taken_back_before_its_images(hospital: Hospital) -> None:
    """Nothing of it has gone out: the order waits as before, and nothing of it goes out later."""
    hospital.send(hospital.order())
    hospital.send(hospital.report(status="F"), hospital.report(status="X", text=""))
    assert hospital.state() == "worklisted"
    hospital.image()
    assert (hospital.state(), hospital.results(), hospital.fhir("DiagnosticReport")) == ("acquired", [], [])
