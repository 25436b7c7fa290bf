"""`radflow destinations …`, as an operator or a script uses it."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from radflow.commands import destinations as command
from radflow.settings import settings
from radflow.store import destinations, outbox
from radflow.store.engine import Store
from radflow.store.outbox import QueueState
from tests.outbox_builders import get, put

RECEIVER = '[[destinations]]\nkind = "mllp"\nname = "{name}"\nhost = "127.0.0.1"\nport = 2576\n'


@pytest.fixture(autouse=True)
def sites(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two sites with an EHR each; the main one has a RIS as well."""
    monkeypatch.setattr(command, "store", lambda: store)
    (tmp_path / "main.toml").write_text(RECEIVER.format(name="ehr") + RECEIVER.format(name="ris"))
    (tmp_path / "north.toml").write_text(RECEIVER.format(name="ehr"))
    monkeypatch.setenv("RADFLOW_SITES_DIR", str(tmp_path))
    settings.cache_clear()
    yield
    settings.cache_clear()


def as_json(*arguments: str) -> Any:
    result = CliRunner().invoke(command.app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refuse(store: Store, now: datetime, control_id: str = "A1", destination: str = "ris") -> int:
    message_id = put(store, now, control_id, patient=control_id, destination=destination)
    with store.write() as session:
        outbox.parked(session, message_id, answer="The receiver answers AE, error 103", now=now)
    return message_id


def test_list(store: Store, now: datetime) -> None:
    """Every destination of every site, and one that is gone from its site file and still has messages."""
    put(store, now, "A1")
    put(store, now, "A2")
    put(store, now, "X1", destination="old")
    with store.write() as session:
        destinations.fails(
            session, "main", "ehr", trouble="cannot be reached", now=now, pause=timedelta(minutes=1)
        )
        destinations.pause(session, "north", "ehr")
    rows = {(row["site"], row["name"]): row for row in as_json("list")}
    assert {key: (row["state"], row["queued"]) for key, row in rows.items()} == {
        ("main", "ehr"): ("failing", 2),
        ("main", "old"): ("up", 1),
        ("main", "ris"): ("up", 0),
        ("north", "ehr"): ("paused", 0),
    }
    failing = rows["main", "ehr"]
    assert (failing["oldest"], failing["failures"], failing["trouble"]) == (
        now.isoformat(), 1, "cannot be reached",
    )  # fmt: skip
    assert "failing" in CliRunner().invoke(command.app, ["list"]).stdout


def test_pause_and_resume(store: Store, now: datetime) -> None:
    """Resumed, it is tried at once."""
    assert as_json("pause", "ris")["state"] == "paused"
    with store.write() as session:
        destinations.fails(session, "main", "ris", trouble="x", now=now, pause=timedelta(hours=1))
    resumed = as_json("resume", "ris")
    assert (resumed["state"], resumed["next_try_at"]) == ("failing", None)


def test_parked_messages_are_sent_again(store: Store, now: datetime) -> None:
    """One, or all of them."""
    ids = [refuse(store, now, control_id) for control_id in ("A1", "B1", "C1")]
    listed = as_json("parked", "ris")
    assert [row["id"] for row in listed] == ids
    assert listed[0]["answer"] == "The receiver answers AE, error 103"
    assert [row["state"] for row in as_json("resend", "ris", "--id", str(ids[1]))] == ["queued"]
    assert [row["id"] for row in as_json("resend", "ris", "--all")] == [ids[0], ids[2]]
    assert as_json("parked", "ris") == []


def test_a_parked_message_is_given_up_with_a_reason(store: Store, now: datetime) -> None:
    """Who and why are kept with what the receiver said."""
    message_id = refuse(store, now)
    as_json("skip", "ris", "--id", str(message_id), "--reason", "sent by fax")
    row = get(store, message_id)
    assert row.state == QueueState.SKIPPED
    assert row.answer.startswith("The receiver answers AE, error 103; skipped by ")
    assert row.answer.endswith(": sent by fax")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pause", "nobody"], "destinations list"),
        (["pause", "ehr"], "--site"),
        (["resend", "ris"], "--all"),
        (["resend", "ris", "--id", "4711"], "destinations parked ris"),
    ],
)
def test_what_cannot_be_done_says_how_it_can(arguments: list[str], words: str) -> None:
    """Unknown or ambiguous names, and messages that are not parked."""
    result = CliRunner().invoke(command.app, arguments, env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())


def test_the_site_says_which(store: Store) -> None:
    """Where two sites have one of this name."""
    assert as_json("pause", "ehr", "--site", "north")["site"] == "north"
    with store.read() as session:
        assert not destinations.look(session, "main", "ehr").paused
