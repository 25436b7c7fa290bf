"""Ask for the earlier studies of a scheduled order's patient, as the site's rules say."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from itertools import islice

from prefect import task
from prefect.cache_policies import NO_CACHE

from radflow.clock import utc_now
from radflow.connectors.archive import open_archive
from radflow.connectors.transfer.search import search_studies
from radflow.model import Order, Study
from radflow.settings import Site, settings
from radflow.settings.routing import Prefetch
from radflow.store import transfers
from radflow.store.engine import store
from tasks.order import read_order

_DAYS_IN_A_YEAR = 365.25


@task(name="prefetch_priors", cache_policy=NO_CACHE)
def prefetch_priors(order_key: str) -> dict[str, int]:
    """Find the priors and ask for their transfer; the routing flow moves them.

    Raises:
        Unavailable: an archive does not answer.
        Refused: an archive does not let us ask.
    """
    order, now = read_order(order_key), utc_now()
    site = settings().site(order.site)
    asked = 0
    for rule in site.prefetch:
        if not _is_for(rule, order):
            continue
        priors = [study.study_instance_uid for study in find_priors(site, rule, order, now)]
        with store().write() as session:
            asked += transfers.add(
                session, site.name, priors, source=rule.source, target=rule.target,
                why=f"prefetch:{order_key}", now=now,
            )  # fmt: skip
    return {"priors": asked}


def _is_for(rule: Prefetch, order: Order) -> bool:
    modality = not rule.modalities or order.modality in rule.modalities
    patterns = rule.procedures
    return modality and (not patterns or any(fnmatchcase(order.procedure.code, one) for one in patterns))


def find_priors(site: Site, rule: Prefetch, order: Order, now: datetime) -> list[Study]:
    """The newest earlier studies of the order's patient that the rule wants; found by Patient ID.

    Raises:
        Unavailable: the archive does not answer.
        Refused: it does not let us ask.
    """
    patient, own = order.patient.identifiers[0], order.study_instance_uid
    local = now.astimezone(site.zone)
    since = local - timedelta(days=rule.years * _DAYS_IN_A_YEAR)
    archive = site.archive(rule.source)
    found = search_studies(
        archive, site.zone, {"PatientID": patient.value, "StudyDate": f"{since:%Y%m%d}-{local:%Y%m%d}"},
        issuer=patient.assigner,
    )  # fmt: skip
    earlier = sorted(
        # Asked for again here: an archive may not know the key, or take it for a pattern.
        (one for one in found if one.patient_id == patient.value and one.study_instance_uid != own),
        key=lambda study: study.started or datetime.min.replace(tzinfo=UTC),
        reverse=True,
    )
    describe = open_archive(archive, site.zone).describe
    priors = (one for one in earlier if _is_wanted(rule, order, one, describe))
    return list(islice(priors, rule.max))


def _is_wanted(rule: Prefetch, order: Order, prior: Study, describe: Callable[[str], Study | None]) -> bool:
    """By modality and body part. What the archive does not tell of a study is asked of its series."""
    modalities = set(rule.prior_modalities or (order.modality,))
    if prior.modalities and not modalities & set(prior.modalities):
        return False
    if prior.modalities and not rule.body_parts:
        return True
    series = described.series if (described := describe(prior.study_instance_uid)) else ()
    parts = {part.upper() for part in rule.body_parts}
    return bool(modalities & {one.modality for one in series}) and (
        not parts or bool(parts & {one.body_part.upper() for one in series})
    )
