"""`radflow messages show`."""

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from sqlmodel import Session, col, or_, select

from mappings.hl7.editing import draft
from radflow.commands.messages import common
from radflow.commands.messages.common import AsJson, Id
from radflow.store import messages
from radflow.store.engine import store
from radflow.store.messages import LinkKind
from radflow.store.tables import Message, OrderRow, OutboxMessage


def show(
    message_id: Id,
    raw: Annotated[bool, typer.Option("--raw", help="Its bytes as they came, and nothing else.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a message, a segment a line, and all that it has to do with. This shows the patient."""
    with store().read() as session:
        message = messages.get(session, message_id)
        if message is None:
            raise common.no_such(message_id)
        if raw:
            sys.stdout.buffer.write(message.raw)
            sys.stdout.buffer.flush()
            return
        about = _about(session, message)
    if as_json:
        typer.echo(json.dumps(about))
        return
    console = Console(highlight=False, soft_wrap=True, markup=False)
    console.print(f"{about['id']}: {about['type']}, {about['state']}. {about['reason']}")
    for label, lines in _sections(about):
        console.print(f"{label}: {', '.join(lines)}")
    console.print(about["message"])


def _about(session: Session, message: Message) -> dict[str, Any]:
    linked = {
        kind: messages.links_of(session, [message.id], kind).get(message.id or 0, []) for kind in LinkKind
    }
    keys = linked[LinkKind.ORDER]
    orders = session.exec(select(OrderRow).where(col(OrderRow.key).in_(keys)).order_by(OrderRow.key))
    because = or_(OutboxMessage.message_id == message.id, col(OutboxMessage.order_key).in_(keys))
    sent = session.exec(select(OutboxMessage).where(because).order_by(col(OutboxMessage.id)))
    repaired_by = select(Message.id).where(Message.repairs == message.id).order_by(col(Message.id))
    return {
        **common.summary(message, {message.id or 0: keys}),
        "orders": [{"key": row.key, "state": row.state} for row in orders],
        "awaits": linked[LinkKind.AWAITS],
        "patients": linked[LinkKind.PATIENT],
        "sent": [
            {
                "id": row.id, "destination": row.destination, "type": row.message_type,
                "control_id": row.control_id, "state": row.state, "order_key": row.order_key,
                "passed_on": row.message_id == message.id,
            }
            for row in sent
        ],
        "repaired_by": list(session.exec(repaired_by)),
        "message": draft(message.raw).text,
    }  # fmt: skip


def _sections(about: dict[str, Any]) -> list[tuple[str, list[str]]]:
    sections = [
        ("received", [f"{about['received_at']} from {about['peer']} ({about['sender']})"]),
        ("orders", [f"{order['key']} ({order['state']})" for order in about["orders"]]),
        ("may wait for", about["awaits"]),
        ("patient", about["patients"]),
        ("sent", [f"{row['type']} to {row['destination']} ({row['state']})" for row in about["sent"]]),
        ("made from message", [str(about["repairs"])] if about["repairs"] else []),
        ("repaired as message", [str(number) for number in about["repaired_by"]]),
    ]
    return [(label, lines) for label, lines in sections if lines]
