"""How every command ends when the site files are wrong."""

from typing import Any

import typer
from typer.core import TyperGroup

from radflow.settings.base import ConfigError


class Commands(TyperGroup):
    """The commands. Where a site file is wrong, each says so in the words of `radflow check-config`."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None
