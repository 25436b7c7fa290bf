"""NTE: comments on what stands before them (v2.5.1 §2.15.10)."""

from mappings.hl7.reader import Segments


def notes(group: Segments) -> tuple[str, ...]:
    """NTE-3 of the group, those that follow an OBX left out: they are of that OBX."""
    every = list(group.each("NTE"))
    of_observations = sum(len(list(each.each("NTE"))) for each in group.groups_from("OBX"))
    return _comments(every[: len(every) - of_observations])


def notes_of(observation: Segments) -> tuple[str, ...]:
    """NTE-3 of a group that begins with its OBX."""
    return _comments(list(observation.each("NTE")))


def _comments(segments: list[Segments]) -> tuple[str, ...]:
    """A comment for each NTE, a line for each repetition of NTE-3."""
    comments = ("\n".join(part.text for part in nte.repetitions("NTE-3")).strip() for nte in segments)
    return tuple(filter(None, comments))
