"""`radflow mpps`, on a store in which a step was performed."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from typer.testing import CliRunner

from mappings.dicom import mpps
from radflow.cli import app
from radflow.store import orders, performed_steps
from radflow.store.engine import Store
from tests.builders import an_order
from tests.services.modality import a_step, scheduled


def begun(store: Store, now: datetime, uid: str, number: str) -> None:
    kept = mpps.created(a_step(scheduled(an_order(number))))
    with store.write() as session:
        performed_steps.begin(session, "main", uid, kept, mpps.read(kept, ZoneInfo("UTC")), now)


def asked(*arguments: str) -> Any:
    answer = CliRunner().invoke(app, ["mpps", *arguments, "--json"])
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout)


def test_performed_steps_are_listed_with_their_orders(installed: Path, store: Store, now: datetime) -> None:
    """One of a known order, one of none: the latter is what a person looks for."""
    with store.write() as session:
        orders.place(session, an_order("P1"), source="t", occurred_at=now, now=now)
    begun(store, now, "1.2.1", "P1")
    begun(store, now, "1.2.2", "P9")
    found = {one["sop_instance_uid"]: one["orders"] for one in asked("list")}
    assert found == {"1.2.1": [an_order("P1").key], "1.2.2": []}
    (unlinked,) = asked("list", "--unlinked")
    assert (unlinked["sop_instance_uid"], unlinked["status"]) == ("1.2.2", "IN PROGRESS")
    assert "4711" in json.dumps(asked("show", "1.2.2")["dataset"])
    assert "Müller" not in CliRunner().invoke(app, ["mpps", "list"]).output


def test_a_step_that_is_not_there(installed: Path) -> None:
    """It says what to do."""
    answer = CliRunner().invoke(app, ["mpps", "show", "1.2.9"])
    assert answer.exit_code == 2
    assert "radflow mpps list" in answer.output
