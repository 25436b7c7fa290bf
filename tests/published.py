"""Every FHIR resource that a test of this session has published, seen by both validators.

What the tests' FHIR servers have taken in transactions is in `TAKEN`; what went into files is in the tests'
temporary folders.
"""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from radflow.connectors.fhir_rules import broken_rules
from tests.peers_fhir import TAKEN, validate


def published(folder: Path) -> list[dict[str, Any]]:
    """Each of them once; `folder` is the session's temporary one."""
    files = [file for file in (TAKEN, *folder.rglob("fhir/**/*.ndjson")) if file.exists()]
    lines = {line for file in files for line in file.read_bytes().splitlines()}
    return [orjson.loads(line) for line in sorted(lines)]


def problems(resources: Iterable[dict[str, Any]]) -> list[str]:
    """What `fhir.resources` (R4B), its rules, and the npm package `fhir` have against them."""
    given = list(resources)
    found = [problem for resource in given for problem in _r4b(resource)]
    return [*found, *(validate(given) if shutil.which("node") and given else ())]


def _r4b(resource: dict[str, Any]) -> Iterator[str]:
    name = resource["resourceType"]
    try:
        parsed = get_fhir_model_class(name).model_validate(resource)
    except ValidationError as error:
        yield from (f"{name}.{'.'.join(map(str, one['loc']))}: {one['type']}" for one in error.errors())
    else:
        yield from broken_rules(parsed, name, {})
