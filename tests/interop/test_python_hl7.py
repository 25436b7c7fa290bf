"""python-hl7 (the `hl7` package): its clients and our listener, its server and our clients, plain and TLS."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import hl7
import hl7.client
import hl7.mllp
import pytest

from radflow.connectors.mllp import AsyncMllpClient, MllpClient
from radflow.settings import LOOPBACK
from radflow.store.engine import Store
from tests.certificates import Certificates
from tests.hl7_builders import an_orm, an_oru
from tests.listening import BOUND, a_site, listening, stored


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates.made_in(tmp_path)


FIELDS = {
    "MSH": {3: "EHR", 4: "HOSP", 9: "ORM^O01^ORM_O01", 11: "P", 12: "2.5"},
    "PID": {3: "4711^^^HOSP", 5: "Doe^Jane"},
    "ORC": {1: "NW", 2: "P1^EHR"},
    "OBR": {2: "P1^EHR", 4: "CTCHEST^CT chest^L", 24: "CT"},
}


def built(control_id: str) -> hl7.Message:
    """A message that python-hl7 has put together."""
    message = hl7.parse("MSH|^~\\&|\rPID|\rORC|\rOBR|\r")
    for segment, fields in FIELDS.items():
        for number, value in fields.items():
            message.assign_field(value, segment, 1, number)
    message.assign_field(control_id, "MSH", 1, 10)
    return message


def said(answer: Any) -> tuple[str, str]:
    msa = answer.segment("MSA")
    return str(msa[1]), str(msa[2])


def test_its_client(store: Store, now: datetime) -> None:
    """Three messages on one connection; it reads our answers."""
    with listening(store, now, a_site()) as port, hl7.client.MLLPClient(LOOPBACK, port) as client:
        answers = [client.send_message(built(f"M{number}")) for number in range(3)]
    found = [hl7.parse(answer.decode().strip("\x0b\x1c\r")) for answer in answers]
    assert [said(answer) for answer in found] == [("AA", f"M{number}") for number in range(3)]
    assert [row.control_id for row in stored(store)] == ["M0", "M1", "M2"]


@pytest.mark.parametrize("with_tls", [False, True])
def test_its_asyncio_client(store: Store, now: datetime, certificates: Certificates, with_tls: bool) -> None:
    """A refusal too, plain and over TLS."""
    tls = certificates.server() if with_tls else None

    async def talk(port: int) -> list[tuple[str, str]]:
        context = certificates.client_context() if with_tls else None
        opened = hl7.mllp.open_hl7_connection(LOOPBACK, port, ssl=context, encoding="utf-8")
        reader, writer = await asyncio.wait_for(opened, BOUND)
        found = []
        for message in (built("M1"), hl7.parse(an_orm("M2", changes={"PID": {3: ""}}).decode())):
            writer.writemessage(message)
            await writer.drain()
            found.append(said(await asyncio.wait_for(reader.readmessage(), BOUND)))
        writer.close()
        return found

    with listening(store, now, a_site(tls=tls)) as port:
        assert asyncio.run(talk(port)) == [("AA", "M1"), ("AE", "M2")]


@contextmanager
def its_server(certificates: Certificates | None) -> Iterator[tuple[int, list[str]]]:
    """python-hl7's MLLP server; the port, and the control IDs of what it has got."""
    got: list[str] = []
    ready = threading.Event()
    ports: list[int] = []
    loop = asyncio.new_event_loop()

    async def answer(reader: Any, writer: Any) -> None:
        try:
            while not writer.is_closing():
                message = await reader.readmessage()
                got.append(str(message.segment("MSH")[10]))
                writer.writemessage(message.create_ack())
                await writer.drain()
        except asyncio.IncompleteReadError:
            writer.close()

    async def serve() -> None:
        context = certificates.server_context() if certificates else None
        server = await hl7.mllp.start_hl7_server(answer, LOOPBACK, 0, encoding="utf-8", ssl=context)
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        await stop.wait()
        server.close()

    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(BOUND)
    try:
        yield ports[0], got
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(BOUND)
        loop.close()


@pytest.mark.parametrize("with_tls", [False, True])
def test_its_server(certificates: Certificates, with_tls: bool) -> None:
    """Ours, sync and asyncio, plain and over TLS."""
    tls = certificates.client() if with_tls else None

    async def send_async(port: int) -> str:
        client = await AsyncMllpClient.connect(LOOPBACK, port, seconds=BOUND, tls=tls)
        code = (await client.send(an_oru("R3"))).code
        await client.close()
        return code

    with its_server(certificates if with_tls else None) as (port, got):
        with MllpClient(LOOPBACK, port, timeout=BOUND, tls=tls) as client:
            assert [client.send(an_oru(name)).code for name in ("R1", "R2")] == ["AA", "AA"]
        assert asyncio.run(send_async(port)) == "AA"
    assert got == ["R1", "R2", "R3"]
