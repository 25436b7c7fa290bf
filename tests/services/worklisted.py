"""A worklist service for tests: orders put on it, and a modality that asks."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydicom import Dataset
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.sop_class import ModalityWorklistInformationFind  # type: ignore[attr-defined]
from sqlmodel import Session

from mappings.dicom.worklist import worklist_items
from radflow.services.dicom.server import RunningServer
from radflow.services.worklist import start
from radflow.settings import LOOPBACK, Site, Worklist
from radflow.store import orders, worklist
from radflow.store.engine import Store
from tests.builders import an_order

Answer = tuple[int, Dataset | None]


@contextmanager
def serving(store: Store, **settings: Any) -> Iterator[RunningServer]:
    """The worklist of the site main, on a free port."""
    running = start(Site(name="main", worklist=Worklist(port=0, **settings)), store)
    try:
        yield running
    finally:
        running.stop()


def put(store: Store, now: datetime, number: str, item: Dataset | None = None, **order: object) -> str:
    """Place an order with its worklist items, or with this one; returns the order's key."""
    with store.write() as session:
        return put_in(session, now, number, item, **order)


def put_in(
    session: Session, now: datetime, number: str, item: Dataset | None = None, **changes: object
) -> str:
    order = an_order(number, **{"requested_at": now, **changes})
    orders.place(session, order, source="test", occurred_at=now, now=now)
    worklist.put(session, order.key, order.site, [item] if item else worklist_items(order, ZoneInfo("UTC")))
    return order.key


@contextmanager
def association(
    port: int, sop_class: str = ModalityWorklistInformationFind, *, calling: str = "MODALITY",
    called: str = "RADFLOW",
) -> Iterator[Association]:  # fmt: skip
    ae = AE(calling)
    ae.add_requested_context(sop_class)
    opened = ae.associate(LOOPBACK, port, ae_title=called)
    try:
        yield opened
    finally:
        if opened.is_established:
            opened.release()


def asked(port: int, query: Dataset, *, calling: str = "MODALITY") -> list[Answer]:
    """The status and the identifier of each response."""
    with association(port, calling=calling) as opened:
        responses = opened.send_c_find(query, ModalityWorklistInformationFind)
        return [(int(status.Status), answer) for status, answer in responses]


def found(port: int, query: Dataset, *, calling: str = "MODALITY") -> list[Dataset]:
    """The answers to a query that succeeds."""
    *pending, last = asked(port, query, calling=calling)
    assert last == (0x0000, None)
    return [answer for status, answer in pending if answer is not None and status == 0xFF00]


def names_asked(**values: object) -> Dataset:
    query = Dataset()
    query.PatientName = query.PatientID = ""
    query.ScheduledProcedureStepSequence = []
    for keyword, value in values.items():
        setattr(query, keyword, value)
    return query
