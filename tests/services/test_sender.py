"""The sender, against receivers that behave, refuse, are slow, or are not there."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from radflow.connectors.hl7_destination import open_destination
from radflow.connectors.mllp import FakeReceiver
from radflow.services.sender import Drained, Outlet, Sender, back_off, drain
from radflow.settings import LOOPBACK, MllpReceiver
from radflow.settings import settings as of_process
from radflow.simulators.ports import free_port
from radflow.stopping import Stop
from radflow.store import destinations, outbox, watch
from radflow.store.engine import Store
from radflow.store.outbox import QueueState
from radflow.store.tables import DestinationState
from tests.outbox_builders import get, put


@dataclass
class Receiver(FakeReceiver):
    """A receiver that notes what it has accepted, and may take its time."""

    accepted: list[str] = field(default_factory=list)
    seconds: float = 0

    def take(self, raw: bytes) -> bytes | None:
        if self.seconds:
            time.sleep(self.seconds)
        answer = super().take(raw)
        if self.answer == "AA":
            self.accepted.append(raw.split(b"|")[9].decode())
        return answer


@dataclass
class Clock:
    """A clock that stands still until the test moves it."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now


def destination(port: int, name: str = "ehr", **changes: object) -> MllpReceiver:
    given = {"kind": "mllp", "name": name, "host": LOOPBACK, "port": port, "timeout_seconds": 5}
    return MllpReceiver.model_validate(given | changes)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def clock(now: datetime) -> Clock:
    return Clock(now)


@pytest.fixture
def outlet(store: Store, receiver: Receiver, clock: Clock) -> Iterator[Outlet]:
    opened = an_outlet(store, destination(receiver.port), clock)
    yield opened
    opened.client.close()


def an_outlet(store: Store, to: MllpReceiver, clock: Callable[[], datetime], holder: str = "one") -> Outlet:
    return Outlet(store, "main", to, open_destination(to), holder, clock, jitter=lambda: 0.0)


def state_of(store: Store, name: str = "ehr") -> DestinationState:
    with store.read() as session:
        return destinations.look(session, "main", name)


def drain_all(outlet: Outlet) -> list[Drained]:
    found = []
    while drained := drain(outlet):
        found.append(drained)
    return found


def test_what_is_queued_goes_out_in_order(
    store: Store, now: datetime, receiver: Receiver, outlet: Outlet
) -> None:
    """Each message once, a patient's in the order in which they came, marked when acknowledged."""
    ids = [put(store, now, f"{patient}{number}", patient=patient) for number in range(3) for patient in "AB"]
    drain_all(outlet)
    assert sorted(receiver.accepted) == ["A0", "A1", "A2", "B0", "B1", "B2"]
    for patient in "AB":
        own = [control_id for control_id in receiver.accepted if control_id.startswith(patient)]
        assert own == sorted(own)
    assert {(get(store, one).state, get(store, one).answer) for one in ids} == {(QueueState.SENT, "AA")}


def test_a_receiver_that_is_away_is_asked_later_and_later(store: Store, now: datetime, clock: Clock) -> None:
    """The pause is kept in the store, so that a restart does not shorten it; the message stays queued."""
    with FakeReceiver() as gone:
        port = gone.port
    to = destination(port, retry_seconds=2, retry_max_seconds=5)
    message_id = put(store, now, "A1")
    pauses = []
    for _ in range(4):
        outlet = an_outlet(store, to, clock)
        assert "cannot be reached" in drain(outlet).trouble
        next_try_at = state_of(store).next_try_at
        assert next_try_at is not None
        pauses.append((next_try_at - clock.now).total_seconds())
        clock.now = next_try_at - timedelta(seconds=0.1)
        assert drain(outlet) == Drained()
        clock.now = next_try_at
    assert pauses == [2, 4, 5, 5]
    row = get(store, message_id)
    assert (row.state, row.attempts) == (QueueState.QUEUED, 4)
    assert state_of(store).failing_since == now
    with Receiver(port=port) as back:
        assert drain(an_outlet(store, to, clock)).sent == 1
        assert back.accepted == ["A1"]
    assert (state_of(store).failures, state_of(store).failing_since, state_of(store).trouble) == (0, None, "")


def test_the_pause_is_shortened_by_chance() -> None:
    """By a half at most, and never beyond the limit, however long the receiver has been away."""
    to = destination(1, retry_seconds=1, retry_max_seconds=60)
    assert back_off(to, 3, 0.0) == timedelta(seconds=8)
    assert back_off(to, 3, 1.0) == timedelta(seconds=4)
    assert back_off(to, 100_000, 0.0) == timedelta(seconds=60)


def test_a_refusal_parks_one_message_and_its_patient(
    store: Store, now: datetime, receiver: Receiver, outlet: Outlet
) -> None:
    """The answer is kept; sent again by hand it goes first, under the same MSH-10."""
    receiver.answer = "AE"
    first = put(store, now, "A1")
    put(store, now, "A2")
    assert drain(outlet) == Drained(parked=1)
    assert drain(outlet) == Drained()
    assert get(store, first).answer.startswith("The receiver answers AE, error 103")
    receiver.answer = "AA"
    with store.write() as session:
        outbox.resend(session, first)
    drain_all(outlet)
    assert receiver.accepted == ["A1", "A2"]


def test_what_is_no_hl7_is_parked(store: Store, now: datetime, receiver: Receiver, outlet: Outlet) -> None:
    """It could never be answered; the others go on."""
    with store.write() as session:
        row = outbox.queue(
            session, site="main", destination="ehr", queue="A", message_type="", control_id="",
            payload=b"junk", now=now,
        )  # fmt: skip
    put(store, now, "B1", patient="B")
    assert drain(outlet) == Drained(sent=1, parked=1)
    assert row.id is not None
    assert "does not begin with MSH" in get(store, row.id).answer


def test_nothing_goes_to_a_destination_that_is_paused(
    store: Store, now: datetime, receiver: Receiver, outlet: Outlet
) -> None:
    """By hand, until it is resumed."""
    put(store, now, "A1")
    with store.write() as session:
        destinations.pause(session, "main", "ehr")
    assert drain(outlet) == Drained()
    with store.write() as session:
        destinations.resume(session, "main", "ehr")
    assert drain(outlet) == Drained(sent=1)


def test_a_pause_takes_effect_after_the_message_that_is_on_its_way(
    store: Store, now: datetime, receiver: Receiver, clock: Clock
) -> None:
    """Not after all that was looked ahead."""

    class PausingClient:
        def send(self, message: bytes) -> object:
            with store.write() as session:
                destinations.pause(session, "main", "ehr")
            return client.send(message)

        def close(self) -> None:
            client.close()

    to = destination(receiver.port)
    client = open_destination(to)
    for patient in "ABC":
        put(store, now, patient, patient=patient)
    outlet = Outlet(store, "main", to, PausingClient(), "one", clock)  # type: ignore[arg-type]
    assert drain(outlet) == Drained(sent=1)
    client.close()


def test_two_senders_at_once_send_nothing_twice(store: Store, now: datetime, receiver: Receiver) -> None:
    """The lease of the one keeps out the other."""
    for number in range(30):
        put(store, now, f"M{number:02}", patient=str(number % 7))
    to = destination(receiver.port)
    outlets = [an_outlet(store, to, lambda: now, holder) for holder in ("one", "two")]
    threads = [threading.Thread(target=drain_all, args=(outlet,)) for outlet in outlets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for outlet in outlets:
        outlet.client.close()
    assert sorted(receiver.accepted) == [f"M{number:02}" for number in range(30)]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[dict[str, int]], None]]:
    """Writes the site file of this process: destinations by name and port."""

    def write(ports: dict[str, int]) -> None:
        entries = (
            f'[[destinations]]\nkind = "mllp"\nname = "{name}"\nhost = "{LOOPBACK}"\nport = {port}\n'
            "timeout_seconds = 5\nretry_seconds = 0.2\nretry_max_seconds = 0.4\n"
            for name, port in ports.items()
        )
        (tmp_path / "main.toml").write_text("\n".join(entries))
        monkeypatch.setenv("RADFLOW_SITES_DIR", str(tmp_path))
        of_process.cache_clear()

    yield write
    of_process.cache_clear()


def until(question: Callable[[], object], within: float = 90) -> None:
    """Wait for what other threads do."""
    end = time.monotonic() + within
    while not question():
        assert time.monotonic() < end, f"not within {within} s"
        time.sleep(0.02)


PATIENTS, EACH = 5, 8


def test_one_down_one_slow_one_refusing_and_the_others_keep_their_rate(
    store: Store, now: datetime, site: Callable[[dict[str, int]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then all recover: every message has arrived everywhere once, and in order for each patient."""
    monkeypatch.setattr(watch, "ASKS_EVERY", 0.05)
    monkeypatch.setattr(watch, "LOOKS_EVERY", 0.05)
    monkeypatch.setattr(watch, "LOOKS_BLINDLY_EVERY", 0.05)
    with ExitStack() as stack:
        fast, other, slow = (stack.enter_context(Receiver()) for _ in range(3))
        refusing = stack.enter_context(Receiver(answer="AE"))
        slow.seconds = 0.5
        ports = {"fast": fast.port, "other": other.port, "slow": slow.port, "refusing": refusing.port}
        site(ports | {"down": (down_port := free_port())})
        expected = [f"{patient}-{number:02}" for patient in range(PATIENTS) for number in range(EACH)]
        for name in (*ports, "down"):
            for control_id in expected:
                put(store, now, control_id, patient=control_id.partition("-")[0], destination=name)

        stop = Stop()
        running = threading.Thread(target=Sender(store, ["main"]).run, args=(stop,))
        start = time.monotonic()
        running.start()
        try:
            until(lambda: len(fast.accepted) == len(other.accepted) == len(expected))
            took = time.monotonic() - start
            # Alone, the slow one needs more than 20 s; the one that is down has nothing.
            assert took < 15
            assert len(slow.accepted) < len(expected)
            until(lambda: state_of(store, "down").failures > 0)
            until(lambda: len(refused(store)) == PATIENTS)
            assert refusing.accepted == []

            slow.seconds = 0
            refusing.answer = "AA"
            back = stack.enter_context(Receiver(port=down_port))
            with store.write() as session:
                for message_id in refused(store):
                    outbox.resend(session, message_id)
            until(lambda: not owed(store))
        finally:
            stop.told = True
            running.join(30)
        assert not running.is_alive()
        for receiver in (fast, other, slow, refusing, back):
            assert sorted(receiver.accepted) == expected
            for patient in range(PATIENTS):
                own = [one for one in receiver.accepted if one.startswith(f"{patient}-")]
                assert own == sorted(own)


def refused(store: Store) -> list[int]:
    with store.read() as session:
        return [row.id or 0 for row in outbox.parked_at(session, "main", "refusing")]


def owed(store: Store) -> dict[tuple[str, str], destinations.Queue]:
    with store.read() as session:
        return destinations.queues(session)


def test_a_sender_that_stops_lets_another_go_on_at_once(
    store: Store, now: datetime, receiver: Receiver, site: Callable[[dict[str, int]], None]
) -> None:
    """Its leases are given back; what is queued while the next runs goes out within a moment."""
    site({"ehr": receiver.port})
    for control_id in ("A1", "A2"):
        stop = Stop()
        running = threading.Thread(target=Sender(store, ["main"]).run, args=(stop,))
        running.start()
        put(store, now, control_id)
        until(partial(receiver.accepted.__contains__, control_id), within=20)
        stop.told = True
        running.join(30)
        assert not running.is_alive()
    assert receiver.accepted == ["A1", "A2"]
