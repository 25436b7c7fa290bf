"""The listener: a message is committed, then acknowledged, never the other way round.

Messages come over MLLP, and over HTTP where a site has `[http]`. What cannot be taken is answered AE or AR,
and kept in quarantine with the reason.
"""

from radflow.services.listener.serving import run_listener, serve

__all__ = ["run_listener", "serve"]
