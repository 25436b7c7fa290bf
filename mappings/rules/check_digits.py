"""Check digits of patient identifiers: HL7 table 0061 (v2.5.1 §2A.14.3)."""

from collections.abc import Callable
from itertools import cycle
from typing import Literal

Scheme = Literal["M10", "M11", "ISO"]
"""HL7 table 0061: Mod 10, Mod 11, and ISO 7064:1983, of which MOD 11-2 is the one for digits."""


def is_right(number: str, check_digit: str, scheme: Scheme) -> bool:
    """Whether this is the check digit of the number; never for a number that is not made of digits."""
    return number.isascii() and number.isdigit() and _SCHEMES[scheme](number) == check_digit.upper()


def mod10(number: str) -> str:
    """M10: the digits at odd places from the right count twice, digit by digit; 12345 has 5."""
    doubled, others = str(int(number[::-2]) * 2), number[-2::-2]
    return str(-sum(map(int, doubled + others)) % 10)


def mod11(number: str) -> str:
    """M11: weights 2 to 7 from the right, again and again; 1234567 has 4."""
    weights = cycle(range(2, 8))
    weighted = sum(int(digit) * next(weights) for digit in reversed(number))
    return str((11 - (weighted % 11 or 1)) % 10)


def iso7064(number: str) -> str:
    """ISO 7064 MOD 11-2, a digit or X; 000000021825009 has 7."""
    remainder = 0
    for digit in number:
        remainder = (remainder + int(digit)) * 2 % 11
    check = (12 - remainder) % 11
    return "X" if check == 10 else str(check)


_SCHEMES: dict[str, Callable[[str], str]] = {"M10": mod10, "M11": mod11, "ISO": iso7064}
