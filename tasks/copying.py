"""Copying one study from archive to archive, and making sure that it is there."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from radflow.connectors.archive import ArchiveClient, open_archive
from radflow.connectors.transfer.cmove import Receiver, move
from radflow.connectors.transfer.ends import Source, Target, goes_direct, open_source, open_target
from radflow.connectors.transfer.instances import Listed, Outcome, listed
from radflow.connectors.transfer.statuses import retrieval_reason
from radflow.settings import DicomWebArchive, DimseArchive, Site
from radflow.store import transfers
from radflow.store.engine import Store
from radflow.store.tables import TransferItem, TransferRow
from radflow.store.transfers import ItemState

_NOT_SHOWN = "it was sent, and the target does not show it"


class Shortfall(Exception):
    """The target does not show all instances; the text says how many, and why, free of patient data."""

    def __init__(self, text: str, *, final: bool) -> None:
        super().__init__(text)
        self.final = final
        """Another try would bring nothing."""


class Ends:
    """The archives of a site, each opened once: a client keeps its connections and its token."""

    def __init__(self, site: Site, receiver: Receiver | None) -> None:
        self._site = site
        self._receiver = receiver
        self._clients: dict[str, ArchiveClient] = {}
        self._sources: dict[str, Source] = {}
        self._targets: dict[str, Target] = {}

    def instances(self, archive: str, study: str) -> list[Listed]:
        """What the archive shows of the study."""
        if archive not in self._clients:
            self._clients[archive] = open_archive(self.settings(archive), self._site.zone)
        described = self._clients[archive].describe(study)
        return list({one.instance: one for one in listed(described)}.values()) if described else []

    def source(self, archive: str) -> Source:
        """The archive as a source. Raises as `open_source`."""
        if archive not in self._sources:
            self._sources[archive] = open_source(self.settings(archive), self._receiver)
        return self._sources[archive]

    def target(self, archive: str) -> Target:
        """The archive as a target."""
        if archive not in self._targets:
            self._targets[archive] = open_target(self.settings(archive), self._site.routing)
        return self._targets[archive]

    def settings(self, archive: str) -> DimseArchive | DicomWebArchive:
        """As the site file has it."""
        return self._site.archive(archive)


@dataclass(frozen=True)
class Copy:
    """One attempt at one study, by the mover that holds it."""

    site: Site
    store: Store
    folder: Path
    clock: Callable[[], datetime]
    mover: str
    row: TransferRow
    ends: Ends

    def run(self) -> None:
        """Copy what the target does not show yet; returns when it shows everything.

        Raises:
            Unavailable: an archive does not answer.
            Refused: an archive does not do what is wanted of it.
            Shortfall: the target does not show all instances.
            MoverLost: another mover has taken over.
        """
        wanted = self._list(self.row.source)
        if not wanted:
            raise Shortfall(f"archive {self.row.source} shows no instance of the study", final=False)
        missing = self._not_in(wanted, self._shown())
        self._keep(wanted, missing)
        reasons: dict[str, Outcome] = {}
        for outcome in self._copy(missing):
            reasons[outcome.instance] = outcome
        if missing and (left := self._not_in(wanted, self._shown())):
            raise self._shortfall(len(wanted), [self._why(one, reasons) for one in left])

    def _copy(self, missing: Sequence[Listed]) -> Iterator[Outcome]:
        if not missing:
            return
        source, target = self.ends.settings(self.row.source), self.ends.settings(self.row.target)
        send = self._by_the_source if goes_direct(source, target) else self._through_here
        size = self.site.routing.batch_instances
        for start in range(0, len(missing), size):
            yield from self._noted(send(missing[start : start + size]))

    def _through_here(self, batch: Sequence[Listed]) -> Iterator[Outcome]:
        source, target = self.ends.source(self.row.source), self.ends.target(self.row.target)
        with TemporaryDirectory(dir=self.folder) as folder:
            fetched, failed = source.fetch(batch, Path(folder))
            yield from failed
            yield from target.send(fetched)

    def _by_the_source(self, batch: Sequence[Listed]) -> Iterator[Outcome]:
        source, target = self.ends.settings(self.row.source), self.ends.settings(self.row.target)
        assert isinstance(source, DimseArchive)
        assert isinstance(target, DimseArchive)
        for members, status in move(source, target.ae_title, batch):
            taken = status.Status == 0 and not status.get("NumberOfFailedSuboperations")
            reason, later = ("", False) if taken else retrieval_reason("C-MOVE", status)
            yield from (Outcome(one.instance, reason, later) for one in members)

    def _noted(self, outcomes: Iterator[Outcome]) -> list[Outcome]:
        """What became of a batch, in the ledger even when the archive goes away in the middle of it."""
        seen: list[Outcome] = []
        try:
            seen.extend(outcomes)
        finally:
            self._note(seen)
        return seen

    def _note(self, outcomes: Iterable[Outcome]) -> None:
        assert self.row.id is not None
        noted = {one.instance: (_state(one), one.reason) for one in outcomes}
        with self.store.write() as session:
            transfers.note(session, self.row.id, self.mover, noted, self.clock(), self._lease)

    def _keep(self, wanted: Sequence[Listed], missing: Sequence[Listed]) -> None:
        assert self.row.id is not None
        waits = {one.instance for one in missing}
        items = [
            TransferItem(
                transfer_id=self.row.id, sop_instance_uid=one.instance, series_instance_uid=one.series,
                sop_class_uid=one.sop_class,
                state=ItemState.WAITING if one.instance in waits else ItemState.PRESENT,
            )
            for one in wanted
        ]  # fmt: skip
        with self.store.write() as session:
            transfers.list_items(session, self.row.id, self.mover, items, self.clock(), self._lease)

    def _why(self, one: Listed, reasons: dict[str, Outcome]) -> Outcome:
        outcome = reasons.get(one.instance)
        return outcome if outcome and outcome.reason else Outcome(one.instance, _NOT_SHOWN, later=True)

    def _shortfall(self, expected: int, left: Sequence[Outcome]) -> Shortfall:
        final = not any(one.later for one in left)
        last = final or self.row.attempts >= self.site.routing.max_attempts
        self._note([Outcome(one.instance, one.reason, later=not last) for one in left])
        counted = Counter(one.reason for one in left).most_common(3)
        why = "; ".join(f"{reason} ({count}×)" if count > 1 else reason for reason, count in counted)
        text = f"{len(left)} of {expected} instances are not at {self.row.target}: {why}"
        return Shortfall(text, final=final)

    def _list(self, archive: str) -> list[Listed]:
        return self.ends.instances(archive, self.row.study_instance_uid)

    def _shown(self) -> set[str]:
        return {one.instance for one in self._list(self.row.target)}

    def _not_in(self, wanted: Sequence[Listed], shown: set[str]) -> list[Listed]:
        return sorted(
            (one for one in wanted if one.instance not in shown), key=lambda one: (one.series, one.instance)
        )

    @property
    def _lease(self) -> timedelta:
        return timedelta(seconds=self.site.routing.lease_seconds)


def _state(outcome: Outcome) -> ItemState:
    if not outcome.reason:
        return ItemState.SENT
    return ItemState.WAITING if outcome.later else ItemState.FAILED
