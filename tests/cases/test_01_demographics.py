"""Case 1: ADT A01, A04, A05, A08, A31 before, during and after the order."""

import pytest

from tests.cases.conftest import AHospital
from tests.cases.hospital import Hospital

ADT_TO_THE_RIS = [{"name": "registration", "when": {"MSH-9.1": "ADT"}, "to": ["ris"]}]
ONLY_THE_NUMBER = {"PID": {3: "4711^^^HOSP^MR", 5: ""}}


def called(name: str, sex: str = "F") -> dict[str, dict[int, str]]:
    return {"PID": {5: f"{name}^Åse", 7: "19610412", 8: sex}}


def patients(hospital: Hospital) -> list[tuple[str, str, str]]:
    """What the FHIR server has of them."""
    return [(one["name"][0]["family"], one["birthDate"], one["gender"]) for one in hospital.fhir("Patient")]


@pytest.mark.parametrize("event", ["A01", "A04", "A05", "A08", "A31"])
def test_demographics_reach_worklist_ris_ehr_fhir_and_warehouse(a_hospital: AHospital, event: str) -> None:
    """Told before the order, while it is on the worklist, once it has images, and after it is published.

    The RIS hears of patients as IHE has it (RAD-1, RAD-12): by the ADT itself.
    """
    hospital = a_hospital(routes=ADT_TO_THE_RIS)
    hospital.send(hospital.adt(event, called("Before")))
    hospital.send(hospital.order(changes=ONLY_THE_NUMBER))
    item = hospital.item()
    assert (item.PatientName, item.PatientBirthDate, item.PatientSex) == ("Before^Åse", "19610412", "F")

    hospital.send(hospital.adt(event, called("Waiting")))
    assert hospital.item().PatientName == "Waiting^Åse"
    told = [(one.get("MSH-9.1"), one.get("PID-5.1")) for one in hospital.told_ris()]
    assert told == [("ADT", "Before"), ("ORM", "Before"), ("ADT", "Waiting")]

    hospital.image()
    hospital.send(hospital.adt(event, called("Imaged")))
    hospital.send(hospital.report())
    assert patients(hospital) == [("Imaged", "1961-04-12", "female")]

    hospital.send(hospital.adt(event, called("Afterwards", sex="M")))
    assert hospital.state() == "published"
    assert patients(hospital) == [("Afterwards", "1961-04-12", "male")]
    (study,), (report,) = hospital.fhir("ImagingStudy"), hospital.fhir("DiagnosticReport")
    assert study["subject"] == report["subject"]
    assert hospital.referred(study["subject"])["name"][0]["family"] == "Afterwards"
    results = hospital.results()
    assert [one.get("PID-5.1") for one in results] == ["Imaged", "Afterwards"]
    assert len({one.get("MSH-10") for one in results}) == 2
    assert list(hospital.warehouse("orders")["patient_sex"]) == ["M"]
    assert hospital.events().count("patient-changed") == 3


def test_an_address_reaches_the_open_order_and_publishes_no_finished_one_anew(hospital: Hospital) -> None:
    """Only what says who the patient is concerns those who have the result already."""
    hospital.send(hospital.order())
    hospital.send(hospital.adt("A08", {"PID": {11: "Hauptstr. 1^^Berlin^^10115"}}))
    hospital.image()
    hospital.send(hospital.report())
    (patient,) = hospital.fhir("Patient")
    assert patient["address"][0]["city"] == "Berlin"

    hospital.send(hospital.adt("A08", {"PID": {11: "Domplatz 2^^Köln^^50667"}}))
    assert (hospital.state(), len(hospital.results())) == ("published", 1)
    assert hospital.fhir("Patient") == [patient]
    hospital.send(hospital.order("P2"))
    assert hospital.row("P2").document["patient"]["addresses"][0]["city"] == "Köln"


def test_a_storm_of_the_same_news_makes_no_leg(hospital: Hospital) -> None:
    """Registration systems say the same again with every visit."""
    hospital.send(hospital.order(changes=called("Müller")))
    legs, told = hospital.engine.legs.done, len(hospital.told_ris())
    hospital.send(
        *(hospital.adt(event, called("Müller")) for event in ("A01", "A02", "A04", "A08", "A31") * 10)
    )
    assert hospital.engine.legs.done == legs
    assert len(hospital.told_ris()) == told
    assert {message.state for message in hospital.inbox()} == {"processed"}
