"""PID and PD1 → a patient (v2.5.1 §3.4.2, §3.4.10), and what of them is sent.

A field that is empty says nothing; `""` says that there is none (§2.5.3). So beside the patient stand the
names of the fields that were sent, and only these are laid over what is known.
"""

from collections.abc import Iterable
from zoneinfo import ZoneInfo

from mappings.hl7.datatypes import (
    address,
    coded,
    identifier,
    identifiers,
    other_names,
    person_name,
    practitioner,
    telecom,
)
from mappings.hl7.fields import day, time
from mappings.hl7.reader import Segments
from radflow.model import Identifier, Patient, Telecom

SOURCES: dict[str, tuple[str, ...]] = {
    "identifiers": ("PID-3", "PID-2"),
    "name": ("PID-5",),
    "other_names": ("PID-5",),
    "mothers_maiden_name": ("PID-6",),
    "birth_date": ("PID-7",),
    "sex": ("PID-8",),
    "addresses": ("PID-11",),
    "home_telecoms": ("PID-13",),
    "business_telecoms": ("PID-14",),
    "language": ("PID-15",),
    "marital_status": ("PID-16",),
    "account_number": ("PID-18",),
    "died_at": ("PID-29",),
    "deceased": ("PID-30",),
    "primary_care_physician": ("PD1-4",),
}
"""Field of `Patient` → where it comes from."""

_YES_NO = {"Y": True, "N": False}
"""HL7 table 0136."""


def names_a_patient(segments: Segments) -> bool:
    """Whether there is an identifier: cheap."""
    return bool(segments.get("PID-3").strip() or segments.get("PID-2").strip() or _identifiers(segments))


def read_patient(segments: Segments, zone: ZoneInfo) -> Patient:
    """The patient of the first PID; without identifiers where none is sent.

    Raises:
        NotTakable: a time is none.
    """
    return Patient(
        identifiers=_identifiers(segments),
        name=person_name(segments.repetitions("PID-5")),
        other_names=other_names(segments.repetitions("PID-5")),
        mothers_maiden_name=person_name(segments.repetitions("PID-6")),
        birth_date=day(segments, "PID-7"),
        sex=segments.get("PID-8").upper(),
        addresses=tuple(map(address, segments.repetitions("PID-11"))),
        home_telecoms=_telecoms(segments, "PID-13"),
        business_telecoms=_telecoms(segments, "PID-14"),
        language=coded(segments.field("PID-15")),
        marital_status=coded(segments.field("PID-16")),
        account_number=identifier(segments.field("PID-18")),
        died_at=time(segments, "PID-29", zone),
        deceased=_YES_NO.get(segments.get("PID-30").upper()),
        primary_care_physician=practitioner(segments.repetitions("PD1-4")),
    )


def sent(segments: Segments) -> frozenset[str]:
    """The fields of `Patient` of which the first PID says something."""
    return frozenset(name for name, paths in SOURCES.items() if segments.says(*paths))


def on_top_of(
    told: Patient, sent: Iterable[str], known: Patient | None, *, gone: Iterable[Identifier] = ()
) -> Patient:
    """The patient as they are now.

    The identifiers that are told come first. A known one stays unless its assigner has now told another of
    its type, or it is `gone`.
    """
    if known is None:
        return told
    changes = {name: getattr(told, name) for name in sent}
    changes["identifiers"] = _together(told.identifiers, known.identifiers, tuple(gone))
    return known.model_copy(update=changes)


def _together(
    told: tuple[Identifier, ...], known: tuple[Identifier, ...], gone: tuple[Identifier, ...]
) -> tuple[Identifier, ...]:
    kinds = {(each.assigner, each.type) for each in told}
    values = {(each.value, each.assigner) for each in (*told, *gone)}
    kept = [
        each
        for each in known
        if (each.value, each.assigner) not in values and (each.assigner, each.type) not in kinds
    ]
    return (*told, *kept)


def _identifiers(segments: Segments) -> tuple[Identifier, ...]:
    # Up to v2.2 some send PID-2 only, the external ID.
    return identifiers(segments.repetitions("PID-3")) or identifiers(segments.repetitions("PID-2"))


def _telecoms(segments: Segments, path: str) -> tuple[Telecom, ...]:
    return tuple(filter(None, map(telecom, segments.repetitions(path))))
