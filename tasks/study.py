"""Ask the archive for the series and instances of an order's studies."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from radflow.clock import utc_now
from radflow.connectors.archive import ArchiveClient, ArchiveUnavailable, open_archive
from radflow.settings import Site, settings
from radflow.store import archives, studies
from radflow.store.engine import store
from tasks.finding import note_failure
from tasks.order import read_row
from tasks.run_log import run_log
from tasks.waiting import Waiting


@task(name="describe_study", cache_policy=NO_CACHE)
def describe_study(order_key: str) -> dict[str, int] | Waiting:
    """Bring every study of the order up to date, so that what is published is what the archive holds now.

    With an archive that is down the order waits: the sweep tries the archive for all of them, and nudges them
    once it answers.

    Raises:
        ArchiveUnavailable: an archive is there, and does not answer this.
    """
    site = settings().site(read_row(order_key).site)
    with store().read() as session:
        found = studies.of_order(session, order_key)
    instances = 0
    for study in found:
        client = open_archive(site.archive(study.archive), site.zone)
        try:
            described = client.describe(study.study_instance_uid) or study
        except ArchiveUnavailable:
            if _is_away(site, study.archive, client):
                return Waiting(f"archive {study.archive} does not answer")
            raise
        instances += sum(len(series.instances) for series in described.series)
        with store().write() as session:
            studies.save(session, order_key, described, utc_now())
    return {"studies": len(found), "instances": instances}


def _is_away(site: Site, archive: str, client: ArchiveClient) -> bool:
    """Whether the archive is not there at all, which is noted, and logged by the first who sees it."""
    with store().read() as session:
        if archives.look(session, site.name, archive).failures:
            return True
    try:
        client.echo()
    except ArchiveUnavailable as error:
        with store().write() as session:
            news = note_failure(session, site.name, archive, str(error), utc_now())
        if news:
            run_log().warning("%s (site %s)", news, site.name)
        return True
    return False
