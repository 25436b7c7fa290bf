"""What of an order's result stands where the order is, and what becomes of the rest that has been published.

Nothing that was published is deleted: it bears the status that the standard has for what is taken back.
"""

from collections.abc import Sequence

from mappings.fhir.publishing import Entry
from mappings.hl7.codes import report_event
from radflow.model import Report, Study
from radflow.order import AWAITING_IMAGES, Event, State

_TAKEN_BACK = frozenset({State.WITHDRAWN, State.CANCELLED, State.CLOSED})
_WITHOUT_REPORT = AWAITING_IMAGES | {State.CANCELLED, State.CLOSED}
"""A report that waits for its images is no result; of a cancelled or closed order there is none."""

_CAN_BE_CANCELLED = frozenset({"DiagnosticReport", "Observation"})


def standing_studies(studies: Sequence[Study], state: State) -> Sequence[Study]:
    """The order's images; those that are arriving, or that an order has lost, are none of it yet."""
    return () if state in AWAITING_IMAGES else studies


def standing_report(report: Report | None, state: State, *, was_final: bool) -> Report | None:
    """The report as it stands where the order is; None where no report does.

    One that is taken back (OBR-25 X) is `cancelled`; after it was final, FHIR has `entered-in-error` for it
    (R4 value set diagnostic-report-status).
    """
    if report is None or state in _WITHOUT_REPORT:
        return None
    if was_final and report_event(report.status) is Event.REPORT_WITHDRAWN:
        return report.model_copy(update={"withdrawn": True})
    return report


def withdrawal(name: str, resource_type: str, state: State, *, was_final: bool) -> Entry:
    """What was published by this name and stands no more, as it is to be marked.

    It was entered in error; what never was final, of an order or a report that was given up, is cancelled.
    """
    unfinished = state in _TAKEN_BACK and not was_final and resource_type in _CAN_BE_CANCELLED
    resource = {"resourceType": resource_type, "status": "cancelled" if unfinished else "entered-in-error"}
    if resource_type == "DocumentReference":
        resource["docStatus"] = "entered-in-error"
    return Entry(name, resource, "", withdraws=True)
