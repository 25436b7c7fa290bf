"""`radflow …`: the map of everything that can be started or asked."""

import typer

app = typer.Typer(no_args_is_help=True, help=__doc__, pretty_exceptions_show_locals=False)
