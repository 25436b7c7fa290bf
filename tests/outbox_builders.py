"""What tests put into the outbox."""

from datetime import datetime

from radflow.store import outbox
from radflow.store.engine import Store
from radflow.store.tables import OutboxMessage
from tests.hl7_builders import an_oru


def put(
    store: Store,
    now: datetime,
    control_id: str,
    *,
    patient: str = "A",
    destination: str = "ehr",
    site: str = "main",
    order_key: str | None = None,
    awaited: bool = False,
) -> int:
    """Queue a message under this MSH-10; returns its id."""
    with store.write() as session:
        row = outbox.queue(
            session, site=site, destination=destination, queue=patient, message_type="ORU^R01",
            control_id=control_id, payload=an_oru(control_id), now=now, order_key=order_key, awaited=awaited,
        )  # fmt: skip
        assert row.id is not None
        return row.id


def get(store: Store, message_id: int) -> OutboxMessage:
    with store.read() as session:
        return session.get_one(OutboxMessage, message_id)
