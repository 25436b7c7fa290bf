"""The pending answers of a C-FIND, sent as they are found (PS3.7 §9.1.2, PS3.8 §9.3.5).

pynetdicom builds and encodes a command set of twelve elements for every answer. They differ in nothing: here
they are encoded once, and the identifiers come as bytes. What is sent waits in a short queue, so that neither
a slow modality nor a long list costs memory, and so that a C-CANCEL is read between two answers.
"""

import struct
import time
from collections.abc import Iterator

from pynetdicom.events import Event
from pynetdicom.pdu_primitives import P_DATA

PENDING = 0xFF00

_ANSWERS_AT_ONCE = 16
_LOOK_AGAIN_SECONDS = 0.001
_COMMAND, _IDENTIFIER, _LAST = 0x01, 0x00, 0x02
"""The message control header of a fragment (PS3.8 §E.2)."""


class PeerGone(ConnectionError):
    """The modality has ended the association while it was answered."""


class PendingAnswers:
    """Sends identifiers as pending responses to one C-FIND request."""

    def __init__(self, event: Event) -> None:
        self._association = event.assoc
        self._context = event.context.context_id
        self._longest = event.assoc.dimse.maximum_pdu_size
        self._command = _command_set(str(event.request.AffectedSOPClassUID), event.request.MessageID or 0)
        self._sent = 0

    def send(self, identifier: bytes) -> None:
        """Send one answer, once those before it have mostly gone.

        Raises:
            PeerGone: there is nobody left to answer.
        """
        for header, part in ((_COMMAND, self._command), (_IDENTIFIER, identifier)):
            for fragment in self._fragments(header, part):
                primitive = P_DATA()
                primitive.presentation_data_value_list.append((self._context, fragment))
                self._association.dul.send_pdu(primitive)
        self._sent += 1
        if self._sent % _ANSWERS_AT_ONCE == 0:
            self._let_them_go()

    def _let_them_go(self) -> None:
        provider = self._association.dul
        while provider.to_provider_queue.qsize():
            if not provider.is_alive() or self._association.acse.is_aborted():
                raise PeerGone
            time.sleep(_LOOK_AGAIN_SECONDS)

    def _fragments(self, header: int, part: bytes) -> Iterator[bytes]:
        # Length, context and header of a fragment count as the PDU's. A peer that says 0 takes any length.
        longest = self._longest - 6 if self._longest else len(part)
        for start in range(0, len(part), longest):
            last = _LAST if start + longest >= len(part) else 0
            yield bytes((header | last,)) + part[start : start + longest]


def _command_set(sop_class: str, message_id: int) -> bytes:
    """C-FIND-RSP (PS3.7 table 9.3-4) with an identifier, in implicit VR little endian (PS3.7 §6.3.1)."""
    uid = sop_class.encode()
    elements = b"".join(
        struct.pack("<HHL", 0x0000, element, len(value)) + value
        for element, value in (
            (0x0002, uid + b"\0" if len(uid) % 2 else uid),
            (0x0100, struct.pack("<H", 0x8020)),
            (0x0120, struct.pack("<H", message_id)),
            (0x0800, struct.pack("<H", 0x0001)),
            (0x0900, struct.pack("<H", PENDING)),
        )
    )
    return struct.pack("<HHLL", 0x0000, 0x0000, 4, len(elements)) + elements
