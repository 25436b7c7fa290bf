"""What the documentation shows is there: commands, files, settings."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from radflow.cli import app
from radflow.settings import Settings
from radflow.up import prefect_environment

PROJECT = Path(__file__).parent.parent
PAGES = [*PROJECT.glob("*.md"), *(PROJECT / "docs").glob("*.md")]
TEXT = "\n".join(page.read_text() for page in PAGES)


def shown(program: str) -> list[str]:
    """Every command of this program that a page shows, without its arguments in capitals."""
    start = "`|^" if program.startswith("./") else "`"
    found = re.findall(rf"(?:{start}){re.escape(program)} ([a-z][^`\n]*)", TEXT, re.MULTILINE)
    return sorted({re.split(r" [A-Z0-9-]", command)[0].strip() for command in found})


@pytest.mark.parametrize("command", [c for c in [*shown("./run"), *shown("radflow")] if c != "test"])
def test_every_command_shown_exists(command: str) -> None:
    """`--help` of each command in the documentation answers."""
    words = command.split(" tests/")[0].split()
    if words[0] == "test":
        return
    answer = CliRunner().invoke(app, [*words, "--help"])
    assert answer.exit_code == 0, answer.output


@pytest.mark.parametrize("command", shown("prefect"))
def test_every_prefect_command_shown_exists(command: str) -> None:
    """Prefect knows them too."""
    words = command.split()[:2]
    subprocess.run([sys.executable, "-m", "prefect", *words, "--help"], check=True, capture_output=True)


def test_every_setting_is_explained() -> None:
    """docs/run-a-site.md names every environment variable that the settings know."""
    page = (PROJECT / "docs" / "run-a-site.md").read_text()
    missing = [name for name in Settings.model_fields if f"RADFLOW_{name.upper()}" not in page]
    assert missing == []


def test_a_server_of_ones_own_is_told_what_ours_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/run-a-site.md shows the settings of Prefect's server that `radflow up` starts its own with."""
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    page = (PROJECT / "docs" / "run-a-site.md").read_text()
    told = re.findall(r"^(PREFECT_SERVER_SERVICES_\w+)=(.*)$", page, re.MULTILINE)
    ours = [item for item in prefect_environment(0).items() if item[0].startswith("PREFECT_SERVER_SERVICES")]
    assert told == ours


def test_links_between_the_pages_lead_somewhere() -> None:
    """No page points at a file that is not there."""
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} → {link}"
