"""Ports for what is started beside radflow."""

import socket

from radflow.settings import LOOPBACK


def free_port() -> int:
    """A port of the loopback address on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
