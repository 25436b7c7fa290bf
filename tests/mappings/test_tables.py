"""The code tables, and a site's rows above them."""

import pytest

from mappings.hl7.codes import priority
from mappings.hl7.order_changes import OrderAction
from mappings.hl7.replacements import IS_REPLACED
from mappings.tables import PACKAGED, Tables, packaged, packaged_names, rows


def test_a_sites_row_comes_before_radflows() -> None:
    """Code by code: what the site does not name stays as it is."""
    own = Tables({"requested-procedure-priority": {"P": ("LOW",), "X9": ("STAT",)}})
    assert [priority(code, own) for code in ("P", "X9", "S", "?")] == ["LOW", "STAT", "STAT", ""]
    assert priority("P") == "HIGH"


def test_every_table_can_be_read() -> None:
    """Each has rows, and each row as many columns as the first."""
    for name in packaged_names():
        widths = {len(row) for row in packaged(name).values()}
        assert len(widths) == 1, name


def test_a_table_that_is_none() -> None:
    """A misspelt name is an error of ours and no empty answer."""
    with pytest.raises(KeyError):
        PACKAGED.code("no-such-table", "A")


def test_empty_lines_count_for_nothing() -> None:
    """Files are edited by people."""
    assert rows(["code,meaning\n", "\n", "A,one\n", '"B","two, three"\n']) == {
        "A": ("one",),
        "B": ("two, three",),
    }


@pytest.mark.parametrize("table", ["order-control", "order-status"])
def test_order_tables_lead_to_what_is_done_to_an_order(table: str) -> None:
    """A misspelt action is found here and not by a message."""
    known = {action.value for action in OrderAction} | {IS_REPLACED}
    assert {row[0] for row in packaged(table).values()} <= known
