"""A FHIR server says that a report has changed, and it is there at once."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from sqlmodel import select
from typer.testing import CliRunner

from radflow.cli import app
from radflow.services.report_notices import ReportNotices
from radflow.settings import LOOPBACK, ConfigError, Site, read_site, settings
from radflow.simulators.ports import free_port
from radflow.store.engine import Store
from radflow.store.tables import Message
from tests.conftest import on_sqlite_alone
from tests.peers_fhir import FhirServer, fhir_server
from tests.report_servers import a_report_resource, write
from tests.services.test_webhook import eventually, serving

SECRET = "told-by-the-right-one"  # noqa: S105
pytestmark = on_sqlite_alone


@pytest.fixture
def server() -> Iterator[FhirServer]:
    with fhir_server() as running:
        yield running


@pytest.fixture
def site(server: FhirServer, installed: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site that is told, over its webhook, by the server."""
    monkeypatch.setenv("REPORTS_SECRET", SECRET)
    port = free_port()
    (installed / "main.toml").write_text(
        f"[webhook]\nport = {port}\n[[report_sources]]\nkind = 'fhir-subscription'\nname = 'ris'\n"
        f"url = '{server.url}'\nendpoint = 'http://{LOOPBACK}:{port}/reports/ris'\n"
        "secret = { env = 'REPORTS_SECRET' }\nfirst_days = 100000\nlasts_days = 30\n"
    )
    return read_site(installed / "main.toml")


def kept(store: Store) -> list[str]:
    with store.read() as session:
        return [row.message_type for row in session.exec(select(Message))]


def subscribe() -> list[dict[str, str]]:
    done = CliRunner().invoke(app, ["reports", "subscribe", "--json"])
    assert done.exit_code == 0, done.output
    answer: list[dict[str, str]] = json.loads(done.stdout)
    return answer


def test_a_server_that_is_subscribed_to_says_what_has_changed(
    store: Store, site: Site, server: FhirServer, now: datetime
) -> None:
    """The command makes one Subscription however often it is run; a report written then is here at once."""
    ((first,), (second,)) = subscribe(), subscribe()
    assert first["state"] == "subscribed"
    assert first["detail"] == second["detail"]
    (made,) = server.all("Subscription")
    assert made["channel"]["header"] == [f"Authorization: Bearer {SECRET}"]
    assert "payload" not in made["channel"]
    assert made["end"].startswith("20")
    with serving([site], store, now):
        write(server, a_report_resource())
        eventually(lambda: kept(store) == ["DiagnosticReport"])


def test_who_does_not_know_the_secret_is_refused(
    store: Store, site: Site, server: FhirServer, now: datetime
) -> None:
    """Nothing is asked for them; and the one who does is asked, whatever else they send."""
    write(server, a_report_resource())
    with serving([site], store, now) as urls:
        url = urls["main"].replace("/studies", "/reports/ris")
        assert httpx.post(url).status_code == 401
        assert httpx.post(url, headers={"Authorization": "Bearer guess"}).status_code == 401
        assert httpx.post(url.replace("/ris", "/other")).status_code == 404
        assert kept(store) == []
        right = {"Authorization": f"Bearer {SECRET}"}
        forged = httpx.put(f"{url}/DiagnosticReport/1", json=a_report_resource("FORGED"), headers=right)
        assert forged.status_code == 200
        eventually(lambda: kept(store) == ["DiagnosticReport"])
    with store.read() as session:
        assert "FORGED" not in session.exec(select(Message.raw)).one().decode()


def test_a_server_that_does_not_answer(store: Store, site: Site, installed: Path) -> None:
    """`subscribe` says so, and fails; `sources` lists what is there."""
    text = (installed / "main.toml").read_text()
    (installed / "main.toml").write_text(text.replace(site.report_source("ris").url, "http://127.0.0.1:9"))
    settings.cache_clear()
    done = CliRunner().invoke(app, ["reports", "subscribe", "--json"])
    assert done.exit_code == 1
    (outcome,) = json.loads(done.stdout)
    assert (outcome["state"], "cannot be reached" in outcome["detail"]) == ("failed", True)
    listed = json.loads(CliRunner().invoke(app, ["reports", "sources", "--json"]).stdout)
    assert [(one["name"], one["state"]) for one in listed] == [("ris", "not asked yet")]


def test_without_its_secret_nothing_is_served(
    store: Store, site: Site, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that names the variable."""
    monkeypatch.delenv("REPORTS_SECRET")
    with pytest.raises(ConfigError, match="REPORTS_SECRET"):
        ReportNotices(store, site)
