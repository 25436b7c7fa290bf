"""MFN: the site's catalogues, many messages at once."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session

from mappings.hl7.catalogues import CatalogueChange, read_catalogue
from mappings.hl7.reader import Hl7Message
from radflow.services.intake.taken import Taken
from radflow.settings import Site
from radflow.store import catalogues, messages
from radflow.store.standing import Sent


def read(message: Hl7Message, site: Site) -> Sequence[CatalogueChange]:
    """What the message says of catalogue entries. Raises NotTakable as `read_catalogue` does."""
    return read_catalogue(message, site=site.name, zone=site.zone)


def apply(session: Session, batch: Sequence[Taken[Sequence[CatalogueChange]]], now: datetime) -> None:
    """Bring the catalogues up to date."""
    said = ((taken.site.name, Sent.of(taken.message), change) for taken in batch for change in taken.said)
    catalogues.apply(session, said, now)
    messages.mark_all_processed(session, {taken.id: () for taken in batch}, now)
