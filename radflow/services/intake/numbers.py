"""What an order may be called by: the numbers that a message waits for."""

from radflow.model import Identifier, Order, Report


def of_order(order: Order) -> set[str]:
    """Whatever a message that waits may call the order."""
    return _values(order.placer_order_number, order.filler_order_number) | {
        order.key,
        order.accession_number,
        order.study_instance_uid,
    }


def of_report(report: Report) -> set[str]:
    """What the report calls its order."""
    numbers = _values(report.placer_order_number, report.filler_order_number)
    return numbers | {report.accession_number, report.study_instance_uid} - {""}


def of_schedule(placer: Identifier | None, filler: Identifier | None, accession_number: str) -> set[str]:
    """What an appointment calls its order."""
    return _values(placer, filler) | {accession_number} - {""}


def _values(*identifiers: Identifier | None) -> set[str]:
    return {identifier.value for identifier in identifiers if identifier}
