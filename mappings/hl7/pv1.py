"""PV1 → a visit (v2.5.1 §3.4.3), and what of it is sent."""

from zoneinfo import ZoneInfo

from mappings.hl7.datatypes import identifier, location, practitioner
from mappings.hl7.fields import time
from mappings.hl7.reader import Segments
from radflow.model import Visit

SOURCES: dict[str, tuple[str, ...]] = {
    "patient_class": ("PV1-2",),
    "location": ("PV1-3",),
    "attending_physician": ("PV1-7",),
    "referring_physician": ("PV1-8",),
    "consulting_physicians": ("PV1-9",),
    "admitting_physician": ("PV1-17",),
    "number": ("PV1-19",),
    "admitted_at": ("PV1-44",),
    "discharged_at": ("PV1-45",),
}
"""Field of `Visit` → where it comes from."""


def read_visit(segments: Segments, zone: ZoneInfo) -> Visit | None:
    """The visit of the first PV1; None where there is none.

    Raises:
        NotTakable: a time is none.
    """
    if not segments.has("PV1"):
        return None
    return Visit(
        patient_class=segments.get("PV1-2"),
        location=location(segments.field("PV1-3")),
        attending_physician=practitioner(segments.repetitions("PV1-7")),
        referring_physician=practitioner(segments.repetitions("PV1-8")),
        # Each repetition is a physician: in PV1-7 and PV1-8 they are one name in several scripts.
        consulting_physicians=tuple(practitioner([each]) for each in segments.repetitions("PV1-9")),
        admitting_physician=practitioner(segments.repetitions("PV1-17")),
        number=identifier(segments.field("PV1-19")),
        admitted_at=time(segments, "PV1-44", zone),
        discharged_at=time(segments, "PV1-45", zone),
    )


def sent(segments: Segments) -> frozenset[str]:
    """The fields of `Visit` of which the first PV1 says something."""
    return frozenset(name for name, paths in SOURCES.items() if segments.says(*paths))


IN_THE_ORDER = frozenset({"patient_class", "number", "referring_physician"})
"""Fields of `Visit` that an order has itself."""


def read_rest_of_visit(segments: Segments, zone: ZoneInfo) -> Visit | None:
    """What PV1 says beside that; None where it says no more.

    Raises:
        NotTakable: a time is none.
    """
    visit = read_visit(segments, zone)
    nothing = Visit()
    if visit is None:
        return None
    rest = visit.model_copy(update={name: getattr(nothing, name) for name in IN_THE_ORDER})
    return None if rest == nothing else rest
