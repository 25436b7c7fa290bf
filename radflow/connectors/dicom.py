"""What radflow's DICOM associations have in common, as client and as server."""

import socket

import pynetdicom
from pydicom import config
from pynetdicom.events import Event


def send_at_once(event: Event) -> None:
    """Handler of EVT_CONN_OPEN: without TCP_NODELAY each message waits for the peer's delayed ACK."""
    connection = event.assoc.dul.socket
    if connection and connection.socket:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def keep_patients_out_of_the_log() -> None:
    """pynetdicom logs identifiers at INFO, and pydicom's warnings quote the values they complain of."""
    pynetdicom._config.LOG_REQUEST_IDENTIFIERS = False
    pynetdicom._config.LOG_RESPONSE_IDENTIFIERS = False
    config.settings.reading_validation_mode = config.IGNORE
    config.settings.writing_validation_mode = config.IGNORE
