"""What a case says to radflow, and what it sees of it: all over real sockets, one thing after the other.

Nothing happens by itself. What is said is acknowledged, then done by `settle`; archives are asked by `sweep`;
time passes by `advance`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

import pandas as pd
from pydicom import Dataset
from sqlmodel import select

from mappings.hl7.reader import Hl7Message
from radflow.connectors.mllp import FakeReceiver
from radflow.connectors.mllp_framing import frame
from radflow.order import WORK_EVENTS, Event
from radflow.settings import LOOPBACK, Site, settings
from radflow.simulators import performed_step
from radflow.simulators.engine import Engine
from radflow.simulators.modality import ask_worklist, make_study
from radflow.simulators.services import Doors
from radflow.store import orders
from radflow.store.engine import Store
from radflow.store.tables import Message, OrderEvent, OrderRow
from tasks.warehouse import refresh_site
from tests import hl7_builders
from tests.cases.archives import Archive
from tests.listening import codes, talk
from tests.peers_fhir import FhirServer

AE_TITLE = "RADFLOW"
_Changes = Mapping[str, Mapping[int, str]]


@dataclass
class Hospital:
    """radflow, and the other side of every wire. Numbers are placer order numbers (ORC-2)."""

    engine: Engine
    store: Store
    doors: Doors
    archives: Mapping[str, Archive]
    """By name: `orthanc`, `orthanc-web`, `dcmqrscp`."""
    fhir_server: FhirServer
    ehr: FakeReceiver
    """Takes results; its `answer` may be changed."""
    ris: FakeReceiver
    """Takes orders and status."""
    _control_ids: "count[int]" = field(default_factory=lambda: count(1))

    # Time

    @property
    def now(self) -> datetime:
        """In UTC."""
        return self.engine.clock.now

    def local(self, site: str = "main") -> datetime:
        """Now, as the site's clocks show it."""
        return self.now.astimezone(self.site(site).zone)

    def advance(self, **by: float) -> None:
        """Let time pass, `advance(minutes=5)`, and have done what is due then."""
        self.engine.advance(timedelta(**by))

    def settle(self) -> None:
        """Have done all that is due now: intake, legs, queues."""
        self.engine.settle()

    # HL7 in

    def order(
        self, number: str = "P1", control: str = "NW", changes: _Changes | None = None, **msh: str
    ) -> bytes:
        """An ORM^O01 of this order, sent now: patient 4711, a CT of the chest. Fields of `changes` differ."""
        numbers = hl7_builders.order_named(number, orc_1=control)
        return self.write(hl7_builders.an_orm, _together(numbers, changes), **msh)

    def report(
        self, number: str = "P1", status: str = "F", text: str = "No focal lesion.",
        changes: _Changes | None = None, **msh: str,
    ) -> bytes:  # fmt: skip
        """An ORU^R01 for this order, sent now; `status` is OBR-25 and OBX-11."""
        usual = {"OBR": {2: f"{number}^EHR", 25: status}, "OBX": {5: text, 11: status}}
        return self.write(hl7_builders.an_oru, _together(usual, changes), **msh)

    def adt(self, event: str = "A08", changes: _Changes | None = None, **msh: str) -> bytes:
        """An ADT of patient 4711, sent now: with MRG for A18, A34, A40, A47, with PV1 for the others."""
        happened = {"EVN": {2: f"{self.local():%Y%m%d%H%M%S}"}}
        return self.write(partial(hl7_builders.an_adt, event), _together(happened, changes), **msh)

    def write(self, builder: Any, changes: _Changes | None = None, **msh: str) -> bytes:
        """A message of `tests.hl7_builders`, sent now under an MSH-10 of its own."""
        return bytes(builder(self.control_id(), changes=changes or {}, **{"msh_7": self._sent_at(), **msh}))

    def message(self, kind: str, *segments: str, **msh: str) -> bytes:
        """A message of these segments, sent now under an MSH-10 of its own; `kind` is MSH-9."""
        return hl7_builders.message(kind, self.control_id(), *segments, **{"msh_7": self._sent_at(), **msh})

    def control_id(self) -> str:
        return f"M{next(self._control_ids):05}"

    def send(self, *messages: bytes, site: str = "main", settle: bool = True) -> list[str]:
        """Send messages over one connection, and have done what they ask for; MSA-1 of each answer."""
        answers = self.say(*messages, site=site)
        if settle:
            self.settle()
        return [code for _, code in codes(answers)]

    def say(self, *messages: bytes, site: str = "main") -> list[Hl7Message]:
        """Send messages, and do nothing about them yet; the answers."""
        return talk(self.doors.mllp[site], *map(frame, messages), answers=len(messages))

    # Modalities

    def worklist(self, *, calling: str = "MODALITY", site: str = "main", **query: Any) -> list[Dataset]:
        """What a modality is shown; `day`, `modality`, `accession_number` narrow it."""
        return ask_worklist(LOOPBACK, self.doors.dicom[site], AE_TITLE, calling_ae_title=calling, **query)

    def item(self, number: str = "P1", site: str = "main") -> Dataset:
        """The one worklist item of the order."""
        (item,) = self.items(number, site)
        return item

    def items(self, number: str = "P1", site: str = "main") -> list[Dataset]:
        """The worklist items of the order: one a scheduled step; none when it is off the worklist."""
        return self.worklist(site=site, accession_number=self.row(number, site).accession_number)

    def study(self, item: Dataset, **changes: Any) -> list[Dataset]:
        """The images made now of a worklist item, two series of two; `changes` by keyword."""
        images = make_study(item, self.local())
        for image in images:
            for keyword, value in changes.items():
                setattr(image, keyword, value)
        return images

    def keep(self, images: Sequence[Dataset], archive: str = "orthanc") -> None:
        """Store images in an archive: by C-STORE, in `orthanc-web` by STOW-RS."""
        self.archives[archive].store(images)

    def begin(self, *items: Dataset, site: str = "main", **more: Any) -> str:
        """MPPS N-CREATE for the steps of these items; its SOP Instance UID."""
        uid = performed_step.begin(
            items, self.local(site), LOOPBACK, self.doors.dicom[site], AE_TITLE, **more
        )
        self.settle()
        return uid

    def end(
        self, uid: str, images: Iterable[Dataset] = (), status: str = "COMPLETED", site: str = "main"
    ) -> None:
        """MPPS N-SET: COMPLETED or DISCONTINUED, with these images."""
        performed_step.end(
            uid, images, self.local(site), LOOPBACK, self.doors.dicom[site], AE_TITLE, status=status
        )
        self.settle()

    def sweep(self) -> set[str]:
        """Ask the archives that are due to be asked; keys of the orders that have got images."""
        return self.engine.sweep()

    # The usual steps of a life, for cases that are about a later one

    def image(self, number: str = "P1", archive: str = "orthanc", site: str = "main") -> list[Dataset]:
        """Have the order's study made, kept and found."""
        images = [image for item in self.items(number, site) for image in self.study(item)]
        self.keep(images, archive)
        self.advance(minutes=1)
        self.sweep()
        return images

    def publish(self, number: str = "P1", changes: _Changes | None = None) -> list[Dataset]:
        """Have the order placed, imaged, reported and published; `changes` are to its message."""
        assert self.send(self.order(number, changes=changes)) == ["AA"]
        images = self.image(number)
        assert self.send(self.report(number)) == ["AA"]
        assert self.state(number) == "published"
        return images

    # What has become of it

    def site(self, name: str = "main") -> Site:
        return settings().site(name)

    def row(self, number: str = "P1", site: str = "main") -> OrderRow:
        """The one order of this number; its `key`, `document`, `state`, `accession_number`."""
        (row,) = (row for row in self.rows(site) if row.placer_order_number == number)
        return row

    def rows(self, site: str = "main") -> list[OrderRow]:
        """Every order of the site."""
        with self.store.read() as session:
            return list(session.exec(select(OrderRow).where(OrderRow.site == site).order_by(OrderRow.key)))

    def key(self, number: str = "P1", site: str = "main") -> str:
        return self.row(number, site).key

    def state(self, number: str = "P1", site: str = "main") -> str:
        return self.row(number, site).state

    def log(self, number: str = "P1", site: str = "main") -> list[OrderEvent]:
        """The order's whole log, oldest first."""
        key = self.key(number, site)
        with self.store.read() as session:
            return list(orders.events_of(session, key))

    def events(self, number: str = "P1", site: str = "main") -> list[str]:
        """What has happened to the order, without the work done on it."""
        return [line.event for line in self.log(number, site) if Event(line.event) not in WORK_EVENTS]

    def inbox(self) -> list[Message]:
        """Every message taken, with its `state` and, in quarantine, its `reason`."""
        with self.store.read() as session:
            return list(session.exec(select(Message).order_by(Message.id)))  # type: ignore[arg-type]

    def results(self) -> list[Hl7Message]:
        """What the EHR has got."""
        return [Hl7Message(raw) for raw in self.ehr.messages]

    def told_ris(self) -> list[Hl7Message]:
        """What the RIS has got."""
        return [Hl7Message(raw) for raw in self.ris.messages]

    def fhir(self, resource_type: str, **search: str) -> list[dict[str, Any]]:
        """The resources of this type that the FHIR server has now, in the order of their ids."""
        query = "&".join(["_count=1000", *(f"{name}={value}" for name, value in search.items())])
        entries = self.fhir_server.read(f"{resource_type}?{query}").get("entry", [])
        return sorted((entry["resource"] for entry in entries), key=lambda one: str(one["id"]))

    def referred(self, reference: Mapping[str, Any]) -> dict[str, Any]:
        """The resource that a reference, such as `subject`, leads to."""
        return self.fhir_server.read(str(reference["reference"]))

    def warehouse(self, table: str, site: str = "main") -> pd.DataFrame:
        """The rows of a warehouse table, after all that has changed is written."""
        refresh_site(site, self.now - timedelta(days=400))
        folders = settings().home.glob(f"warehouse/v*/{table}/site={site}")
        files = sorted(file for folder in folders for file in folder.glob("day=*/*.parquet"))
        rows = [pd.read_parquet(file, partitioning=None) for file in files]
        return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()

    def _sent_at(self) -> str:
        return f"{self.local():%Y%m%d%H%M%S}"


def _together(usual: _Changes, changes: _Changes | None) -> dict[str, dict[int, str]]:
    others = changes or {}
    return {name: {**usual.get(name, {}), **others.get(name, {})} for name in {**usual, **others}}
