"""Case 14: images found by C-FIND, by QIDO-RS, on a second archive, or told by MPPS."""

import pytest

from tests.cases.conftest import AHospital
from tests.cases.hospital import Hospital

COUNTS = {"numberOfSeries": 2, "numberOfInstances": 4}


def counts(hospital: Hospital) -> list[dict[str, int]]:
    """Of the ImagingStudy that the FHIR server has."""
    return [{key: study[key] for key in COUNTS} for study in hospital.fhir("ImagingStudy")]


@pytest.mark.parametrize("archive", ["orthanc", "orthanc-web", "dcmqrscp"])
def test_within_one_sweep_from_worklist_to_warehouse(a_hospital: AHospital, archive: str) -> None:
    """Stored by C-STORE or STOW-RS; asked by C-FIND, also where an archive tells no counts, or by QIDO-RS."""
    hospital = a_hospital(archives={archive: {}})
    hospital.send(hospital.order())
    key = hospital.key()
    assert hospital.sweep() == set()
    hospital.keep(hospital.study(hospital.item()), archive)
    hospital.advance(minutes=1)
    assert hospital.sweep() == {key}
    assert (hospital.state(), hospital.items()) == ("acquired", [])
    assert [told.get("ORC-5") for told in hospital.told_ris()][-1] == "IP"

    hospital.send(hospital.report())
    assert hospital.state() == "published"
    assert counts(hospital) == [COUNTS]
    (row,) = hospital.warehouse("studies").to_dict("records")
    assert (row["archive"], row["instances"]) == (archive, 4)
    assert len(hospital.results()) == 1


def test_on_a_second_archive_after_the_first_answered_nothing(a_hospital: AHospital) -> None:
    """Both are asked in one sweep; the study is published with the archive that has it."""
    hospital = a_hospital(archives={"dcmqrscp": {}, "orthanc-web": {}})
    hospital.send(hospital.order())
    hospital.image(archive="orthanc-web")
    assert hospital.state() == "acquired"
    hospital.send(hospital.report())
    assert list(hospital.warehouse("studies")["archive"]) == ["orthanc-web"]
    assert counts(hospital) == [COUNTS]


def test_told_by_mpps(a_hospital: AHospital) -> None:
    """The modality says that it is done: the images are looked for at once, without a sweep."""
    hospital = a_hospital(finding={"complete_by": "mpps"})
    hospital.send(hospital.order())
    item = hospital.item()
    step = hospital.begin(item)
    (scheduled,) = hospital.item().ScheduledProcedureStepSequence
    assert (hospital.state(), scheduled.ScheduledProcedureStepStatus) == ("started", "STARTED")
    images = hospital.study(item)
    hospital.keep(images)
    hospital.sweep()
    assert hospital.state() == "started"
    hospital.end(step, images)
    assert (hospital.state(), hospital.items()) == ("acquired", [])
    assert hospital.events()[-2:] == ["acquisition-completed", "study-found"]
    hospital.send(hospital.report())
    assert counts(hospital) == [COUNTS]
