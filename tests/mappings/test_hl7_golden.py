"""Messages and what is read from them: `tests/messages/*.hl7` beside `*-expected.json`.

`python -m tests.mappings.test_hl7_golden` writes the expectations anew; read what differs.
"""

import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mappings.hl7.acceptance import TAKEN, judge, message_type
from mappings.hl7.catalogues import read_catalogue
from mappings.hl7.orders import read_orders
from mappings.hl7.patients import read_patients
from mappings.hl7.reader import Hl7Message
from mappings.hl7.reports import read_reports
from mappings.hl7.schedules import read_schedules
from radflow.model import Value

MESSAGES = sorted((Path(__file__).parent.parent / "messages").glob("*.hl7"))
ZONE = ZoneInfo("Europe/Berlin")

READERS: dict[str, Callable[[Hl7Message], list[Any]]] = {
    **dict.fromkeys(
        ("ORM", "OMG", "OMI"), lambda message: read_orders(message, site="main", zone=ZONE, uid_root="2.25")
    ),
    "ORU": lambda message: read_reports(message, site="main", zone=ZONE),
    "ADT": lambda message: read_patients(message, zone=ZONE),
    "SIU": lambda message: read_schedules(message, site="main", zone=ZONE),
    "MFN": lambda message: read_catalogue(message, site="main", zone=ZONE),
}


def expectation(file: Path) -> Path:
    return file.with_name(f"{file.stem}-expected.json")


def read(file: Path) -> Any:
    message = Hl7Message(file.read_bytes())
    return as_json(READERS[message_type(message).partition("^")[0]](message))


def as_json(said: Any) -> Any:
    """What was read, without what says nothing."""
    if isinstance(said, Value):
        return said.model_dump(mode="json", exclude_defaults=True)
    if isinstance(said, datetime):
        return said.isoformat()
    if isinstance(said, frozenset):
        return sorted(said)
    if isinstance(said, list | tuple):
        return [as_json(one) for one in said]
    if is_dataclass(said):
        values = {field.name: as_json(getattr(said, field.name)) for field in fields(said)}
        return {name: value for name, value in values.items() if value not in (None, "", [], {})}
    return said


@pytest.mark.parametrize("file", MESSAGES, ids=[file.stem for file in MESSAGES])
def test_a_message_means_what_its_expectation_says(file: Path) -> None:
    """Every field that is taken from HL7, in several versions, character sets and delimiters."""
    assert judge(file.read_bytes()).refusal is None
    assert read(file) == json.loads(expectation(file).read_text())


def test_every_type_that_is_taken_has_a_golden_message() -> None:
    """A type that is added cannot be forgotten here."""
    assert {judge(file.read_bytes()).message_type for file in MESSAGES} == set(TAKEN)


if __name__ == "__main__":
    for message_file in MESSAGES:
        text = json.dumps(read(message_file), indent=2, ensure_ascii=False)
        expectation(message_file).write_text(text + "\n")
