"""Any life of an order: whatever is said in whatever order, and whenever radflow is killed, these hold."""

import json
import os
import shutil
from collections import Counter
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as how
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlmodel import select

from flows.runtime import DirectRuntime
from radflow.connectors.mllp import FakeReceiver
from radflow.order import FINISHED, ON_WORKLIST, Event, NotAllowed, Progress, State
from radflow.settings import LOOPBACK, settings
from radflow.simulators import performed_step
from radflow.simulators.archive import SimulatedArchive
from radflow.simulators.engine import Crashed, running_engine
from radflow.simulators.modality import ask_worklist, make_study, store_study
from radflow.simulators.services import running_services
from radflow.store import orders
from radflow.store.engine import store
from radflow.store.replays import requeue
from radflow.store.tables import Message, OrderRow, OutboxMessage, PublicationRow, WorklistItem
from tests.conftest import NOW
from tests.hl7_builders import an_adt, an_orm, an_oru, order_named
from tests.inbox import keep

NUMBERS = st.sampled_from(["P1", "P2", "P3"])
ENDS = st.sampled_from(["COMPLETED", "COMPLETED", "DISCONTINUED", ""])
"""Performed Procedure Step Status (0040,0252) in the last N-SET; empty: it never comes."""
BY_HAND = st.sampled_from(
    [
        Event.ORDER_CANCELLED, Event.ORDER_HELD, Event.ORDER_RELEASED, Event.ORDER_DISCONTINUED,
        Event.ORDER_CLOSED, Event.NO_SHOW, Event.STEP_STARTED, Event.ACQUISITION_DISCONTINUED,
        Event.ACQUISITION_ABANDONED, Event.INSTANCES_AVAILABLE, Event.CANDIDATE_REFUSED,
        Event.REPUBLICATION_ASKED, Event.WOKEN_BY_HAND,
    ]
)  # fmt: skip
"""What people, modalities and archives may say without a message, in any state."""
LONG = timedelta(hours=6)
"""Longer than any lease, pause and recheck."""


class Killed(DirectRuntime):
    """A runtime that is killed at a step, before it or after it, as often as it is told to."""

    def __init__(self) -> None:
        self.before: set[int] = set()
        self.after: set[int] = set()
        self._calls = 0

    def kill(self, steps_ahead: int, *, done: bool) -> None:
        (self.after if done else self.before).add(self._calls + steps_ahead)

    def spare(self) -> None:
        self.before.clear()
        self.after.clear()

    def call(self, step: Any, order_key: str) -> Any:
        self._calls += 1
        if self._calls in self.before:
            raise Crashed
        done = super().call(step, order_key)
        if self._calls in self.after:
            raise Crashed
        return done


class Lives(RuleBasedStateMachine):
    """A hospital with three orders, in which anything may be said at any time."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self._folder = Path(mkdtemp(prefix="radflow-model-"))
        self._stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
        self._patch = self._stack.enter_context(pytest.MonkeyPatch.context())
        self._said = self._made = 0
        self._acknowledged: list[bytes] = []
        self._ordered: set[str] = set()
        self.runtime = Killed()

    @initialize(chapters=st.tuples(*[st.integers(0, 4)] * 3))
    def open(self, chapters: tuple[int, ...]) -> None:
        """A radflow of its own, on a fresh store; the orders have come so far in their lives."""
        self.archive = self._stack.enter_context(SimulatedArchive(self._folder / "archive"))
        self.ehr = self._stack.enter_context(FakeReceiver())
        shutil.copy(self.template, self._folder / "radflow.db")
        for name in [name for name in os.environ if name.startswith("RADFLOW_")]:
            self._patch.delenv(name)
        self._patch.setenv("RADFLOW_HOME", str(self._folder))
        self._patch.setenv("RADFLOW_SITES_DIR", str(self._folder / "sites"))
        self._write_site()
        _forget()
        self._stack.callback(_forget)
        self.engine = self._stack.enter_context(running_engine(store(), NOW, self.runtime))
        doors = self._stack.enter_context(running_services(store(), list(settings().sites.values())))
        self.dicom = doors.dicom["main"]
        for number, so_far in zip(("P1", "P2", "P3"), chapters, strict=True):
            self.usual_life(number, so_far)

    # What may be said

    @rule(number=NUMBERS, chapters=st.integers(1, 4))
    def usual_life(self, number: str, chapters: int) -> None:
        """The beginning, or all, of a life as it should be: ordered, made, found, reported."""
        for chapter in (self._ordered_now, self._made_now, self.sweep, self._reported_now)[:chapters]:
            chapter(*(() if chapter == self.sweep else (number,)))
            self.engine.settle()

    def _ordered_now(self, number: str) -> None:
        self.order(number, "NW")

    def _made_now(self, number: str) -> None:
        self.made(True, "COMPLETED", number)

    def _reported_now(self, number: str) -> None:
        self.report(number, "F")

    @rule(number=NUMBERS, control=st.sampled_from(["NW", "NW", "NW", "XO", "CA", "HD", "RL", "DC"]))
    def order(self, number: str, control: str) -> None:
        """New, changed, cancelled, held, released."""
        self._ordered |= {number} if control in ("NW", "XO") else set()
        at = f"{self.engine.clock.now + timedelta(minutes=self._said):%Y%m%d%H%M}"
        changes = order_named(number, orc_1=control)
        changes["OBR"] = {**changes["OBR"], 36: at}
        self._say(an_orm(self._control_id(), changes=changes))

    @rule(number=NUMBERS, status=st.sampled_from("PFFCX"))
    def report(self, number: str, status: str) -> None:
        """Preliminary, final, corrected, withdrawn."""
        changes = {"OBR": {2: f"{number}^EHR", 25: status}, "OBX": {5: f"Text {self._said}", 11: status}}
        self._say(an_oru(self._control_id(), changes=changes))

    @rule(event=st.sampled_from(["A08", "A31", "A40"]), name=st.sampled_from(["Müller^Åse", "Møller^Åse"]))
    def patient(self, event: str, name: str) -> None:
        """Another name, or a number that was the patient's too."""
        self._say(an_adt(event, self._control_id(), changes={"PID": {5: name}}))

    @precondition(lambda self: self._acknowledged)
    @rule(data=st.data())
    def said_again(self, data: st.DataObject) -> None:
        """The same bytes: a lost acknowledgement."""
        keep(store(), self.engine.clock.now, data.draw(st.sampled_from(self._acknowledged)))

    @rule(data=st.data())
    def replayed(self, data: st.DataObject) -> None:
        """Some messages are looked at once more."""
        with store().write() as session:
            ids = [one for one in session.exec(select(Message.id)) if one]
            requeue(session, [one for one in ids if data.draw(st.booleans())])

    # What modalities and archives do

    @rule(
        tells=st.booleans(),
        ends=st.sampled_from(["COMPLETED", "COMPLETED", "DISCONTINUED", ""]),
        number=NUMBERS,
    )
    def made(self, tells: bool, ends: str, number: str) -> None:
        """What the worklist shows of an order, with or without MPPS; the discontinued leaves no images."""
        shown = ask_worklist(LOOPBACK, self.dicom, "RADFLOW")
        items = [one for one in shown if one.PlacerOrderNumberImagingServiceRequest.startswith(number)]
        if not items:
            return
        where = (LOOPBACK, self.dicom, "RADFLOW")
        images = make_study(items[0], self.engine.clock.now)
        self._made += 1
        now = self.engine.clock.now
        step = performed_step.begin(items[:1], now, *where, attempt=self._made) if tells else ""
        if not (tells and ends == "DISCONTINUED"):
            store_study(images, LOOPBACK, self.archive.port, self.archive.ae_title)
        if step and ends:
            performed_step.end(step, images, self.engine.clock.now, *where, status=ends)

    @rule(number=NUMBERS, event=BY_HAND)
    def said_by_hand(self, number: str, event: Event) -> None:
        """Whether it may happen now or not: only the table decides."""
        now = self.engine.clock.now
        for row in _rows():
            if row.placer_order_number == number:
                with suppress(NotAllowed), store().write() as session:
                    orders.record(session, row.key, event, source="person:x", occurred_at=now, now=now)

    @rule()
    def sweep(self) -> None:
        self.engine.sweep()

    # What happens to radflow

    @rule()
    def has_time(self) -> None:
        """Radflow does what is due."""
        self.engine.settle()

    @rule(steps=st.integers(1, 8), done=st.booleans())
    def killed(self, steps: int, done: bool) -> None:
        """Some steps on: before one, or after it and before it is recorded."""
        self.runtime.kill(steps, done=done)

    @rule(minutes=st.sampled_from([0, 1, 30, 300]))
    def time_passes(self, minutes: int) -> None:
        self.engine.advance(timedelta(minutes=minutes))
        self.engine.look_at_limits()

    # What holds all the time

    @invariant()
    def no_order_is_in_two_states(self) -> None:
        """The row is the fold of its log, event by event as the table allows."""
        for row in _rows():
            with store().read() as session:
                log = orders.events_of(session, row.key)
            state: State | None = None
            for line in log:
                state = Progress(state).after(Event(line.event)).state
            assert row.state == state, row.key

    @invariant()
    def the_worklist_holds_what_may_be_on_it(self) -> None:
        """Nothing of an order that is held, imaged, reported, finished or given up."""
        states = {row.key: row.state for row in _rows()}
        with store().read() as session:
            listed = {item.order_key for item in session.exec(select(WorklistItem))}
        assert all(states[key] in ON_WORKLIST for key in listed)

    def teardown(self) -> None:
        """Left alone for some hours, everything comes to rest, and to a state that is right."""
        try:
            if hasattr(self, "dicom"):
                self.runtime.spare()
                for _ in range(4):
                    self.engine.advance(LONG)
                    self.engine.sweep()
                self._at_rest()
        finally:
            self._stack.close()

    def _at_rest(self) -> None:
        self.no_order_is_in_two_states()
        rows = _rows()
        assert {row.placer_order_number for row in rows} == self._ordered, "no order is lost"
        assert len(rows) == len(self._ordered), "and none is there twice"
        for row in rows:
            assert (row.leg, row.trouble == "" or row.wake_at is None) == (None, True), row.state
            assert row.state not in (State.RECEIVED, State.REPORTED, State.PRELIMINARY, State.WITHDRAWN)
        with store().read() as session:
            listed = Counter(item.order_key for item in session.exec(select(WorklistItem)))
            published = session.exec(select(PublicationRow).where(PublicationRow.reference != "")).all()
            queued = session.exec(select(OutboxMessage)).all()
        on_it = {row.key for row in rows if row.state == State.WORKLISTED}
        assert on_it <= set(listed), "what is worklisted is on the worklist"
        assert set(listed.values()) <= {1}
        names = {(one.destination, one.name): one.reference for one in published}
        assert len(names) == len({(one.destination, one.name, one.reference) for one in published})
        got = Counter(raw.split(b"|", 10)[9] for raw in self.ehr.messages)
        assert set(got.values()) <= {1}, "the EHR gets each message once"
        assert len(got) == len([one for one in queued if one.destination == "ehr"])
        for row in rows:
            self._one_live_version(row)
        self._no_finished_order_wakes(rows)

    def _one_live_version(self, row: OrderRow) -> None:
        """Of each resource, and of the report."""
        files = self._folder.glob(f"fhir/*/*/{row.key}.ndjson")
        resources = [json.loads(line) for file in files for line in file.read_bytes().splitlines()]
        assert len({(one["resourceType"], one["id"]) for one in resources}) == len(resources), row.key
        reports = [one["status"] for one in resources if one["resourceType"] == "DiagnosticReport"]
        live = [status for status in reports if status not in ("entered-in-error", "cancelled")]
        assert len(live) <= 1, row.key

    def _no_finished_order_wakes(self, rows: list[OrderRow]) -> None:
        finished = [row for row in rows if row.state in FINISHED]
        assert all(row.wake_at is None for row in finished)
        legs = self.engine.legs.done
        self.engine.advance(LONG)
        assert self.engine.legs.done == legs, "nothing wakes by itself"

    def _say(self, message: bytes) -> None:
        keep(store(), self.engine.clock.now, message)
        self._acknowledged.append(message)

    def _control_id(self) -> str:
        self._said += 1
        return f"M{self._said:04}"

    def _write_site(self) -> None:
        file = self._folder / "sites" / "main.toml"
        file.parent.mkdir()
        file.write_text(
            f"""
time_zone = "Europe/Berlin"
[listener]
port = 0
[worklist]
port = 0
ae_title = "RADFLOW"
[[archives]]
kind = "dimse"
name = "pacs"
host = "{LOOPBACK}"
port = {self.archive.port}
ae_title = "{self.archive.ae_title}"
[[destinations]]
kind = "mllp"
name = "ehr"
host = "{LOOPBACK}"
port = {self.ehr.port}
takes = ["results"]
[[overdue]]
stage = "images"
after = "4h"
expires_after = "60d"
"""
        )


def _rows() -> list[OrderRow]:
    with store().read() as session:
        return list(session.exec(select(OrderRow)))


def _forget() -> None:
    if store.cache_info().currsize:
        store().close()
    store.cache_clear()
    settings.cache_clear()


def test_any_life(migrated_file: Path) -> None:
    """Valid and invalid events, killed at any step, said twice and out of order."""
    Lives.template = migrated_file
    run_state_machine_as_test(
        Lives,
        settings=how(
            max_examples=int(os.environ.get("RADFLOW_MODEL_EXAMPLES", "15")),
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            # An example takes seconds: to make a failing one smaller would take an hour.
            phases=[Phase.explicit, Phase.generate],
        ),
    )
