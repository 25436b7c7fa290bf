"""Messages in the inbox, for tests."""

import hashlib
from datetime import datetime
from typing import Any

from mappings.hl7.acceptance import judge
from radflow.store.messages import Arrival, MessageState


def arrival(raw: bytes, now: datetime, **columns: Any) -> Arrival:
    """The message as the listener hands it over: refused ones are in quarantine."""
    verdict = judge(raw)
    usual: dict[str, Any] = {
        "received_at": now,
        "site": "main",
        "peer": "127.0.0.1:1",
        "sender": f"{verdict.header('MSH-3')}|{verdict.header('MSH-4')}",
        "control_id": verdict.header("MSH-10"),
        "message_type": verdict.message_type,
        "version": verdict.header("MSH-12"),
        "raw": raw,
        "digest": hashlib.sha256(raw).hexdigest(),
        "state": MessageState.QUARANTINED if verdict.refusal else MessageState.RECEIVED,
        "ack_code": verdict.ack_code,
        "reason": verdict.refusal.reason if verdict.refusal else "",
    }
    return Arrival(**(usual | columns))
