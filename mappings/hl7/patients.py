"""ADT → what becomes of a patient (v2.5.1 §3.3; IHE RAD-1 Patient Registration, RAD-12 Patient Update).

| event | name (table 0003) | PID/MRG | what it does here |
|---|---|---|---|
| A01–A08, A28, A31 | admit … update person | one PID | the patient is as told, known or new |
| A11, A12, A13 | cancel admit, transfer, discharge | one PID | nothing: the visit changes, the orders stay |
| A18 | merge patient information (to v2.2) | one PID, MRG | a merge; MRG-1 is retired into PID-3 |
| A34 | merge, patient ID only (v2.3) | one PID, MRG | as A18 |
| A40 | merge, patient identifier list | many PID, MRG | as A18, several at once; the one that is used today |
| A47 | change patient identifier list | many PID, MRG | no second patient: MRG-1 becomes PID-3 |

A18, A34 and A40 differ in which tables of a hospital system they touch (§3.3.34, §3.3.40); with each, one of
two patients is left. MRG-1 may hold several identifiers, all of the patient that is retired.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from mappings.hl7 import pid, pv1
from mappings.hl7.datatypes import identifiers
from mappings.hl7.errors import ErrorCode, NotTakable
from mappings.hl7.fields import first_time, missing
from mappings.hl7.kinds import event
from mappings.hl7.reader import Hl7Message, Segments
from radflow.model import Identifier, Patient, Visit


class PatientAction(StrEnum):
    """What an event does to a patient."""

    UPDATE = "update"
    """The patient is as told: known, or new."""
    MERGE = "merge"
    """`prior` are retired into `patient`, the survivor."""
    CHANGE_IDENTIFIER = "change-identifier"
    """The patient of `prior` goes by the identifiers of `patient` instead; nobody else is involved."""
    NOTHING = "nothing"
    """A visit is taken back; the patient and the orders stay."""


ACTIONS: dict[str, PatientAction] = {
    **dict.fromkeys(
        ("A01", "A02", "A03", "A04", "A05", "A06", "A07", "A08", "A28", "A31"), PatientAction.UPDATE
    ),
    **dict.fromkeys(("A11", "A12", "A13"), PatientAction.NOTHING),
    **dict.fromkeys(("A18", "A34", "A40"), PatientAction.MERGE),
    "A47": PatientAction.CHANGE_IDENTIFIER,
}
"""HL7 table 0003, as in the table above."""

_WITH_MRG = frozenset({PatientAction.MERGE, PatientAction.CHANGE_IDENTIFIER})


@dataclass(frozen=True)
class PatientMessage:
    """What one PID of a message says, with its MRG and PV1."""

    event: str
    """MSH-9.2, or else EVN-1: `A08`."""
    action: PatientAction
    patient: Patient
    prior: tuple[Identifier, ...] = ()
    """MRG-1: the identifiers that are retired or replaced."""
    occurred_at: datetime | None = None
    """EVN-6, EVN-2, or else MSH-7."""
    sent: frozenset[str] = frozenset()
    """Fields of `Patient` of which the message says something: a value, or `""`."""
    visit: Visit | None = None
    """PV1, where there is one."""
    visit_sent: frozenset[str] = frozenset()
    """Fields of `Visit`, likewise."""

    def on_top_of(self, known: Patient | None) -> Patient:
        """The patient as they are now: what is not sent stays, what is `""` is gone."""
        return pid.on_top_of(self.patient, self.sent, known, gone=self.prior)


def check_patients(message: Hl7Message) -> None:
    """See whether there is a PID, and a MRG where two identifiers are spoken of: cheap.

    A PID without an identifier is taken: it is for us to say that it names nobody, and a feed of every
    admission should not stand still for it.

    Raises:
        NotTakable: a segment is missing, or a merge does not say of whom.
    """
    groups = message.groups_from("PID")
    if not groups:
        raise NotTakable(ErrorCode.SEGMENT_SEQUENCE_ERROR, "PID^1", "The message has no PID.")
    if _action(message) in _WITH_MRG:
        for number, group in enumerate(groups, start=1):
            if not pid.names_a_patient(group):
                raise missing(f"PID^{number}^3", "PID-3 has no patient identifier.")
            if not _prior(group):
                raise missing(f"MRG^{number}^1", "MRG-1 has no prior patient identifier.")


def read_patients(message: Hl7Message, *, zone: ZoneInfo) -> list[PatientMessage]:
    """What the message says of each of its patients.

    Args:
        zone: the site's, for times without one.

    Raises:
        NotTakable: a PID names nobody, something else that is needed is missing, or a time is none.
    """
    check_patients(message)
    return [
        _patient_message(message, group, number, zone)
        for number, group in enumerate(message.groups_from("PID"), start=1)
    ]


def _patient_message(message: Hl7Message, group: Segments, number: int, zone: ZoneInfo) -> PatientMessage:
    if not pid.names_a_patient(group):
        raise missing(f"PID^{number}^3", "PID-3 has no patient identifier: the message names nobody.")
    return PatientMessage(
        event=event(message),
        action=_action(message),
        patient=pid.read_patient(group, zone),
        prior=_prior(group),
        occurred_at=first_time(message, ("EVN-6", "EVN-2", "MSH-7"), zone),
        sent=pid.sent(group),
        visit=pv1.read_visit(group, zone),
        visit_sent=pv1.sent(group),
    )


def _action(message: Hl7Message) -> PatientAction:
    action = ACTIONS.get(event(message))
    if action is None:
        raise NotTakable(
            ErrorCode.UNSUPPORTED_EVENT_CODE, "MSH^1^9", "MSH-9: no event that changes a patient."
        )
    return action


def _prior(group: Segments) -> tuple[Identifier, ...]:
    """MRG-1 of each MRG, or else MRG-4, the internal ID of v2.1."""
    return tuple(
        prior
        for mrg in group.each("MRG")
        for prior in identifiers(mrg.repetitions("MRG-1")) or identifiers(mrg.repetitions("MRG-4"))
    )
