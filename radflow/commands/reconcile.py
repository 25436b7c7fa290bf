"""`radflow reconcile …`: studies that may be an order's, for a person to decide on."""

import getpass
import json
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from sqlmodel import Session

from radflow.clock import utc_now
from radflow.model import Order, Study
from radflow.order import NotAllowed
from radflow.store import candidates
from radflow.store.candidates import NoSuchCandidate
from radflow.store.engine import store
from radflow.store.tables import OrderRow, StudyCandidate

app = typer.Typer(no_args_is_help=True, help="Studies that may be an order's: see them, and decide.")
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]
Number = Annotated[int, typer.Argument(help="The candidate, as `radflow reconcile list` numbers it.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the order's log, so nothing of the patient.")]


@app.command("list")
def list_candidates(as_json: AsJson = False) -> None:
    """List studies of the right patient, modality and day whose numbers are no order's."""
    with store().read() as session:
        rows = [_summary(session, row) for row in candidates.undecided(session)]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    table = Table("id", "order", "ordered", "accession", "study", "made (UTC)", "modalities", "has accession")
    for row in rows:
        table.add_row(
            str(row["id"]), row["order_key"], row["procedure"], row["accession_number"],
            row["study_instance_uid"], (row["started"] or "")[:16], " ".join(row["modalities"]),
            row["study_accession_number"],
        )  # fmt: skip
    Console().print(table)


@app.command()
def show(number: Number, as_json: AsJson = False) -> None:
    """Show the order and the study side by side, patient included: for the eyes of who decides."""
    try:
        with store().read() as session:
            row = candidates.find_undecided(session, number)
            both = _side_by_side(session, row)
    except NoSuchCandidate:
        raise _nothing_to_decide(number) from None
    if as_json:
        typer.echo(json.dumps({"id": number, "order_key": row.order_key, **both}))
        return
    table = Table(f"{row.order_key}", "order", f"study in {row.archive}")
    for what in both["order"]:
        table.add_row(what.replace("_", " "), both["order"][what], both["study"][what])
    Console().print(table)


@app.command()
def confirm(number: Number, reason: Reason = "", as_json: AsJson = False) -> None:
    """Say that the study is the order's: the order goes on with it."""
    _decide(candidates.confirm, number, reason, as_json)


@app.command()
def refuse(number: Number, reason: Reason = "", as_json: AsJson = False) -> None:
    """Say that it is not: it is not proposed for this order again."""
    _decide(candidates.refuse, number, reason, as_json)


def _decide(decision: Callable[..., StudyCandidate], number: int, reason: str, as_json: bool) -> None:
    try:
        with store().write() as session:
            row = decision(session, number, by=getpass.getuser(), now=utc_now(), reason=reason)
            said = _summary(session, row)
    except NoSuchCandidate:
        raise _nothing_to_decide(number) from None
    except NotAllowed as error:
        raise typer.BadParameter(f"{error}; the study cannot be linked any more.") from None
    if as_json:
        typer.echo(json.dumps(said))
    else:
        Console(stderr=True).print(f"{said['order_key']}: the study is {said['decision']}")


def _nothing_to_decide(number: int) -> typer.BadParameter:
    return typer.BadParameter(
        f"There is no candidate {number} to decide on; `radflow reconcile list` shows them."
    )


def _summary(session: Session, row: StudyCandidate) -> dict[str, Any]:
    order = Order.model_validate(session.get_one(OrderRow, row.order_key).document)
    study = Study.model_validate(row.document)
    return {
        "id": row.id,
        "order_key": row.order_key,
        "accession_number": order.accession_number,
        "procedure": order.procedure.display or order.procedure.code,
        "study_instance_uid": row.study_instance_uid,
        "study_accession_number": study.accession_number,
        "description": study.description,
        "modalities": list(study.modalities),
        "started": study.started.isoformat() if study.started else None,
        "archive": row.archive,
        "proposed_at": row.proposed_at.isoformat(),
        "flow_run_id": row.run_id,
        "decision": row.decision,
        "decided_by": row.decided_by,
        "reason": row.reason,
    }


def _side_by_side(session: Session, row: StudyCandidate) -> dict[str, dict[str, str]]:
    order = Order.model_validate(session.get_one(OrderRow, row.order_key).document)
    study = Study.model_validate(row.document)
    name, patient = order.patient.name, order.patient
    scheduled = [step.start for step in order.steps if step.start]
    return {
        "order": {
            "patient_ids": " ".join(identifier.value for identifier in patient.identifiers),
            "patient": f"{name.family}, {name.given}",
            "accession_number": order.accession_number,
            "study_instance_uid": order.study_instance_uid,
            "modalities": " ".join(sorted({step.modality for step in order.steps})),
            "when": min(scheduled).isoformat() if scheduled else "",
            "what": order.procedure.display or order.procedure.code,
        },
        "study": {
            "patient_ids": study.patient_id,
            "patient": "",
            "accession_number": study.accession_number,
            "study_instance_uid": study.study_instance_uid,
            "modalities": " ".join(study.modalities),
            "when": study.started.isoformat() if study.started else "",
            "what": study.description,
        },
    }
