"""What radflow's DICOM associations have in common, as client and as server."""

import socket
import ssl

import pynetdicom
from pydicom import config
from pynetdicom.events import Event

from radflow.connectors.reactor_gate import ReactorGate
from radflow.connectors.tls import client_context
from radflow.settings.tls import ClientTls


def send_at_once(event: Event) -> None:
    """Handler of EVT_CONN_OPEN, for clients and servers of ours alike.

    Without TCP_NODELAY each message waits for the peer's delayed ACK. A client's answers are its own.
    """
    connection = event.assoc.dul.socket
    if connection and connection.socket:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if event.assoc.is_requestor:
        event.assoc._reactor_checkpoint = ReactorGate(event.assoc)


def tls_arguments(tls: ClientTls | None, host: str) -> tuple[ssl.SSLContext, str] | None:
    """What pynetdicom's `associate` takes as `tls_args` (PS3.15 §B.9 to B.12); None for plain TCP.

    Raises:
        ConfigError: a file of the settings cannot be used.
    """
    context = client_context(tls)
    return (context, tls.server_name or host) if tls and context else None


def keep_patients_out_of_the_log() -> None:
    """pynetdicom logs identifiers at INFO, and pydicom's warnings quote the values they complain of."""
    pynetdicom._config.LOG_HANDLER_LEVEL = "none"
    pynetdicom._config.LOG_REQUEST_IDENTIFIERS = False
    pynetdicom._config.LOG_RESPONSE_IDENTIFIERS = False
    config.settings.reading_validation_mode = config.IGNORE
    config.settings.writing_validation_mode = config.IGNORE
