"""The webhook: an archive says that a study has come, and the order has it at once."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from sqlmodel import select

from mappings.dicom.worklist import worklist_items
from radflow.connectors.tls import client_context
from radflow.order import Event
from radflow.services.webhook import serve
from radflow.settings import LOOPBACK, ConfigError, Site, read_site
from radflow.settings.finding import Webhook
from radflow.simulators.modality import make_study, store_study
from radflow.simulators.ports import free_port
from radflow.store import orders
from radflow.store.engine import Store
from radflow.store.tables import ArchiveState, OrderRow
from tests import peers
from tests.builders import an_order
from tests.certificates import Certificates
from tests.conftest import on_sqlite_alone
from tests.finding import Rounds, a_study, rounds

KEY = an_order().key
ACQUIRED = datetime(2026, 11, 24, 10, 0)  # noqa: DTZ001 — a modality's clock knows no zone
TOKEN = "not-so-secret"  # noqa: S105


@contextmanager
def serving(sites: Sequence[Site], store: Store, now: datetime) -> Iterator[dict[str, str]]:
    """The webhook in a thread of its own; the URL of each site's."""
    ports: dict[str, int] = {}
    up = threading.Event()
    loop = asyncio.new_event_loop()

    def started(found: dict[str, int]) -> None:
        ports.update(found)
        up.set()

    task = loop.create_task(serve(sites, store, clock=lambda: now, started=started))

    def run() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        finally:
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert up.wait(20)
        yield {site.name: f"http://{LOOPBACK}:{ports[site.name]}/studies" for site in sites}
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(20)
        assert not thread.is_alive()


def eventually(true: Callable[[], bool], seconds: float = 20) -> None:
    give_up = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.02)


@pytest.fixture
def site(store: Store, now: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rounds:
    """A site with a webhook and a token; its archives are fakes."""
    made = rounds(store, now, tmp_path, monkeypatch)
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    return with_webhook(made, f'port = 0\ntoken_file = "{tmp_path / "token"}"', tmp_path)


def with_webhook(site: Rounds, lines: str, folder: Path) -> Rounds:
    file = folder / "main.toml"
    file.write_text(file.read_text() + f"[webhook]\n{lines}\n")
    site.site = read_site(file)
    return site


def post(url: str, notice: object, token: str = TOKEN) -> int:
    return httpx.post(url, json=notice, headers={"Authorization": f"Bearer {token}"}).status_code


def test_a_study_that_is_told_of_is_found_at_once(site: Rounds) -> None:
    """No sweep: this study alone is asked for, and the order wants a leg."""
    site.place(an_order("P1"), an_order("P2"))
    site.archives["vna"].studies = [a_study("P1", "vna"), a_study("P2", "vna")]
    with serving([site.site], site.store, site.now) as urls:
        assert post(urls["main"], {"StudyInstanceUID": an_order("P1").study_instance_uid}) == 202
        eventually(lambda: site.state(an_order("P1").key) == "acquired")
    assert site.state(an_order("P2").key) == "received"
    assert site.log(an_order("P1").key) == [("study-found", "archive:vna")]
    with site.store.read() as session:
        assert session.get_one(OrderRow, an_order("P1").key).wake_at == site.now


def test_orthanc_s_own_id_starts_a_search_for_all(site: Rounds) -> None:
    """A change without a UID: whatever is waited for is looked for."""
    site.place(an_order())
    site.archives["pacs"].studies = [a_study()]
    change = {"ChangeType": "StableStudy", "ID": "27f7126f-4f66fb14", "ResourceType": "Study", "Seq": 12}
    with serving([site.site], site.store, site.now) as urls:
        assert post(urls["main"], {"ChangeType": "NewInstance", "ID": "1"}) == 202
        assert post(urls["main"], change) == 202
        eventually(lambda: site.state(KEY) == "acquired")


def test_an_append_is_told_of(site: Rounds) -> None:
    """The order is published; the archive says that images were added: published anew without waiting."""
    site.place(an_order())
    site.archives["pacs"].studies = [a_study()]
    site.round()
    site.happens(KEY, Event.REPORT_RECEIVED, Event.PUBLISHED)
    site.archives["pacs"].studies = [a_study(number_of_series=3, number_of_instances=150)]
    with serving([site.site], site.store, site.now) as urls:
        assert post(urls["main"], {"StudyInstanceUID": an_order().study_instance_uid}) == 202
        eventually(lambda: site.state(KEY) == "reported")


def test_who_has_no_token_is_told_so(site: Rounds) -> None:
    """And nothing is asked."""
    with serving([site.site], site.store, site.now) as urls:
        assert post(urls["main"], {"StudyInstanceUID": "1.2.3"}, token="wrong") == 401
        assert httpx.post(urls["main"], json={"StudyInstanceUID": "1.2.3"}).status_code == 401
    assert site.queries() == 0


def test_it_is_told_over_tls(site: Rounds, tmp_path: Path) -> None:
    """An archive has to show a certificate where the site wants one; in the open nothing is heard."""
    certificates = Certificates.made_in(tmp_path)
    assert site.site.webhook is not None
    tls = certificates.server(client_certificates=True)
    webhook = site.site.webhook.model_copy(update={"tls": tls})
    made = site.site.model_copy(update={"webhook": webhook})
    headers = {"Authorization": f"Bearer {TOKEN}"}
    notice = {"StudyInstanceUID": an_order().study_instance_uid}
    with serving([made], site.store, site.now) as urls:
        url = urls["main"].replace("http://", "https://")
        known = client_context(certificates.client("client"))
        assert known is not None
        assert httpx.post(url, json=notice, headers=headers, verify=known).status_code == 202
        for who in ("", "stranger"):
            other = client_context(certificates.client(who))
            assert other is not None
            with pytest.raises(httpx.HTTPError):
                httpx.post(url, json=notice, headers=headers, verify=other)
        with pytest.raises(httpx.HTTPError):
            post(urls["main"], notice)


def test_what_is_no_notice_is_refused(site: Rounds) -> None:
    """No JSON, no UID, too long, another method or path: a 4xx, and the service goes on."""
    with serving([site.site], site.store, site.now) as urls:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert httpx.post(urls["main"], content=b"\xff\x00{", headers=headers).status_code == 400
        assert post(urls["main"], {"StudyInstanceUID": "1.2.*"}) == 400
        assert post(urls["main"], {"StudyInstanceUID": ["1.2"] * 300_000}) == 413
        assert httpx.get(urls["main"], headers=headers).status_code == 405
        assert post(urls["main"] + "/other", {}) == 404
        assert post(urls["main"], {"StudyInstanceUID": "1.2.3"}) == 202


def test_an_archive_that_is_down_stops_nothing(site: Rounds) -> None:
    """The notice is taken, the failure noted; the sweep finds the study later."""
    site.place(an_order())
    site.archives["pacs"].down = site.archives["vna"].down = True
    with serving([site.site], site.store, site.now) as urls:
        assert post(urls["main"], {"StudyInstanceUID": an_order().study_instance_uid}) == 202
        eventually(lambda: failing(site.store) == {"pacs", "vna"})
    site.archives["pacs"].down = False
    site.archives["pacs"].studies = [a_study()]
    assert site.round() == [KEY]


def failing(store: Store) -> set[str]:
    with store.read() as session:
        return {row.name for row in session.exec(select(ArchiveState)) if row.failures}


def test_a_token_by_the_environment(site: Rounds, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named in the site file; one that is empty is an error, and so is none beyond this machine."""
    webhook = Webhook(port=0, token_variable="TEST_WEBHOOK_TOKEN")
    made = site.site.model_copy(update={"webhook": webhook})
    monkeypatch.delenv("TEST_WEBHOOK_TOKEN", raising=False)
    with pytest.raises(ConfigError, match="TEST_WEBHOOK_TOKEN"):
        asyncio.run(serve([made], site.store))
    monkeypatch.setenv("TEST_WEBHOOK_TOKEN", "other")
    with serving([made], site.store, site.now) as urls:
        assert post(urls["main"], {"StudyInstanceUID": "1.2.3"}, token="other") == 202
        assert post(urls["main"], {"StudyInstanceUID": "1.2.3"}) == 401
    with pytest.raises(ValueError, match="without token_file"):
        Webhook(host="0.0.0.0")  # noqa: S104 (refused)


LUA = """
function OnStableStudy(studyId, tags, metadata, origin)
  local notice = DumpJson({{ ["StudyInstanceUID"] = tags["StudyInstanceUID"] }}, true)
  HttpPost("{url}", notice, {{ ["Authorization"] = "Bearer {token}" }})
end
"""


@on_sqlite_alone
def test_orthanc_tells_us(store: Store, now: datetime, tmp_path: Path) -> None:
    """A real Orthanc with the script of docs/archives.md: stored there by DIMSE, acquired here, no sweep."""
    order = an_order()
    with store.write() as session:
        orders.place(session, order, source="test", occurred_at=now, now=now)
    dicom = free_port()
    webhook = free_port()
    (tmp_path / "token").write_text(TOKEN)
    file = tmp_path / "main.toml"
    file.write_text(
        f'[[archives]]\nkind = "dimse"\nname = "pacs"\nhost = "{LOOPBACK}"\nport = {dicom}\n'
        f'ae_title = "ORTHANC"\n[webhook]\nport = {webhook}\ntoken_file = "{tmp_path / "token"}"\n'
    )
    script = tmp_path / "tell.lua"
    script.write_text(LUA.format(url=f"http://{LOOPBACK}:{webhook}/studies", token=TOKEN))
    options = {"LuaScripts": [str(script)], "StableAge": 1, "DicomPort": dicom}
    images = make_study(worklist_items(order, read_site(file).zone)[0], ACQUIRED)
    with peers.orthanc(tmp_path / "orthanc", options), serving([read_site(file)], store, now):
        store_study(images, LOOPBACK, dicom, "ORTHANC")

        def acquired() -> bool:
            with store.read() as session:
                return session.get_one(OrderRow, order.key).state == "acquired"

        eventually(acquired, 60)
