"""docs/lifecycle.md shows the transition table that the code has."""

from pathlib import Path

from typer.testing import CliRunner

from radflow.cli import app
from radflow.order import TRANSITIONS, Event, State

PAGE = Path(__file__).parent.parent / "docs" / "lifecycle.md"
START = "<!-- From here on printed by `radflow orders lifecycle`. -->\n\n"


def test_the_page_is_what_the_code_draws() -> None:
    """`radflow orders lifecycle` prints the page from its marker on."""
    answer = CliRunner().invoke(app, ["orders", "lifecycle"])
    assert answer.exit_code == 0, answer.output
    assert PAGE.read_text().partition(START)[2] == answer.stdout


def test_the_table_has_every_pair() -> None:
    """A cell says where the pair leads; it is empty where the pair is an error."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    start = next(n for n, line in enumerate(lines) if line.startswith("| event |"))
    states = [cell.strip() for cell in lines[start].split("|")[2:-1]]
    assert states == list(State)
    shown = {
        (State(state), Event(name)): cell.strip()
        for name, *cells in ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines[start + 1 :])
        for state, cell in zip(states, cells, strict=True)
    }
    assert {pair for pair, cell in shown.items() if cell} == {pair for pair in TRANSITIONS if pair[0]}
    for pair, cell in shown.items():
        if cell.startswith("**"):
            assert TRANSITIONS[pair] == cell.strip("*")
