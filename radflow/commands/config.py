"""`radflow check-config`: whether the site files are right, before anything is started with them."""

import json

import typer
from rich.console import Console

from radflow.settings import settings
from radflow.settings.base import SiteFileError
from radflow.site_check import problems_of, site_files


def check_config(sites: list[str] | None = None, *, as_json: bool = False) -> None:
    """Say all that is wrong with the sites' files, a line each; the exit code is 1 if anything is.

    Args:
        sites: only these, or all.
        as_json: one object on standard output: `ok`, `sites`, and `problems` with file, line, key and reason.
    """
    folder = settings().sites_dir
    files = site_files(folder, sites)
    problems = problems_of(files, folder)
    names = [file.site.name if file.site else file.path.stem for file in files]
    if as_json:
        found = [problem._asdict() for problem in problems]
        typer.echo(json.dumps({"ok": not problems, "sites": names, "problems": found}))
    elif problems:
        typer.echo("\n".join(map(str, problems)))
    else:
        Console(stderr=True).print(f"{', '.join(names)}: nothing is wrong", highlight=False)
    raise typer.Exit(1 if problems else 0)


def refuse_wrong_sites(sites: list[str] | None = None) -> None:
    """Stop here when the sites cannot be run.

    Raises:
        SiteFileError: with the words of `radflow check-config`.
    """
    folder = settings().sites_dir
    if problems := problems_of(site_files(folder, sites), folder):
        raise SiteFileError(problems)
