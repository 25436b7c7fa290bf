"""`radflow messages …`: find messages, see them, replay, repair and prune them."""

import typer

from radflow.commands.messages.prune import prune
from radflow.commands.messages.repair import repair
from radflow.commands.messages.replay import replay
from radflow.commands.messages.search import search
from radflow.commands.messages.show import show

app = typer.Typer(no_args_is_help=True, help="Messages: what came, what became of it; replays and repairs.")
for command in (search, show, replay, repair, prune):
    app.command()(command)
