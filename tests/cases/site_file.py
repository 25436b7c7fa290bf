"""The site files of a case: usual ones, with what the case wants to be otherwise."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from radflow.settings import LOOPBACK

Changes = Mapping[str, Any]
"""Tables and keys of a site file. A table changes the keys that it names; everything else is replaced."""


def usual_site(archives: list[dict[str, Any]], fhir_url: str, ehr_port: int, ris_port: int) -> dict[str, Any]:
    """A site in Berlin with these archives, a FHIR server, an EHR that takes results, and a RIS."""
    receiver = {"kind": "mllp", "host": LOOPBACK}
    return {
        "time_zone": "Europe/Berlin",
        "listener": {"port": 0},
        "worklist": {"port": 0, "ae_title": "RADFLOW"},
        "archives": archives,
        # Medplum's router takes no more in a transaction with conditional creates.
        "fhir": [{"kind": "http", "name": "server", "url": fhir_url, "max_entries": 8}],
        "destinations": [
            receiver | {"name": "ehr", "port": ehr_port, "takes": ["results"]},
            receiver | {"name": "ris", "port": ris_port, "takes": ["orders", "status"]},
        ],
        "warehouse": {"identifiers": "plain", "text": True},
    }


def write_site(file: Path, usual: Mapping[str, Any], changes: Changes) -> None:
    """Write the site file: the usual one, changed."""
    lines = (f"{key} = {_toml(value)}\n" for key, value in _changed(usual, changes).items())
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(lines))


def _changed(usual: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    return {
        **usual,
        **{
            key: _changed(usual[key], value)
            if isinstance(usual.get(key), dict) and isinstance(value, Mapping)
            else value
            for key, value in changes.items()
        },
    }


def _toml(value: Any) -> str:
    """A value as TOML writes it within a line: strings, numbers and booleans as JSON does."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
