"""Real FHIR peers, where node is installed: Medplum's router as a server, and the npm validator `fhir`."""

import fcntl
import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

FOLDER = Path(__file__).parent / "fhir_server"


@dataclass(frozen=True)
class FhirServer:
    """A running server, and what a test wants to know of it."""

    url: str

    def fail_next(self, how: Literal["429", "500", "drop"]) -> None:
        """Make the next transaction fail; `drop` writes it, and closes the connection before the answer."""
        httpx.post(f"{self.url}/$fail", params={"how": how}).raise_for_status()

    def clear(self) -> None:
        httpx.post(f"{self.url}/$clear").raise_for_status()

    def read(self, reference: str) -> dict[str, Any]:
        """A resource by `Type/id`, or a search by `Type?…`."""
        answer: dict[str, Any] = httpx.get(f"{self.url}/{reference}").raise_for_status().json()
        return answer

    def all(self, resource_type: str) -> list[dict[str, Any]]:
        return [entry["resource"] for entry in self.read(resource_type).get("entry", [])]

    def versions(self, reference: str) -> int:
        return len(self.read(f"{reference}/_history")["entry"])


@contextmanager
def fhir_server() -> Iterator[FhirServer]:
    """An empty server on a port of its own."""
    _install()
    process = subprocess.Popen(
        ["node", "server.mjs"], cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        port = process.stdout.readline().strip()
        assert port, "the FHIR server did not start"
        yield FhirServer(f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.communicate()


def validate(resources: Iterable[dict[str, Any]]) -> list[str]:
    """What the npm package `fhir` finds wrong with the resources."""
    _install()
    lines = "".join(json.dumps(resource) + "\n" for resource in resources)
    done = subprocess.run(
        ["node", "validate.mjs"], cwd=FOLDER, input=lines, check=True, capture_output=True, text=True
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == lines.count("\n")
    return [problem for problems in answers for problem in problems]


def _install() -> None:
    """`npm ci`, once, whichever of the test processes comes first."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not installed (apt install nodejs npm)")
    with (FOLDER / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        installed = FOLDER / "node_modules" / ".package-lock.json"
        if installed.exists() and installed.stat().st_mtime >= Path(lock.name).stat().st_mtime:
            return
        done = subprocess.run(["npm", "ci"], cwd=FOLDER, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"npm ci failed: {done.stderr.strip().splitlines()[-1:]}")
