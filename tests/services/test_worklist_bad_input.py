"""The DICOM port meets what is not DICOM, too much of it, or too little: it refuses, and serves the next."""

import resource
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from pydicom import Dataset
from pynetdicom import AE
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import ModalityWorklistInformationFind  # type: ignore[attr-defined]

from radflow.services.dicom.server import RunningServer
from radflow.settings import LOOPBACK
from radflow.store.engine import Store
from tests.services.worklisted import asked, association, found, names_asked, put, serving

A_ABORT, ACCEPTED = b"\x07", b"\x02"
_EMPTY = [(0x0000, None)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """What comes over the wire is refused before a database is asked: one will do."""
    opened = Store(f"sqlite:///{tmp_path / 'store.db'}")
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture
def service(store: Store) -> Iterator[RunningServer]:
    with serving(store, max_associations=5, max_message_bytes=1024 * 1024) as running:
        yield running


def answer_to(port: int, *parts: bytes) -> bytes:
    """What comes back until the connection is closed."""
    answer = b""
    with socket.create_connection((LOOPBACK, port), timeout=10) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            while more := connection.recv(65536):
                answer += more
        except ConnectionError:
            return answer
    return answer


def pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxL", kind, len(body)) + body


def _until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < give_up
        threading.Event().wait(0.01)


GARBAGE = {
    "http": b"GET / HTTP/1.1\r\nHost: worklist\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x55" * 512,
    "zeros": b"\x00" * 4096,
    "a-huge-request": b"\x01\x00\xff\xff\xff\xff" + b"A" * 100,
    "an-empty-request": pdu(0x01, b""),
    "a-request-of-nonsense": pdu(0x01, b"\x00\x01" + b"\xff" * 200),
    "a-data-pdu-first": b"\x04\x00\x00\x00\x00\x06\x00\x00\x00\x02\x01\x03",
    "all-bytes": bytes(range(256)) * 64,
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
def test_bytes_that_are_not_dicom_are_answered_with_an_abort(service: RunningServer, garbage: bytes) -> None:
    """A-ABORT (PS3.8 §9.3.8), the connection is closed at once, and the next modality is served."""
    began = time.monotonic()
    assert answer_to(service.port, garbage)[:1] == A_ABORT
    assert time.monotonic() - began < 4, "before the time for an association request is over"
    assert asked(service.port, names_asked()) == _EMPTY


@pytest.mark.parametrize(
    "part", [b"", b"\x01", b"\x01\x00\x00\x00", b"\x01\x00\x00\x00\x00\xcd" + b"\x00" * 50],
    ids=["nothing", "one-byte", "half-a-header", "half-a-request"],
)  # fmt: skip
def test_a_truncated_pdu_leaves_nothing_behind(service: RunningServer, part: bytes) -> None:
    """Who hangs up in the middle is forgotten at once: no thread waits for the rest."""
    for _ in range(8):
        with socket.create_connection((LOOPBACK, service.port), timeout=10) as connection:
            connection.sendall(part)
    assert asked(service.port, names_asked()) == _EMPTY
    _until(lambda: not service.server.active_associations)


def test_connections_that_say_nothing_keep_nobody_out(store: Store) -> None:
    """Twenty times as many as there are places for associations: modalities are served all the while."""
    with serving(store, max_associations=5, association_seconds=60) as service:
        silent = [socket.create_connection((LOOPBACK, service.port), timeout=10) for _ in range(100)]
        for _ in range(3):
            assert asked(service.port, names_asked()) == _EMPTY
        # The oldest have been turned away, not kept for a minute.
        assert silent[0].recv(1) == b""
        _until(lambda: len(service.server.active_associations) <= 5)
        for connection in silent:
            connection.close()


def test_half_a_pdu_does_not_hold_its_place_for_good(store: Store) -> None:
    """A peer that sends the rest of a PDU too slowly, or never, is cut off."""
    with (
        serving(store, idle_seconds=0.5) as service,
        socket.create_connection((LOOPBACK, service.port), timeout=10) as connection,
    ):
        connection.sendall(b"\x01\x00\x00\x00\x00\xcd\x00\x01")
        assert connection.recv(1) == b""
        _until(lambda: not service.server.active_associations)


IDENTIFIERS = {
    "short": b"\x10",
    "too-long": b"\x10\x00\x10\x00\xff\xff\xff\x7fAB",
    "a-sequence-of-text": b"\x40\x00\x00\x01\x08\x00\x00\x00garbage!",
    "ff": b"\xff" * 99,
    "a-date-that-is-none": b"\x10\x00\x30\x00\x08\x00\x00\x00\xff\xfe\xfd\xfc\x00\x01\x02\x03",
    "thousands-of-sequences": b"\x40\x00\x00\x01\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 5000,
}


@pytest.mark.parametrize("identifier", IDENTIFIERS.values(), ids=IDENTIFIERS.keys())
def test_an_identifier_that_is_none_does_no_harm(
    service: RunningServer, monkeypatch: pytest.MonkeyPatch, identifier: bytes
) -> None:
    """Bytes that are no dataset end with a status, and the association goes on."""
    monkeypatch.setattr("pynetdicom.association.encode", lambda *_: identifier)
    with association(service.port) as opened:
        for _ in range(2):
            ((status, _),) = opened.send_c_find(Dataset(), ModalityWorklistInformationFind)
            # Some garbage happens to read as keys that nobody knows: then there is nothing to match.
            assert status.Status in (0xA900, 0xC001, 0x0000)


def test_private_and_unknown_attributes_change_nothing(
    service: RunningServer, store: Store, now: datetime
) -> None:
    """They match everything; private ones are not answered, since for us they do not exist (§C.2.2.1.3)."""
    put(store, now, "P1")
    query = names_asked()
    query.add_new(0x00091001, "LO", "VENDOR'S OWN")
    query.add_new(0x00090010, "LO", "VENDOR")
    query.add_new(0x00189999, "UN", b"\x00\x01")
    (answer,) = found(service.port, query)
    assert (0x0009, 0x1001) not in answer
    assert (answer.PatientID, answer[0x0018, 0x9999].value) == ("4711", None)


def test_values_of_the_wrong_length_or_script_are_answered(
    service: RunningServer, store: Store, now: datetime
) -> None:
    """A key longer than its VR, an unknown character set, a pattern made to be slow: no match, no error."""
    put(store, now, "P1")
    for values in (
        {"PatientID": "x" * 5000},
        {"SpecificCharacterSet": "NONSENSE", "PatientID": "x"},
        {"PatientName": "*a" * 2000 + "b"},
        {"StudyInstanceUID": "not-a-uid"},
    ):
        assert found(service.port, names_asked(**values)) == []


def test_a_query_of_a_hundred_megabytes_is_aborted(service: RunningServer) -> None:
    """After the first megabyte, with memory as it was; others are served meanwhile."""
    asked(service.port, names_asked())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with socket.create_connection((LOOPBACK, service.port), timeout=30) as connection:
        connection.sendall(_association_request())
        assert connection.recv(65536)[:1] == ACCEPTED
        answer = _send_without_end(connection, megabytes=100)
    assert answer[:1] == A_ABORT
    assert asked(service.port, names_asked()) == _EMPTY
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 30 * 1024, f"{grown} KB"


def _association_request() -> bytes:
    """A-ASSOCIATE-RQ for the worklist, as pynetdicom writes it."""
    request = A_ASSOCIATE()
    request.application_context_name = "1.2.840.10008.3.1.1.1"
    request.calling_ae_title, request.called_ae_title = "ATTACKER", "RADFLOW"
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received, implementation.implementation_class_uid = 16384, "1.2.3"
    request.user_information = [length, implementation]
    context = build_context(ModalityWorklistInformationFind)
    context.context_id = 1
    request.presentation_context_definition_list = [context]
    encoded = A_ASSOCIATE_RQ()
    encoded.from_primitive(request)
    return bytes(encoded.encode())


def _send_without_end(connection: socket.socket, megabytes: int) -> bytes:
    """Fragments of one identifier, of which none is the last; what comes back."""
    command = bytes.fromhex("00000000040000004a000000") + b"".join(
        struct.pack("<HHL", 0, element, len(value)) + value
        for element, value in (
            (0x0002, b"1.2.840.10008.5.1.4.31"), (0x0100, b"\x20\x00"), (0x0110, b"\x01\x00"),
            (0x0700, b"\x00\x00"), (0x0800, b"\x01\x00"),
        )
    )  # fmt: skip
    connection.sendall(pdu(0x04, struct.pack(">LBB", len(command) + 2, 1, 3) + command))
    fragment = pdu(0x04, struct.pack(">LBB", 16000 + 2, 1, 0) + b"x" * 16000)
    for _ in range(megabytes * 1_000_000 // len(fragment)):
        if select.select([connection], [], [], 0)[0]:
            break
        connection.sendall(fragment)
    return connection.recv(65536)


def test_more_associations_than_allowed_are_rejected_until_one_ends(service: RunningServer) -> None:
    """The limit protects the service, and nobody is locked out for good."""
    ae = AE("MODALITY")
    ae.add_requested_context(ModalityWorklistInformationFind)
    opened = [ae.associate(LOOPBACK, service.port) for _ in range(6)]
    assert [one.is_established for one in opened] == [True] * 5 + [False]
    for one in opened[:5]:
        one.release()
    assert asked(service.port, names_asked()) == _EMPTY
