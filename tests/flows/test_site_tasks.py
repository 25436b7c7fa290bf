"""Python functions of a site's own are steps of an order's life."""

import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from prefect.testing.utilities import prefect_test_harness

from flows.order import LIFE, run_order
from flows.site_tasks import own_steps
from radflow.connectors.errors import Refused
from radflow.order import Event, State
from radflow.settings import settings
from radflow.store import engine, orders
from radflow.store.engine import Store
from tasks.commit_storage import commit_storage
from tests.builders import an_order

SITE = """
[[tasks]]
function = "wards:tell"
when = "reported"
[[tasks]]
function = "wards:count"
when = "reported"
name = "counted"
[[tasks]]
function = "wards:busy"
when = "acquired"
"""
WARDS = """
from radflow.connectors.errors import Unavailable

told = []

def tell(order_key):
    told.append(order_key)
    return {"told": len(told)}

def count(order_key):
    return None

def busy(order_key):
    raise Unavailable("the ward is busy")

def talks(order_key):
    return "a word"
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The site `main` with tasks of its own, in a store of its own; returns its file."""
    (tmp_path / "wards.py").write_text(WARDS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "wards", raising=False)
    file = tmp_path / "sites" / "main.toml"
    file.parent.mkdir()
    file.write_text(SITE)
    monkeypatch.setenv("RADFLOW_SITES_DIR", str(file.parent))
    monkeypatch.setenv("RADFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RADFLOW_DATABASE_URL", raising=False)
    settings.cache_clear()
    engine.store.cache_clear()
    yield file
    engine.store.cache_clear()
    settings.cache_clear()


def a_reported_order(store: Store, now: datetime) -> str:
    order = an_order()
    with store.write() as session:
        orders.place(session, order, source="test", occurred_at=now, now=now)
        for event in (Event.STUDY_FOUND, Event.REPORT_RECEIVED):
            orders.record(session, order.key, event, source="test", occurred_at=now, now=now)
    return order.key


def test_they_are_done_in_their_state_in_the_order_of_the_file(site: Path) -> None:
    """Each is a Prefect task named by site and function; a state that only waits may have some too."""
    assert [step.name for step in own_steps("main", State.REPORTED)] == ["main.tell", "main.counted"]  # type: ignore[attr-defined]
    assert [step.name for step in own_steps("main", State.ACQUIRED)] == ["main.busy"]  # type: ignore[attr-defined]
    assert own_steps("main", State.RECEIVED) == ()
    assert own_steps("a-site-that-is-gone", State.REPORTED) == ()


def test_an_archive_that_commits_is_asked_in_the_end(site: Path) -> None:
    """`storage_commitment`: where images have been found, and once more before the order is published."""
    site.write_text(
        SITE + '[[archives]]\nkind = "dimse"\nname = "pacs"\nhost = "h"\nport = 1\nae_title = "PACS"\n'
        "storage_commitment = true\n"
    )
    settings.cache_clear()
    asking = {state for state in State if commit_storage in own_steps("main", state)}
    assert asking == {State.ACQUIRED, State.REPORTED}
    assert own_steps("main", State.REPORTED)[-1] is commit_storage


def test_they_are_done_once_after_radflow_s_own_steps(site: Path, now: datetime) -> None:
    """In one leg of a real flow run: the order's log says when, and what the function has noted."""
    store = engine.store()
    store.migrate()
    key = a_reported_order(store, now)
    with prefect_test_harness(server_startup_timeout=300):
        run_order(key)
    with store.read() as session:
        log = orders.events_of(session, key)
    done = [line.step for line in log if line.event == Event.STEP_COMPLETED]
    own = [step.name for step in LIFE[State.REPORTED].steps]  # type: ignore[attr-defined]
    assert done == [*own, "main.tell", "main.counted"]
    assert next(line.detail for line in log if line.step == "main.tell") == {"told": 1}
    assert sys.modules["wards"].told == [key]


def test_a_function_that_is_wrong_parks_its_order(site: Path) -> None:
    """One that is not there, or returns what cannot be noted; the reason is its own, and no traceback's."""
    names = ("wards:talks", "wards:gone")
    site.write_text("".join(f'[[tasks]]\nfunction = "{name}"\nwhen = "held"\n' for name in names))
    settings.cache_clear()
    talks, gone = own_steps("main", State.HELD)
    with pytest.raises(Refused, match="wards:talks returns str; a dict or None is wanted"):
        talks.fn("key")  # type: ignore[attr-defined]
    with pytest.raises(Refused, match="wards:gone is not to be found"):
        gone.fn("key")  # type: ignore[attr-defined]
