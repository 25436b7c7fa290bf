"""PersonName ↔ DICOM PN (PS3.5 §6.2.1): three component groups, `alphabetic=ideographic=phonetic`."""

import re

from radflow.model import PersonName

GROUP_LENGTH = 64
"""A component group holds 64 characters at most (PS3.5 table 6.2-1)."""

_DELIMITERS = re.compile(r"[\^=\\\x00-\x1f]")
_GROUP_DELIMITERS = re.compile(r"[=\\\x00-\x1f]")


def to_pn(name: PersonName) -> str:
    """The name as a PN value; empty components and groups at the end are left out."""
    components = (name.family, name.given, name.middle, name.prefix, name.suffix)
    alphabetic = "^".join(_DELIMITERS.sub(" ", component).strip() for component in components)
    ideographic, phonetic = (_GROUP_DELIMITERS.sub(" ", group) for group in (name.ideographic, name.phonetic))
    groups = (alphabetic, ideographic, phonetic)
    return "=".join(group[:GROUP_LENGTH].rstrip("^ ") for group in groups).rstrip("=")


def from_pn(value: str) -> PersonName:
    """The parts of a PN value; what goes beyond five components and three groups is not a name."""
    alphabetic, ideographic, phonetic = [*value.split("="), "", ""][:3]
    family, given, middle, prefix, suffix = (
        component.strip() for component in [*alphabetic.split("^"), "", "", "", ""][:5]
    )
    return PersonName(
        family=family, given=given, middle=middle, prefix=prefix, suffix=suffix,
        ideographic=ideographic.strip(), phonetic=phonetic.strip(),
    )  # fmt: skip
