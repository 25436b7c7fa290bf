"""The routing flow on a Prefect server of the test's own, between real archives; and prefetching."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.sorting import ArtifactSort
from prefect.testing.utilities import prefect_test_harness
from typer.testing import CliRunner

from flows.prefetch import prefetch_steps
from flows.route import route
from radflow.cli import app
from radflow.clock import utc_now
from radflow.model import Identifier, Patient, Study
from radflow.order import Event, State
from radflow.settings import settings
from radflow.simulators.orthanc import Orthanc
from radflow.store import orders, studies, transfers
from radflow.store.engine import Store
from radflow.store.transfers import TransferState
from tasks.prefetch import prefetch_priors
from tests import images, peers
from tests.builders import an_order

SITE = """
[[archives]]
kind = "dimse"
name = "legacy"
host = "127.0.0.1"
port = {legacy}
ae_title = "DCMQRSCP"

[[archives]]
kind = "dicomweb"
name = "cloud"
url = "{cloud}"

[[image_routes]]
from = "legacy"
to = "cloud"
modalities = ["CT"]

[[prefetch]]
from = "legacy"
to = "cloud"
modalities = ["CT"]
procedures = ["CTCH*"]
years = 2
max = 2
"""
PATIENT = Patient(identifiers=(Identifier(value="4711", assigner="HOSP"),))


@pytest.fixture(scope="module", autouse=True)
def prefect_server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=300):
        yield


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Orthanc]]:
    folder = tmp_path_factory.mktemp("archives")
    with peers.orthanc(folder / "orthanc") as orthanc, peers.dcmqrscp(folder / "legacy") as legacy:
        priors = [
            *images.small_study(1, patient="4711", StudyDate="20251101"),
            *images.small_study(2, patient="4711", StudyDate="20250901"),
            *images.small_study(3, patient="4711", StudyDate="20250301"),
            *images.small_study(4, patient="4711", StudyDate="20200301"),
            *images.small_study(5, patient="4711", StudyDate="20260101", Modality="MR"),
            *images.small_study(6, patient="47110", StudyDate="20260101"),
            *images.small_study(7, patient="4711", StudyDate="20260101", BodyPartExamined="HEAD"),
            *images.small_study(8, patient="4711", StudyDate="20261124"),
        ]
        images.stored(priors, folder / "files", legacy.port, legacy.ae_title)
        yield legacy.port, orthanc


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """A command logs to the standard error of its own runner, which is closed when it ends."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def site(archives: tuple[int, Orthanc], installed: Path, store: Store, now: datetime) -> Path:
    """The site file; there is an order of the patient, whose own study is in the legacy archive."""
    legacy, orthanc = archives
    for study in httpx.get(f"{orthanc.http_url}/studies").json():
        httpx.delete(f"{orthanc.http_url}/studies/{study}").raise_for_status()
    (installed / "main.toml").write_text(SITE.format(legacy=legacy, cloud=orthanc.dicomweb_url))
    with store.write() as session:
        order = an_order(patient=PATIENT, study_instance_uid=images.study_uid(8))
        orders.place(session, order, source="test", occurred_at=now, now=now)
    return installed


def states(store: Store) -> dict[str, str]:
    with store.read() as session:
        return {
            row.study_instance_uid: row.state
            for row in transfers.recent(session, "main", list(TransferState), 100)
        }


def worklisted(store: Store, now: datetime) -> str:
    """The order is on the worklist; its key."""
    key = an_order().key
    with store.write() as session:
        orders.record(session, key, Event.WORKLISTED, source="test", occurred_at=now, now=now)
    return key


def artifact(key: str) -> Any:
    """What the Prefect UI shows under this key."""
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])), sort=ArtifactSort.CREATED_DESC
        )
        return found[0].data


def test_studies_that_are_found_go_where_the_route_leads(
    site: Path, store: Store, now: datetime, archives: tuple[int, Orthanc]
) -> None:
    """A study of an order, of a modality that the route wants; once. Progress is seen in the Prefect UI."""
    key = an_order().key
    with store.write() as session:
        for number, modality in ((8, "CT"), (5, "MR")):
            found = Study(
                study_instance_uid=images.study_uid(number), archive="legacy", modalities=(modality,)
            )
            studies.save(session, key, found, now)
    assert route() == {"main": {"waiting": 0, "done": 1, "failed": 0}}
    assert route() == {}
    assert states(store) == {images.study_uid(8): "done"}
    assert artifact("moving-main") == 100.0
    assert "| legacy | cloud | 0 | 1 | 0 |" in artifact("moved-main")
    assert httpx.get(f"{archives[1].http_url}/statistics").json()["CountInstances"] == 2


def test_what_cannot_be_moved_is_told(site: Path, store: Store, now: datetime) -> None:
    """With its reason, in the artifact and by `radflow move`; the run itself has not failed."""
    text = site / "main.toml"
    text.write_text(text.read_text() + "[routing]\nmax_attempts = 1\n")
    settings.cache_clear()
    with store.write() as session:
        transfers.add(session, "main", ["1.2.3"], source="legacy", target="cloud", why="test", now=utc_now())
    assert route() == {"main": {"waiting": 0, "done": 0, "failed": 1}}
    why = "archive legacy shows no instance of the study"
    assert f"| legacy | cloud | {why} |" in artifact("moved-main")
    runner = CliRunner()
    (row,) = json.loads(runner.invoke(app, ["move", "list", "--json"]).stdout)["transfers"]
    assert (row["state"], row["trouble"]) == ("failed", why)
    assert json.loads(runner.invoke(app, ["move", "retry", "--json"]).stdout) == {"again": 1}
    assert runner.invoke(app, ["move", "run", "--json"]).exit_code == 1
    shown = json.loads(runner.invoke(app, ["move", "show", str(row["id"]), "--json"]).stdout)
    assert (shown["attempts"], shown["instances"]) == (1, [])
    asked = runner.invoke(app, ["move", "add", "--from", "legacy", "--to", "cloud", "1.2.4", "--json"])
    assert json.loads(asked.stdout) == {"asked": 1, "added": 1}
    nowhere = runner.invoke(app, ["move", "add", "--from", "legacy", "--to", "clud", "1.2.3"])
    assert nowhere.exit_code != 0


def test_studies_of_a_range_of_dates(site: Path, store: Store) -> None:
    """`radflow move add --since --until` asks the source, whichever way it is asked."""
    asked = CliRunner().invoke(
        app,
        [
            "move",
            "add",
            "--from",
            "legacy",
            "--to",
            "cloud",
            "--since",
            "2025-01-01",
            "--until",
            "2025-10-01",
        ],
    )
    assert asked.exit_code == 0, asked.output
    assert states(store) == {images.study_uid(2): "waiting", images.study_uid(3): "waiting"}


def test_priors_come_before_the_patient(
    site: Path, store: Store, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two newest CTs of the last two years: no other modality or patient, not the order's own study."""
    monkeypatch.setattr("tasks.prefetch.utc_now", lambda: now)
    key = worklisted(store, now)
    assert prefetch_priors.fn(key) == {"priors": 2}
    assert states(store) == {images.study_uid(7): "waiting", images.study_uid(1): "waiting"}
    assert route()["main"]["done"] == 2


@pytest.mark.parametrize(
    ("rule", "priors"),
    [
        ("max = 10", {1, 2, 3, 7}),
        ("years = 10\nmax = 10", {1, 2, 3, 4, 7}),
        ("prior_modalities = ['MR']", {5}),
        ("procedures = ['MR*']", set()),
        ("modalities = ['MR']", set()),
    ],
)
def test_rules(
    site: Path, store: Store, now: datetime, monkeypatch: pytest.MonkeyPatch, rule: str, priors: set[int]
) -> None:
    """Each key of `[[prefetch]]` does what it says."""
    monkeypatch.setattr("tasks.prefetch.utc_now", lambda: now)
    text = (site / "main.toml").read_text().partition("[[prefetch]]")[0]
    defaults = "" if "years" in rule else "years = 2\n"
    (site / "main.toml").write_text(f"{text}[[prefetch]]\nfrom = 'legacy'\nto = 'cloud'\n{defaults}{rule}\n")
    settings.cache_clear()
    assert prefetch_priors.fn(worklisted(store, now)) == {"priors": len(priors)}
    assert set(states(store)) == {images.study_uid(number) for number in priors}


def test_body_parts(
    site: Path, store: Store, now: datetime, monkeypatch: pytest.MonkeyPatch, archives: tuple[int, Orthanc],
    tmp_path: Path,
) -> None:  # fmt: skip
    """As the series tell it; of an archive that speaks DICOMweb."""
    monkeypatch.setattr("tasks.prefetch.utc_now", lambda: now)
    both = [
        *images.small_study(1, patient="4711", StudyDate="20251101", BodyPartExamined="CHEST"),
        *images.small_study(7, patient="4711", StudyDate="20250101", BodyPartExamined="HEAD"),
    ]
    images.stored(both, tmp_path / "files", archives[1].dicom_port, archives[1].ae_title)
    text = (site / "main.toml").read_text().partition("[[prefetch]]")[0]
    (site / "main.toml").write_text(
        f"{text}[[prefetch]]\nfrom = 'cloud'\nto = 'legacy'\nbody_parts = ['head']\n"
    )
    assert prefetch_priors.fn(worklisted(store, now)) == {"priors": 1}
    assert set(states(store)) == {images.study_uid(7)}


def test_prefetching_is_a_step_of_an_order_on_the_worklist(site: Path, store: Store) -> None:
    """Where the site has rules; an order of another state or site has none."""
    assert prefetch_steps("main", State.WORKLISTED) == (prefetch_priors,)
    assert prefetch_steps("main", State.RECEIVED) == ()
    assert prefetch_steps("a-site-that-is-gone", State.WORKLISTED) == ()
