"""A planned day, played against radflow over its own wires, under a clock that passes as fast as it can."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from pydicom import Dataset
from pydicom.uid import generate_uid

from radflow.connectors.mllp import MllpClient
from radflow.settings import LOOPBACK
from radflow.simulators import ehr, performed_step, ris
from radflow.simulators.day.plan import Planned, Twist
from radflow.simulators.day.script import Deed, Happening, script
from radflow.simulators.modality import ask_worklist, make_study, store_study

EVERY = timedelta(minutes=5)
"""How often the hospital does what is due by then, and radflow what it can."""
SWEEPS_EVERY = 3
"""In these steps."""


class Radflow(Protocol):
    """What plays radflow's part: its services, at the clock's time."""

    def advance_to(self, now: datetime) -> None:
        """Let the clock say so."""

    def settle(self) -> None:
        """Do all there is to do now."""

    def sweep(self) -> None:
        """Ask the archives."""


@dataclass(frozen=True)
class Wires:
    """Where radflow and the archive listen, on loopback."""

    mllp_port: int
    dicom_port: int
    ae_title: str
    archive_port: int
    archive_ae_title: str


@dataclass
class Day:
    """What the hospital knows of its day."""

    exams: Sequence[Planned]
    wires: Wires
    confirm: Callable[[str, str], bool]
    """Says whether the study of this UID is the order's of this number, to whoever asks a person."""
    sent: list[bytes] = field(default_factory=list)
    """Every HL7 message of the day, as it was sent."""
    truth: dict[str, frozenset[str]] = field(default_factory=dict)
    """Placer order number → the studies that were made for it."""
    _items: dict[str, list[Dataset]] = field(default_factory=dict)
    """Placer order number of an exam that was made → its worklist answers, its own first."""
    _late: list[Happening] = field(default_factory=list)

    def play(self, radflow: Radflow, tell: Callable[[int, int], None] = lambda _done, _all: None) -> None:
        """From the first order to the last report, and until nothing more is due.

        Args:
            tell: is told how much of the day has happened, of how much.
        """
        happenings = script(self.exams)
        done, now, step = 0, happenings[0].at, 0
        while done < len(happenings) or self._late:
            radflow.advance_to(now)
            due = [*self._late, *(one for one in happenings[done:] if one.at <= now)]
            done += len(due) - len(self._late)
            self._late = []
            self._do(due, now)
            radflow.settle()
            step += 1
            if step % SWEEPS_EVERY == 0:
                radflow.sweep()
                radflow.settle()
            tell(done, len(happenings))
            now += EVERY
        for _ in range(2 * SWEEPS_EVERY):
            now += EVERY
            radflow.advance_to(now)
            radflow.sweep()
            radflow.settle()

    def _do(self, due: Iterable[Happening], now: datetime) -> None:
        """Everything that is due, in order; messages over one connection."""
        by_number = {one.number: one for one in self.exams}
        with MllpClient(LOOPBACK, self.wires.mllp_port, timeout=60) as line:
            for happening in due:
                one = by_number[happening.number]
                match happening.deed:
                    case Deed.ORDER:
                        self._send(line, _order(one, now, "NW", one.scheduled_at))
                    case Deed.CHANGE:
                        self._send(line, _order(one, now, "XO", one.rescheduled_at))
                    case Deed.CANCEL:
                        self._send(line, _order(one, now, "CA", one.scheduled_at))
                    case Deed.MERGE:
                        self._send(line, ehr.merge(one.patient, one.known_as, now))
                    case Deed.MAKE if not self._make(one, now):
                        self._late.append(happening)
                    case Deed.REPORT if one.number in self._items:
                        self._send(line, self._report(one, now, "F"))
                    case Deed.CORRECT if one.number in self._items:
                        self._send(line, self._report(one, now, "C"))
                    case Deed.CONFIRM if not self._confirm(one):
                        self._late.append(happening)
                    case Deed.REPORT | Deed.CORRECT:
                        self._late.append(happening)

    def _send(self, line: MllpClient, message: bytes) -> None:
        line.send(message)
        self.sent.append(message)

    def _make(self, one: Planned, now: datetime) -> bool:
        """Make the exam, with those that are made together with it; False while the worklist lacks one."""
        together = [one.number, *(other.number for other in self.exams if other.leader == one.number)]
        items = self._ask(one, now)
        mine = [item for number in together for item in items if _is_of(item, number)]
        if len(mine) < len(together):
            return False
        images = make_study(mine[0], now)
        if Twist.FROM_THE_CONSOLE in one.twists:
            images = [_typed_at_the_console(image) for image in images]
        elif Twist.MISTYPED in one.twists:
            images = [_with_accession(image, f"{one.number}?") for image in images]
        else:
            self._perform(mine, images, now)
        wires = self.wires
        store_study(images, LOOPBACK, wires.archive_port, wires.archive_ae_title)
        made = frozenset({str(images[0].StudyInstanceUID)})
        self.truth |= dict.fromkeys(together, made)
        self._items[one.number] = mine
        return True

    def _ask(self, one: Planned, now: datetime) -> list[Dataset]:
        """The day's list of the exam's modality."""
        return ask_worklist(
            LOOPBACK, self.wires.dicom_port, self.wires.ae_title, day=now.date(), modality=one.exam.modality
        )

    def _perform(self, items: Sequence[Dataset], images: Sequence[Dataset], now: datetime) -> None:
        where = (LOOPBACK, self.wires.dicom_port, self.wires.ae_title)
        uid = performed_step.begin(items, now, *where)
        performed_step.end(uid, images, now, *where)

    def _report(self, one: Planned, now: datetime, status: str) -> bytes:
        """The RIS knows its orders, and the study that was made for them."""
        (study,) = self.truth[one.number]
        first, *fellows = (_of_study(item, study) for item in self._items[one.number])
        return ris.report(first, now, status, *fellows)

    def _confirm(self, one: Planned) -> bool:
        return all(self.confirm(one.number, uid) for uid in self.truth.get(one.number, ()))


def _order(one: Planned, now: datetime, control: str, scheduled: datetime) -> bytes:
    # Once the numbers are merged, the EHR speaks of the patient by the one that stays.
    merged = one.known_as and now > one.twisted_at
    patient = one.patient._replace(number=one.known_as) if one.known_as and not merged else one.patient
    return ehr.order(one.number, patient, one.exam, now, control, scheduled=scheduled)


def _is_of(item: Dataset, number: str) -> bool:
    """Placer Order Number / Imaging Service Request (0040,2016)."""
    return str(item.get("PlacerOrderNumberImagingServiceRequest", "")).split("^")[0] == number


def _of_study(item: Dataset, study_uid: str) -> Dataset:
    read = Dataset()
    read.update(item)
    read.StudyInstanceUID = study_uid
    return read


def _with_accession(image: Dataset, accession: str) -> Dataset:
    image.AccessionNumber = accession
    return image


def _typed_at_the_console(image: Dataset) -> Dataset:
    """As a modality makes it that has not asked the worklist: a UID of its own, and no order's number."""
    image.StudyInstanceUID = generate_uid(entropy_srcs=[str(image.StudyInstanceUID), "console"])
    image.AccessionNumber = ""
    del image.RequestAttributesSequence
    return image
