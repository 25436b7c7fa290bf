"""Case 7: no Study Instance UID in the message."""

from tests.cases.hospital import Hospital


def test_we_make_one_that_stays_the_same_under_replay_and_tell_the_ris(hospital: Hospital) -> None:
    """The worklist, the RIS, the archive and the EHR all know the study by the UID that radflow has made."""
    order = hospital.order("P1")
    assert hospital.send(order) == ["AA"]
    uid = hospital.item("P1").StudyInstanceUID
    assert uid.startswith("2.25.")
    assert [told.get("ZDS-1.1") for told in hospital.told_ris()] == [uid]

    hospital.send(order)
    assert hospital.item("P1").StudyInstanceUID == uid

    hospital.image("P1")
    hospital.send(hospital.report("P1"))
    assert hospital.state("P1") == "published"
    (study,) = hospital.fhir("ImagingStudy")
    assert {"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"} in study["identifier"]
    assert [f"|{uid}|".encode() in raw for raw in hospital.ehr.messages] == [True]
    assert list(hospital.warehouse("orders")["study_instance_uid"]) == [uid]
