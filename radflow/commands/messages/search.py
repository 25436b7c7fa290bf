"""`radflow messages search`."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from radflow.clock import utc_now
from radflow.commands.messages import common
from radflow.commands.messages.common import AsJson, Since, SiteName
from radflow.store import message_search, messages
from radflow.store.engine import store
from radflow.store.message_search import Wanted
from radflow.store.messages import LinkKind, MessageState


def search(
    since: Since = "",
    until: Annotated[str, typer.Option(help="Received before, or on this day.")] = "",
    message_type: Annotated[str, typer.Option("--type", help="MSH-9, as in ORM^O01 or 'ORU^*'.")] = "",
    sender: Annotated[str, typer.Option(help="MSH-3|MSH-4, as in 'EHR|HOSPITAL' or 'EHR|*'.")] = "",
    patient: Annotated[str, typer.Option(help="A patient identifier, as in PID-3.")] = "",
    order: Annotated[
        str, typer.Option(help="An order's key, placer, filler or accession number, or Study Instance UID.")
    ] = "",
    state: Annotated[MessageState | None, typer.Option(help="What has become of them.")] = None,
    error: Annotated[str, typer.Option(help="Text in the reason why they were not taken.")] = "",
    control_id: Annotated[str, typer.Option(help="MSH-10.")] = "",
    site: SiteName = "",
    limit: Annotated[int, typer.Option(help="The newest this many.", min=1)] = 50,
    before: Annotated[int | None, typer.Option(help="The page that follows this message's number.")] = None,
    as_json: AsJson = False,
) -> None:
    """Find messages, newest first. Nothing of the patient is shown."""
    now = utc_now()
    wanted = Wanted(
        since=common.point_in_time(since, now), until=common.point_in_time(until, now, end_of_day=True),
        message_type=message_type, sender=sender, patient=patient, order=order, state=state or "",
        error=error, control_id=control_id, site=site, sites=common.sites_of(site), before=before,
    )  # fmt: skip
    with store().read() as session:
        found = message_search.search(session, wanted, limit)
        keys = messages.links_of(session, [message.id for message in found], LinkKind.ORDER)
    rows = [common.summary(message, keys) for message in found]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    state_column = Column("state", no_wrap=True)
    table = Table("id", "received (UTC)", "type", "sender", "ack", "copies", state_column, "reason")
    for row in rows:
        table.add_row(
            str(row["id"]), row["received_at"][:19], row["type"], row["sender"], row["ack"],
            str(row["copies"]), row["state"], row["reason"],
        )  # fmt: skip
    Console().print(table)
    if len(rows) == limit:
        common.progress.print(f"There may be more: --before {rows[-1]['id']}")
