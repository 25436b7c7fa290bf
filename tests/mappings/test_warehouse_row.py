"""An order's life as one row."""

from datetime import datetime, timedelta

from mappings.warehouse import order_row
from radflow.connectors.warehouse import SCHEMA
from radflow.order import State
from tests.builders_result import a_full_order, a_report, a_study


def test_the_row_has_the_columns_of_the_schema(now: datetime) -> None:
    """Stages, counts and codes."""
    stages = {"received": now, "acquired": now + timedelta(hours=1)}
    row = order_row(
        a_full_order(),
        state=State.REPORTED,
        stages=stages,
        studies=[a_study(), a_study("1.9")],
        report=a_report(),
    )
    assert list(row) == SCHEMA.names
    assert (row["series"], row["instances"], row["report_status"]) == (2, 4, "final")
    assert (row["received_at"], row["worklisted_at"]) == (now, None)


def test_nothing_of_the_patient_is_in_the_row() -> None:
    """Neither names nor numbers nor free text."""
    order = a_full_order()
    row = order_row(order, state=State.REPORTED, stages={}, studies=[a_study()], report=a_report())
    secrets = {order.accession_number, order.reason, order.study_instance_uid, order.patient.name.family,
               "P1", "F1", "4711", a_study().description, a_report().text}  # fmt: skip
    assert not secrets & {str(value) for value in row.values()}


def test_a_part_that_is_not_told_makes_the_sum_unknown() -> None:
    """No count is better than one that is too small."""
    studies = [a_study(), a_study("1.9", series=())]
    row = order_row(a_full_order(), state=State.REPORTED, stages={}, studies=studies, report=None)
    assert (row["series"], row["instances"], row["report_status"]) == (None, None, None)
