"""Patient identifiers (CX, v2.5.1 §2A.14) as the site knows them: authority, zeros, check digit, order."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Literal

from pydantic import Field

from mappings.hl7.errors import ErrorCode, NotTakable
from mappings.hl7.reader import Delimiters, Repetition
from mappings.rules.check_digits import Scheme, is_right
from mappings.rules.conditions import Patterns
from mappings.rules.fields import with_component, with_repetitions
from radflow.model import Value

FIELDS: dict[str, tuple[int, ...]] = {"PID": (2, 3, 4), "MRG": (1, 4)}
"""Where patient identifiers stand: PID-3, MRG-1, and before v2.3.1 PID-2, PID-4 and MRG-4."""


class Numbers(Value):
    """How the numbers of an authority are written. The first that names the authority is followed."""

    authority: str = "*"
    """CX-4 after default and rename; `*`, `?` and `[…]` are wildcards."""
    leading_zeros: Literal["keep", "strip"] = "keep"
    length: int = Field(0, ge=0, le=64)
    """Shorter numbers (CX-1) get zeros in front until they are so long; 0: none do."""
    check_digit: Literal["ignore", "sent"] | Scheme = "ignore"
    """`sent`: as CX-2 and CX-3 say, where they do. A scheme of HL7 table 0061 (M10, M11, ISO): always, CX-2
    being the check digit, or the last character of CX-1 where CX-2 is empty."""
    wrong_check_digit: Literal["reject", "accept"] = "reject"


class PatientIdentifiers(Value):
    """`[patient_identifiers]` of a site file."""

    default_authority: str = ""
    """CX-4 of identifiers that were sent without one."""
    authorities: Mapping[str, str] = {}
    """CX-4 (namespace or universal id) as sent, and as it is known here."""
    primary_type: Patterns = ()
    """CX-5, HL7 table 0203, most wanted first: the identifier that names the patient."""
    numbers: tuple[Numbers, ...] = ()

    @property
    def say_something(self) -> bool:
        return self != _NOTHING

    def numbers_of(self, authority: str) -> Numbers:
        """How this authority's numbers are written."""
        return next((one for one in self.numbers if fnmatchcase(authority, one.authority)), Numbers())


_NOTHING = PatientIdentifiers()


def normalised(line: list[str], delimiters: Delimiters, rules: PatientIdentifiers) -> list[str]:
    """The segment with its patient identifiers as the site knows them.

    Raises:
        NotTakable: a check digit is wrong, and the site rejects such an identifier.
    """
    for field in FIELDS.get(line[0], ()):
        location = f"{line[0]}^1^{field}"

        def change(raws: list[str], location: str = location) -> list[str]:
            changed = [_identifier(raw, delimiters, rules, location) for raw in raws]
            return sorted(changed, key=lambda raw: _rank(raw, delimiters, rules))

        line = with_repetitions(line, field, delimiters, change)
    return line


def _identifier(raw: str, delimiters: Delimiters, rules: PatientIdentifiers, location: str) -> str:
    sent = Repetition(raw, delimiters)
    number = sent.get(1).strip()
    if not number:
        return raw
    authority = _authority(sent, rules)
    if authority != sent.get(4):
        raw = with_component(raw, 4, authority, delimiters)
    written = rules.numbers_of(authority)
    _check_digit(sent, number, written, location)
    wanted = (number.lstrip("0") or "0") if written.leading_zeros == "strip" else number
    wanted = wanted.rjust(written.length, "0")
    return raw if wanted == number else with_component(raw, 1, wanted, delimiters)


def _authority(sent: Repetition, rules: PatientIdentifiers) -> str:
    """CX-4 is an HD: a namespace, or else a universal id."""
    namespace, universal_id = sent.get(4), sent.get(4, 2)
    for name in filter(None, (namespace, universal_id)):
        if name in rules.authorities:
            return rules.authorities[name]
    return namespace if namespace or universal_id else rules.default_authority


def _check_digit(sent: Repetition, number: str, written: Numbers, location: str) -> None:
    if written.check_digit == "ignore" or written.wrong_check_digit == "accept":
        return
    digit, scheme = sent.get(2).strip(), written.check_digit
    if scheme == "sent":
        stated = sent.get(3).strip().upper()
        if not digit or stated not in ("M10", "M11", "ISO"):
            return
        scheme = stated  # type: ignore[assignment]
    elif not digit:
        number, digit = number[:-1], number[-1]
    if not is_right(number, digit, scheme):  # type: ignore[arg-type]
        path = location.replace("^1^", "-")
        raise NotTakable(
            ErrorCode.DATA_TYPE_ERROR, location,
            f"{path}: the check digit ({scheme}) of a patient identifier is wrong. Mend it at the sender, "
            'or let the site file say wrong_check_digit = "accept".',
        )  # fmt: skip


def _rank(raw: str, delimiters: Delimiters, rules: PatientIdentifiers) -> int:
    """The place of CX-5 among the primary types; those of no such type keep their order after them."""
    kind = Repetition(raw, delimiters).get(5)
    wanted = rules.primary_type
    return next((n for n, pattern in enumerate(wanted) if fnmatchcase(kind, pattern)), len(wanted))
