"""`radflow orders …`: see orders, and do something to one by hand."""

import getpass
import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from sqlmodel import col, select

from radflow.clock import utc_now
from radflow.commands import by_hand
from radflow.lifecycle_page import drawn
from radflow.order import Event, NotAllowed
from radflow.store import orders, outbox, publications
from radflow.store.engine import store
from radflow.store.tables import OrderRow, PublicationRow

app = typer.Typer(no_args_is_help=True, help="Orders: where they stand, what has happened to them.")
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]
Key = Annotated[str, typer.Argument(help="The order's key, as the Prefect run is named.")]


@app.command("list")
def list_orders(
    state: Annotated[str, typer.Option(help="Only orders in this state.")] = "",
    trouble: Annotated[bool, typer.Option("--trouble", help="Only orders that need a person.")] = False,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only orders that are overdue.")] = False,
    limit: Annotated[int, typer.Option(help="The newest this many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List orders, newest first."""
    query = select(OrderRow).order_by(col(OrderRow.created_at).desc()).limit(limit)
    if state:
        query = query.where(OrderRow.state == state)
    if trouble:
        query = query.where(OrderRow.trouble != "")
    if overdue:
        query = query.where(col(OrderRow.overdue_since).is_not(None))
    with store().read() as session:
        found = [_summary(row) for row in session.exec(query)]
    if as_json:
        typer.echo(json.dumps(found))
        return
    table = Table("key", "state", "modality", "since (UTC)", "overdue since", "trouble")
    for row in found:
        table.add_row(
            row["key"], row["state"], row["modality"], row["updated_at"][:19],
            (row["overdue_since"] or "")[:16], row["trouble"],
        )  # fmt: skip
    Console().print(table)


@app.command()
def show(key: Key, as_json: AsJson = False) -> None:
    """Show an order's event log, and what FHIR destinations have of it."""
    with store().read() as session:
        row = session.get(OrderRow, key)
        if row is None:
            raise typer.BadParameter(f"There is no order {key!r}; `radflow orders list` shows them.")
        log = [
            {"at": line.occurred_at.isoformat(), "event": line.event, "step": line.step, "by": line.source}
            for line in orders.events_of(session, key)
        ]
        published = [_publication(one) for one in publications.of_order(session, key)]
    if as_json:
        typer.echo(json.dumps({**_summary(row), "events": log, "publications": published}))
        return
    console = Console()
    console.print(f"{row.key}: {row.state}" + (f" – {row.trouble}" if row.trouble else ""))
    table = Table("UTC", "event", "step", "by")
    for line in log:
        table.add_row(str(line["at"])[:19], line["event"], line["step"] or "", line["by"])
    console.print(table)
    if published:
        console.print(_published_table(published))


def _publication(row: PublicationRow) -> dict[str, Any]:
    return {
        "destination": row.destination,
        "resource_type": row.resource_type,
        "reference": row.reference,
        "version": row.version,
        "outcome": row.outcome,
        "reason": row.reason,
        "revision": row.revision,
        "at": row.at.isoformat(),
    }


def _published_table(published: list[dict[str, Any]]) -> Table:
    table = Table("FHIR destination", "resource", "version", "outcome", "UTC", "why")
    for one in published:
        resource = one["reference"] or one["resource_type"]
        table.add_row(
            one["destination"], resource, one["version"], one["outcome"], one["at"][:19], one["reason"]
        )
    return table


@app.command()
def wake(key: Key, as_json: AsJson = False) -> None:
    """Wake an order now: a parked or waiting step is tried again, what was refused is sent again."""
    now = utc_now()
    try:
        with store().write() as session:
            orders.record(
                session,
                key,
                Event.WOKEN_BY_HAND,
                source=f"person:{getpass.getuser()}",
                occurred_at=now,
                now=now,
            )
            for message in outbox.parked_of_order(session, key):
                outbox.resend(session, message.id or 0)
    except orders.UnknownOrder:
        raise typer.BadParameter(f"There is no order {key!r}; `radflow orders list` shows them.") from None
    except NotAllowed as error:
        raise typer.BadParameter(f"{error}; there is nothing to wake.") from None
    if as_json:
        typer.echo(json.dumps({"key": key, "woken_at": now.isoformat()}))
    else:
        Console(stderr=True).print(f"{key} is woken")


@app.command()
def lifecycle() -> None:
    """Print what may follow what in an order's life, as docs/lifecycle.md has it."""
    typer.echo(drawn(), nl=False)


for command in by_hand.COMMANDS:
    app.command()(command)


def _summary(row: OrderRow) -> dict[str, Any]:
    return {
        "key": row.key,
        "site": row.site,
        "state": row.state,
        "modality": row.modality,
        "accession_number": row.accession_number,
        "study_instance_uid": row.study_instance_uid,
        "flow_run_id": row.run_id,
        "updated_at": row.updated_at.isoformat(),
        "trouble": row.trouble,
        "overdue_in": row.overdue_in,
        "overdue_since": row.overdue_since.isoformat() if row.overdue_since else None,
    }
