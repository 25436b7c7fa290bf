"""What docs/fhir.md shows of a site file is right, and what is wrong in one is found when it is read."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from radflow.settings import HttpFhir, Site
from radflow.settings.fhir import FhirAuth

PAGE = (Path(__file__).parents[2] / "docs" / "fhir.md").read_text(encoding="utf-8")
SERVER: dict[str, Any] = {"kind": "http", "name": "ehr", "url": "https://fhir.example/r4"}


def test_the_example_of_the_documentation() -> None:
    """Every key of it is known, and says what the page says."""
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    server, files = Site.model_validate({"name": "main"} | tomllib.loads(example)).fhir
    assert isinstance(server, HttpFhir)
    assert (server.patients, server.max_entries, server.auth.kind) == ("match", 8, "smart")
    assert server.tls is not None
    assert files.kind == "ndjson"


def test_each_kind_of_authentication_in_the_documentation() -> None:
    """The table has them all, each as it may be written."""
    shown = re.findall(r"^\| `(\{ kind = .*?\})` \|", PAGE, re.MULTILINE)
    read = [TypeAdapter(FhirAuth).validate_python(tomllib.loads(f"auth = {one}")["auth"]) for one in shown]
    assert [auth.kind for auth in read] == ["none", "basic", "bearer", "oauth2", "smart"]


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "fhir.example/r4"},
        {"max_entries": 0},
        {"timeout_seconds": 0},
        {"patients": "ignore"},
        {"auth": {"kind": "bearer", "token": "secret"}},
        {"auth": {"kind": "smart", "client_id": "x", "key": "k.pem", "key_id": "1", "algorithm": "HS256"}},
    ],
)
def test_what_is_wrong_is_found(changes: dict[str, Any]) -> None:
    """A URL without a scheme, limits that nothing fits, a secret in the file, an algorithm SMART forbids."""
    HttpFhir.model_validate(SERVER)
    with pytest.raises(ValidationError):
        HttpFhir.model_validate(SERVER | changes)
