"""Where a site's own services listen."""

from radflow.settings.base import LOOPBACK, Section


class Listener(Section):
    """The MLLP listener of a site."""

    host: str = LOOPBACK
    port: int = 2575
    max_message_bytes: int = 16 * 1024 * 1024
    idle_seconds: float = 3600
    """A connection that sends nothing for so long is closed."""
    max_connections: int = 1000


class Worklist(Section):
    """The modality worklist SCP of a site."""

    host: str = LOOPBACK
    port: int = 11112
    ae_title: str = "RADFLOW"
    max_associations: int = 100
