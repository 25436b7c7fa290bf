"""Real FHIR peers, where node is installed: Medplum's router as a server, and the npm validator `fhir`."""

import atexit
import fcntl
import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Literal

import httpx
import pytest

FOLDER = Path(__file__).parent / "fhir_server"
TAKEN = Path(mkdtemp(prefix="rf-fhir-")) / "taken.ndjson"
"""What the servers of this process have taken in transactions, a resource a line."""
atexit.register(shutil.rmtree, TAKEN.parent, ignore_errors=True)


@dataclass(frozen=True)
class FhirServer:
    """A running server, and what a test wants to know of it."""

    url: str

    def next(
        self,
        how: Literal["409", "412", "422", "429", "500", "drop", "hang", "meanwhile"],
        body: dict[str, Any] | None = None,
        *,
        after: str = "",
    ) -> None:
        """What becomes of a transaction to come, one a call.

        A status: it is answered so, with this OperationOutcome and Retry-After. `drop` and `hang`: it is
        written, and the connection closed before the answer, or the answer never given. `meanwhile`:
        somebody else puts this resource just before it.
        """
        httpx.post(f"{self.url}/$next", params={"how": how, "after": after}, json=body).raise_for_status()

    def clear(self) -> None:
        httpx.post(f"{self.url}/$clear").raise_for_status()

    def transactions(self) -> list[int]:
        """How many entries each transaction had that was written since `clear`."""
        sizes: list[int] = httpx.get(f"{self.url}/$transactions").raise_for_status().json()
        return sizes

    def put(self, resource: dict[str, Any]) -> None:
        """Write as somebody else does, without looking."""
        reference = f"{resource['resourceType']}/{resource['id']}"
        httpx.put(f"{self.url}/{reference}", json=resource).raise_for_status()

    def delete(self, reference: str) -> None:
        httpx.delete(f"{self.url}/{reference}").raise_for_status()

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
        ["node", "server.mjs", TAKEN], cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
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
