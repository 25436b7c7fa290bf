"""`radflow orders show`, as an operator or a script uses it."""

import json
from datetime import datetime

import pytest
from typer.testing import CliRunner

from mappings.fhir.publishing import Entry, Outcome, Written
from radflow.commands import orders as command
from radflow.store import orders, publications
from radflow.store.engine import Store
from tests.builders import an_order

ENTRY = Entry("urn:uuid:1", {"resourceType": "Patient", "gender": "male"}, "Patient?identifier=a|1")
OTHER = Entry("urn:uuid:2", {"resourceType": "ServiceRequest"}, "ServiceRequest?identifier=a|2")


@pytest.fixture(autouse=True)
def published(store: Store, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """An order of whose two resources one was refused."""
    monkeypatch.setattr(command, "store", lambda: store)
    order = an_order()
    written = [
        Written(ENTRY, Outcome.CREATED, "Patient/7", "1"),
        Written(OTHER, Outcome.REFUSED, reason="The FHIR server answers HTTP 422"),
    ]
    with store.write() as session:
        orders.place(session, order, source="test", occurred_at=now, now=now)
        publications.save(session, order.key, "ehr", written, revision=1, now=now)


def show(*options: str) -> str:
    result = CliRunner().invoke(command.app, ["show", an_order().key, *options], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.stdout


def test_what_became_of_each_resource_as_json() -> None:
    """Destination, reference, version, outcome and reason."""
    first, second = json.loads(show("--json"))["publications"]
    assert (first["destination"], first["reference"], first["version"], first["outcome"]) == (
        "ehr",
        "Patient/7",
        "1",
        "created",
    )
    assert (second["resource_type"], second["reference"], second["outcome"]) == (
        "ServiceRequest",
        "",
        "refused",
    )
    assert second["reason"] == "The FHIR server answers HTTP 422"


def test_what_became_of_each_resource_as_a_table() -> None:
    """The same for people."""
    text = show()
    assert "Patient/7" in text
    assert "HTTP 422" in text
