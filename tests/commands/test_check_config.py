"""`radflow check-config`, and what refuses to start with its words."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from radflow.cli import app
from radflow.settings import settings


@pytest.fixture
def sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for site files, which the settings name."""
    folder = tmp_path / "sites"
    folder.mkdir()
    monkeypatch.setenv("RADFLOW_SITES_DIR", str(folder))
    monkeypatch.setenv("RADFLOW_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    yield folder
    settings.cache_clear()


def checked(*arguments: str) -> tuple[int, list[str]]:
    """The exit code, and the lines on standard output."""
    answer = CliRunner().invoke(app, ["check-config", *arguments])
    return answer.exit_code, answer.stdout.splitlines()


def test_sites_that_are_right(sites: Path) -> None:
    """Nothing is printed on standard output, and the exit code is 0."""
    (sites / "north.toml").write_text("")
    assert checked() == (0, [])
    code, lines = checked("--json")
    assert (code, json.loads(lines[0])) == (0, {"ok": True, "sites": ["north"], "problems": []})


def test_every_problem_is_a_line_with_file_line_and_key(sites: Path) -> None:
    """All files together, in their order; as JSON the same."""
    (sites / "north.toml").write_text('colour = 1\n[[routes]]\nname = "r"\nto = ["ris"]\n')
    (sites / "south.toml").write_text("[listener]\nport = 2580\n[http]\n[worklist]\nport = 104\n")
    code, lines = checked()
    assert code == 1
    assert [line.split(": ")[:2] for line in lines] == [
        [f"{sites}/north.toml:1", "colour"],
        [f"{sites}/north.toml:4", "routes[0].to"],
        [f"{sites}/south.toml:3", "http.port"],
    ]
    code, as_json = checked("--json")
    said = json.loads(as_json[0])
    assert (code, said["ok"], said["sites"]) == (1, False, ["north", "south"])
    assert said["problems"][1] | {"reason": ""} == {
        "file": f"{sites}/north.toml", "line": 4, "key": "routes[0].to", "reason": "",
    }  # fmt: skip


def test_two_sites_on_one_port(sites: Path) -> None:
    """Sites that run on machines of their own are checked one by one."""
    (sites / "north.toml").write_text("")
    (sites / "south.toml").write_text("[listener]\nport = 2576\n[worklist]\nport = 11112\n")
    assert checked("--site", "south") == (0, [])
    code, (line,) = checked()
    assert code == 1
    assert line.startswith(
        f"{sites}/south.toml:4: worklist.port: Port 11112 is that of [worklist] in north.toml"
    )


def test_a_site_that_is_not_there(sites: Path) -> None:
    """It is named, and so is a folder without any."""
    assert checked("--site", "east")[1] == [
        f"{sites}/east.toml: The file cannot be read: No such file or directory."
    ]
    assert checked()[1] == [f"{sites}: There is no site file (*.toml) in this folder."]


TLS = """
[listener.tls]
certificate = "{folder}/our.pem"
key = "{folder}/our.key"
"""


def test_a_certificate_that_is_not_there(sites: Path) -> None:
    """Each file is named at its key; one that is no PEM is found too, and never shown."""
    (sites / "north.toml").write_text(TLS.format(folder=sites))
    code, lines = checked()
    assert (code, [line.split(": ")[1] for line in lines]) == (
        1,
        ["listener.tls.certificate", "listener.tls.key"],
    )
    for name in ("our.pem", "our.key"):
        (sites / name).write_text("a secret")
    code, lines = checked()
    assert (code, len(lines)) == (1, 1)
    assert lines[0].startswith(f"{sites}/north.toml:2: listener.tls: ")
    assert "secret" not in lines[0]


FUNCTIONS = """
def right(order_key): ...
def greedy(order_key, colour): ...
nothing = 1
"""


@pytest.mark.parametrize(
    ("function", "says"),
    [
        ("wards:right", ""),
        ("wards:greedy", "no function that takes the order's key and nothing else"),
        ("wards:nothing", "no function that takes the order's key"),
        ("wards:missing", "has no attribute 'missing'. Its package is to be installed beside radflow"),
        ("no_such_module:right", "No module named 'no_such_module'"),
        ("broken:right", "fails when it is imported: ZeroDivisionError"),
    ],
)
def test_a_task_of_the_site(sites: Path, monkeypatch: pytest.MonkeyPatch, function: str, says: str) -> None:
    """It is imported, as the worker will."""
    (sites / "wards.py").write_text(FUNCTIONS)
    (sites / "broken.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(str(sites))
    monkeypatch.delitem(sys.modules, "wards", raising=False)
    (sites / "north.toml").write_text(f'[[tasks]]\nfunction = "{function}"\nwhen = "reported"\n')
    code, lines = checked()
    assert code == (1 if says else 0)
    assert [line.startswith(f"{sites}/north.toml:2: tasks[0].function: ") for line in lines] == [True] * code
    assert all(says in line for line in lines)


@pytest.mark.parametrize("command", ["up", "listen", "worklist", "dispatch", "send"])
def test_services_refuse_to_start_with_the_same_words(sites: Path, command: str) -> None:
    """Before anything is opened: no traceback, exit code 1."""
    (sites / "north.toml").write_text('[[routes]]\nname = "r"\nto = ["ris"]\n')
    _, lines = checked()
    words = [sys.executable, "-m", "radflow", command]
    answer = subprocess.run(words, capture_output=True, text=True, timeout=240, check=False)
    assert answer.returncode == 1
    assert answer.stderr.splitlines() == lines


def test_limits_that_are_wrong(sites: Path) -> None:
    """`[[overdue]]` and `[notify]`: an unknown stage, times that are none, limits that never hold."""
    (sites / "north.toml").write_text(
        '[[overdue]]\nstage = "lunch"\nafter = "4h"\n'
        '[[overdue]]\nstage = "images"\nafter = 4\n'
        '[[overdue]]\nstage = "publication"\nafter = "1h"\nexpires_after = "2h"\n'
        '[notify]\nblock = "ops"\n'
    )
    (sites / "south.toml").write_text(
        '[[overdue]]\nstage = "images"\nafter = "4h"\n'
        '[[overdue]]\nmodality = "MR"\nstage = "images"\nafter = "1h"\n'
        "[listener]\nport = 2576\n[worklist]\nport = 11113\n"
    )
    code, lines = checked()
    assert code == 1
    assert [line.split(": ")[:2] for line in lines] == [
        [f"{sites}/north.toml:2", "overdue[0].stage"],
        [f"{sites}/north.toml:6", "overdue[1].after"],
        [f"{sites}/north.toml:7", "overdue[2]"],
        [f"{sites}/north.toml:12", "notify.block"],
        [f"{sites}/south.toml:6", "overdue[1].stage"],
    ]
    assert 'A time such as "30m", "4h" or "2d" is wanted.' in lines[1]
    assert "never heeded: overdue[0]" in lines[4]
