"""Cases 8 and 9 at sites that keep a worklist of their own: the order is on theirs, and leaves it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

from mappings.dicom.wl_files import wl_file
from radflow.settings import LOOPBACK
from radflow.simulators.modality import ModalityError, ask_worklist
from radflow.store import worklist
from tests import peers
from tests.cases.conftest import AHospital
from tests.cases.hospital import Hospital
from tests.certificates import Certificates
from tests.connectors.auth_servers import serving
from tests.dcm4chee import ROOT, Dcm4chee

PLUGIN = Path("/usr/share/orthanc/plugins/libModalityWorklists.so")

Answers = list[tuple[str, str, str]]
Ask = Callable[[], Answers]
"""What a modality is shown: accession number, status of the step, name."""
Elsewhere = tuple[dict[str, Any], Ask]
"""The `[worklist.target]` of a site, and how it is asked."""


@contextmanager
def dcm4chee(folder: Path) -> Iterator[tuple[Dcm4chee, Elsewhere]]:
    """A strict reader of what dcm4chee is told, behind TLS with a private authority."""
    archive = Dcm4chee()
    certificates = Certificates.made_in(folder)
    with serving(archive.answer, certificates.server_context()) as server:
        target = {
            "kind": "dcm4chee", "url": server.url + ROOT, "tls": {"ca": str(folder / "ca.pem")},
        }  # fmt: skip
        yield archive, (target, lambda: sorted(map(_told, archive.items.values())))


@contextmanager
def wlmscpfs(folder: Path) -> Iterator[Elsewhere]:
    """dcmtk's worklist, asked by dcmtk's findscu."""
    files = folder / "WL"
    files.mkdir()
    with peers.wlmscpfs(folder) as port:
        yield {"kind": "wl-files", "folder": str(files)}, lambda: _found(port, folder, "WL")


@contextmanager
def orthanc_plugin(folder: Path) -> Iterator[Elsewhere]:
    """Orthanc's worklist plug-in, asked by dcmtk's findscu."""
    if not PLUGIN.exists():
        pytest.skip("Orthanc's worklist plug-in is not installed (apt install orthanc)")
    files = folder / "WL"
    files.mkdir()
    options = {
        "Plugins": [str(PLUGIN)],
        "Worklists": {"Enable": True, "Database": str(files)},
        "DicomAlwaysAllowFindWorklist": True,
    }
    with peers.orthanc(folder / "orthanc", options) as orthanc:
        yield (
            {"kind": "wl-files", "folder": str(files)},
            lambda: _found(orthanc.dicom_port, folder, orthanc.ae_title),
        )


@pytest.fixture(params=["dcm4chee", "wlmscpfs", "orthanc"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Elsewhere]:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    match request.param:
        case "dcm4chee":
            with dcm4chee(folder) as (_, target):
                yield target
        case "wlmscpfs":
            with wlmscpfs(folder) as target:
                yield target
        case _:
            with orthanc_plugin(folder) as target:
                yield target


@pytest.fixture
def there(elsewhere: Elsewhere, a_hospital: AHospital) -> tuple[Hospital, Ask]:
    target, ask = elsewhere
    ct = {"ae_title": "CT1", "modalities": ["CT"]}
    return a_hospital(worklist={"target": target, "modalities": [ct], "leaves_when": "images"}), ask


def test_an_order_from_its_placing_to_its_images(there: tuple[Hospital, Ask]) -> None:
    """Placed, changed, begun by the modality, imaged: the worklist there follows, and is empty at the end."""
    hospital, ask = there
    hospital.send(order(hospital, "P1"), order(hospital, "P2", changes={"PID": {5: "Müller^Åse"}}))
    assert _numbers(ask()) == ["AP1", "AP2"]
    assert "Müller^Åse" in {name for _, _, name in ask()}
    item = made_of(hospital)
    hospital.begin(item)
    assert dict(status(ask())) == {"AP1": "STARTED", "AP2": "SCHEDULED"}
    hospital.keep(hospital.study(item))
    hospital.advance(minutes=1)
    hospital.sweep()
    assert hospital.state("P1") == "acquired"
    assert _numbers(ask()) == ["AP2"]


def test_an_order_that_is_taken_back_held_and_released(there: tuple[Hospital, Ask]) -> None:
    """CA and HD take it off, RL puts it on again (HL7 table 0119)."""
    hospital, ask = there
    hospital.send(order(hospital, "P1"), order(hospital, "P2"))
    hospital.send(order(hospital, "P1", "HD"))
    assert _numbers(ask()) == ["AP2"]
    hospital.send(order(hospital, "P1", "RL"))
    assert _numbers(ask()) == ["AP1", "AP2"]
    hospital.send(order(hospital, "P1", "CA"), order(hospital, "P2", "CA"))
    assert (hospital.state("P1"), ask()) == ("cancelled", [])


def test_a_patient_who_is_merged(there: tuple[Hospital, Ask]) -> None:
    """The item is the survivor's, once."""
    hospital, ask = there
    hospital.send(order(hospital, "P1", changes={"PID": {3: "4711^^^HOSP^MR"}}))
    merge = {"PID": {3: "9001^^^HOSP^MR", 5: "Survivor^S"}, "MRG": {1: "4711^^^HOSP^MR"}}
    hospital.send(hospital.adt("A40", merge))
    assert [(number, name) for number, _, name in ask()] == [("AP1", "Survivor^S")]


def test_our_own_worklist_is_not_offered_then(there: tuple[Hospital, Ask]) -> None:
    """The presentation context is rejected; C-ECHO and MPPS are taken."""
    hospital, _ = there
    hospital.send(order(hospital, "P1"))
    with pytest.raises(ModalityError, match="no association"):
        ask_worklist(LOOPBACK, hospital.doors.dicom["main"])
    peers.echoscu(hospital.doors.dicom["main"])


def test_a_dcm4chee_that_is_away(tmp_path: Path, a_hospital: AHospital) -> None:
    """The order waits and says why; nothing is left there of one that is taken back meanwhile."""
    (tmp_path / "certificates").mkdir()
    with dcm4chee(tmp_path / "certificates") as (archive, (target, ask)):
        hospital = a_hospital(worklist={"target": target})
        archive.away = True
        hospital.send(order(hospital, "P1"), order(hospital, "P2"))
        assert hospital.row("P1").trouble == "dcm4chee: GET mwlitems failed: HTTP 503"
        hospital.send(order(hospital, "P2", "CA"))
        archive.away = False
        hospital.advance(hours=1)
        assert (hospital.state("P1"), hospital.state("P2")) == ("worklisted", "cancelled")
        assert _numbers(ask()) == ["AP1"]


def test_a_folder_that_is_not_there(tmp_path: Path, a_hospital: AHospital) -> None:
    """A share that is not mounted: the order is tried again once it is."""
    folder = tmp_path / "WL"
    hospital = a_hospital(worklist={"target": {"kind": "wl-files", "folder": str(folder)}})
    hospital.send(order(hospital, "P1"))
    assert hospital.row("P1").trouble == f"worklist folder {folder}: No such file or directory"
    folder.mkdir()
    hospital.advance(hours=1)
    assert [file.suffix for file in sorted(folder.iterdir())] == ["", ".wl"]


def test_a_worklist_told_over_hl7(a_hospital: AHospital) -> None:
    """The destination that takes orders has it as OMI^O23; ours is not offered."""
    ris = {"kind": "hl7", "destination": "ris"}
    hospital = a_hospital(worklist={"target": ris})
    hospital.send(order(hospital, "P1"))
    assert hospital.state("P1") == "worklisted"
    assert [told.get("ORC-1") for told in hospital.told_ris()] == ["NW"]
    with pytest.raises(ModalityError):
        ask_worklist(LOOPBACK, hospital.doors.dicom["main"])


def order(
    hospital: Hospital, number: str, control: str = "NW", changes: dict[str, dict[int, str]] | None = None
) -> bytes:
    """An order whose accession number (OBR-18) is `A` and its number."""
    return hospital.order(number, control, changes={"OBR": {18: f"A{number}"}, **(changes or {})})


def made_of(hospital: Hospital, number: str = "P1") -> Dataset:
    """What a modality would be shown of an order."""
    with hospital.store.read() as session:
        (item,) = worklist.items_of(session, hospital.key(number))
    return item


def _found(port: int, folder: Path, ae_title: str) -> Answers:
    query = Dataset()
    step = Dataset()
    for keyword in ("PatientName", "AccessionNumber", "SpecificCharacterSet"):
        setattr(query, keyword, None)
    step.ScheduledProcedureStepStatus = None
    query.ScheduledProcedureStepSequence = [step]
    file = folder / "query.wl"
    file.write_bytes(wl_file(query, "query"))
    answers = folder / "answers"
    for old in answers.glob("*"):
        old.unlink()
    return sorted(map(_told, peers.findscu(port, file, answers, ae_title=ae_title)))


def _told(item: Dataset) -> tuple[str, str, str]:
    step = item.ScheduledProcedureStepSequence[0]
    return str(item.AccessionNumber), str(step.ScheduledProcedureStepStatus), str(item.PatientName)


def _numbers(answers: Answers) -> list[str]:
    return [number for number, _, _ in answers]


def status(answers: Answers) -> list[tuple[str, str]]:
    return [(number, step) for number, step, _ in answers]
