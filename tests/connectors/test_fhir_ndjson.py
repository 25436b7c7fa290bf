"""FHIR as files, the embedded default."""

import json
from pathlib import Path

import pytest

from mappings.fhir.publishing import Outcome
from mappings.fhir.references import references_in
from radflow.connectors.fhir import FhirUnavailable, RememberedInProcess, open_fhir
from radflow.settings import NdjsonFhir
from tests.fhir_publishing import a_bundle, publish, types_in
from tests.peers_fhir import validate


def test_an_order_is_a_file(tmp_path: Path) -> None:
    """One resource a line, under the day; references are `Type/id` and lead to a line of the file."""
    written = publish(open_fhir(NdjsonFhir(kind="ndjson"), tmp_path))
    lines = (tmp_path / "2026-11-24" / "main-x.ndjson").read_text(encoding="utf-8").splitlines()
    resources = [json.loads(line) for line in lines]
    references = [f"{resource['resourceType']}/{resource['id']}" for resource in resources]
    assert [one.reference for one in written] == references
    assert [resource["resourceType"] for resource in resources] == types_in(a_bundle())
    assert set(references_in(resources)) <= set(references)
    assert {one.outcome for one in written} == {Outcome.CREATED}
    assert validate(resources) == []


def test_the_file_of_a_repeat_is_the_same(tmp_path: Path) -> None:
    """The same bytes in the same place, and no unfinished file beside it; it is not even written."""
    fhir = open_fhir(NdjsonFhir(kind="ndjson", path=str(tmp_path)), Path("unused"))
    publish(fhir)
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    before = file.stat(), file.read_bytes()
    assert {one.outcome for one in publish(fhir)} == {Outcome.UNCHANGED}
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [file]
    assert (file.stat(), file.read_bytes()) == before


def test_what_has_changed_is_told(tmp_path: Path) -> None:
    """A corrected report: the file is written anew, and of its entries the report has changed."""
    fhir = open_fhir(NdjsonFhir(kind="ndjson"), tmp_path)
    publish(fhir)
    again = publish(fhir, a_bundle(status="C"))
    updated = [one.entry.resource_type for one in again if one.outcome is Outcome.UPDATED]
    assert updated == ["DiagnosticReport"]
    assert {one.outcome for one in again} == {Outcome.UPDATED, Outcome.UNCHANGED}


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A full or missing disk can be tried again, and is what became of every entry."""
    (tmp_path / "file").touch()
    memory = RememberedInProcess()
    with pytest.raises(FhirUnavailable):
        publish(open_fhir(NdjsonFhir(kind="ndjson"), tmp_path / "file"), memory=memory)
    assert {one.outcome for one in memory.written.values()} == {Outcome.UNAVAILABLE}
