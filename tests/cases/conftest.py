"""A hospital for each case: peers that are started once a process, a radflow of its own for every test."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from radflow.connectors.mllp import FakeReceiver
from radflow.settings import settings
from radflow.simulators.engine import running_engine
from radflow.simulators.orthanc import Orthanc
from radflow.simulators.services import running_services
from radflow.store.engine import store
from tests import peers
from tests.cases import archives
from tests.cases.archives import Archive
from tests.cases.hospital import Hospital
from tests.cases.site_file import Changes, usual_site, write_site
from tests.conftest import NOW
from tests.peers_fhir import FhirServer, fhir_server

AHospital = Callable[..., Hospital]
"""`a_hospital(archives={"dcmqrscp": {}}, finding={"quiet_minutes": 5})`; see `a_hospital`."""


@pytest.fixture(scope="session")
def orthanc_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with peers.orthanc(tmp_path_factory.mktemp("orthanc")) as running:
        yield running


@pytest.fixture(scope="session")
def fhir_process() -> Iterator[FhirServer]:
    with fhir_server() as running:
        yield running


@pytest.fixture
def orthanc(orthanc_process: Orthanc) -> Orthanc:
    """The Orthanc of the tests, empty."""
    archives.forget_all(orthanc_process)
    return orthanc_process


@pytest.fixture
def fhir(fhir_process: FhirServer) -> FhirServer:
    """The FHIR server of the tests, empty."""
    fhir_process.clear()
    return fhir_process


@pytest.fixture
def hospital(a_hospital: AHospital) -> Hospital:
    """The usual one: the site `main`, and Orthanc asked by C-FIND."""
    return a_hospital()


@pytest.fixture
def a_hospital(
    orthanc: Orthanc, fhir: FhirServer, migrated_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[AHospital]:
    """A hospital as a case wants it; one a test.

    Its parameters: `archives`, names of `tests.cases.archives` in the order in which they are asked, each
    with what its table has besides; `sites`, by name, with the changes of each; every other one is a table
    or key of all site files that is to be otherwise (`finding={"quiet_minutes": 5}`).
    """
    with ExitStack() as stack:

        def opened(
            *,
            archives: Mapping[str, Mapping[str, Any]] | None = None,
            sites: Mapping[str, Changes] | None = None,
            **changes: Any,
        ) -> Hospital:
            named = archives or {"orthanc": {}}
            found = {name: _archive(name, orthanc, tmp_path, stack) for name in named}
            ehr, ris = stack.enter_context(FakeReceiver()), stack.enter_context(FakeReceiver())
            tables = [found[name].settings | dict(more) for name, more in named.items()]
            usual = usual_site(tables, fhir.url, ehr.port, ris.port)
            for name, its in (sites or {"main": {}}).items():
                write_site(tmp_path / "sites" / f"{name}.toml", usual, {**changes, **its})
            _settle_in(tmp_path, migrated_file, monkeypatch)
            stack.callback(_move_out)
            engine = stack.enter_context(running_engine(store(), NOW))
            doors = stack.enter_context(running_services(store(), list(settings().sites.values())))
            return Hospital(engine, store(), doors, found, fhir, ehr, ris)

        yield opened


def _archive(name: str, orthanc: Orthanc, folder: Path, stack: ExitStack) -> Archive:
    match name:
        case "orthanc":
            return archives.by_c_find(orthanc)
        case "orthanc-web":
            return archives.by_qido_rs(orthanc)
        case "dcmqrscp":
            return archives.legacy(stack.enter_context(peers.dcmqrscp(folder / "dcmqrscp")))
        case _:
            raise ValueError(f"no archive {name!r}: there are orthanc, orthanc-web, dcmqrscp")


def _settle_in(folder: Path, migrated_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings and store of this process are those of the case."""
    shutil.copy(migrated_file, folder / "radflow.db")
    for name in [name for name in os.environ if name.startswith("RADFLOW_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RADFLOW_HOME", str(folder))
    monkeypatch.setenv("RADFLOW_SITES_DIR", str(folder / "sites"))
    settings.cache_clear()
    store.cache_clear()


def _move_out() -> None:
    store().close()
    store.cache_clear()
    settings.cache_clear()
