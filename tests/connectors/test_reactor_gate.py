"""pynetdicom's reactor is stopped before a question is asked, and does not take its answer."""

import threading
from pathlib import Path

from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as StudyRootFind  # type: ignore[attr-defined]

from radflow.connectors.dicom import send_at_once
from radflow.connectors.reactor_gate import ReactorGate, release
from radflow.settings import LOOPBACK
from radflow.simulators.archive import SimulatedArchive


class Slow(ReactorGate):
    """A gate whose reactor is slow on the other side, as on a busy machine."""

    def __init__(self, reactor: threading.Thread) -> None:
        self.passed, self.go_on = threading.Event(), threading.Event()
        super().__init__(reactor)

    def wait(self, timeout: float | None = None) -> bool:
        through = super().wait(timeout)
        self.passed.set()
        self.go_on.wait(10)
        return through


def test_a_question_waits_until_the_reactor_has_stopped(tmp_path: Path) -> None:
    """The reactor has passed the gate when it is closed: the question goes out only after it is back."""
    with SimulatedArchive(tmp_path) as archive:
        ae = AE("ASKER")
        ae.add_requested_context(StudyRootFind)
        association = ae.associate(LOOPBACK, archive.port, evt_handlers=[(evt.EVT_CONN_OPEN, send_at_once)])
        assert isinstance(association._reactor_checkpoint, ReactorGate)
        gate = Slow(association)
        association._reactor_checkpoint = gate
        assert gate.passed.wait(10)
        asking = threading.Thread(target=_close, args=[association])
        asking.start()
        asking.join(0.2)
        assert asking.is_alive(), "the gate is closed while the reactor is on the other side"
        gate.go_on.set()
        asking.join(10)
        assert not asking.is_alive()
        gate.set()
        association.release()


def test_a_release_does_not_wait_for_a_flag_that_another_thread_has_reset(tmp_path: Path) -> None:
    """pynetdicom serves an N-EVENT-REPORT in a thread that says "not paused" of a reactor that is."""
    with SimulatedArchive(tmp_path) as archive:
        ae = AE("ASKER")
        ae.add_requested_context(StudyRootFind)
        association = ae.associate(LOOPBACK, archive.port, evt_handlers=[(evt.EVT_CONN_OPEN, send_at_once)])
        association._reactor_checkpoint.clear()
        association._is_paused = False
        releasing = threading.Thread(target=release, args=[association], daemon=True)
        releasing.start()
        releasing.join(10)
        assert not releasing.is_alive()
        assert association.is_released


def _close(association: Association) -> None:
    association._reactor_checkpoint.clear()
