"""Codes of HL7 v2, and what radflow makes of them: `mappings/tables/*.csv`.

Requested procedure priority follows IHE RAD-4 (table 0027, later 0485). A report of which some results
are there (table 0123, A), or are stored and not yet verified (R), is preliminary: better is to come.
"""

from mappings.tables import PACKAGED, Tables
from radflow.order import Event

WITHOUT_REPORT = frozenset({"O", "I", "S"})
"""HL7 table 0123: ordered, in work, scheduled. There is nothing to report yet, and nothing is wrong."""


def priority(code: str, tables: Tables = PACKAGED) -> str:
    """HL7 tables 0485, 0027 → Requested Procedure Priority (0040,1003); empty for any other code."""
    return tables.code("requested-procedure-priority", code.upper()) or ""


def order_action(control: str, tables: Tables = PACKAGED) -> str | None:
    """HL7 table 0119 (ORC-1) → what it does to an order; None for a control that is not taken."""
    return tables.code("order-control", control)


def order_action_of_status(status: str, tables: Tables = PACKAGED) -> str | None:
    """HL7 table 0038 (ORC-5) of a status change → what has been done to the order, beyond its status."""
    return tables.code("order-status", status)


def report_event(status: str, tables: Tables = PACKAGED) -> Event | None:
    """HL7 table 0123 (OBR-25) → what a report of this status is to its order; None where it is no report."""
    event = tables.code("report-event", status)
    return Event(event) if event else None
