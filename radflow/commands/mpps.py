"""`radflow mpps …`: what modalities have said that they performed, and of which orders."""

import getpass
import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from sqlmodel import Session

from mappings.dicom import mpps
from radflow.clock import utc_now
from radflow.settings import settings
from radflow.store import performed_steps
from radflow.store.engine import store
from radflow.store.performed_steps import HasEnded, UnknownStep
from radflow.store.tables import PerformedStepRow

app = typer.Typer(no_args_is_help=True, help="Performed procedure steps (MPPS), and the orders they perform.")
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]
Uid = Annotated[str, typer.Argument(help="SOP Instance UID of the performed step.")]


@app.command("list")
def list_steps(
    site: Annotated[str, typer.Option(help="Only of this site.")] = "",
    unlinked: Annotated[bool, typer.Option("--unlinked", help="Only those of no known order.")] = False,
    limit: Annotated[int, typer.Option(help="The newest this many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List performed steps, newest first."""
    with store().read() as session:
        found = [
            _summary(session, row)
            for row in performed_steps.newest(session, limit, site=site, unlinked=unlinked)
        ]
    if as_json:
        typer.echo(json.dumps(found))
        return
    table = Table("performed step", "status", "station", "modality", "received (UTC)", "orders")
    for one in found:
        table.add_row(
            one["sop_instance_uid"], one["status"], one["station_ae_title"], one["modality"],
            one["received_at"][:19], " ".join(one["orders"]) or "none known",
        )  # fmt: skip
    Console().print(table)


@app.command()
def show(uid: Uid, as_json: AsJson = False) -> None:
    """Show all that is known of a performed step, patient data included."""
    with store().read() as session:
        try:
            row = performed_steps.look(session, uid)
        except UnknownStep:
            raise _no_such_step(uid) from None
        found = {**_summary(session, row), "dataset": row.dataset}
    if as_json:
        typer.echo(json.dumps(found))
    else:
        Console().print_json(json.dumps(found))


@app.command()
def close(
    uid: Uid,
    reason: Annotated[
        str, typer.Option(help="Why; kept in the orders' log, so nothing of the patient.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Discontinue a performed step that its modality has never ended: its orders are to be done again."""
    by = getpass.getuser()
    try:
        with store().write() as session:
            row = performed_steps.get(session, performed_steps.look(session, uid).site, uid)
            step = mpps.read(row.dataset, zone=settings().site(row.site).zone)
            performed_steps.close(session, row, step, by=by, reason=reason, now=utc_now())
            found = _summary(session, row)
    except UnknownStep:
        raise _no_such_step(uid) from None
    except HasEnded as error:
        raise typer.BadParameter(f"The performed step {uid!r} is {error} already.") from None
    if as_json:
        typer.echo(json.dumps(found))
    else:
        Console(stderr=True).print(f"{uid} is {found['status']}")


def _no_such_step(uid: str) -> typer.BadParameter:
    return typer.BadParameter(f"There is no performed step {uid!r}; `radflow mpps list` shows them.")


def _summary(session: Session, row: PerformedStepRow) -> dict[str, Any]:
    return {
        "sop_instance_uid": row.sop_instance_uid,
        "site": row.site,
        "status": row.status,
        "station_ae_title": row.station_ae_title,
        "modality": row.modality,
        "started_at": row.started_at.isoformat() if row.started_at else None,
        "ended_at": row.ended_at.isoformat() if row.ended_at else None,
        "received_at": row.received_at.isoformat(),
        "orders": sorted(performed_steps.orders_of(session, row.sop_instance_uid)),
    }
