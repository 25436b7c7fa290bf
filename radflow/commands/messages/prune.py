"""`radflow messages prune`."""

import json
from typing import Annotated

import typer

from radflow.clock import utc_now
from radflow.commands.messages import common
from radflow.commands.messages.common import AsJson, SiteName
from radflow.settings import settings
from radflow.store import retention
from radflow.store.engine import store
from radflow.store.retention import Pruned, PruneFailed


def prune(
    site: SiteName = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove the messages that a site need not keep any longer, as `[retention]` in its file says."""
    done: dict[str, Pruned] = {}
    failures: list[str] = []
    for name in common.sites_of(site):
        kept = settings().site(name).retention
        try:
            done[name] = retention.prune(
                store(), name, messages_days=kept.messages_days, outbox_days=kept.outbox_days,
                now=utc_now(), dry_run=dry_run,
            )  # fmt: skip
        except PruneFailed as failure:
            done[name] = failure.done
            failures.append(str(failure))
    if as_json:
        typer.echo(
            json.dumps({"sites": {name: vars(gone) for name, gone in done.items()}, "failures": failures})
        )
    else:
        verb = "would be removed" if dry_run else "removed"
        for name, gone in done.items():
            common.progress.print(f"{name}: {gone.messages} messages, {gone.outbox} of the outbox {verb}")
        for failure_text in failures:
            common.progress.print(failure_text)
    raise typer.Exit(1 if failures else 0)
