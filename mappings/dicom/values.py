"""Does one value match another: DICOM PS3.4 §C.2.2.2, by the value representation of the key."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from pydicom import DataElement
from pydicom.multival import MultiValue

EMPTY_VALUE = '""'
"""A key with this value looks for what has none (empty value matching, §C.2.2.2). It is asked for by extended
negotiation; who does not negotiate means the same, for no value of ours is two quotation marks.
"""

_ANY_MORE_COMPONENTS = re.compile(r"(\^\*)+$")
"""DOE^* asks for a DOE of any given name, also of none."""

_WITH_WILDCARDS = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
"""Value representations with wildcard matching (§C.2.2.2.4)."""


def values(element: DataElement) -> list[str]:
    """The values a key looks for; none is universal matching (§C.2.2.2.3), as is a PN of mere delimiters."""
    value = element.value
    all_values: Iterable[Any] = value if isinstance(value, MultiValue) else [value]
    texts = ("" if one is None else str(one).strip() for one in all_values)
    return [text for text in texts if text.strip("*^= ")]


def matches_value(vr: str, wanted: str, ours: str) -> bool:
    """Whether a value of ours is what a key of this VR asks for."""
    if vr == "PN":
        return _matches_name(name_groups(wanted), name_groups(ours))
    if vr in ("DA", "TM"):
        return digits(ours) in span(wanted)
    if vr in _WITH_WILDCARDS and has_wildcard(wanted):
        return _like(wanted, ours)
    return wanted == ours


def has_wildcard(value: str) -> bool:
    return "*" in value or "?" in value


def name_groups(name: str) -> list[str]:
    """A PN's component groups as they are compared (§C.2.2.2.1): whatever the case, and composed or not."""
    composed = unicodedata.normalize("NFC", name)
    return [group.strip().rstrip("^").upper() for group in composed.split("=")]


def name_start(group: str) -> str:
    """With what every name begins that this component group of a key may match; empty: with anything."""
    return re.split(r"[*?]", group, maxsplit=1)[0].rstrip("^ ")


@dataclass(frozen=True)
class Span:
    """A range of DA or TM, both ends included; an empty end is open (§C.2.2.2.5)."""

    first: str
    last: str

    def __contains__(self, value: str) -> bool:
        """Only as far as the range is precise: 12 to 14 holds 14:59:59."""
        after = not self.first or value[: len(self.first)] >= self.first
        before = not self.last or value[: len(self.last)] <= self.last
        return bool(value) and after and before


def span(value: str) -> Span:
    """What a DA or TM key asks for: `20261124`, `20261124-`, `-20261124`, `20261124-20261130`."""
    first, _, last = (digits(part) for part in value.partition("-"))
    return Span(first, last if "-" in value else first)


def digits(value: str) -> str:
    """DA or TM without the fraction of a second and the separators of ACR-NEMA."""
    value = value.strip()
    if value.count(".") == 1:
        value = value.partition(".")[0]
    return value.replace(":", "").replace(".", "")


def _matches_name(wanted: Sequence[str], ours: Sequence[str]) -> bool:
    """A single group may be any of ours (山田 or Yamada); several are compared each with its own."""
    if len(wanted) == 1:
        return any(_matches_group(wanted[0], group) for group in ours)
    pairs = zip(wanted, [*ours, "", ""], strict=False)
    return all(_matches_group(group, our_group) for group, our_group in pairs if group)


def _matches_group(wanted: str, ours: str) -> bool:
    return bool(ours) and (_like(wanted, ours) or _like(_ANY_MORE_COMPONENTS.sub("", wanted), ours))


def _like(pattern: str, text: str) -> bool:
    # Brackets mean nothing in DICOM.
    return fnmatchcase(text, pattern.replace("[", "[[]"))
