"""Ask the archives of an order's studies to take responsibility for them, where the site wants it."""

from collections.abc import Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE
from pydicom import Dataset
from pydicom.uid import generate_uid

from mappings.dicom.commitment import commitment_request, read_report
from radflow.clock import utc_now
from radflow.connectors.archive import open_archive
from radflow.connectors.storage_commitment import ask_for_commitment
from radflow.model import Instance, Study
from radflow.settings import DimseArchive, Site, settings
from radflow.store import commitments, studies
from radflow.store.engine import store
from tasks.order import read_row


@task(name="commit_storage", cache_policy=NO_CACHE)
def commit_storage(order_key: str) -> dict[str, int]:
    """Request storage commitment of each study whose archive has `storage_commitment = true`.

    What is committed already is not asked for again; the order does not wait for an answer that comes later.

    Raises:
        ArchiveUnavailable: an archive does not answer.
        Refused: an archive does not do it.
    """
    site = settings().site(read_row(order_key).site)
    with store().read() as session:
        found = studies.of_order(session, order_key)
    asked = 0
    for study in found:
        archive = _committing(site, study)
        if archive:
            asked += _ask(order_key, study, archive, _instances(site, study))
    return {"asked": asked}


def _ask(order_key: str, study: Study, archive: DimseArchive, instances: Sequence[Instance]) -> int:
    """How many instances were asked for."""
    uids = [instance.sop_instance_uid for instance in instances]
    transaction_uid, now = str(generate_uid()), utc_now()
    with store().write() as session:
        if not uids or commitments.settled(
            session, order_key, study.study_instance_uid, archive.name, uids, now
        ):
            return 0
        commitments.ask(
            session, transaction_uid, order_key=order_key, study_instance_uid=study.study_instance_uid,
            archive=archive.name, instances=uids, now=now,
        )  # fmt: skip
    try:
        ask_for_commitment(archive, commitment_request(transaction_uid, instances), _heard)
    except BaseException:
        with store().write() as session:
            commitments.withdraw(session, transaction_uid)
        raise
    return len(uids)


def _heard(information: Dataset) -> None:
    with store().write() as session:
        commitments.answer(session, read_report(information), utc_now())


def _committing(site: Site, study: Study) -> DimseArchive | None:
    """The study's archive, where it is to be asked."""
    archive = next((one for one in site.archives if one.name == study.archive), None)
    return archive if isinstance(archive, DimseArchive) and archive.storage_commitment else None


def _instances(site: Site, study: Study) -> list[Instance]:
    """All there are now; none where the archive no longer has the study."""
    described = open_archive(site.archive(study.archive), site.zone).describe(study.study_instance_uid)
    return [instance for series in described.series for instance in series.instances] if described else []
