"""`radflow backfill …`: start a backfill in Prefect, and see how far it is."""

import json
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from radflow.store import backfills
from radflow.store.backfills import ItemOutcome
from radflow.store.engine import store
from radflow.store.tables import Backfill

app = typer.Typer(no_args_is_help=True, help="Backfills: work on what is there already.")
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]
Number = Annotated[int, typer.Argument(help="Number of the backfill.")]
_TO_LOOK_AT = (ItemOutcome.FAILED, ItemOutcome.CHANGED, ItemOutcome.SKIPPED)


@app.command()
def start(
    kind: Annotated[str, typer.Argument(help="rebuild-warehouse, republish-fhir, import-studies or remap.")],
    site: Annotated[str, typer.Option(help="Name of the site.")],
    since: Annotated[str, typer.Option(help="First day, as 2026-11-24.")] = "",
    until: Annotated[str, typer.Option(help="Last day.")] = "",
    modality: Annotated[str, typer.Option(help="Only orders of this modality.")] = "",
    archive: Annotated[str, typer.Option(help="The archive, of import-studies.")] = "",
    anew: Annotated[bool, typer.Option("--anew", help="Of republish-fhir: also what a server has.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Of remap: change, not only show.")] = False,
    concurrency: Annotated[int, typer.Option(help="Tasks at once.", min=1, max=64)] = 2,
    as_json: AsJson = False,
) -> None:
    """Start a run of the backfill's deployment; one of the same parameters that was cut off is continued."""
    from tasks.backfill import KINDS

    if kind not in KINDS:
        raise typer.BadParameter(f"There is no backfill {kind!r}; there are {', '.join(KINDS)}.")
    given: dict[str, Any] = {
        "site": site,
        "since": since,
        "until": until,
        "modality": modality,
        "archive": archive,
    }
    given = {name: value for name, value in given.items() if value} | ({"anew": True} if anew else {})
    try:
        what = KINDS[kind].parameters.model_validate(given | ({"dry_run": False} if apply else {}))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise typer.BadParameter(wrong) from None
    _answer(_start(kind, what.model_dump(mode="json"), concurrency), as_json)


@app.command()
def resume(
    number: Number, concurrency: Annotated[int, typer.Option(min=1, max=64)] = 2, as_json: AsJson = False
) -> None:
    """Start a run that goes on with a backfill: what is left of it, and what has failed."""
    row = _backfill(number)
    if row.state == backfills.BackfillState.COMPLETED:
        raise typer.BadParameter(f"Backfill {number} is completed.")
    _answer(_start(row.kind, row.parameters, concurrency), as_json)


@app.command("list")
def list_backfills(
    limit: Annotated[int, typer.Option(help="The newest this many.")] = 20, as_json: AsJson = False
) -> None:
    """List backfills, newest first."""
    with store().read() as session:
        found = [
            _summary(row, backfills.counts(session, row.id or 0)) for row in backfills.newest(session, limit)
        ]
    if as_json:
        typer.echo(json.dumps(found))
        return
    table = Table("number", "kind", "state", "items", "since (UTC)")
    for one in found:
        items = ", ".join(f"{count} {outcome}" for outcome, count in one["items"].items())
        table.add_row(str(one["number"]), one["kind"], one["state"], items, one["created_at"][:19])
    Console().print(table)


@app.command()
def show(
    number: Number,
    limit: Annotated[int, typer.Option(help="Show this many items of each outcome.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show a backfill, with the items that have failed, were changed (or would be) or skipped."""
    row = _backfill(number)
    with store().read() as session:
        items = [
            {"item": item.item, "outcome": item.state, **item.detail}
            for outcome in _TO_LOOK_AT
            for item in backfills.items(session, number, {outcome}, limit)
        ]
        summary = _summary(row, backfills.counts(session, number))
    if as_json:
        typer.echo(json.dumps({**summary, "shown": items}))
        return
    console = Console()
    console.print(f"{row.kind} {number}: {row.state}, {summary['items']}")
    table = Table("item", "outcome", "detail")
    for one in items:
        rest = {name: value for name, value in one.items() if name not in ("item", "outcome")}
        table.add_row(one["item"], one["outcome"], json.dumps(rest, ensure_ascii=False))
    console.print(table)


def _backfill(number: int) -> Backfill:
    with store().read() as session:
        row = session.get(Backfill, number)
    if row is None:
        raise typer.BadParameter(f"There is no backfill {number}; `radflow backfill list` shows them.")
    return row


def _start(kind: str, parameters: dict[str, Any], concurrency: int) -> dict[str, Any]:
    from radflow.connectors.orchestrator import start_deployment

    given = {"what": parameters, "pace": {"concurrency": concurrency}}
    return {"kind": kind, "flow_run_id": start_deployment(f"{kind}/radflow", given), "parameters": parameters}


def _answer(started: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(started))
    else:
        Console(stderr=True).print(f"{started['kind']} is scheduled as flow run {started['flow_run_id']}")


def _summary(row: Backfill, counts: dict[str, int]) -> dict[str, Any]:
    return {
        "number": row.id,
        "kind": row.kind,
        "state": row.state,
        "parameters": row.parameters,
        "items": dict(counts),
        "created_at": row.created_at.isoformat(),
        "finished_at": row.finished_at.isoformat() if row.finished_at else None,
    }
