"""`radflow simulate day`: a hospital's day from the first order to the last report, then replayed twice."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import Session, select

from radflow.connectors.mllp import FakeReceiver, MllpClient
from radflow.settings import LOOPBACK, settings
from radflow.simulators.any_archive import any_archive
from radflow.simulators.day.outcome import Snapshot, changed, judge, snapshot
from radflow.simulators.day.plan import Twist, plan
from radflow.simulators.day.play import Day, Wires
from radflow.simulators.engine import Engine, running_engine
from radflow.simulators.services import running_services
from radflow.simulators.site_file import write_site
from radflow.store import candidates, replays
from radflow.store.engine import Store, store
from radflow.store.tables import Message, OrderRow

SITE = "simulated"
_ZONE = ZoneInfo("Europe/Berlin")
_MORNING = datetime(2026, 11, 24, 6, tzinfo=_ZONE)
_LATER = timedelta(hours=1)

Tell = Callable[[str, int, int], None]
"""What is being done, how much of it is done, of how much."""


def simulate_day(count: int, seed: int, tell: Tell) -> dict[str, Any]:
    """Play a day of `count` orders and judge it.

    Settings name a home of its own, which may be thrown away afterwards.

    Returns:
        `orders`, `published`, `cancelled`, `open`, `lost`, `duplicated`, `wrongly_linked`,
        `changed_by_replay`, and how it was done: `twists`, `messages`, `legs`, `archive`, `seconds`.
    """
    exams, began = plan(count, _MORNING, seed), time.monotonic()
    with ExitStack() as stack:
        archive = stack.enter_context(any_archive(settings().home / "archive"))
        ehr = stack.enter_context(FakeReceiver())
        write_site(
            settings().sites_dir / f"{SITE}.toml",
            archive_port=archive.port,
            archive_ae_title=archive.ae_title,
            ehr_port=ehr.port,
            time_zone=_ZONE.key,
        )
        settings.cache_clear()
        opened = store()
        opened.migrate()
        engine = stack.enter_context(running_engine(opened, _MORNING))
        doors = stack.enter_context(running_services(opened, list(settings().sites.values())))
        wires = Wires(doors.mllp[SITE], doors.dicom[SITE], "RADFLOW", archive.port, archive.ae_title)
        day = Day(exams, wires, lambda number, uid: _confirm(opened, number, uid, engine.clock.now))
        day.play(_Radflow(engine), lambda done, of: tell("the day", done, of))
        with opened.read() as session:
            before = snapshot(session)
            outcome = judge(session, (one.number for one in exams), day.truth, _control_ids(ehr))
        tell("sent again", 0, 1)
        again = changed(before, _send_again(day, wires, engine, opened))
        tell("replayed", 0, 1)
        replayed = changed(before, _replay(engine, opened))
    return {
        **asdict(outcome),
        "changed_by_replay": len(again | replayed),
        "twists": {twist.value: sum(twist in one.twists for one in exams) for twist in Twist},
        "messages": len(day.sent),
        "legs": engine.legs.done,
        "archive": archive.what_it_is,
        "seconds": round(time.monotonic() - began, 1),
    }


class _Radflow:
    """The engine, as the hospital knows it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def advance_to(self, now: datetime) -> None:
        self._engine.clock.now = now.astimezone(UTC)

    def settle(self) -> None:
        self._engine.settle()

    def sweep(self) -> None:
        self._engine.sweep()


def _send_again(day: Day, wires: Wires, engine: Engine, opened: Store) -> Snapshot:
    """The whole day over the wire once more, an hour later, as after a lost acknowledgement."""
    with MllpClient(LOOPBACK, wires.mllp_port, timeout=60) as line:
        for message in day.sent:
            line.send(message)
    return _an_hour_later(engine, opened)


def _replay(engine: Engine, opened: Store) -> Snapshot:
    """Every message looked at once more, as by `radflow messages replay --day`."""
    with opened.write() as session:
        replays.requeue(session, [one for one in session.exec(select(Message.id)) if one is not None])
    return _an_hour_later(engine, opened)


def _an_hour_later(engine: Engine, opened: Store) -> Snapshot:
    engine.advance(_LATER)
    engine.sweep()
    with opened.read() as session:
        return snapshot(session)


def _confirm(opened: Store, number: str, study_uid: str, now: datetime) -> bool:
    """A person looks at the candidates: confirms the true one, and rejects what else is proposed for it."""
    with opened.write() as session:
        proposed = [one for one in candidates.undecided(session) if one.study_instance_uid == study_uid]
        true = [one for one in proposed if _number_of(session, one.order_key) == number]
        for one in proposed:
            decide = candidates.confirm if one in true else candidates.refuse
            decide(session, one.id or 0, by="simulated", now=now)
    return bool(true)


def _number_of(session: Session, order_key: str) -> str:
    return session.get_one(OrderRow, order_key).placer_order_number


def _control_ids(ehr: FakeReceiver) -> list[str]:
    return [message.split(b"|", 10)[9].decode() for message in ehr.messages]
