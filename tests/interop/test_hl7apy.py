"""hl7apy: messages that it has built and framed, answers that it validates, its server and our client."""

import threading
from datetime import datetime

import pytest
from hl7apy.core import Message
from hl7apy.mllp import AbstractHandler, MLLPServer
from hl7apy.parser import parse_message

from radflow.connectors.mllp import MllpClient
from radflow.settings import LOOPBACK
from radflow.store.engine import Store
from tests.hl7_builders import an_orm, an_oru
from tests.listening import BOUND, a_site, connection, listening, stored

FIELDS = {
    "msh_3": "EHR", "msh_4": "HOSP", "msh_7": "20261124080000", "msh_9": "ORM^O01^ORM_O01", "msh_10": "M1",
    "msh_11": "P",
}  # fmt: skip


def built(version: str, *, patient: str = "4711^^^HOSP") -> Message:
    """An order that hl7apy has put together."""
    message = Message("ORM_O01", version=version)
    for name, value in FIELDS.items():
        setattr(message.msh, name, value)
    pid = message.add_group("orm_o01_patient").add_segment("pid")
    pid.pid_3, pid.pid_5 = patient, "Doe^Jane"
    order = message.add_group("orm_o01_order")
    orc = order.add_segment("orc")
    orc.orc_1, orc.orc_2 = "NW", "P1^EHR"
    obr = order.add_group("orm_o01_order_detail").add_segment("obr")
    obr.obr_2, obr.obr_4, obr.obr_24 = "P1^EHR", "CTCHEST^CT chest^L", "CT"
    return message


def answer_to(port: int, framed: str) -> Message:
    with connection(port) as opened:
        opened.sendall(framed.encode())
        return parse_message(opened.recv(65536).strip(b"\x0b\x1c\r").decode())


@pytest.mark.parametrize("version", ["2.3.1", "2.4", "2.5", "2.5.1", "2.6"])
def test_its_messages(store: Store, now: datetime, version: str) -> None:
    """Framed by hl7apy; our answers are valid in the version's own form, those that refuse too."""
    with listening(store, now, a_site()) as port:
        for patient, code in (("4711^^^HOSP", "AA"), ("", "AE")):
            message = built(version, patient=patient)
            message.msh.msh_10 = f"M-{code}"
            answer = answer_to(port, message.to_mllp())
            assert (answer.msa.msa_1.value, answer.msa.msa_2.value) == (code, f"M-{code}")
            assert answer.validate()
    assert [row.version for row in stored(store)] == [version] * 2


def test_both_answers_of_enhanced_mode_are_valid(store: Store, now: datetime) -> None:
    """The accept and the application acknowledgment."""
    with listening(store, now, a_site()) as port, connection(port) as opened:
        opened.sendall(b"\x0b" + an_orm("M1", msh_15="AL", msh_16="AL") + b"\x1c\r")
        received = b""
        while received.count(b"\x1c") < 2:
            received += opened.recv(65536)
    for answer in received.split(b"\x1c\r")[:2]:
        assert parse_message(answer.strip(b"\x0b").decode()).validate()


def test_its_server() -> None:
    """It closes the connection after each message: our client connects anew."""

    class Handler(AbstractHandler):  # type: ignore[misc]
        def reply(self) -> str:
            got = parse_message(self.incoming_message)
            answer = Message("ACK", version="2.5.1")
            answer.msh.msh_9, answer.msh.msh_10, answer.msh.msh_11 = "ACK^R01^ACK", "A1", "P"
            answer.msa.msa_1, answer.msa.msa_2 = "AA", got.msh.msh_10.value
            return str(answer.to_mllp())

    server = MLLPServer(LOOPBACK, 0, {"ORU^R01^ORU_R01": (Handler,)})
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with MllpClient(LOOPBACK, server.server_address[1], timeout=BOUND) as client:
            answers = [client.send(an_oru(f"R{number}")).control_id for number in range(3)]
        assert answers == ["R0", "R1", "R2"]
    finally:
        server.shutdown()
        server.server_close()
