r"""Case 28: escapes, custom delimiters, repetitions, `""` against empty."""

from typing import Any

from tests.cases.hospital import Hospital

WORDS = "A|B^C~D\\E&F"
"""Every delimiter, as text."""
ESCAPED = r"A\F\B\S\C\R\D\E\E\T\F"
THEIRS = str.maketrans("|^~\\&", "#@!?%")
"""MSH-1 and MSH-2 of a sender who has chosen others."""
SAID_BY_ADT = {"PID": {5: "Müller^Åse", 7: "19610412", 8: "F", 11: "Hauptstr. 1^^Berlin^^10115"}}


def patient(hospital: Hospital, number: str = "P1") -> dict[str, Any]:
    document: dict[str, Any] = hospital.row(number).document["patient"]
    return document


def report_text(hospital: Hospital) -> list[str]:
    """OBX-5 of what the EHR has got."""
    (result,) = hospital.results()
    return [obx.field("OBX-5").text for obx in result.each("OBX") if obx.get("OBX-2") in ("TX", "FT")]


def test_escaped_delimiters_are_text_everywhere(hospital: Hospital) -> None:
    """In a name, a procedure and a report: worklist, FHIR, HL7 out, warehouse."""
    changes = {"PID": {5: rf"O\T\Neil^{ESCAPED}"}, "OBR": {4: f"X1^{ESCAPED}^L"}}
    hospital.send(hospital.order("P1", changes=changes))
    item = hospital.item()
    # A caret in a PN would begin another component (PS3.5 §6.2.1), a backslash another value.
    assert str(item.PatientName) == "O&Neil^A|B C~D E&F"
    assert item.RequestedProcedureDescription == "A|B^C~D E&F"
    hospital.image()
    hospital.send(hospital.report(text=ESCAPED))
    (one,) = hospital.fhir("Patient")
    assert (one["name"][0]["family"], one["name"][0]["given"]) == ("O&Neil", [WORDS])
    (request,) = hospital.fhir("ServiceRequest")
    assert request["code"]["coding"][0]["display"] == WORDS
    assert report_text(hospital) == [WORDS]
    (result,) = hospital.results()
    assert (result.get("PID-5.1"), result.get("PID-5.2")) == ("O&Neil", WORDS)
    assert {told.get("OBR-4.2") for told in hospital.told_ris()} == {WORDS}
    assert list(hospital.warehouse("reports")["text"]) == [WORDS]


def test_line_breaks_and_hexadecimal_escapes(hospital: Hospital) -> None:
    r"""`\.br\` is a line, `\X0D\` a carriage return, `\XC3A4\` an ä in UTF-8; highlighting is dropped."""
    hospital.send(hospital.order())
    hospital.image()
    hospital.send(hospital.report(text=r"\H\Findings\N\: Sch\XC3A4\del.\.br\Impression: normal."))
    lines = [line for text in report_text(hospital) for line in text.split("\n")]
    assert lines == ["Findings: Schädel.", "Impression: normal."]
    assert list(hospital.warehouse("reports")["text"]) == ["Findings: Schädel.\nImpression: normal."]


def test_a_sender_with_delimiters_of_its_own(hospital: Hospital) -> None:
    """The usual ones are text then: the same order comes out, and what goes out has the usual ones."""
    usual = hospital.order("P1", changes={"PID": {5: "Müller^Åse"}, "OBR": {4: "X1^CT PIPE chest^L"}})
    hospital.send(usual.decode().translate(THEIRS).replace("PIPE", "|").encode())
    item = hospital.item("P1")
    assert (str(item.PatientName), item.RequestedProcedureDescription) == ("Müller^Åse", "CT | chest")
    (raw,), (told,) = hospital.ris.messages, hospital.told_ris()
    assert raw.startswith(rb"MSH|^~\&|")
    assert (told.get("PID-5.2"), told.get("ORC-2.1"), told.get("OBR-4.2")) == ("Åse", "P1", "CT | chest")


def test_an_answer_is_in_the_senders_delimiters(hospital: Hospital) -> None:
    """So that it can be read by who has asked."""
    (answer,) = hospital.say(hospital.order("P1").decode().translate(THEIRS).encode())
    assert (answer.delimiters.field, answer.get("MSA-1")) == ("#", "AA")


def test_repetitions(hospital: Hospital) -> None:
    """Several identifiers, names, phones: each reaches FHIR, the first identifier names the patient."""
    pid = {
        3: "4711^^^HOSP^MR~X99^^^INSURER^SS", 5: "Müller^Åse^^^^^L~Meier^Åse^^^^^M", 13: "030 1~030 2",
    }  # fmt: skip
    hospital.publish("P1", {"PID": pid})
    (one,) = hospital.fhir("Patient")
    assert [number["value"] for number in one["identifier"]] == ["4711", "X99"]
    assert [name["family"] for name in one["name"]] == ["Müller", "Meier"]
    assert [phone["value"] for phone in one["telecom"]] == ["030 1", "030 2"]
    (result,) = hospital.results()
    assert [number.get(1) for number in result.repetitions("PID-3")] == ["4711", "X99"]


def test_empty_keeps_and_null_deletes(hospital: Hospital) -> None:
    """v2.5.1 §2.5.3, in ADT and in the order itself; the worklist and FHIR show what is left."""
    hospital.send(hospital.adt("A04", SAID_BY_ADT), hospital.order("P1", changes={"PID": {5: ""}}))
    assert (patient(hospital)["name"]["family"], patient(hospital)["birth_date"]) == ("Müller", "1961-04-12")

    hospital.send(hospital.adt("A08", {"PID": {5: "", 7: '""', 8: "", 11: '""'}}))
    item = hospital.item()
    assert (str(item.PatientName), item.PatientBirthDate, item.PatientSex) == ("Müller^Åse", "", "F")
    hospital.image()
    hospital.send(hospital.report())
    (one,) = hospital.fhir("Patient")
    assert one["name"][0]["family"] == "Müller"
    assert "birthDate" not in one
    assert "address" not in one
    (result,) = hospital.results()
    assert (result.get("PID-7"), result.get("PID-8"), result.get("PID-11")) == ("", "F", "")


def test_null_in_a_change_of_the_order_deletes_and_empty_keeps(hospital: Hospital) -> None:
    """OBR-27.4 (the scheduled time) and OBR-31 (the reason) of an XO."""
    said = {"OBR": {27: "^^^202611251000", 31: "R1^Cough^L"}}
    hospital.send(hospital.order("P1", changes=said))
    assert hospital.row().document["reason"] == "Cough"
    hospital.send(hospital.order("P1", "XO", changes={"OBR": {4: "X1^Other^L"}}))
    assert hospital.row().document["reason"] == "Cough"
    assert hospital.item().ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartTime == "100000"
    hospital.send(hospital.order("P1", "XO", changes={"OBR": {4: "X1^Other^L", 31: '""'}}))
    assert hospital.row().document["reason"] == ""
    assert hospital.item().ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartTime == "100000"
