"""A site whose archives are in memory, and rounds of looking into them at times that a test says."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from radflow.connectors.archive import FakeArchive
from radflow.model import Order, Study
from radflow.order import Event
from radflow.settings import Site, read_site
from radflow.store import orders, studies
from radflow.store.engine import Store
from radflow.store.tables import OrderEvent, OrderRow, StudyRow
from tasks.finding import archives_in_turn, search
from tasks.noting import Performed, no_mpps
from tests.builders import an_order

ARCHIVE = '[[archives]]\nkind = "dimse"\nname = "{name}"\nhost = "127.0.0.1"\nport = 1\nae_title = "X"\n'


@dataclass
class Rounds:
    """A site whose archives are fakes, and a clock."""

    store: Store
    site: Site
    now: datetime
    archives: dict[str, FakeArchive]
    performed: Performed = no_mpps
    news: list[str] = field(default_factory=list)

    def round(self, minutes: float = 1) -> list[str]:
        """A sweep of the site so many minutes later; the orders that have images by it, or other ones."""
        self.now += timedelta(minutes=minutes)
        shown: list[str] = []
        found: list[str] = []
        for name in archives_in_turn(self.store, self.site, self.now):
            searched = search(self.store, self.site, name, self.now, self.performed, shown)
            shown += searched.shown
            found += searched.found
            self.news += [searched.news] if searched.news else []
        return found

    def rounds(self, count: int) -> list[str]:
        return [key for _ in range(count) for key in self.round()]

    def place(self, *placed: Order) -> None:
        with self.store.write() as session:
            for order in placed:
                orders.place(session, order, source="test", occurred_at=self.now, now=self.now)

    def happens(self, key: str, *events: Event) -> None:
        with self.store.write() as session:
            for event in events:
                orders.record(session, key, event, source="test", occurred_at=self.now, now=self.now)

    def queries(self) -> int:
        return sum(archive.queries for archive in self.archives.values())

    def state(self, key: str) -> str:
        with self.store.read() as session:
            return session.get_one(OrderRow, key).state

    def log(self, key: str) -> list[tuple[str, str]]:
        """What archives and people have said of the order: event and source."""
        with self.store.read() as session:
            lines = session.exec(select(OrderEvent).where(OrderEvent.order_key == key).order_by("id"))
            return [(line.event, line.source) for line in lines if not line.source.startswith("test")]

    def study(self, key: str) -> StudyRow:
        """The order's one study."""
        with self.store.read() as session:
            return session.exec(select(StudyRow).where(StudyRow.order_key == key)).one()

    def studies(self, key: str) -> Sequence[Study]:
        with self.store.read() as session:
            return studies.of_order(session, key)


def rounds(
    store: Store,
    now: datetime,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    finding: str = "",
    archives: Sequence[str] = ("pacs", "vna"),
) -> Rounds:
    """The site `main` with these archives, all of them empty, and these lines in its `[finding]`."""
    file = folder / "main.toml"
    file.write_text("".join(ARCHIVE.format(name=name) for name in archives) + f"[finding]\n{finding}\n")
    fakes = {name: FakeArchive() for name in archives}
    for module in ("look", "looking_again"):
        monkeypatch.setattr(f"tasks.{module}.open_archive", lambda archive, _zone: fakes[archive.name])
    return Rounds(store, read_site(file), now, fakes)


def a_study(number: str = "P1", archive: str = "pacs", **changes: object) -> Study:
    """What the archive shows of the study of this order: 100 instances."""
    order = an_order(number)
    study = Study(
        study_instance_uid=order.study_instance_uid, archive=archive, patient_id="4711",
        accession_number=order.accession_number, modalities=("CT",), number_of_series=2,
        number_of_instances=100,
    )  # fmt: skip
    return study.model_copy(update=changes)
