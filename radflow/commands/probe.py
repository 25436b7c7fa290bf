"""`radflow probe`: what an archive can do, and the lines of the site file that suit it."""

import json
from dataclasses import asdict

import typer
from rich.console import Console
from rich.table import Table

from radflow.clock import utc_now
from radflow.connectors.probe import Report, probe
from radflow.settings import Site, settings


def run_probe(archive: str, site_name: str, *, as_json: bool) -> bool:
    """Ask the archive, and say what it can do; returns whether it answers."""
    site = _site_of(archive, site_name)
    report = probe(site.archive(archive), site.zone, utc_now().astimezone(site.zone).date())
    if as_json:
        checks = [asdict(check) for check in report.checks]
        said = {"site": site.name, "archive": archive, "checks": checks, "settings": report.lines}
        typer.echo(json.dumps({**said, "toml": report.toml}))
    else:
        _print(report, archive)
    return bool(report.lines)


def _print(report: Report, archive: str) -> None:
    table = Table("check", "answer", "")
    for check in report.checks:
        table.add_row(check.name, check.answer, check.detail)
    Console().print(table)
    if report.lines:
        Console().print(f"\nIn the [[archives]] section of {archive!r}:\n", markup=False, highlight=False)
        typer.echo(report.toml)


def _site_of(archive: str, site_name: str) -> Site:
    found = [
        site
        for name, site in settings().sites.items()
        if site_name in ("", name) and any(one.name == archive for one in site.archives)
    ]
    if not found:
        raise typer.BadParameter(f"There is no archive {archive!r}; `radflow archives list` shows them.")
    if len(found) > 1:
        names = " and ".join(site.name for site in found)
        raise typer.BadParameter(f"{names} have an archive {archive!r}; say --site.")
    return found[0]
