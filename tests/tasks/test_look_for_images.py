"""Images are looked for at once, when someone has said that they are there: in a real archive."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mappings.dicom.worklist import worklist_items
from radflow.order import Event, State
from radflow.settings import LOOPBACK, settings
from radflow.simulators.modality import make_study, store_study
from radflow.store import orders
from radflow.store.engine import Store
from radflow.store.tables import OrderRow
from tasks import look_for_images as of_task
from tasks.look_for_images import look_for_images
from tests import peers
from tests.builders import an_order
from tests.peers import DcmqrScp


@pytest.fixture
def archive(
    store: Store, now: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DcmqrScp]:
    """The site's archive; it has the order's images."""
    monkeypatch.setattr(of_task, "store", lambda: store)
    with peers.dcmqrscp(tmp_path / "pacs") as running:
        sites = tmp_path / "sites"
        sites.mkdir()
        (sites / "main.toml").write_text(
            f'[[archives]]\nkind = "dimse"\nname = "pacs"\nhost = "127.0.0.1"\nport = {running.port}\n'
            f'ae_title = "{running.ae_title}"\n'
        )
        monkeypatch.setenv("RADFLOW_SITES_DIR", str(sites))
        settings.cache_clear()
        with store.write() as session:
            orders.place(session, an_order(), source="t", occurred_at=now, now=now)
        images = make_study(worklist_items(an_order(), ZoneInfo("UTC"))[0], now)
        store_study(images, LOOPBACK, running.port, running.ae_title)
        yield running
    settings.cache_clear()


def state_after(store: Store, now: datetime, event: Event) -> tuple[bool, State]:
    """Whether the archive was asked, and where the order stands then."""
    with store.write() as session:
        orders.record(session, an_order().key, event, source="t", occurred_at=now, now=now)
    asked = look_for_images.fn(an_order().key)["asked"]
    with store.read() as session:
        return asked, State(session.get_one(OrderRow, an_order().key).state)


def test_images_are_found_when_the_modality_has_made_them(
    archive: DcmqrScp, store: Store, now: datetime
) -> None:
    """Not while it makes them: COMPLETED comes later."""
    assert state_after(store, now, Event.STEP_STARTED) == (False, State.STARTED)
    assert state_after(store, now, Event.ACQUISITION_COMPLETED) == (True, State.ACQUIRED)


def test_images_are_found_when_an_archive_has_them(archive: DcmqrScp, store: Store, now: datetime) -> None:
    """Without a word of the modality."""
    assert state_after(store, now, Event.INSTANCES_AVAILABLE) == (True, State.ACQUIRED)
