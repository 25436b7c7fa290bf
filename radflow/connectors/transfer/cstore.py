"""Sending instances by C-STORE (PS3.4 Annex B), each read from its file when it is its turn."""

from collections.abc import Iterator, Sequence
from typing import Any

from pydicom import dcmread

from radflow.connectors.association import NothingAccepted, associated
from radflow.connectors.transfer.instances import Fetched, Outcome
from radflow.connectors.transfer.statuses import is_stored, is_temporary, words
from radflow.connectors.transfer.syntaxes import NATIVE, sending
from radflow.connectors.wanted import ArchiveUnavailable
from radflow.settings import DimseArchive


class CStoreTarget:
    """An archive that takes instances by C-STORE."""

    def __init__(self, archive: DimseArchive) -> None:
        self._archive = archive

    def send(self, fetched: Sequence[Fetched]) -> Iterator[Outcome]:
        """Send the files over one association; what becomes of each, as soon as it is known.

        Raises:
            ArchiveUnavailable: it does not answer; what was reported before is done.
        """
        kinds = {(one.sop_class, one.transfer_syntax) for one in fetched}
        try:
            with associated(self._archive, sending(kinds)) as association:
                for one in fetched:
                    yield self._store(association, one)
        except NothingAccepted:
            yield from (Outcome(one.instance, _not_accepted(one)) for one in fetched)

    def _store(self, association: Any, one: Fetched) -> Outcome:
        if not any(_fits(context, one) for context in association.accepted_contexts):
            return Outcome(one.instance, _not_accepted(one))
        try:
            # A dataset, not the file: explicit VR then becomes implicit where the archive wants that.
            status = association.send_c_store(dcmread(one.file))
        except (RuntimeError, ValueError, AttributeError) as error:
            if not association.is_established:
                raise ArchiveUnavailable(f"archive {self._archive.name}: C-STORE cannot be sent") from None
            return Outcome(one.instance, f"it cannot be encoded ({type(error).__name__})")
        if "Status" not in status:
            raise ArchiveUnavailable(f"archive {self._archive.name}: no answer to C-STORE")
        code = int(status.Status)
        if is_stored(code):
            return Outcome(one.instance)
        return Outcome(one.instance, f"C-STORE: {words(code)}", is_temporary(code))


def _fits(context: Any, one: Fetched) -> bool:
    chosen = context.transfer_syntax[0]
    same = chosen == one.transfer_syntax or (chosen in NATIVE and one.transfer_syntax in NATIVE)
    return bool(context.abstract_syntax == one.sop_class and same)


def _not_accepted(one: Fetched) -> str:
    return f"the target accepts no {one.sop_class} in transfer syntax {one.transfer_syntax.name}"
