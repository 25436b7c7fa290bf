"""MLLP servers of others, each with the least that it needs to answer: neither of them stores anything."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any

from radflow.bench.processes import Wait
from radflow.settings import LOOPBACK


def serve_hl7(tell: Callable[[int], None], wait: Wait) -> None:
    """python-hl7's asyncio server: reads a message, and writes the acknowledgement that it makes of it."""
    asyncio.run(_serve_hl7(tell, wait))


async def _serve_hl7(tell: Callable[[int], None], wait: Wait) -> None:
    from hl7.mllp import HL7StreamReader, HL7StreamWriter, start_hl7_server

    async def answer(reader: HL7StreamReader, writer: HL7StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while not writer.is_closing():
                message = await reader.readmessage()
                writer.writemessage(message.create_ack())
                await writer.drain()
        writer.close()

    async with await start_hl7_server(
        answer, host=LOOPBACK, port=0, encoding="utf-8", backlog=1024
    ) as server:
        tell(server.sockets[0].getsockname()[1])
        await asyncio.to_thread(wait)


def serve_hl7apy(tell: Callable[[int], None], wait: Wait) -> None:
    """hl7apy's server of threads, which closes a connection after each answer."""
    from hl7apy.mllp import AbstractHandler, MLLPServer

    class Handler(AbstractHandler):  # type: ignore[misc]
        def reply(self) -> str:
            # By hand: hl7apy's own parsing would take ten milliseconds.
            header = self.incoming_message.split("\r", 1)[0].split("|")
            answer = ["MSH", header[1], "P", "", "EHR", "", header[6], "", "ACK", header[9], "P", "2.5.1"]
            return f"\x0b{'|'.join(answer)}\rMSA|AA|{header[9]}\r\x1c\r"

    class Server(MLLPServer):  # type: ignore[misc]
        request_queue_size = 1024
        daemon_threads = True

    server: Any = Server(LOOPBACK, 0, {"ORM^O01^ORM_O01": (Handler,)})
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tell(server.server_address[1])
    wait()
