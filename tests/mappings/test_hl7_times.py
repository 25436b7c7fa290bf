"""HL7 times and the site's zone."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from mappings.hl7 import times

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("value", "instant"),
    [
        ("20261124103000", datetime(2026, 11, 24, 9, 30, tzinfo=UTC)),
        ("20260724103000", datetime(2026, 7, 24, 8, 30, tzinfo=UTC)),
        ("20261124103000+0530", datetime(2026, 11, 24, 5, 0, tzinfo=UTC)),
        ("202611241030-0500", datetime(2026, 11, 24, 15, 30, tzinfo=UTC)),
        ("20261124103000.1234", datetime(2026, 11, 24, 9, 30, 0, 123400, tzinfo=UTC)),
        ("20261124", datetime(2026, 11, 23, 23, 0, tzinfo=UTC)),
        ("202611", datetime(2026, 10, 31, 23, 0, tzinfo=UTC)),
        ("2026", datetime(2025, 12, 31, 23, 0, tzinfo=UTC)),
        # The hour that comes twice: the first one.
        ("20261025023000", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("", None),
        ("00000000", None),
    ],
)
def test_to_utc(value: str, instant: datetime | None) -> None:
    """With and without zone, to any precision, across a clock change."""
    assert times.to_utc(value, BERLIN) == instant


@pytest.mark.parametrize("value", ["yesterday", "20261324", "20261124256000", "2026112", "20261124+9999"])
def test_what_is_no_time_is_an_error_that_does_not_quote_it(value: str) -> None:
    """It may be a date of birth."""
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the message is asserted below
        times.to_utc(value, BERLIN)
    assert value not in str(error.value)


def test_dates() -> None:
    """A birth date that does not tell the day is not known."""
    assert [times.to_date(value) for value in ("19610412", "19610412101500", "1961", "")] == [
        date(1961, 4, 12), date(1961, 4, 12), None, None,
    ]  # fmt: skip


def test_from_utc() -> None:
    """Written in the site's zone, with its offset, and read back as the same instant."""
    instant = datetime(2026, 7, 24, 8, 30, tzinfo=UTC)
    assert times.from_utc(instant, BERLIN) == "20260724103000+0200"
    assert times.to_utc(times.from_utc(instant, BERLIN), BERLIN) == instant
    assert times.from_utc(None, BERLIN) == ""


@pytest.mark.parametrize(
    ("value", "sure"),
    [
        ("20261124080000", True),
        ("20261124080000.123", True),
        ("202611240800", False),
        ("20261124", False),
        ("", False),
        ("someday", False),
        ("20261025023000", False),
        ("20261025023000+0100", True),
        ("20261025013000", True),
    ],
)
def test_an_instant_is_told_to_the_second_and_once(value: str, sure: bool) -> None:
    """In Berlin the hour from two o'clock on is there twice on 25 October 2026: it needs an offset."""
    assert times.to_instant(value, BERLIN) == (times.to_utc(value, BERLIN) if sure else None)
