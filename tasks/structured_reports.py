"""Fetch the structured reports of an order's studies, and keep what they say."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prefect import task
from prefect.cache_policies import NO_CACHE

from mappings.dicom.sr import MODALITIES, NotAStructuredReport, is_sop_class, read_structured_report
from radflow.clock import utc_now
from radflow.connectors.archive import ArchiveClient, open_archive
from radflow.connectors.instances import NotRetrievable
from radflow.findings import StructuredReport
from radflow.model import Study
from radflow.settings import Site, settings
from radflow.store import structured_reports, studies
from radflow.store.engine import store
from tasks.order import read_row
from tasks.run_log import run_log


@dataclass(frozen=True)
class _Document:
    """Where a document is kept."""

    archive: str
    study: str
    series: str
    instance: str


@task(name="read_structured_reports", cache_policy=NO_CACHE)
def read_structured_reports(order_key: str) -> dict[str, int]:
    """Fetch each SR document and key object selection that has not been read yet: it alone, not the images.

    One that cannot be read stops nothing: the reason is kept, and the next publication tries it again.

    Raises:
        ArchiveUnavailable: an archive does not answer; what was read until then is kept.
    """
    site = settings().site(read_row(order_key).site)
    with store().read() as session:
        known = structured_reports.read_before(session, order_key)
        documents = [
            one for one in _documents(studies.of_order(session, order_key)) if one.instance not in known
        ]
    unread = 0
    for document in documents:
        report, trouble = _read(site, document)
        if trouble:
            unread += 1
            run_log().warning("structured report of %s not read: %s", order_key, trouble)
        with store().write() as session:
            structured_reports.save(
                session, order_key, study_instance_uid=document.study, series_instance_uid=document.series,
                sop_instance_uid=document.instance, report=report, trouble=trouble, now=utc_now(),
            )  # fmt: skip
    return {"read": len(documents) - unread, "unread": unread}


def _documents(found: Iterable[Study]) -> Iterator[_Document]:
    """By the series' modality; by SOP class, where an archive tells it, in a series of another modality."""
    for study in found:
        for series in study.series:
            for instance in series.instances:
                if series.modality in MODALITIES or is_sop_class(instance.sop_class_uid):
                    yield _Document(
                        study.archive,
                        study.study_instance_uid,
                        series.series_instance_uid,
                        instance.sop_instance_uid,
                    )


def _read(site: Site, document: _Document) -> tuple[StructuredReport | None, str]:
    """What the document says, or why that is not known."""
    archive: ArchiveClient = open_archive(site.archive(document.archive), site.zone)
    try:
        dataset = archive.fetch(document.study, document.series, document.instance)
        if dataset is None:
            return None, f"archive {document.archive} no longer has the instance"
        return read_structured_report(dataset, site.zone), ""
    except (NotRetrievable, NotAStructuredReport) as error:
        return None, str(error)
