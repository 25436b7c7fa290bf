"""Case 12: MFN: catalogues change what later orders map to, not past ones."""

from tests.cases.hospital import Hospital
from tests.hl7_builders import an_mfn, segment

NAMELESS: dict[str, dict[int, str]] = {"OBR": {4: "CTX^^L", 24: ""}}
"""A procedure by its code alone, and no modality."""


def entry(hospital: Hospital, text: str, modality: str) -> bytes:
    """A change of procedure CTX (MFN^M13): its text, and in OM1-49 its modality."""
    changes = {"MFE": {3: "20261101", 4: f"CTX^{text}^L"}}
    message = an_mfn("M13", hospital.control_id(), changes=changes)
    return message + segment("OM1", {1: "1", 2: f"CTX^{text}^L", 49: modality}).encode() + b"\r"


def test_a_later_order_is_called_as_the_catalogue_says(hospital: Hospital) -> None:
    """Worklist, RIS, FHIR: each order has the text that held when it was placed."""
    hospital.send(entry(hospital, "CT of old", "CT"))
    hospital.send(hospital.order("P1", changes=NAMELESS))
    assert hospital.item("P1").RequestedProcedureDescription == "CT of old"
    hospital.send(entry(hospital, "CT of now", "CT"))
    hospital.send(hospital.order("P2", changes=NAMELESS))
    assert hospital.item("P2").RequestedProcedureDescription == "CT of now"
    assert hospital.item("P1").RequestedProcedureDescription == "CT of old"

    hospital.advance(minutes=1)
    hospital.send(hospital.order("P1", "XO", changes={"OBR": {4: "CTX^^L", 24: "", 13: "urgent"}}))
    assert hospital.item("P1").RequestedProcedureDescription == "CT of old"
    told = {message.get("ORC-2"): message.get("OBR-4.2") for message in hospital.told_ris()}
    assert told == {"P1": "CT of old", "P2": "CT of now"}

    for number in ("P1", "P2"):
        hospital.image(number)
        hospital.send(hospital.report(number))
    texts = [
        one["code"].get("text") or one["code"]["coding"][0]["display"]
        for one in hospital.fhir("ServiceRequest")
    ]
    assert sorted(texts) == ["CT of now", "CT of old"]


def test_what_the_order_says_itself_goes_before_the_catalogue(hospital: Hospital) -> None:
    """The catalogue fills what is empty, and corrects nothing."""
    hospital.send(entry(hospital, "CT of now", "CT"))
    hospital.send(hospital.order("P1", changes={"OBR": {4: "CTX^As ordered^L", 24: "MR"}}))
    item = hospital.item("P1")
    assert item.RequestedProcedureDescription == "As ordered"
    assert item.ScheduledProcedureStepSequence[0].Modality == "MR"


def test_locations_and_staff_are_kept_and_change_no_order(hospital: Hospital) -> None:
    """MFN^M05 and M02 are taken; the orders there are stay as they are."""
    hospital.send(hospital.order("P1"))
    before = hospital.row("P1").document
    locations = {"MFI": {1: "LOC"}, "MFE": {4: "RAD^ROOM 2"}}
    staff = {"MFI": {1: "STF"}, "MFE": {4: "42^Moreau^Élise"}}
    for event, changes in (("M05", locations), ("M02", staff)):
        assert hospital.send(an_mfn(event, hospital.control_id(), changes=changes)) == ["AA"]
    assert [message.state for message in hospital.inbox()] == ["processed"] * 3
    assert hospital.row("P1").document == before
