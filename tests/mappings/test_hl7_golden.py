"""Messages and what is read from them: `tests/messages/*.hl7` beside `*-expected.json`.

`python -m tests.mappings.test_hl7_golden` writes the expectations anew; read what differs.
"""

import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mappings.hl7.acceptance import message_type
from mappings.hl7.orders import read_orders
from mappings.hl7.reader import Hl7Message
from mappings.hl7.reports import read_reports

MESSAGES = sorted((Path(__file__).parent.parent / "messages").glob("*.hl7"))
ZONE = ZoneInfo("Europe/Berlin")


def expectation(file: Path) -> Path:
    return file.with_name(f"{file.stem}-expected.json")


def read(file: Path) -> list[dict[str, Any]]:
    message = Hl7Message(file.read_bytes())
    if message_type(message) == "ORU^R01":
        return [report.model_dump(mode="json") for report in read_reports(message, site="main", zone=ZONE)]
    said = read_orders(message, site="main", zone=ZONE, uid_root="2.25")
    return [{"control": one.control, "order": one.order.model_dump(mode="json")} for one in said]


@pytest.mark.parametrize("file", MESSAGES, ids=[file.stem for file in MESSAGES])
def test_a_message_means_what_its_expectation_says(file: Path) -> None:
    """Every field that an order or a report takes from HL7, in several character sets and delimiters."""
    assert read(file) == json.loads(expectation(file).read_text())


if __name__ == "__main__":
    for message_file in MESSAGES:
        text = json.dumps(read(message_file), indent=2, ensure_ascii=False)
        expectation(message_file).write_text(text + "\n")
