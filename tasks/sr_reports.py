"""Reports that lie in the archive as DICOM SR come to their orders, at sites that take them for reports."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from mappings.dicom.sr.report import report_in
from radflow.clock import utc_now
from radflow.store import reports, structured_reports
from radflow.store.engine import store
from tasks.result import read_result


@task(name="bring_sr_report", cache_policy=NO_CACHE)
def bring_sr_report(order_key: str) -> dict[str, str]:
    """Bring the newest report in words among the order's documents, unless it has been brought before."""
    result, now = read_result(order_key), utc_now()
    uids = [study.study_instance_uid for study in result.studies]
    with store().write() as session:
        report = report_in(structured_reports.of_order(session, order_key, uids), result.order)
        if report is None or report == reports.newest(session, order_key, "sr"):
            return {}
        reports.bring(
            session, order_key, report, prefer=result.site.results.prefer, source="archive:sr",
            at=report.issued or now, now=now,
        )  # fmt: skip
    return {"status": report.status}
