"""`radflow reports …`: FHIR servers that have reports."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from radflow.clock import utc_now
from radflow.connectors.errors import Refused, Unavailable
from radflow.connectors.fhir.report_server import open_report_server
from radflow.settings import Site, settings
from radflow.settings.report_sources import FhirSubscription
from radflow.store import report_sources
from radflow.store.engine import store

app = typer.Typer(no_args_is_help=True, help="Sources of reports beside HL7.")
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]
SiteName = Annotated[str, typer.Option("--site", help="Only of this site.")]


@app.command("sources")
def list_sources(site: SiteName = "", as_json: AsJson = False) -> None:
    """List the servers that reports are fetched from: whether each answers, and how far it is read."""
    with store().read() as session:
        rows = [
            _summary(its, source.name, source.kind, report_sources.look(session, its.name, source.name))
            for its in _sites(site)
            for source in its.report_sources
        ]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    table = Table("site", "source", "kind", "state", "read until", "asked", "next try", "trouble")
    for row in rows:
        times = ((row[key] or "")[:19] for key in ("read_until", "asked_at", "next_try_at"))
        table.add_row(row["site"], row["name"], row["kind"], row["state"], *times, row["trouble"])
    Console().print(table)


@app.command()
def subscribe(site: SiteName = "", as_json: AsJson = False) -> None:
    """Make the Subscription at each server that is to say when a report has changed, or make it anew."""
    made: list[dict[str, str]] = []
    refused = 0
    for its in _sites(site):
        for source in its.report_sources:
            if isinstance(source, FhirSubscription):
                outcome = _subscribe(source)
                refused += outcome["state"] != "subscribed"
                made.append({"site": its.name, "name": source.name, **outcome})
    if as_json:
        typer.echo(json.dumps(made))
    else:
        progress = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        for one in made:
            progress.print(f"{one['site']} {one['name']}: {one['state']}: {one['detail']}")
        if not made:
            progress.print('No site has [[report_sources]] of kind "fhir-subscription".')
    raise typer.Exit(1 if refused else 0)


def _subscribe(source: FhirSubscription) -> dict[str, str]:
    try:
        with open_report_server(source) as server:
            return {"state": "subscribed", "detail": server.subscribe(source, utc_now())}
    except (Unavailable, Refused) as error:
        return {"state": "failed", "detail": str(error)}


def _sites(name: str) -> list[Site]:
    return [settings().site(name)] if name else list(settings().sites.values())


def _summary(site: Site, name: str, kind: str, state: Any) -> dict[str, Any]:
    times = {
        key: at.isoformat() if (at := getattr(state, key)) else None
        for key in ("read_until", "asked_at", "failing_since", "next_try_at")
    }
    return {
        "site": site.name,
        "name": name,
        "kind": kind,
        "state": "failing" if state.failures else "up" if state.asked_at else "not asked yet",
        "failures": state.failures,
        "trouble": state.trouble,
        **times,
    }
