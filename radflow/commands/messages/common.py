"""What the commands on messages share: their options, and how a message is summed up."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.console import Console

from radflow.settings import settings
from radflow.store.tables import Message

AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]
Id = Annotated[int, typer.Argument(help="The message's number, as `radflow messages search` shows it.")]
SiteName = Annotated[str, typer.Option("--site", help="Only of this site.")]
Since = Annotated[
    str, typer.Option(help="Received since: 2026-11-24, 2026-11-24T08:30 (UTC), or 30m, 2h, 3d ago.")
]

progress = Console(stderr=True)

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def no_such(message_id: int) -> typer.BadParameter:
    return typer.BadParameter(f"There is no message {message_id}; `radflow messages search` finds them.")


def sites_of(site: str) -> tuple[str, ...]:
    """The site asked for, or all."""
    return (settings().site(site).name,) if site else tuple(settings().sites)


def point_in_time(text: str, now: datetime, *, end_of_day: bool = False) -> datetime | None:
    """An ISO date or time, UTC unless it has a zone, or a while ago as in `2h`; None for nothing.

    Args:
        end_of_day: a date without a time stands for its end.
    """
    if not text:
        return None
    if text[-1] in _UNITS and text[:-1].isdecimal():
        return now - timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time such as 2026-11-24T08:30, 2h or 3d.") from None
    if end_of_day and len(text) == len("2026-11-24"):
        at += timedelta(days=1)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def summary(message: Message, order_keys: Mapping[int, list[str]]) -> dict[str, Any]:
    """A message without its content: nothing of the patient."""
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
        "processed_at": message.processed_at.isoformat() if message.processed_at else None,
        "repairs": message.repairs,
        "order_keys": order_keys.get(message.id or 0, []),
    }
