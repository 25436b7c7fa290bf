"""The simulated EHR: writes orders as ORM^O01 (IHE RAD-2). It takes results by `mllp.FakeReceiver`."""

from datetime import datetime
from itertools import cycle, islice
from typing import NamedTuple


class Exam(NamedTuple):
    """What may be ordered: a procedure code, its meaning, and the modality (OBR-4, OBR-24)."""

    code: str
    meaning: str
    modality: str


class Person(NamedTuple):
    """A patient who does not exist: PID-3, PID-5, PID-7, PID-8."""

    number: str
    name: str
    born: str
    sex: str


EXAMS = (
    Exam("CTCHEST", "CT chest without contrast", "CT"),
    Exam("MRBRAIN", "MR brain", "MR"),
    Exam("CXR2V", "Chest X-ray, two views", "DX"),
    Exam("USABD", "Ultrasound abdomen", "US"),
)
PEOPLE = (
    Person("100201", "Quendel^Ada^M", "19610412", "F"),
    Person("100202", "Ørsted^Bjørn", "19480930", "M"),
    Person("100203", "García^Lucía", "19900217", "F"),
    Person("100204", "Okonkwo^Chidi", "20030605", "M"),
    Person("100205", "Yıldız^Deniz", "19771111", "O"),
)


def orders(count: int, now: datetime, prefix: str = "P") -> list[bytes]:
    """`count` new orders for today, each for another patient and exam in turn.

    Args:
        now: an aware time in the site's zone; the exams are scheduled for it.
        prefix: begins each placer order number, so that two days' orders differ.
    """
    patients, exams = islice(cycle(PEOPLE), count), islice(cycle(EXAMS), count)
    pairs = enumerate(zip(patients, exams, strict=True), start=1)
    return [order(f"{prefix}{number:05}", person, exam, now) for number, (person, exam) in pairs]


def order(
    number: str,
    person: Person,
    exam: Exam,
    now: datetime,
    control: str = "NW",
    *,
    scheduled: datetime | None = None,
) -> bytes:
    """One ORM^O01 in HL7 v2.5.1: ORC-1 is `control`, ORC-2 the placer order number.

    Args:
        scheduled: when it is to be made; None: now.
    """
    said, at = f"{now:%Y%m%d%H%M%S}", f"{scheduled or now:%Y%m%d%H%M%S}"
    what = f"{exam.code}^{exam.meaning}^L"
    segments = (
        _msh("ORM^O01^ORM_O01", f"{number}{control}", now),
        _pid(person),
        "PV1|1|O|RAD^1^1|||||77^Fernández^Inés",
        f"ORC|{control}|{number}^EHR|||||^^^{at}^^R||{said}|||42^Moreau^Élise",
        f"OBR|1|{number}^EHR||{what}||||||||||||42^Moreau^Élise||||||||{exam.modality}|||^^^{at}^^R||||Check",
    )
    return "\r".join(segments).encode() + b"\r"


def merge(person: Person, retired: str, now: datetime) -> bytes:
    """An ADT^A40: the number `retired` was the person's too (MRG-1; IHE RAD-12)."""
    segments = (
        _msh("ADT^A40^ADT_A39", f"{retired}A40", now),
        f"EVN||{now:%Y%m%d%H%M%S}",
        _pid(person),
        f"MRG|{retired}^^^HOSPITAL^MR",
    )
    return "\r".join(segments).encode() + b"\r"


def _msh(kind: str, control_id: str, now: datetime) -> str:
    at = f"{now:%Y%m%d%H%M%S}"
    return rf"MSH|^~\&|EHR|HOSPITAL|RADFLOW||{at}||{kind}|{control_id}|P|2.5.1||||||UNICODE UTF-8"


def _pid(person: Person) -> str:
    return f"PID|1||{person.number}^^^HOSPITAL^MR||{person.name}||{person.born}|{person.sex}"
