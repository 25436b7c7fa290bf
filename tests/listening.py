"""The listener in a thread of its own, and a plain sender that talks to it byte by byte."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import pytest
from sqlmodel import col, select

from mappings.hl7.reader import Hl7Message
from radflow.connectors.mllp_framing import Deframer
from radflow.services.listener import serve
from radflow.settings import LOOPBACK, Listener, Site
from radflow.store.engine import Store
from radflow.store.tables import Message

BOUND = 10.0
"""Seconds within which anything has to happen."""


def a_site(**listener: object) -> Site:
    """A site whose listener has these settings."""
    changes = {"port": 0, "max_message_bytes": 100_000, **listener}
    return Site(name="main", listener=Listener.model_validate(changes))


@contextmanager
def listening_doors(store: Store, clock: Callable[[], datetime], site: Site) -> Iterator[dict[str, int]]:
    """The ports of a running listener; it stops cleanly at the end."""
    ports: dict[str, int] = {}
    ready = threading.Event()
    loop = asyncio.new_event_loop()

    def started(found: dict[str, int]) -> None:
        ports.update(found)
        ready.set()

    async def run() -> None:
        await serve([site], store, clock=clock, started=started)

    task = loop.create_task(run())

    def live() -> None:
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
        loop.close()

    thread = threading.Thread(target=live)
    thread.start()
    assert ready.wait(BOUND)
    try:
        yield ports
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(2 * BOUND)
        assert not thread.is_alive()


@contextmanager
def listening(store: Store, now: datetime, site: Site) -> Iterator[int]:
    """The MLLP port of a running listener."""
    with listening_doors(store, lambda: now, site) as ports:
        yield ports[site.name]


def talk(
    port: int,
    *packets: bytes,
    answers: int | None = None,
    tls: ssl.SSLContext | None = None,
) -> list[Hl7Message]:
    """Send packets, say that nothing more comes, and read the answers until the listener closes."""
    return [Hl7Message(answer) for answer in frames_heard(port, *packets, answers=answers, tls=tls)]


def frames_heard(
    port: int, *packets: bytes, answers: int | None = None, tls: ssl.SSLContext | None = None
) -> list[bytes]:
    """As `talk`, with the answers as they came."""
    deframer = Deframer(1_000_000)
    found: list[bytes] = []
    with connection(port, tls) as opened:
        for packet in packets:
            opened.sendall(packet)
        if answers is None:
            opened.shutdown(socket.SHUT_WR)
        while len(found) != answers and (data := opened.recv(65536)):
            found += [one.data for one in deframer.feed(data)]
    return found


def connection(port: int, tls: ssl.SSLContext | None = None) -> socket.socket:
    opened = socket.create_connection((LOOPBACK, port), BOUND)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return tls.wrap_socket(opened, server_hostname=LOOPBACK) if tls else opened


def codes(answers: Sequence[Hl7Message]) -> list[tuple[str, str]]:
    """MSA-2 and MSA-1 of each."""
    return [(answer.get("MSA-2"), answer.get("MSA-1")) for answer in answers]


def stored(store: Store) -> list[Message]:
    """All messages, oldest first."""
    with store.read() as session:
        return list(session.exec(select(Message).order_by(col(Message.id))))


def eventually(true: Callable[[], bool]) -> None:
    until = time.monotonic() + BOUND
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)
