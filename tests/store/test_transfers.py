"""The ledger of studies that are moved: leases, limits of each target, and what stays noted."""

from datetime import datetime, timedelta

import pytest

from radflow.model import Study
from radflow.store import orders, studies, transfers
from radflow.store.engine import Store
from radflow.store.tables import TransferItem, TransferRow
from radflow.store.transfers import ItemState, MoverLost, TransferState
from tests.builders import an_order

LEASE = timedelta(seconds=60)
LIMITS = {"cloud": 2, "pacs": 1}


def ask(store: Store, now: datetime, *studies: str, target: str = "cloud") -> int:
    with store.write() as session:
        return transfers.add(session, "main", studies, source="legacy", target=target, why="test", now=now)


def claim(
    store: Store, now: datetime, mover: str = "a", avoid: tuple[tuple[str, str], ...] = ()
) -> TransferRow | None:
    with store.write() as session:
        return transfers.claim(session, "main", mover=mover, limits=LIMITS, now=now, lease=LEASE, avoid=avoid)


def claimed(store: Store, now: datetime, mover: str = "a") -> int:
    row = claim(store, now, mover)
    assert row is not None
    assert row.id is not None
    return row.id


def finish(store: Store, transfer: int, state: TransferState, now: datetime, mover: str = "a") -> None:
    with store.write() as session:
        transfers.finish(session, transfer, mover, state, now=now, again_at=now + LEASE)


def test_a_study_is_asked_for_once(store: Store, now: datetime) -> None:
    """One that waits goes on; one that is done begins anew; each way is a transfer of its own."""
    assert ask(store, now, "1.2", "1.2", "1.3") == 2
    assert ask(store, now, "1.2") == 0
    assert ask(store, now, "1.2", target="pacs") == 1
    finish(store, claimed(store, now), TransferState.DONE, now)
    assert ask(store, now, "1.2") == 1


def test_a_target_takes_no_more_at_once_than_it_may(store: Store, now: datetime) -> None:
    """By all movers together; another target has a limit of its own, and a finished study makes room."""
    ask(store, now, "1", "2", "3")
    first, second = claimed(store, now), claimed(store, now, "b")
    assert first != second
    assert claim(store, now, "c") is None
    ask(store, now, "1", target="pacs")
    other = claim(store, now, "c")
    assert other is not None
    assert other.target == "pacs"
    finish(store, first, TransferState.DONE, now)
    assert claim(store, now, "c") is not None


def test_a_lease_that_ends(store: Store, now: datetime) -> None:
    """Another mover takes over, and the first one may note nothing any more."""
    ask(store, now, "1")
    transfer = claimed(store, now)
    assert claim(store, now + LEASE - timedelta(seconds=1), "b") is None
    assert claimed(store, now + LEASE, "b") == transfer
    with pytest.raises(MoverLost), store.write() as session:
        transfers.note(session, transfer, "a", {}, now, LEASE)
    with pytest.raises(MoverLost):
        finish(store, transfer, TransferState.DONE, now)


def test_noting_renews_the_lease(store: Store, now: datetime) -> None:
    """A large study keeps its mover as long as something is noted."""
    ask(store, now, "1")
    transfer = claimed(store, now)
    with store.write() as session:
        transfers.note(session, transfer, "a", {}, now + LEASE / 2, LEASE)
    assert claim(store, now + LEASE, "b") is None


def test_what_became_of_instances(store: Store, now: datetime) -> None:
    """Kept with reasons as long as the study is not there; counted as sent only when they were."""
    ask(store, now, "1")
    transfer = claimed(store, now)
    items = [
        TransferItem(
            transfer_id=transfer, sop_instance_uid=uid, series_instance_uid="s", sop_class_uid="",
            state=ItemState.WAITING,
        )
        for uid in ("1.1", "1.2")
    ]  # fmt: skip
    with store.write() as session:
        transfers.list_items(session, transfer, "a", items, now, LEASE)
        outcomes = {"1.1": (ItemState.SENT, ""), "1.2": (ItemState.FAILED, "too large")}
        transfers.note(session, transfer, "a", outcomes, now, LEASE)
    finish(store, transfer, TransferState.FAILED, now)
    with store.read() as session:
        row = session.get_one(TransferRow, transfer)
        assert (row.expected, row.sent, row.finished_at) == (2, 1, now)
        found = [(item.sop_instance_uid, item.reason) for item in transfers.items_of(session, transfer)]
        assert found == [("1.1", ""), ("1.2", "too large")]
    with store.write() as session:
        assert transfers.retry(session, "main", now, ["9.9"]) == 0
        assert transfers.retry(session, "main", now) == 1
    finish(store, claimed(store, now), TransferState.DONE, now)
    with store.read() as session:
        assert transfers.items_of(session, transfer) == []
        assert transfers.summary(session, "main") == {("legacy", "cloud", "done"): 1}


def test_what_is_tried_later_and_what_is_avoided(store: Store, now: datetime) -> None:
    """A study waits for its time; a way that is closed is left for now."""
    ask(store, now, "1", "2")
    finish(store, claimed(store, now), TransferState.WAITING, now)
    assert claimed(store, now) == 2
    assert claim(store, now) is None
    assert claim(store, now + LEASE, avoid=(("legacy", "cloud"),)) is None
    assert claimed(store, now + LEASE) == 1


def test_a_study_that_has_grown_is_moved_again(store: Store, now: datetime) -> None:
    """Once it is complete, not while images arrive; what waits or has failed is not asked for again."""

    def shown(instances: int, at: datetime, *, complete: bool) -> None:
        study = Study(study_instance_uid="1.2", archive="legacy", number_of_instances=instances)
        with store.write() as session:
            row = studies.see(session, an_order().key, study, at)
            if complete:
                studies.complete(row, at)

    def wanted() -> list[str]:
        with store.read() as session:
            found = transfers.found_not_moved(session, "main", "legacy", "cloud")
            return [study.study_instance_uid for study in found]

    with store.write() as session:
        orders.place(session, an_order(), source="test", occurred_at=now, now=now)
    shown(4, now, complete=False)
    assert wanted() == []
    shown(4, now, complete=True)
    assert wanted() == ["1.2"]
    ask(store, now, "1.2")
    assert wanted() == []
    finish(store, claimed(store, now), TransferState.DONE, now)
    assert wanted() == []
    later = now + timedelta(hours=1)
    shown(6, later, complete=False)
    assert wanted() == []
    shown(6, later, complete=True)
    assert wanted() == ["1.2"]
    assert ask(store, later, "1.2") == 1
    finish(store, claimed(store, later), TransferState.FAILED, later)
    assert wanted() == []
