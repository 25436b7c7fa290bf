"""Fetching instances by C-GET (PS3.4 §C.4.3): they come on the association that asks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import build_context, build_role, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet as StudyRootGet  # type: ignore[attr-defined]

from radflow.connectors.association import NothingAccepted, associated
from radflow.connectors.errors import Refused
from radflow.connectors.transfer.instances import Fetched, Listed, Outcome, by_series, missing
from radflow.connectors.transfer.statuses import last_status, retrieval_reason
from radflow.connectors.transfer.storing import Basket
from radflow.connectors.transfer.syntaxes import taking
from radflow.settings import DimseArchive


class CGetSource:
    """An archive that hands out instances by C-GET."""

    def __init__(self, archive: DimseArchive) -> None:
        self._archive = archive
        self._came: set[str] = set()
        """SOP classes that have come from it: what is offered first to an archive that lists none."""

    def fetch(self, wanted: Sequence[Listed], folder: Path) -> tuple[list[Fetched], list[Outcome]]:
        """Bring the instances into the folder; and say which did not come.

        Raises:
            ArchiveUnavailable: it does not answer.
            Refused: it knows no C-GET.
        """
        basket = Basket(folder, (one.instance for one in wanted))
        failed: list[Outcome] = []
        for sop_classes in self._offers(wanted):
            left = missing(wanted, basket.fetched)
            failed = self._bring(left, sop_classes, basket) if left else []
        self._came |= {one.sop_class for one in basket.fetched}
        return basket.fetched, failed

    def _offers(self, wanted: Sequence[Listed]) -> list[frozenset[str]]:
        """SOP classes to offer, then others for what did not come; none stands for all that there are.

        All of them in all transfer syntaxes cost half a second of the processor for each association.
        """
        listed = frozenset(one.sop_class for one in wanted)
        if "" not in listed:
            return [listed]
        return [frozenset(self._came), frozenset()] if self._came else [frozenset()]

    def _bring(self, wanted: Sequence[Listed], sop_classes: frozenset[str], basket: Basket) -> list[Outcome]:
        storage = taking(sop_classes)
        roles = [build_role(uid, scp_role=True) for uid in {str(c.abstract_syntax) for c in storage}]
        contexts = [build_context(StudyRootGet, ImplicitVRLittleEndian), *storage]
        failed: list[Outcome] = []
        try:
            with associated(self._archive, contexts, roles, [(evt.EVT_C_STORE, basket.take)]) as association:
                for series, members in by_series(wanted):
                    reason, later = retrieval_reason("C-GET", self._get(association, series, members))
                    left = missing(members, basket.fetched)
                    failed += [Outcome(one.instance, reason, later) for one in left]
        except NothingAccepted:
            raise self._no_c_get() from None
        return failed

    def _get(self, association: Any, series: str, members: Sequence[Listed]) -> Any:
        try:
            answers = [
                status for status, _ in association.send_c_get(image_query(series, members), StudyRootGet)
            ]
        except ValueError:
            raise self._no_c_get() from None
        except RuntimeError:
            answers = []
        return last_status(self._archive.name, "C-GET", answers)

    def _no_c_get(self) -> Refused:
        return Refused(f'archive {self._archive.name}: it accepts no C-GET; try retrieve_by = "c-move"')


def image_query(series: str, members: Sequence[Listed]) -> Dataset:
    """The identifier that names these instances of one series: a list of UIDs (PS3.4 §C.4.2.1.4)."""
    query = Dataset()
    query.QueryRetrieveLevel = "IMAGE"
    query.StudyInstanceUID = members[0].study
    query.SeriesInstanceUID = series
    query.SOPInstanceUID = [one.instance for one in members]
    return query
