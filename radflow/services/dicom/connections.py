"""One DICOM connection: what it may send, how much and how slowly (PS3.8 §9.3).

pynetdicom trusts its peers: it waits without end for the rest of a PDU, believes any length up to 4 GB, and
collects a message however long it grows. Here a connection that goes too far is aborted.
"""

import socket
import struct
import time
from dataclasses import dataclass

import structlog
from pynetdicom.association import Association
from pynetdicom.transport import AssociationSocket

from radflow.services.dicom.waiting_room import Visitor

log = structlog.get_logger()

_HEADER_LENGTH = 6
_LONGEST_PDU = 256 * 1024
"""We announce 16 KB; an association request with all presentation contexts is longer."""
_MOST_MESSAGES = 8
"""Waiting to be answered. Without negotiation a peer has one outstanding (PS3.7 §D.3.3.3)."""
_NO_PDU = b"\x00" * _HEADER_LENGTH
"""A header that pynetdicom's state machine answers with A-ABORT: event 19, an invalid PDU."""
_P_DATA = 0x04
_KNOWN_PDUS = range(0x01, 0x08)
_FAREWELL_SECONDS = 1.0


@dataclass(frozen=True)
class Limits:
    """What a peer may do."""

    idle_seconds: float
    """So long it may take for a PDU it has begun, and to take what is sent to it."""
    message_bytes: int


class LimitedSocket(AssociationSocket):
    """The transport of an association, within limits."""

    def __init__(self, association: Association, visitor: Visitor, limits: Limits) -> None:
        super().__init__(association, client_socket=visitor.connection)
        visitor.connection.settimeout(limits.idle_seconds)
        self.visitor = visitor
        self._limits = limits
        self._header_is_next = True
        self._refused = False

    @property
    def ready(self) -> bool:
        """Whether there is something to read that we want to read."""
        return not self._refused and bool(super().ready)

    def recv(self, nr_bytes: int) -> bytearray:
        """The next bytes: by turns the header of a PDU and its rest.

        Raises:
            OSError: the peer has gone, or takes too long.
        """
        if not self._header_is_next:
            self._header_is_next = True
            return self._read(nr_bytes)
        header = self._read(nr_bytes)
        if len(header) < _HEADER_LENGTH:
            return header
        if reason := self._objection(header):
            self._refused = True
            log.warning("DICOM connection aborted", peer=self.visitor.address, reason=reason)
            return bytearray(_NO_PDU)
        self._header_is_next = False
        return header

    def close(self) -> None:
        """Close the connection; the A-ABORT is sent before the rest of a refused message is thrown away."""
        if self._refused and self.socket:
            self._say_farewell(self.socket)
        super().close()

    def _objection(self, header: bytearray) -> str:
        kind, length = struct.unpack(">BxL", header)
        if kind not in _KNOWN_PDUS:
            return "it does not speak DICOM"
        if length > _LONGEST_PDU:
            return f"a PDU of {length} bytes; the longest taken has {_LONGEST_PDU}"
        if kind == _P_DATA and self._collected + length > self._limits.message_bytes:
            return f"a message of more than {self._limits.message_bytes} bytes (max_message_bytes)"
        if self.assoc.dimse.msg_queue.qsize() > _MOST_MESSAGES:
            return f"more than {_MOST_MESSAGES} messages that wait for their answers"
        return ""

    def _read(self, count: int) -> bytearray:
        """So many bytes, or fewer where the peer has closed the connection."""
        until = time.monotonic() + self._limits.idle_seconds
        data = bytearray()
        while len(data) < count:
            if time.monotonic() > until:
                raise TimeoutError("the PDU takes too long")
            more = self.socket.recv(count - len(data)) if self.socket else b""
            if not more:
                break
            data += more
        return data

    def _say_farewell(self, connection: socket.socket) -> None:
        # Closed with bytes unread, TCP resets the connection, and the peer may never see the A-ABORT.
        until = time.monotonic() + _FAREWELL_SECONDS
        try:
            connection.settimeout(_FAREWELL_SECONDS)
            connection.shutdown(socket.SHUT_WR)
            while time.monotonic() < until and connection.recv(65536):
                pass
        except OSError:
            return  # It has gone by itself.

    @property
    def _collected(self) -> int:
        """Bytes of the message that is being received."""
        message = self.assoc.dimse.message
        parts = (message.encoded_command_set, message.data_set) if message else ()
        return sum(part.tell() for part in parts if part)
