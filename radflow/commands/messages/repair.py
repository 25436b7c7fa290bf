"""`radflow messages repair`."""

import getpass
import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from mappings.hl7.acceptance import judge
from mappings.hl7.editing import BadEdit, Draft, as_bytes, draft, with_field
from mappings.hl7.errors import NotTakable
from radflow.clock import utc_now
from radflow.commands.messages import common
from radflow.commands.messages.common import AsJson, Id
from radflow.store import replays
from radflow.store.engine import store
from radflow.store.replays import CannotRepair


def repair(
    message_id: Id,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Set a field: PID-3.1=4711, OBR[2]-4=CT^Chest; may be repeated."),
    ] = None,
    file: Annotated[str, typer.Option(help="Take the message from this file; - is standard input.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make a message anew, to be looked at in the place of the old one, whose bytes stay as they came.

    Without --set and --file the message is opened in $EDITOR. This shows the patient.
    """
    if changes and file:
        raise typer.BadParameter("Either --set or --file.")
    try:
        with store().write() as session:
            original = replays.repairable(session, message_id)
        if original is None:
            raise common.no_such(message_id)
        raw = _mended(original.raw, changes or [], file)
        number = _repair(message_id, raw)
    except (CannotRepair, BadEdit, NotTakable) as error:
        common.progress.print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps({"repairs": message_id, "id": number}))
    else:
        common.progress.print(f"Message {number} stands in the place of message {message_id}")


def _repair(message_id: int, raw: bytes) -> int | None:
    with store().write() as session:
        # Once more: meanwhile another person may have repaired it.
        original = replays.repairable(session, message_id)
        if original is None:
            raise common.no_such(message_id)
        made = replays.repair(session, original, raw, judge(raw), author=getpass.getuser(), now=utc_now())
        return made.id


def _mended(raw: bytes, changes: list[str], file: str) -> bytes:
    original = draft(raw)
    if file:
        return _read(file, original)
    text = original.text
    if not changes:
        return as_bytes(_edited(text), original)
    for change in changes:
        path, equals, value = change.partition("=")
        if not equals:
            raise BadEdit(f"{change!r} sets nothing; write PID-3.1=4711.")
        text = with_field(text, path, value)
    return as_bytes(text, original)


def _edited(text: str) -> str:
    """The text as a person leaves it in their editor; the file is theirs alone, and gone afterwards."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "message.hl7"
        file.write_text(f"{text}\n", encoding="utf_8")
        try:
            subprocess.run([*shlex.split(editor), str(file)], check=True)
        except (OSError, subprocess.CalledProcessError):
            raise BadEdit(f"The editor {editor!r} has failed; $EDITOR names another.") from None
        return file.read_text(encoding="utf_8")


def _read(file: str, original: Draft) -> bytes:
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}.") from None
    if b"\r" in content.strip().replace(b"\r\n", b"\n"):
        return content
    try:
        # Lines, as `show` prints them and editors save them: UTF-8, whatever MSH-18 says.
        return as_bytes(content.decode("utf_8"), original)
    except UnicodeDecodeError:
        return content
