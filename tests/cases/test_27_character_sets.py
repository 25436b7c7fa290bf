"""Case 27: a name is the same in HL7, on the worklist and in FHIR, whatever character set each is in."""

from dataclasses import dataclass

import pytest
from pydicom import Dataset

from tests.cases.hospital import Hospital
from tests.services.worklisted import found, names_asked

GROUPS = ("A", "I", "P")
"""XPN-8: alphabetic, ideographic, phonetic."""


@dataclass(frozen=True)
class Sent:
    """A patient, as an EHR of their country sends them."""

    msh_18: str
    codec: str
    name: str
    """PN: alphabetic=ideographic=phonetic."""
    procedure: str
    dicom: tuple[str, ...]
    """Specific Character Set (0008,0005) of the country's modalities."""

    def changes(self) -> dict[str, dict[int, str]]:
        """Its PID-5 and OBR-4."""
        groups = self.name.split("=")
        written = [f"{group}^^^^^L^{code}" for group, code in zip(groups, GROUPS, strict=False)]
        return {"PID": {5: "~".join(written)}, "OBR": {4: f"X1^{self.procedure}^L"}}


SENT = {
    "ascii": Sent("ASCII", "ascii", "Mueller^Hans", "Chest CT", ("ISO_IR 100",)),
    "nothing declared": Sent("", "ascii", "Mueller^Hans", "Chest CT", ("ISO_IR 100",)),
    "latin 1": Sent("8859/1", "iso8859_1", "Müller^Åse", "Schädel-MRT", ("ISO_IR 100",)),
    "greek": Sent("8859/7", "iso8859_7", "Διονυσιος^Άννα", "Αξονική", ("ISO_IR 126",)),
    "utf-8": Sent("UNICODE UTF-8", "utf_8", "Yıldız^Łucja", "Übersicht", ("ISO_IR 192",)),
    "japanese": Sent(
        "~ISO IR87", "iso2022_jp", "Yamada^Tarou=山田^太郎=やまだ^たろう", "頭部MRI", ("", "ISO 2022 IR 87")
    ),
    "japanese, utf-8": Sent(
        "UNICODE UTF-8", "utf_8", "Yamada^Tarou=山田^太郎=やまだ^たろう", "頭部MRI", ("", "ISO 2022 IR 87")
    ),
    "korean": Sent("KS X 1001", "euc_kr", "Hong^Gildong=洪^吉洞=홍^길동", "뇌 MRI", ("", "ISO 2022 IR 149")),
    "korean, utf-8": Sent(
        "UNICODE UTF-8", "utf_8", "Hong^Gildong=洪^吉洞=홍^길동", "뇌 MRI", ("ISO_IR 192",)
    ),
}


def asked(hospital: Hospital, character_set: tuple[str, ...]) -> Dataset:
    """The worklist's one answer to a query in this set."""
    query = names_asked(AccessionNumber=hospital.row().accession_number, PatientBirthDate="", PatientSex="")
    for keyword in ("IssuerOfPatientID", "ReferringPhysicianName", "StudyInstanceUID", "RequestedProcedureID",
                    "RequestedProcedureDescription"):  # fmt: skip
        setattr(query, keyword, "")
    query.RequestedProcedureCodeSequence = []
    query.SpecificCharacterSet = list(character_set)
    (item,) = found(hospital.doors.dicom["main"], query)
    return item


def written_to_fhir(hospital: Hospital) -> str:
    """The name of the FHIR server's one Patient, as PN."""
    (patient,) = hospital.fhir("Patient")
    return "=".join("^".join([one["family"], *one["given"]]) for one in patient["name"])


@pytest.mark.parametrize("sent", SENT.values(), ids=SENT.keys())
def test_a_name_is_the_same_everywhere(hospital: Hospital, sent: Sent) -> None:
    """HL7 in, worklist, images in the archive, FHIR, HL7 out."""
    order = hospital.order("P1", changes=sent.changes(), msh_18=sent.msh_18)
    assert hospital.send(order.decode().encode(sent.codec)) == ["AA"]
    for character_set in {sent.dicom, ("ISO_IR 192",), ()}:
        item = asked(hospital, character_set)
        assert str(item.PatientName) == sent.name
        assert item.RequestedProcedureDescription == sent.procedure

    item = asked(hospital, sent.dicom)
    hospital.keep(hospital.study(item, SpecificCharacterSet=list(sent.dicom)))
    hospital.advance(minutes=1)
    hospital.sweep()
    report = hospital.report("P1", text=sent.procedure, changes=sent.changes(), msh_18=sent.msh_18)
    assert hospital.send(report.decode().encode(sent.codec)) == ["AA"]
    assert hospital.state("P1") == "published"

    assert written_to_fhir(hospital) == sent.name
    (study,) = hospital.fhir("ImagingStudy")
    assert study["description"] == sent.procedure
    (result,) = hospital.results()
    groups = [(one.get(1), one.get(2)) for one in result.repetitions("PID-5")]
    assert "=".join(f"{family}^{given}" for family, given in groups) == sent.name
    assert result.get("OBR-4.2") == sent.procedure
    assert sent.procedure in hospital.warehouse("reports")["text"][0]


def test_a_modality_is_asked_for_by_name_in_its_own_set(hospital: Hospital) -> None:
    """A query by the ideographic name, in ISO 2022 IR 87, finds who was ordered for in UTF-8."""
    sent = SENT["japanese, utf-8"]
    hospital.send(hospital.order("P1", changes=sent.changes()), hospital.order("P2"))
    query = names_asked(PatientName="=山田*")
    query.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    (item,) = found(hospital.doors.dicom["main"], query)
    assert str(item.PatientName) == sent.name


def test_what_is_not_in_the_set_it_is_said_to_be_in_is_refused_with_words(hospital: Hospital) -> None:
    """Latin 1 under UNICODE UTF-8: its sender hears of it; nothing is guessed, nothing is dropped."""
    order = hospital.order("P1", changes={"PID": {5: "Müller^Åse"}})
    (answer,) = hospital.say(order.decode().encode("iso8859_1"))
    assert (answer.get("MSA-1"), answer.get("ERR-2.1"), answer.get("ERR-2.3")) == ("AR", "MSH", "18")
    (message,) = hospital.inbox()
    assert (message.state, "MSH-18" in message.reason) == ("quarantined", True)
