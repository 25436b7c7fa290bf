"""Case 23: a report for a group: several OBR in one message, an accession number only, or one order named."""

from tests.cases.conftest import AHospital
from tests.cases.hospital import Hospital
from tests.hl7_builders import segment

GROUP = {"OBR": {18: "ACC1"}}


def imaged(hospital: Hospital) -> Hospital:
    """P1 and P2 have one accession number, and one study."""
    hospital.send(hospital.order("P1", changes=GROUP), hospital.order("P2", changes=GROUP))
    hospital.keep(hospital.study(hospital.items("P1")[0]))
    hospital.advance(minutes=1)
    hospital.sweep()
    return hospital


def texts(hospital: Hospital) -> dict[str, str]:
    """What the EHR has got last of each order."""
    return {
        told.get("OBR-2"): [obx.get("OBX-5") for obx in told.each("OBX")][-1] for told in hospital.results()
    }


def states(hospital: Hospital) -> list[str]:
    return [hospital.state(number) for number in ("P1", "P2")]


def test_several_obr_in_one_message(hospital: Hospital) -> None:
    """Each OBR with its OBX is the report of its order."""
    lines = [segment("PID", {3: "4711^^^HOSP"})]
    for number, text in (("P1", "Chest: clear."), ("P2", "Head: clear.")):
        lines.append(segment("OBR", {2: f"{number}^EHR", 4: "CTCHEST", 18: "ACC1", 25: "F"}))
        lines.append(segment("OBX", {1: "1", 2: "TX", 5: text, 11: "F"}))
    imaged(hospital).send(hospital.message("ORU^R01^ORU_R01", *lines))
    assert states(hospital) == ["published", "published"]
    assert texts(hospital) == {"P1": "Chest: clear.", "P2": "Head: clear."}


def test_by_accession_number_only(hospital: Hospital) -> None:
    """No order number: it is of both orders that have the accession number."""
    imaged(hospital).send(hospital.report(changes={"OBR": {2: "", 18: "ACC1"}}))
    assert states(hospital) == ["published", "published"]
    assert sorted(told.get("OBR-2") for told in hospital.results()) == ["P1", "P2"]


def test_named_by_one_order(hospital: Hospital) -> None:
    """By default it is that order's alone, though both have the accession number that it bears."""
    imaged(hospital).send(hospital.report("P1", changes=GROUP))
    assert states(hospital) == ["published", "acquired"]


def test_of_one_order_and_for_all_where_the_site_says_so(a_hospital: AHospital) -> None:
    """A correction goes to both, too; once P2 has a report of its own that is P2's."""
    hospital = imaged(a_hospital(results={"for_group": "all"}))
    hospital.send(hospital.report("P1", changes=GROUP))
    assert states(hospital) == ["published", "published"]
    hospital.advance(minutes=1)
    hospital.send(hospital.report("P1", "C", "Corrected.", changes=GROUP))
    assert [told.get("OBR-2") for told in hospital.results()].count("P2") == 2
    hospital.advance(minutes=1)
    hospital.send(hospital.report("P2", "F", "Head: clear.", changes=GROUP))
    hospital.advance(minutes=1)
    hospital.send(hospital.report("P1", "C", "Corrected again.", changes=GROUP))
    assert texts(hospital) == {"P1": "Corrected again.", "P2": "Head: clear."}
