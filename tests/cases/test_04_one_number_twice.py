"""Case 4: the same MRN, or the same accession number, from two assigning authorities or two sites."""

from tests.cases.conftest import AHospital
from tests.cases.hospital import Hospital

SITES = ("main", "west")
EINS = {"PID": {3: "4711^^^A^MR", 5: "Eins^Eva"}}
ZWEI = {"PID": {3: "4711^^^B^MR", 5: "Zwei^Zoe"}}


def of_patient(patient: dict[str, dict[int, str]], **obr: str) -> dict[str, dict[int, str]]:
    """Changes to an order of this patient; `obr_18="A1"` changes OBR."""
    return patient | {"OBR": {int(name.removeprefix("obr_")): value for name, value in obr.items()}}


def test_one_mrn_of_two_authorities_is_two_patients(hospital: Hospital) -> None:
    """News of one reach the other nowhere: not the worklist, FHIR, the EHR or the warehouse."""
    hospital.publish("P1", EINS)
    hospital.send(hospital.order("P2", changes=ZWEI))
    hospital.send(hospital.adt("A08", {"PID": {3: "4711^^^B^MR", 5: "Neu^Zoe"}}))
    item = hospital.item("P2")
    assert (item.PatientID, item.IssuerOfPatientID, item.PatientName) == ("4711", "B", "Neu^Zoe")
    assert [one.get("PID-5.1") for one in hospital.results()] == ["Eins"]
    hospital.image("P2")
    hospital.send(hospital.report("P2", changes={"PID": {3: "4711^^^B^MR"}}))
    patients = {one["identifier"][0]["system"]: one["name"][0]["family"] for one in hospital.fhir("Patient")}
    assert patients == {"urn:radflow:main:A": "Eins", "urn:radflow:main:B": "Neu"}
    assert set(hospital.warehouse("orders")["patient_id"]) == {"A|4711", "B|4711"}


def test_one_order_number_of_two_placers_is_two_orders(hospital: Hospital) -> None:
    """Each report goes to the order of its own placer."""
    for ehr, patient in (("EHRA", EINS), ("EHRB", ZWEI)):
        numbers = {"ORC": {2: f"P1^{ehr}"}, "OBR": {2: f"P1^{ehr}"}}
        hospital.send(hospital.order("P1", changes=patient | numbers))
    first, second = hospital.rows()
    assert first.key != second.key
    assert len(hospital.worklist()) == 2
    hospital.send(hospital.report("P1", changes={"OBR": {2: "P1^EHRB"}}))
    states = {row.document["placer_order_number"]["assigner"]: row.state for row in hospital.rows()}
    assert states == {"EHRA": "worklisted", "EHRB": "reported-without-images"}


def test_a_report_of_another_placers_order_waits_for_it(hospital: Hospital) -> None:
    """The number is known, but it is not that order."""
    hospital.send(hospital.order("P1", changes={"ORC": {2: "P1^EHRA"}, "OBR": {2: "P1^EHRA"}}))
    hospital.send(hospital.report("P1", changes={"OBR": {2: "P1^EHRB"}}))
    assert hospital.state("P1") == "worklisted"
    assert [message.state for message in hospital.inbox()] == ["processed", "waiting"]


def test_one_accession_number_of_two_patients_is_two_orders(hospital: Hospital) -> None:
    """The images are those of the one whose Study Instance UID they have; so is the report."""
    hospital.send(hospital.order("P1", changes=of_patient(EINS, obr_18="A1")))
    hospital.send(hospital.order("P2", changes=of_patient(ZWEI, obr_18="A1")))
    items = {str(item.PatientName): item for item in hospital.worklist(accession_number="A1")}
    assert items.keys() == {"Eins^Eva", "Zwei^Zoe"}
    hospital.keep(hospital.study(items["Zwei^Zoe"]))
    hospital.sweep()
    assert [hospital.state(number) for number in ("P1", "P2")] == ["worklisted", "acquired"]
    hospital.send(hospital.report("P2", changes={"OBR": {18: "A1"}}))
    assert [hospital.state(number) for number in ("P1", "P2")] == ["worklisted", "published"]
    (study,) = hospital.fhir("ImagingStudy")
    assert hospital.referred(study["subject"])["name"][0]["family"] == "Zwei"


def test_the_same_numbers_at_two_sites(a_hospital: AHospital) -> None:
    """MRN, placer order number and accession number alike: two patients, two orders, two worklists.

    So too where both sites ask one archive and publish to one FHIR server.
    """
    hospital = a_hospital(sites={site: {} for site in SITES})
    for site, patient in (("main", "Eins^Eva"), ("west", "Zwei^Zoe")):
        changes = {"PID": {3: "4711^^^HOSP^MR", 5: patient}, "OBR": {18: "A1"}}
        assert hospital.send(hospital.order("P1", changes=changes), site=site) == ["AA"]
    names = {site: [str(item.PatientName) for item in hospital.worklist(site=site)] for site in SITES}
    assert names == {"main": ["Eins^Eva"], "west": ["Zwei^Zoe"]}

    hospital.image("P1", site="west")
    assert (hospital.state("P1"), hospital.state("P1", "west")) == ("worklisted", "acquired")
    hospital.send(hospital.report("P1"), site="west")
    assert (hospital.state("P1"), hospital.state("P1", "west")) == ("worklisted", "published")
    hospital.image("P1")
    hospital.send(hospital.report("P1"))
    patients = [
        (hospital.referred(one["subject"])["name"][0]["family"]) for one in hospital.fhir("DiagnosticReport")
    ]
    assert sorted(patients) == ["Eins", "Zwei"]
    assert len(hospital.fhir("ImagingStudy")) == 2
    assert len(hospital.warehouse("orders")) == len(hospital.warehouse("orders", "west")) == 1
