"""radflow: the life of an imaging order, from HL7 to FHIR."""

import json
from typing import Annotated

import typer
from rich.console import Console

from radflow.commands.archives import app as archives_app
from radflow.commands.backfill import app as backfill_app
from radflow.commands.bench import bench
from radflow.commands.destinations import app as destinations_app
from radflow.commands.group import Commands
from radflow.commands.messages import app as messages
from radflow.commands.move import app as move_app
from radflow.commands.mpps import app as mpps_app
from radflow.commands.orders import app as orders_app
from radflow.commands.reconcile import app as reconcile_app
from radflow.commands.report import app as report_app
from radflow.commands.reports import app as reports_app
from radflow.commands.simulate import app as simulate_app

app = typer.Typer(cls=Commands, no_args_is_help=True, help=__doc__, pretty_exceptions_show_locals=False)
db = typer.Typer(no_args_is_help=True, help="The store.")
app.add_typer(db, name="db")
app.add_typer(archives_app, name="archives")
app.add_typer(backfill_app, name="backfill")
app.command()(bench)
app.add_typer(destinations_app, name="destinations")
app.add_typer(messages, name="messages")
app.add_typer(move_app, name="move")
app.add_typer(mpps_app, name="mpps")
app.add_typer(orders_app, name="orders")
app.add_typer(reconcile_app, name="reconcile")
app.add_typer(report_app, name="report")
app.add_typer(reports_app, name="reports")
app.add_typer(simulate_app, name="simulate")

progress = Console(stderr=True)
PrefectPort = Annotated[int, typer.Option(help="Port of the Prefect server and UI.")]
SiteNames = Annotated[list[str] | None, typer.Option("--site", help="Only this site; may be repeated.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]

# Each command imports what it runs: `radflow --help` and the small services stay light.


@app.callback()
def start() -> None:
    """Set up logging before any command."""
    from radflow.logs import set_up_logging

    set_up_logging()


@app.command()
def up(
    prefect_port: PrefectPort = 4200,
    sweep_seconds: Annotated[float | None, typer.Option(help="How often archives are asked.")] = None,
) -> None:
    """Start Prefect's server, worker, listener, worklist, dispatcher and sender together."""
    from radflow.commands.config import refuse_wrong_sites
    from radflow.up import Site, run_until_told

    refuse_wrong_sites()
    site = Site(prefect_port, sweep_seconds)
    try:
        site.start(progress.print)
    except BaseException:
        site.stop()
        raise
    for what, where in site.addresses().items():
        progress.print(f"  {what:<26} {where}", highlight=False, soft_wrap=True)
    progress.print("radflow is up; Ctrl-C stops it.")
    run_until_told(site)


@app.command()
def demo(
    orders: Annotated[int, typer.Option(help="How many orders to drive.", min=1)] = 5,
    keep_running: Annotated[
        bool, typer.Option(help="Go on until Ctrl-C, to look at the Prefect UI.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Start everything, with a simulated hospital around it, and drive orders from HL7 to FHIR."""
    from radflow.demo import demo_environment, run_demo

    demo_environment()
    answer = run_demo(orders, keep_running=keep_running, console=progress)
    if as_json:
        typer.echo(json.dumps(answer))
    raise typer.Exit(0 if answer["ok"] else 1)


@app.command("check-config")
def check_config(site: SiteNames = None, as_json: AsJson = False) -> None:
    """Check the site files and their tables, and say everything that is wrong: file, line, key, reason."""
    from radflow.commands.config import check_config as check

    check(site, as_json=as_json)


@app.command()
def listen(site: SiteNames = None) -> None:
    """Take HL7 messages over MLLP: store them, then acknowledge them."""
    from radflow.services.listener import run_listener

    run_listener(site)


@app.command()
def worklist(site: SiteNames = None) -> None:
    """Answer modalities: the DICOM modality worklist SCP."""
    from radflow.services.worklist import run_worklist

    run_worklist(site)


@app.command()
def send(site: SiteNames = None) -> None:
    """Send what is queued for the receivers of HL7: each destination at its own pace."""
    from radflow.services.sender import run_sender

    run_sender(site)


@app.command()
def webhook(site: SiteNames = None) -> None:
    """Let archives say that a study has come: it is looked up at once."""
    from radflow.services.webhook import run_webhook

    run_webhook(site)


@app.command()
def probe(
    archive: Annotated[str, typer.Argument(help="The archive, as the site file names it.")],
    site: Annotated[str, typer.Option(help="Its site, where several have one of this name.")] = "",
    as_json: AsJson = False,
) -> None:
    """Find out what an archive can do, and what to write of it into the site file."""
    from radflow.commands.probe import run_probe

    raise typer.Exit(0 if run_probe(archive, site, as_json=as_json) else 1)


@app.command()
def dispatch() -> None:
    """Turn stored messages into events of orders, and wake orders that have news."""
    from radflow.services.dispatcher import run_dispatcher

    run_dispatcher()


@app.command()
def deploy(
    pool_type: Annotated[str, typer.Option(help="Type of a new work pool: radflow, or process.")] = "radflow",
) -> None:
    """Make the work pool and the deployments of prefect.yaml in the Prefect server at PREFECT_API_URL."""
    from radflow.deploy import deploy as apply

    apply(pool_type)
    progress.print("deployed")


@db.command()
def upgrade(as_json: AsJson = False) -> None:
    """Bring the store's schema to the newest version."""
    from radflow.settings import settings
    from radflow.store.engine import store

    store().migrate()
    if as_json:
        typer.echo(json.dumps({"store": settings().store_url}))
    else:
        progress.print("the store is up to date")
