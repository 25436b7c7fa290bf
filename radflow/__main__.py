"""`python -m radflow` is `radflow`."""

from radflow.cli import app

app()
