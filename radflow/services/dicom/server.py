"""The DICOM server of a site. pynetdicom speaks the protocol; who may speak is decided here."""

import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from socketserver import BaseServer, TCPServer
from typing import Any, cast

import structlog
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

from radflow.connectors.dicom import keep_patients_out_of_the_log, send_at_once
from radflow.connectors.tls import server_context
from radflow.services.dicom.connections import LimitedSocket, Limits
from radflow.services.dicom.waiting_room import Visitor, WaitingRoom
from radflow.settings import Site, Worklist
from radflow.store.engine import Store

log = structlog.get_logger()

TRANSFER_SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
"""Not the deflated one: a few bytes of it are as many as one likes."""


@dataclass(frozen=True)
class DicomService:
    """A service of the server: the SOP classes it takes, and what answers them."""

    sop_classes: tuple[str, ...]
    handlers: Callable[[Site, Store], Sequence[tuple[Any, ...]]]
    """Event, handler and the handler's further arguments, as pynetdicom binds them."""
    peer_is_scp: bool = False
    """Who connects provides the service, and reports of it: SCP/SCU role selection (PS3.7 §D.3.3.4)."""


@dataclass(frozen=True)
class RunningServer:
    """A server that accepts associations."""

    server: "_Server"

    @property
    def port(self) -> int:
        """The port it listens on; the system has chosen it where the settings say 0."""
        return int(self.server.server_address[1])

    def stop(self) -> None:
        """Accept no more, and end the associations there are."""
        self.server.shutdown()
        for association in self.server.active_associations:
            association.abort()


def start_server(site: Site, store: Store, services: Sequence[DicomService]) -> RunningServer:
    """Offer these services of a site on its DICOM port, in threads of their own.

    Raises:
        ConfigError: a file of its TLS settings cannot be used.
        OSError: the port is taken.
    """
    keep_patients_out_of_the_log()
    settings = site.worklist
    ae = _application_entity(settings)
    for service in services:
        for sop_class in service.sop_classes:
            # Without role selection a peer is the SCU; None leaves its proposal of roles unanswered.
            role = True if service.peer_is_scp else None
            ae.add_supported_context(sop_class, TRANSFER_SYNTAXES, scu_role=role, scp_role=role)
    waiting_room = WaitingRoom(settings.max_associations)
    handlers = [
        (evt.EVT_CONN_OPEN, send_at_once),
        (evt.EVT_REQUESTED, _leave, [waiting_room]),
        (evt.EVT_CONN_CLOSE, _forget, [waiting_room]),
        *(handler for service in services for handler in service.handlers(site, store)),
    ]
    server: Any = ae.make_server(
        (settings.host, settings.port),
        evt_handlers=handlers,
        server_class=_Server,
        ssl_context=server_context(settings.tls),
        settings=settings,
        waiting_room=waiting_room,
    )
    threading.Thread(target=server.serve_forever, name=f"dicom-{site.name}", daemon=True).start()
    return RunningServer(server)


class _ApplicationEntity(AE):
    """Counts as associations only those that were asked for: a mere connection is none."""

    @property
    def active_associations(self) -> list[Association]:
        return [one for one in super().active_associations if one.requestor.primitive is not None]


def _application_entity(settings: Worklist) -> AE:
    ae = _ApplicationEntity(settings.ae_title)
    ae.maximum_associations = settings.max_associations
    ae.acse_timeout = settings.association_seconds
    ae.network_timeout = settings.idle_seconds
    ae.require_called_aet = settings.own_ae_title_only
    if settings.known_modalities_only:
        ae.require_calling_aet = [one.ae_title for one in settings.modalities]
    return ae


class _Server(ThreadedAssociationServer):
    """Accepts connections: each gets a place in the waiting room, and a thread for its TLS handshake."""

    daemon_threads = True

    def __init__(self, *args: Any, settings: Worklist, waiting_room: WaitingRoom, **more: Any) -> None:
        super().__init__(*args, **more)
        self._settings = settings
        self._waiting_room = waiting_room

    def get_request(self) -> Any:
        """The next connection. Its TLS handshake is not made here, where a slow one keeps out all others."""
        return TCPServer.get_request(self)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread: make an association of it, over TLS where the site wants it."""
        visitor = Visitor(request, client_address[0])
        self._waiting_room.enter(visitor)
        try:
            if self.ssl_context:
                request.settimeout(self._settings.association_seconds)
                visitor.connection = self.ssl_context.wrap_socket(request, server_side=True)
            limits = Limits(self._settings.idle_seconds, self._settings.max_message_bytes)
            _Connection(visitor, limits, client_address, self)
        except BaseException:
            self._waiting_room.leave(visitor)
            visitor.connection.close()
            raise

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that fails before it is one: a handshake with a wrong certificate, or without TLS."""
        error = sys.exception()
        reason = getattr(error, "reason", None) or type(error).__name__
        log.warning("DICOM connection refused", peer=client_address[0], reason=str(reason))

    def shutdown(self) -> None:
        """Accept no more."""
        BaseServer.shutdown(self)
        self.server_close()


class _Connection(RequestHandler):
    """Makes the association of a connection, with a transport that has limits."""

    def __init__(self, visitor: Visitor, limits: Limits, client_address: Any, server: _Server) -> None:
        self._visitor = visitor
        self._limits = limits
        super().__init__(visitor.connection, client_address, server)

    def _create_association(self) -> Association:
        association = super()._create_association()
        # Ours takes the place of the transport that pynetdicom has made, and announces the connection anew.
        association.dul.socket = None
        association.dul.event_queue.get_nowait()
        association.set_socket(LimitedSocket(association, self._visitor, self._limits))
        return association


def _leave(event: Event, waiting_room: WaitingRoom) -> None:
    """Handler of EVT_REQUESTED: the connection has asked for an association."""
    waiting_room.leave(cast(LimitedSocket, event.assoc.dul.socket).visitor)


def _forget(event: Event, waiting_room: WaitingRoom) -> None:
    """Handler of EVT_CONN_CLOSE: a connection that never asked ends at once, not when its time is over."""
    _leave(event, waiting_room)
    if event.assoc.requestor.primitive is None:
        # What pynetdicom takes for the end of its wait.
        event.assoc.dul.to_user_queue.put(None)
