"""Looking for the report in the archive, at sites that take DICOM SR for reports."""

from flows.site_tasks import Step
from radflow.order import State
from radflow.settings import settings
from tasks.sr_reports import bring_sr_report
from tasks.structured_reports import read_structured_reports
from tasks.study import describe_study

_SINCE_IMAGES = frozenset({State.ACQUIRED, State.PRELIMINARY, State.REPORTED, State.WITHDRAWN})


def sr_steps(site: str, state: State) -> tuple[Step, ...]:
    """Once there are images, and again with other ones, before anything is published."""
    known = settings().sites.get(site)
    wanted = known is not None and "sr" in known.results.prefer and state in _SINCE_IMAGES
    return (describe_study, read_structured_reports, bring_sr_report) if wanted else ()
