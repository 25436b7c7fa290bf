"""Ask the archive for the series and instances of an order's studies."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from radflow.clock import utc_now
from radflow.connectors.archive import open_archive
from radflow.settings import Site, settings
from radflow.store import studies
from radflow.store.engine import store
from tasks.order import read_row


@task(name="describe_study", cache_policy=NO_CACHE)
def describe_study(order_key: str) -> dict[str, int]:
    """Bring every study of the order up to date, so that what is published is what the archive holds now.

    Raises:
        ArchiveUnavailable: an archive does not answer.
    """
    site = settings().site(read_row(order_key).site)
    with store().read() as session:
        found = studies.of_order(session, order_key)
    instances = 0
    for study in found:
        described = _archive(site, study.archive).describe(study.study_instance_uid) or study
        instances += sum(len(series.instances) for series in described.series)
        with store().write() as session:
            studies.save(session, order_key, described, utc_now())
    return {"studies": len(found), "instances": instances}


def _archive(site: Site, name: str):  # type: ignore[no-untyped-def]
    return open_archive(site.archive(name), site.zone)
