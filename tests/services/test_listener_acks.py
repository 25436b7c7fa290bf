"""Which answers a message gets: original and enhanced mode, duplicates, and MSH-10 used twice."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy.exc import OperationalError

from mappings.hl7.reader import Hl7Message
from radflow.connectors.mllp import MllpClient
from radflow.connectors.mllp_framing import frame
from radflow.settings import LOOPBACK
from radflow.store import messages
from radflow.store.engine import Store
from tests.hl7_builders import an_orm, message, order_named
from tests.listening import BOUND, a_site, codes, listening, listening_doors, stored, talk

REFUSED = {"PID": {3: ""}}


@pytest.fixture
def port(store: Store, now: datetime) -> Iterator[int]:
    with listening(store, now, a_site()) as found:
        yield found


@pytest.mark.parametrize(
    ("accept", "application", "taken", "refused"),
    [
        ("", "", ["AA"], ["AE"]),
        ("NE", "AL", ["AA"], ["AE"]),
        ("AL", "AL", ["CA", "AA"], ["CA", "AE"]),
        ("AL", "NE", ["CA"], ["CA"]),
        ("AL", "", ["CA"], ["CA"]),
        ("AL", "ER", ["CA"], ["CA", "AE"]),
        ("AL", "SU", ["CA", "AA"], ["CA"]),
        ("ER", "ER", [], ["AE"]),
        ("SU", "NE", ["CA"], ["CA"]),
        ("NE", "NE", [], []),
    ],
)
def test_what_the_sender_wants_to_hear(
    store: Store, port: int, accept: str, application: str, taken: list[str], refused: list[str]
) -> None:
    """HL7 table 0155 in MSH-15 and MSH-16; without them it is original mode. All is kept in any case."""
    order = an_orm("M1", msh_15=accept, msh_16=application)
    assert codes(talk(port, frame(order))) == [("M1", code) for code in taken]
    no_patient = an_orm("M2", changes=REFUSED, msh_15=accept, msh_16=application)
    assert codes(talk(port, frame(no_patient))) == [("M2", code) for code in refused]
    assert [row.state for row in stored(store)] == ["received", "quarantined"]


@pytest.mark.parametrize(
    ("accept", "application", "heard"),
    [("AL", "AL", ["CR"]), ("ER", "NE", ["CR"]), ("SU", "AL", ["AR"]), ("NE", "SU", [])],
)
def test_what_is_refused_at_the_door(port: int, accept: str, application: str, heard: list[str]) -> None:
    """A type that is not taken is CR, and has not come to the application: nothing follows."""
    raw = message("RDE^O11", "M1", msh_15=accept, msh_16=application)
    answers = talk(port, frame(raw))
    assert codes(answers) == [("M1", code) for code in heard]
    assert all(answer.get("ERR-3") == "200" for answer in answers)


def test_both_answers_are_messages_of_their_own(port: int) -> None:
    """Each has its own MSH-10, and wants no answer itself."""
    accept, application = talk(port, frame(an_orm("M1", msh_15="AL", msh_16="AL")))
    assert accept.get("MSH-10") != application.get("MSH-10")
    assert [accept.get("MSH-15"), accept.get("MSH-16")] == ["NE", "NE"]


def test_a_client_that_is_content_with_ca(port: int) -> None:
    """Ours: the application's answer to one message is not taken for the answer to the next."""
    with MllpClient(LOOPBACK, port, timeout=BOUND) as client:
        sent = [f"M{number}" for number in range(20)]
        answers = [client.send(an_orm(name, msh_15="AL", msh_16="AL")) for name in sent]
    assert [(answer.control_id, answer.code) for answer in answers] == [(name, "CA") for name in sent]


def test_without_the_store_nothing_is_committed(port: int, store: Store) -> None:
    """CE with 207; a sender that wants to hear nothing loses its connection, so that it knows."""
    with pytest.MonkeyPatch.context() as patch:

        def away(*_: object) -> None:
            raise OperationalError("INSERT", {}, Exception("down"))

        patch.setattr(messages, "keep", away)
        (answer,) = talk(port, frame(an_orm("M1", msh_15="AL", msh_16="AL")))
        assert (answer.get("MSA-1"), answer.get("ERR-3")) == ("CE", "207")
        assert silent_end(port, an_orm("M2", msh_15="NE", msh_16="NE"))
    assert stored(store) == []


def silent_end(port: int, raw: bytes) -> bool:
    try:
        return talk(port, frame(raw), answers=1) == []
    except ConnectionError:
        return True


def test_a_duplicate_is_acknowledged_again(store: Store, port: int) -> None:
    """After a lost ACK the sender sends again: the same answer, and it is counted, not received anew."""
    same = an_orm("M1")
    assert codes(talk(port, frame(same), frame(same))) == [("M1", "AA")] * 2
    with store.write() as session:
        (row,) = stored(store)
        messages.mark_processed(session, row, [], row.received_at)
    assert codes(talk(port, frame(same))) == [("M1", "AA")]
    assert [(row.copies, row.state) for row in stored(store)] == [(3, "processed")]


@pytest.mark.parametrize("together", [True, False])
def test_a_reused_control_id(store: Store, port: int, together: bool) -> None:
    """Another message under an MSH-10 that was taken: AE with 205, quarantined; also within one commit."""
    first, other = an_orm("M1"), an_orm("M1", changes=order_named("P2"))
    sent = [first, other, other, first]
    if together:
        answers = talk(port, b"".join(map(frame, sent)))
    else:
        answers = [answer for raw in sent for answer in talk(port, frame(raw))]
    assert codes(answers) == [("M1", code) for code in ("AA", "AE", "AE", "AA")]
    assert [answers[1].get(path) for path in ("ERR-3", "ERR-3.2", "ERR-2", "ERR-2.3")] == [
        "205", "Duplicate key identifier", "MSH", "10",
    ]  # fmt: skip
    kept, quarantined = stored(store)
    assert (kept.state, kept.copies, quarantined.state, quarantined.copies) == (
        "received", 2, "quarantined", 2,
    )  # fmt: skip
    assert "MSH-10" in quarantined.reason


def test_a_reused_control_id_in_enhanced_mode(port: int) -> None:
    """CE: it has not come to the application."""
    talk(port, frame(an_orm("M1")))
    other = an_orm("M1", changes=order_named("P2"), msh_15="AL", msh_16="AL")
    assert codes(talk(port, frame(other))) == [("M1", "CE")]


def test_many_at_once_with_one_control_id(store: Store, port: int) -> None:
    """Over connections of their own: exactly one of them is taken."""
    sent = [an_orm("M1", changes=order_named(f"P{number}")) for number in range(30)]
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda raw: talk(port, frame(raw))[0].get("MSA-1"), sent))
    assert sorted(answers) == ["AA"] + ["AE"] * 29
    assert sum(row.state == "received" for row in stored(store)) == 1


def test_two_listeners_on_one_store(store: Store, now: datetime) -> None:
    """Two processes may share a database: exactly one message is taken all the same."""
    with listening(store, now, a_site()) as one, listening(store, now, a_site()) as two:
        pairs = [(f"M{number}", order_named(f"P{copy}")) for number in range(20) for copy in (1, 2)]
        sent = [an_orm(name, changes=changes) for name, changes in pairs]
        ports = [one, two] * 20
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda at, raw: talk(at, frame(raw))[0].get("MSA-1"), ports, sent))
    assert sorted(answers) == ["AA"] * 20 + ["AE"] * 20


def test_other_senders_and_refused_messages_do_not_count(store: Store, port: int) -> None:
    """MSH-10 is unique for a sender (MSH-3, MSH-4); what was refused may be mended and sent under it."""
    assert heard(port, an_orm("M1", changes=REFUSED)) == "AE"
    assert heard(port, an_orm("M1")) == "AA"
    assert heard(port, an_orm("M1", changes=order_named("P2"), msh_3="OTHER")) == "AA"


def heard(port: int, raw: bytes) -> str:
    answers: Sequence[Hl7Message] = talk(port, frame(raw))
    return answers[0].get("MSA-1")


def test_a_counter_that_starts_anew(store: Store, now: datetime) -> None:
    """After the window an MSH-10 may name another message; what was quarantined before is taken then."""
    time = [now]
    first, other = an_orm("1"), an_orm("1", changes=order_named("P2"))
    site = a_site(control_id_window_hours=12)
    with listening_doors(store, lambda: time[0], site) as ports:
        port = ports["main"]
        assert [heard(port, first), heard(port, other)] == ["AA", "AE"]
        time[0] += timedelta(hours=12, seconds=1)
        assert [heard(port, other), heard(port, first)] == ["AA", "AA"]
    assert [(row.state, row.copies) for row in stored(store)] == [("received", 2), ("received", 2)]


def test_a_window_without_end(store: Store, now: datetime) -> None:
    """`control_id_window_hours = 0`: for ever."""
    time = [now]
    with listening_doors(store, lambda: time[0], a_site(control_id_window_hours=0)) as ports:
        assert heard(ports["main"], an_orm("1")) == "AA"
        time[0] += timedelta(days=4000)
        assert heard(ports["main"], an_orm("1", changes=order_named("P2"))) == "AE"


def test_senders_without_control_ids(store: Store, now: datetime) -> None:
    """`reused_control_id = "accept"`, for a site whose senders number all alike; copies are still copies."""
    with listening(store, now, a_site(reused_control_id="accept")) as port:
        sent = [an_orm("1"), an_orm("1", changes=order_named("P2")), an_orm("1")]
        assert codes(talk(port, *map(frame, sent))) == [("1", "AA")] * 3
    assert [(row.state, row.copies) for row in stored(store)] == [("received", 2), ("received", 1)]
