"""`radflow orders hold | resume | cancel | link | …`: what a person does to an order, told in its log."""

import getpass
import json
from typing import Annotated

import typer
from rich.console import Console

from tasks.by_hand import Action, fulfil, wish

AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]
Key = Annotated[str, typer.Argument(help="The order's key, as the Prefect run is named.")]
Uid = Annotated[str, typer.Argument(help="The Study Instance UID.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the order's log, so nothing of the patient.")]


def hold(key: Key, reason: Reason = "", as_json: AsJson = False) -> None:
    """Take an order off the worklist and keep it."""
    _do(Action.HOLD, key, reason, as_json)


def resume(key: Key, reason: Reason = "", as_json: AsJson = False) -> None:
    """Let a held order go on."""
    _do(Action.RESUME, key, reason, as_json)


def cancel(key: Key, reason: Reason = "", as_json: AsJson = False) -> None:
    """Cancel an order; once it has begun, only where the site file says so."""
    _do(Action.CANCEL, key, reason, as_json)


def close(key: Key, reason: Reason = "", as_json: AsJson = False) -> None:
    """Give an order up, of which nothing more will come; late images or a report open it again."""
    _do(Action.CLOSE, key, reason, as_json)


def link(key: Key, study: Uid, reason: Reason = "", as_json: AsJson = False) -> None:
    """Say that a study in an archive is the order's."""
    _do(Action.LINK, key, reason, as_json, study)


def unlink(key: Key, study: Uid, reason: Reason = "", as_json: AsJson = False) -> None:
    """Say that a study is not the order's: what was published of it is withdrawn."""
    _do(Action.UNLINK, key, reason, as_json, study)


def relink(
    study: Uid,
    from_: Annotated[str, typer.Option("--from", help="Key of the order that has the study.")],
    to: Annotated[str, typer.Option("--to", help="Key of the order whose it is.")],
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Give a study to another order: the wrong worklist entry was picked."""
    _do(Action.RELINK, from_, reason, as_json, study, to)


def resend(key: Key, reason: Reason = "", as_json: AsJson = False) -> None:
    """Send the order's last message to each destination once more, under the same MSH-10."""
    _do(Action.RESEND, key, reason, as_json)


def republish(key: Key, reason: Reason = "", as_json: AsJson = False) -> None:
    """Make and send anew what is published of an order."""
    _do(Action.REPUBLISH, key, reason, as_json)


COMMANDS = (hold, resume, cancel, link, unlink, relink, resend, republish, close)


def _do(action: Action, key: str, reason: str, as_json: bool, study: str = "", to: str = "") -> None:
    try:
        said = wish(
            action=action, order_key=key, by=getpass.getuser(), reason=reason, study_instance_uid=study,
            to_order_key=to,
        )  # fmt: skip
        state = fulfil(said)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if as_json:
        typer.echo(json.dumps({"key": key, "action": action, "state": state}))
    else:
        Console(stderr=True).print(f"{key} is {state}")
