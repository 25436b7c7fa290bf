"""How every command ends when what it needs is wrong, or away."""

from typing import Any

import typer
from typer.core import TyperGroup

from radflow.connectors.errors import Refused, Unavailable
from radflow.settings.base import ConfigError


class Commands(TyperGroup):
    """The commands. Where a site file is wrong, each says so in the words of `radflow check-config`."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for; what stops it is a sentence, and the exit code 1."""
        try:
            return super().invoke(ctx)
        except (ConfigError, Unavailable, Refused) as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None
