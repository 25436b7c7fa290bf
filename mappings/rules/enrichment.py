"""Who an order is for: what the order says of the patient, and what ADT has said."""

from typing import Literal

from radflow.model import Patient

Preference = Literal["merge", "adt", "order"]
"""`merge`: what the order says, and what is known where it says nothing. `adt`: what is known, if anything
is. `order`: what the order says, and nothing else."""


def enriched(sent: Patient, known: Patient | None, preference: Preference) -> Patient:
    """The patient of an order, as the site wants it.

    Args:
        sent: as the order has it (PID).
        known: as the store has the patient of the order's first identifier now; after a merge, the survivor.
            The first of its identifiers stays the one that names the patient, whatever the order calls them.
    """
    if known is None or preference == "order":
        return sent
    if preference == "adt":
        return known
    said = {
        name: getattr(sent, name)
        for name, field in Patient.model_fields.items()
        if name != "identifiers" and getattr(sent, name) != field.default
    }
    # The first has found the patient: where it is not among theirs, a merge has retired it.
    others = tuple(
        one for one in sent.identifiers[1:] if not any(map(one.names_the_same_as, known.identifiers))
    )
    return known.model_copy(update={**said, "identifiers": known.identifiers + others})
