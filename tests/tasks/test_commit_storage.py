"""Storage commitment, asked of Orthanc, and of SCPs that answer in each way the standard allows."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydicom import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.dimse_messages import N_ACTION_RSP
from pynetdicom.events import Event as DicomEvent
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)
from sqlmodel import select

from mappings.dicom.commitment import read_report
from mappings.dicom.worklist import worklist_items
from radflow.connectors.archive import ArchiveUnavailable, FakeArchive
from radflow.connectors.errors import Refused
from radflow.model import Instance, Order, Series, Study
from radflow.order import Event
from radflow.services.worklist import start
from radflow.settings import LOOPBACK, Site, Worklist, settings
from radflow.simulators.modality import make_study, store_study
from radflow.store import commitments, orders, studies
from radflow.store.engine import Store
from radflow.store.orders import NOT_COMMITTED
from radflow.store.tables import OrderRow, StorageCommitmentRow
from tasks import commit_storage as of_task
from tasks import order as order_of
from tasks.commit_storage import commit_storage
from tests import peers
from tests.builders import an_order

Answer = Callable[[Dataset], Dataset]


@pytest.fixture
def order(store: Store, now: datetime, monkeypatch: pytest.MonkeyPatch) -> Order:
    for module in (of_task, order_of):
        monkeypatch.setattr(module, "store", lambda: store)
    placed = an_order()
    with store.write() as session:
        orders.place(session, placed, source="t", occurred_at=now, now=now)
    return placed


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Has an archive at this port."""

    def at(port: int, seconds: float = 5) -> None:
        folder = tmp_path / f"sites-{port}"
        folder.mkdir()
        (folder / "main.toml").write_text(
            f'[[archives]]\nkind = "dimse"\nname = "pacs"\nhost = "127.0.0.1"\nport = {port}\n'
            f'ae_title = "ORTHANC"\nstorage_commitment = true\ncommitment_seconds = {seconds}\n'
        )
        monkeypatch.setenv("RADFLOW_SITES_DIR", str(folder))
        settings.cache_clear()

    yield at
    settings.cache_clear()


def shown_by(archive: FakeArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_task, "open_archive", lambda *_: archive)


def a_study(order: Order, *uids: str) -> Study:
    instances = tuple(
        Instance(sop_instance_uid=uid, sop_class_uid="1.2.840.10008.5.1.4.1.1.2") for uid in uids
    )
    series = Series(series_instance_uid="1.2.9", instances=instances)
    return Study(study_instance_uid=order.study_instance_uid, archive="pacs", series=(series,))


def found(store: Store, now: datetime, order: Order, study: Study) -> None:
    with store.write() as session:
        studies.save(session, order.key, study, now)
        orders.record(session, order.key, Event.STUDY_FOUND, source="t", occurred_at=now, now=now)


def told(store: Store, order: Order) -> list[tuple[Event, dict[str, Any]]]:
    """What the archive has told of the order."""
    with store.read() as session:
        log = orders.events_of(session, order.key)
    return [(Event(line.event), line.detail) for line in log if line.source == "archive:pacs"]


def all_committed(request: Dataset) -> Dataset:
    answer = Dataset()
    answer.TransactionUID = request.TransactionUID
    answer.ReferencedSOPSequence = request.ReferencedSOPSequence
    return answer


def first_failed(request: Dataset) -> Dataset:
    answer = all_committed(request)
    failed, *committed = request.ReferencedSOPSequence
    failed.FailureReason = 0x0112
    answer.ReferencedSOPSequence, answer.FailedSOPSequence = committed, [failed]
    return answer


@contextmanager
def archive(answer: Answer, *, reports_to: int | None = None, status: int = 0x0000) -> Iterator[int]:
    """A storage commitment SCP: its port.

    Args:
        reports_to: the port that it reports to over an association of its own; None: on the same one.
        status: what it answers to the N-ACTION.
    """
    reports: list[threading.Thread] = []
    answered: list[int] = []
    started = [0]

    def asked(event: DicomEvent) -> tuple[int, None]:
        if status == 0x0000:
            arguments = (event.assoc, answer(event.action_information))
            thread = threading.Thread(target=report if reports_to is None else call, args=arguments)
            reports.append(thread)
        return status, None

    def sent(event: DicomEvent) -> None:
        # The answer to the N-ACTION comes first.
        if isinstance(event.message, N_ACTION_RSP):
            for thread in reports[started[0] :]:
                thread.start()
            started[0] = len(reports)

    def report(association: Any, information: Dataset) -> None:
        kind = 2 if "FailedSOPSequence" in information else 1
        reply, _ = association.send_n_event_report(
            information, kind, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
        answered.append(reply.Status)

    def call(_: Any, information: Dataset) -> None:
        caller = AE("ORTHANC")
        caller.add_requested_context(StorageCommitmentPushModel)
        association = caller.associate(
            LOOPBACK, reports_to or 0, ext_neg=[build_role(StorageCommitmentPushModel, scp_role=True)]
        )
        report(association, information)
        association.release()

    ae = AE("ORTHANC")
    ae.add_supported_context(StorageCommitmentPushModel)
    server = ae.start_server(
        (LOOPBACK, 0), block=False, evt_handlers=[(evt.EVT_N_ACTION, asked), (evt.EVT_DIMSE_SENT, sent)]
    )
    assert server is not None
    try:
        yield server.server_address[1]
        for thread in reports:
            thread.join(10)
        assert answered == [0x0000] * len(reports)
    finally:
        server.shutdown()


def test_an_archive_that_answers_at_once(
    store: Store, now: datetime, order: Order, site: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """N-EVENT-REPORT on the association of the N-ACTION; what is committed is not asked for again."""
    study = a_study(order, "1.2.1", "1.2.2")
    found(store, now, order, study)
    shown_by(FakeArchive([study]), monkeypatch)
    with archive(all_committed) as port:
        site(port)
        assert commit_storage.fn(order.key) == {"asked": 2}
        assert commit_storage.fn(order.key) == {"asked": 0}
    committed = {"study": order.study_instance_uid, "committed": 2, "failed": 0}
    assert told(store, order) == [(Event.STORAGE_COMMITTED, committed)]


def test_instances_that_are_not_committed(
    store: Store, now: datetime, order: Order, site: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counts and reasons are in the log, a person sees it; the next time they are asked for again."""
    study = a_study(order, "1.2.1", "1.2.2", "1.2.3")
    found(store, now, order, study)
    shown_by(FakeArchive([study]), monkeypatch)
    with archive(first_failed) as port:
        site(port)
        commit_storage.fn(order.key)
    ((event, detail),) = told(store, order)
    assert event is Event.STORAGE_COMMITMENT_FAILED
    assert (detail["committed"], detail["failed"], detail["reasons"]) == (2, 1, {"0112": 1})
    with store.read() as session:
        assert session.get_one(OrderRow, order.key).trouble == NOT_COMMITTED
    with archive(all_committed) as port:
        site(port)
        assert commit_storage.fn(order.key) == {"asked": 3}
    assert told(store, order)[-1][0] is Event.STORAGE_COMMITTED


def test_an_archive_that_calls_back(
    store: Store, now: datetime, order: Order, site: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """N-EVENT-REPORT over an association of its own, with SCP role selection."""
    study = a_study(order, "1.2.1")
    found(store, now, order, study)
    shown_by(FakeArchive([study]), monkeypatch)
    ours = start(Site(name="main", worklist=Worklist(port=0)), store)
    try:
        with archive(all_committed, reports_to=ours.port) as port:
            site(port, seconds=0)
            assert commit_storage.fn(order.key) == {"asked": 1}
            assert commit_storage.fn(order.key) == {"asked": 0}
    finally:
        ours.stop()
    assert [event for event, _ in told(store, order)] == [Event.STORAGE_COMMITTED]


def test_more_images_are_asked_for_anew(
    store: Store, now: datetime, order: Order, site: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An append: the archive answers for all there are now."""
    study = a_study(order, "1.2.1")
    found(store, now, order, study)
    fake = FakeArchive([study])
    shown_by(fake, monkeypatch)
    with archive(all_committed) as port:
        site(port)
        commit_storage.fn(order.key)
        fake.studies = [a_study(order, "1.2.1", "1.2.2")]
        assert commit_storage.fn(order.key) == {"asked": 2}


@pytest.mark.parametrize(("status", "error"), [(0x0213, ArchiveUnavailable), (0x0124, Refused)])
def test_an_archive_that_says_no(
    store: Store, now: datetime, order: Order, site: Callable[..., None], monkeypatch: pytest.MonkeyPatch,
    status: int, error: type[Exception],
) -> None:  # fmt: skip
    """Busy: the step is tried again. Not authorised: a person is asked. Nothing is left as asked for."""
    study = a_study(order, "1.2.1")
    found(store, now, order, study)
    shown_by(FakeArchive([study]), monkeypatch)
    with archive(all_committed, status=status) as port:
        site(port)
        with pytest.raises(error, match=f"0x{status:04X}"):
            commit_storage.fn(order.key)
    with store.read() as session:
        assert session.exec(select(StorageCommitmentRow)).all() == []


def test_an_answer_that_leaves_out_an_instance(store: Store, now: datetime, order: Order) -> None:
    """Not committed is what is not said to be."""
    found(store, now, order, a_study(order, "1.2.1"))
    report = read_report(_report("1.2.77", "1.2.1"))
    with store.write() as session:
        commitments.ask(
            session, "1.2.77", order_key=order.key, study_instance_uid=order.study_instance_uid,
            archive="pacs", instances=["1.2.1", "1.2.2"], now=now,
        )  # fmt: skip
        commitments.answer(session, report, now)
        with pytest.raises(commitments.UnknownTransaction):
            commitments.answer(session, read_report(_report("1.2.78")), now)
    ((event, detail),) = told(store, order)
    assert (event, detail["reasons"]) == (Event.STORAGE_COMMITMENT_FAILED, {"0110": 1})


def _report(transaction_uid: str, *uids: str) -> Dataset:
    report = Dataset()
    report.TransactionUID = transaction_uid
    report.ReferencedSOPSequence = []
    for uid in uids:
        item = Dataset()
        item.ReferencedSOPInstanceUID = uid
        report.ReferencedSOPSequence.append(item)
    return report


def test_orthanc_commits_what_it_has(
    store: Store, now: datetime, order: Order, site: Callable[..., None], tmp_path: Path
) -> None:
    """A study stored there, asked for, and committed over the association that Orthanc opens to us."""
    ours = start(Site(name="main", worklist=Worklist(port=0)), store)
    modality = {"AET": "RADFLOW", "Host": LOOPBACK, "Port": ours.port, "AllowStorageCommitment": True}
    try:
        with peers.orthanc(tmp_path / "orthanc", {"DicomModalities": {"radflow": modality}}) as orthanc:
            site(orthanc.dicom_port, seconds=0)
            images = make_study(worklist_items(order, ZoneInfo("UTC"))[0], now)
            store_study(images, LOOPBACK, orthanc.dicom_port, orthanc.ae_title)
            found(store, now, order, a_study(order))
            assert commit_storage.fn(order.key) == {"asked": len(images)}
            _wait_until(lambda: bool(told(store, order)))
    finally:
        ours.stop()
    ((event, detail),) = told(store, order)
    assert (event, detail["committed"], detail["failed"]) == (Event.STORAGE_COMMITTED, 4, 0)


def _wait_until(happened: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < give_up, "the archive does not report"
        time.sleep(0.02)
