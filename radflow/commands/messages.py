"""`radflow messages …`: the inbox and the quarantine, and replaying what lies there."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from mappings.hl7.errors import NotTakable
from mappings.hl7.reader import readable
from radflow.store import messages
from radflow.store.engine import store
from radflow.store.messages import LinkKind, MessageState
from radflow.store.tables import Message

app = typer.Typer(no_args_is_help=True, help="Messages: what came, what became of it, and replays.")
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]
Id = Annotated[int, typer.Argument(help="The message's number, as `radflow messages list` shows it.")]


@app.command("list")
def list_messages(
    state: Annotated[MessageState | None, typer.Option(help="Only messages in this state.")] = None,
    message_type: Annotated[str, typer.Option("--type", help="Only this MSH-9, as in ORM^O01.")] = "",
    limit: Annotated[int, typer.Option(help="The newest this many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List messages, newest first."""
    with store().read() as session:
        found = messages.search(session, state=state or "", message_type=message_type, limit=limit)
        keys = messages.links_of(session, [message.id for message in found], LinkKind.ORDER)
        rows = [_summary(message, keys) for message in found]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    table = Table("id", "received (UTC)", "type", "sender", "ack", "copies", "state", "reason")
    for row in rows:
        table.add_row(
            str(row["id"]), row["received_at"][:19], row["type"], row["sender"], row["ack"],
            str(row["copies"]), row["state"], row["reason"],
        )  # fmt: skip
    Console().print(table)


@app.command()
def show(message_id: Id, as_json: AsJson = False) -> None:
    """Show a message, a segment a line. This shows the patient."""
    with store().read() as session:
        message = messages.get(session, message_id)
        if message is None:
            raise _no_such(message_id)
        keys = messages.links_of(session, [message_id], LinkKind.ORDER)
        summary, text = _summary(message, keys), _text(message.raw)
    if as_json:
        typer.echo(json.dumps({**summary, "message": text}))
        return
    console = Console()
    console.print(
        f"{summary['id']}: {summary['type']}, {summary['state']}. {summary['reason']}", markup=False
    )
    console.print(text, markup=False, highlight=False, soft_wrap=True)


@app.command()
def replay(message_id: Id, as_json: AsJson = False) -> None:
    """Have a message looked at once more. What it has already done is not done twice."""
    with store().write() as session:
        message = messages.requeue(session, message_id)
        if message is None:
            raise _no_such(message_id)
        summary = _summary(message, messages.links_of(session, [message_id], LinkKind.ORDER))
    if as_json:
        typer.echo(json.dumps(summary))
    else:
        Console(stderr=True).print(f"Message {message_id} is queued again")


def _no_such(message_id: int) -> typer.BadParameter:
    return typer.BadParameter(f"There is no message {message_id}; `radflow messages list` shows them.")


def _text(raw: bytes) -> str:
    try:
        return readable(raw)
    except NotTakable:
        # Not HL7, or in a character set that is unknown: whatever can be seen of it.
        return raw.decode("utf-8", errors="backslashreplace").replace("\r", "\n")


def _summary(message: Message, order_keys: Mapping[int, list[str]]) -> dict[str, Any]:
    return {
        "id": message.id,
        "received_at": message.received_at.isoformat(),
        "site": message.site,
        "peer": message.peer,
        "sender": message.sender,
        "control_id": message.control_id,
        "type": message.message_type,
        "version": message.version,
        "state": message.state,
        "ack": message.ack_code,
        "copies": message.copies,
        "reason": message.reason,
        "order_keys": order_keys.get(message.id or 0, []),
    }
