"""What is known around an order when it is published, from real messages, images and SR documents."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from mappings.dicom.sr import read_structured_report
from radflow.order import Event, State
from radflow.settings import settings
from radflow.store import structured_reports, studies
from radflow.store.engine import Store
from tasks import around, fhir, fhir_wanted, result
from tests.builders_result import a_study
from tests.builders_sr import measurement_report
from tests.hl7_builders import an_orm, an_oru, order_named
from tests.inbox import SITES, happened, receive, the_orders
from tests.peers_fhir import validate

SITE = '[[archives]]\nkind = "dicomweb"\nname = "pacs"\nurl = "http://pacs.example/dicom-web"\n'


@pytest.fixture(autouse=True)
def site(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A site with an archive on the web, that publishes files."""
    for module in (around, fhir, fhir_wanted, result):
        monkeypatch.setattr(module, "store", lambda: store)
    (tmp_path / "main.toml").write_text(SITE)
    monkeypatch.setenv("RADFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RADFLOW_SITES_DIR", str(tmp_path))
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def key(store: Store, now: datetime) -> str:
    """An order by ORM, with images and a measurement SR, reported by ORU."""
    receive(store, now, an_orm("M1", changes=order_named("P1")))
    happened(store, now, Event.WORKLISTED, Event.STUDY_FOUND)
    receive(store, now, an_oru("M2", changes=order_named("P1")))
    (row,) = the_orders(store)
    with store.write() as session:
        studies.save(session, row.key, a_study(), now)
    document = read_structured_report(measurement_report(), SITES["main"].zone)
    with store.write() as session:
        structured_reports.save(
            session, row.key, study_instance_uid=a_study().study_instance_uid, series_instance_uid="1",
            sop_instance_uid="2", report=document, now=now,
        )  # fmt: skip
    return row.key


def published(tmp_path: Path, key: str) -> dict[str, list[dict[str, Any]]]:
    """The resources of the order's file, by their types."""
    fhir.publish_result(key)
    (file,) = (tmp_path / "home").rglob(f"{key}.ndjson")
    found: dict[str, list[dict[str, Any]]] = {}
    for line in file.read_text().splitlines():
        resource = json.loads(line)
        found.setdefault(resource["resourceType"], []).append(resource)
    return found


def test_messages_findings_and_endpoints_are_published(key: str, tmp_path: Path) -> None:
    """SR findings are Observations, the archive an Endpoint, the messages Provenance; all of it is valid."""
    found = published(tmp_path, key)
    assert found["Endpoint"][0]["address"].startswith("http://pacs.example/dicom-web")
    assert any("valueQuantity" in one for one in found["Observation"])
    assert len(found["Provenance"]) == 2
    assert "M1" in json.dumps(found["Provenance"])
    assert "M2" in json.dumps(found["Provenance"])
    assert validate(resource for resources in found.values() for resource in resources) == []


def test_which_messages_speak_of_what(key: str) -> None:
    """The ORM made the order, the ORU its result."""
    known = around.read_around(result.read_result(key))
    assert [one.control_id for one in known.order_messages] == ["M1"]
    assert [one.control_id for one in known.result_messages] == ["M2"]


def test_a_study_of_two_orders_names_both(key: str, store: Store, now: datetime, tmp_path: Path) -> None:
    """Another order of the same patient that has the study is its fellow; one of another patient is not."""
    receive(store, now, an_orm("M3", changes=order_named("P2")))
    stranger = order_named("P3") | {"PID": {3: "999^^^HOSP^MR", 5: "Other^Person"}}
    receive(store, now, an_orm("M4", changes=stranger))
    keys = [row.key for row in the_orders(store)]
    with store.write() as session:
        for other in keys[1:]:
            studies.save(session, other, a_study(), now)
    known = around.read_around(result.read_result(key))
    assert [(order.key, state) for order, state in known.fellows] == [(keys[1], State.RECEIVED)]
    assert len(published(tmp_path, key)["ImagingStudy"][0]["basedOn"]) == 2
