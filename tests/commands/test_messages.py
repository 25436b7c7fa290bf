"""`radflow messages …`, as an operator or a script uses it."""

import hashlib
import json
from datetime import datetime
from typing import Any

import pytest
from typer.testing import CliRunner

from radflow.commands import messages as command
from radflow.store import messages
from radflow.store.engine import Store
from radflow.store.messages import Arrival, MessageState
from tests.hl7_builders import an_orm


@pytest.fixture(autouse=True)
def inbox(store: Store, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that was taken, and one in quarantine."""
    monkeypatch.setattr(command, "store", lambda: store)
    with store.write() as session:
        messages.keep(session, [_row(now, an_orm("M1")), _row(now, b"junk \xff", MessageState.QUARANTINED)])


def _row(now: datetime, raw: bytes, state: MessageState = MessageState.RECEIVED) -> Arrival:
    return Arrival(
        received_at=now, site="main", peer="127.0.0.1:1", sender="EHR|HOSP", control_id="M1",
        message_type="ORM^O01", version="2.5.1", raw=raw, digest=hashlib.sha256(raw).hexdigest(),
        state=state, ack_code="AA", reason="No [reason]" if state == MessageState.QUARANTINED else "",
    )  # fmt: skip


def run(*arguments: str) -> str:
    result = CliRunner().invoke(command.app, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def as_json(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


def test_list() -> None:
    """Newest first, filtered by state."""
    assert [row["id"] for row in as_json("list")] == [2, 1]
    (row,) = as_json("list", "--state", "quarantined")
    assert (row["id"], row["reason"]) == (2, "No [reason]")
    assert "quarantined" in run("list")


def test_show() -> None:
    """A segment a line; what is not HL7 as far as it can be seen."""
    assert "\nPID|||4711^^^HOSP||Müller^Åse\n" in run("show", "1")
    assert as_json("show", "2")["message"] == "junk \\xff"


def test_replay() -> None:
    """The intake will look at it once more."""
    assert as_json("replay", "2")["state"] == "received"
    assert [row["state"] for row in as_json("list")] == ["received", "received"]


@pytest.mark.parametrize("action", ["show", "replay"])
def test_a_number_that_does_not_exist(action: str) -> None:
    """Says where to find one that does."""
    result = CliRunner().invoke(command.app, [action, "4711"])
    assert result.exit_code == 2
    assert "messages list" in " ".join(result.output.split())
