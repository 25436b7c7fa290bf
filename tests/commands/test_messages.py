"""`radflow messages …`, as an operator or a script uses it."""

import importlib
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select
from typer.testing import CliRunner, Result

from radflow import settings as settings_module
from radflow.commands.messages import app
from radflow.store import engine, messages, outbox, retention
from radflow.store.engine import Store
from radflow.store.messages import LinkKind
from radflow.store.tables import Message, OutboxMessage
from tests.builders_inbox import arrival
from tests.hl7_builders import an_orm, an_oru

WITHOUT_PATIENT = an_orm("M2", changes={"PID": {3: ""}})


@pytest.fixture(autouse=True)
def inbox(installed: Path, store: Store, now: datetime) -> None:
    """1 an order that was taken, 2 one without a patient, 3 what is no HL7, 4 a report of the next day."""
    with store.write() as session:
        batch = [
            arrival(an_orm("M1"), now),
            arrival(WITHOUT_PATIENT, now),
            arrival(b"junk \xff", now + timedelta(hours=1)),
            arrival(an_oru("M4"), now + timedelta(days=1)),
        ]
        messages.keep(session, batch)
        messages.mark_processed(session, session.get_one(Message, 1), ["main-abc"], now)
        messages.link(session, {1: ["4711"]}, LinkKind.PATIENT)
        outbox.queue(
            session, site="main", destination="lab", queue="", message_type="ORM^O01", control_id="M1",
            payload=b"", now=now, message_id=1,
        )  # fmt: skip


def invoke(*arguments: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(app, arguments, input=stdin)


def run(*arguments: str, stdin: str | bytes | None = None) -> str:
    result = invoke(*arguments, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result.stdout


def as_json(*arguments: str, stdin: str | bytes | None = None) -> Any:
    return json.loads(run(*arguments, "--json", stdin=stdin))


def refused(*arguments: str, stdin: str | bytes | None = None) -> str:
    result = invoke(*arguments, stdin=stdin)
    assert result.exit_code in (1, 2), result.output
    return " ".join(result.output.replace("│", " ").split())


def states() -> list[str]:
    return [row["state"] for row in reversed(as_json("search"))]


def found(*arguments: str) -> list[int]:
    return [row["id"] for row in as_json("search", *arguments)]


def test_search(now: datetime) -> None:
    """Newest first; by what it is, by whom, by when. No patient is shown."""
    assert found() == [4, 3, 2, 1]
    assert found("--type", "ORM^*", "--sender", "EHR|*") == [2, 1]
    assert found("--state", "quarantined", "--error", "pid-3") == [2]
    assert found("--patient", "4711") == [1]
    assert found("--order", "main-abc") == [1]
    assert found("--control-id", "M4", "--site", "main") == [4]
    assert found("--since", "2026-11-24T10:00+00:00", "--until", "2026-11-24") == [3]
    assert found("--limit", "2", "--before", "4") == [3, 2]
    shown = run("search")
    assert "quarantined" in shown
    assert "Müller" not in shown
    assert "--before 4" in invoke("search", "--limit", "1").stderr


def test_since_a_while_ago(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    """As in `2h` or `3d`."""
    search = importlib.import_module("radflow.commands.messages.search")
    monkeypatch.setattr(search, "utc_now", lambda: now + timedelta(hours=25))
    assert found("--since", "2h") == [4]
    assert found("--since", "1d") == [4, 3]
    assert "no time" in refused("search", "--since", "soon")


def test_a_site_that_there_is_not() -> None:
    """The error names those that there are."""
    assert "main" in str(invoke("search", "--site", "nowhere").exception)


def test_show() -> None:
    """A segment a line, with all that it has to do with."""
    shown = run("show", "1")
    assert "\nPID|||4711^^^HOSP||Müller^Åse\n" in shown
    assert "patient: 4711" in shown
    about = as_json("show", "1")
    assert about["order_keys"] == ["main-abc"]
    assert [(row["destination"], row["state"], row["passed_on"]) for row in about["sent"]] == [
        ("lab", "queued", True)
    ]
    assert as_json("show", "3")["message"] == "junk ÿ"


def test_show_raw() -> None:
    """The very bytes."""
    result = invoke("show", "3", "--raw")
    assert result.stdout_bytes == b"junk \xff"


def test_replay_one() -> None:
    """The intake will look at it once more."""
    assert as_json("replay", "1") == {"found": 1, "queued": 1}
    assert states() == ["received", "quarantined", "quarantined", "received"]


def test_replay_an_order() -> None:
    """All of its messages."""
    assert as_json("replay", "--order", "main-abc") == {"found": 1, "queued": 1}
    assert states()[0] == "received"


def test_replay_errors() -> None:
    """All in quarantine, or those since a time; a dry run only counts."""
    assert as_json("replay", "--errors", "--dry-run") == {"found": 2, "queued": 0}
    assert as_json("replay", "--errors", "--since", "2026-11-24T10:00") == {"found": 1, "queued": 1}
    assert states() == ["processed", "quarantined", "received", "received"]


def test_replay_a_day(store: Store, now: datetime) -> None:
    """The day is the site's own: half past eleven in the evening UTC is the next day in Berlin."""
    with store.write() as session:
        late = arrival(an_orm("M5"), now.replace(hour=23, minute=30))
        messages.keep(session, [late])
        messages.quarantine(session, session.get_one(Message, 5), "t", now)
        messages.quarantine(session, session.get_one(Message, 4), "t", now)
    assert as_json("replay", "--day", "2026-11-25", "--site", "main") == {"found": 2, "queued": 2}
    assert states() == ["processed", "quarantined", "quarantined", "received", "received"]


def test_many_are_replayed_only_when_a_person_says_so(store: Store, now: datetime) -> None:
    """More than a hundred: asked, unless --yes; a no changes nothing."""
    with store.write() as session:
        messages.keep(session, [arrival(f"junk {number}".encode(), now) for number in range(100)])
    assert invoke("replay", "--errors", stdin="n\n").exit_code == 1
    assert as_json("replay", "--errors", "--dry-run")["found"] == 102
    assert as_json("replay", "--errors", "--yes") == {"found": 102, "queued": 102}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "what to replay"),
        (("1", "--errors"), "what to replay"),
        (("1", "--since", "1d"), "--since goes with --errors"),
    ],
)
def test_a_replay_of_nothing_or_of_too_much(arguments: tuple[str, ...], why: str) -> None:
    """Says what may be asked for."""
    assert why in refused("replay", *arguments)


def test_repair_by_fields(store: Store) -> None:
    """A new message stands in the place of the old, whose bytes stay; both say so."""
    assert as_json("repair", "2", "--set", "PID-3=4711^^^HOSP", "--set", "OBR-13=new") == {
        "repairs": 2,
        "id": 5,
    }
    made, old = as_json("show", "5"), as_json("show", "2")
    assert (made["state"], made["repairs"], made["sender"], made["ack"]) == (
        "received",
        2,
        "EHR|HOSPITAL",
        "AA",
    )
    assert made["peer"].startswith("repair:")
    assert "PID|||4711^^^HOSP||Müller^Åse" in made["message"]
    assert (old["state"], old["repaired_by"]) == ("repaired", [5])
    with store.read() as session:
        assert session.get_one(Message, 2).raw == WITHOUT_PATIENT


def test_repair_by_a_file(tmp_path: Path) -> None:
    """Or standard input; lines as an editor saves them."""
    file = tmp_path / "mended.hl7"
    file.write_text(an_orm("M2").decode().replace("\r", "\n"))
    assert as_json("repair", "2", "--file", str(file))["id"] == 5
    assert as_json("repair", "3", "--file", "-", stdin=an_oru("M9"))["id"] == 6
    assert as_json("show", "5")["message"] == an_orm("M2").decode().replace("\r", "\n").strip()
    assert "nowhere.hl7: No such file" in refused("repair", "1", "--file", "nowhere.hl7")


def test_repair_in_an_editor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever $EDITOR leaves; when that fails, nothing."""
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "sed -i 's/^PID|||/PID|||4711/'")
    assert as_json("repair", "2")["id"] == 5
    assert "PID|||4711||Müller^Åse" in as_json("show", "5")["message"]
    monkeypatch.setenv("EDITOR", "false")
    assert "'false' has failed" in refused("repair", "3")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("2", "--set", "OBR-13=new"), "can still not be taken: PID-3"),
        (("2", "--set", "ZDS-1=1"), "0 ZDS"),
        (("2", "--set", "PID-3"), "sets nothing"),
        (("1", "--set", "MSH-10=M1"), "very bytes of message 1"),
        (("3", "--set", "PID-3=1"), "does not begin with MSH"),
        (("4", "--set", "PID-3=1"), "is received: wait"),
        (("4711", "--set", "PID-3=1"), "no message 4711"),
    ],
)
def test_what_is_no_repair(arguments: tuple[str, ...], why: str) -> None:
    """The reason is said, and nothing has changed."""
    before = states()
    assert why in refused("repair", *arguments)
    assert states() == before


def test_a_message_is_repaired_once() -> None:
    """The next repair starts from the last; a replay too."""
    run("repair", "2", "--set", "PID-3=1")
    assert "repair message 5" in refused("repair", "2", "--set", "PID-3=2")
    assert "Message 5 stands in its place" in refused("replay", "2")
    assert as_json("replay", "--errors")["found"] == 1


@pytest.mark.parametrize("action", ["show", "replay", "repair"])
def test_a_number_that_does_not_exist(action: str) -> None:
    """Says where to find one that does."""
    assert "messages search" in refused(action, "4711")


def test_prune(installed: Path, monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    """As the site file says; a dry run only counts. What is in error or still owed stays."""
    assert as_json("prune") == {"sites": {"main": {"messages": 0, "outbox": 0}}, "failures": []}
    (installed / "main.toml").write_text("[retention]\nmessages_days = 30\n")
    settings_module.settings.cache_clear()
    settings_module._read_sites.cache_clear()
    prune = importlib.import_module("radflow.commands.messages.prune")
    monkeypatch.setattr(prune, "utc_now", lambda: now + timedelta(days=31))
    assert as_json("prune", "--dry-run")["sites"]["main"]["messages"] == 0
    with engine.store().write() as session:
        (owed,) = session.exec(select(OutboxMessage))
        owed.state = outbox.QueueState.SENT
        session.add(owed)
    assert as_json("prune", "--dry-run")["sites"] == {"main": {"messages": 1, "outbox": 1}}
    assert found() == [4, 3, 2, 1]
    assert "main: 1 messages, 1 of the outbox removed" in invoke("prune").stderr
    assert found() == [4, 3, 2]


def test_a_failure_to_prune_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what was done before it, and a status that a scheduler sees."""

    def broken(*_: object, **__: object) -> None:
        raise retention.PruneFailed("main", retention.Pruned(messages=7), OSError("disk full"))

    monkeypatch.setattr(retention, "prune", broken)
    result = invoke("prune", "--json")
    assert result.exit_code == 1
    said = json.loads(result.stdout)
    assert said["sites"]["main"]["messages"] == 7
    assert "OSError, after 7 messages" in said["failures"][0]
