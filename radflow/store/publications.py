"""What FHIR destinations have of an order's resources."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlmodel import Session, col, insert, select

from mappings.fhir.publishing import PUBLISHED, WITHDRAWABLE, Known, Outcome, Written
from radflow.store.tables import PublicationRow


def of_order(session: Session, order_key: str, destination: str = "") -> Sequence[PublicationRow]:
    """What has become of the order's resources, by destination, first published first."""
    query = select(PublicationRow).where(PublicationRow.order_key == order_key)
    if destination:
        query = query.where(PublicationRow.destination == destination)
    return session.exec(query.order_by(col(PublicationRow.destination), col(PublicationRow.id))).all()


def known(rows: Iterable[PublicationRow]) -> dict[str, Known]:
    """What was last written, by the entries' names."""
    return {
        row.name: Known(row.reference, row.version, row.digest, frozenset(row.elements))
        for row in rows
        if row.reference
    }


def are_done(rows: Iterable[PublicationRow], digests: dict[str, str], revision: int) -> bool:
    """Whether the destination has all of these contents (digest by entry name) for this revision."""
    has = {row.name: row.digest for row in rows if row.outcome in PUBLISHED and row.revision == revision}
    return digests.items() <= has.items()


def any_of(session: Session, order_key: str) -> bool:
    """Whether anything of the order has been published anywhere."""
    query = select(PublicationRow.id).where(
        PublicationRow.order_key == order_key, PublicationRow.reference != ""
    )
    return session.exec(query.limit(1)).first() is not None


def to_withdraw(
    session: Session, rows: Iterable[PublicationRow], names: Collection[str]
) -> list[PublicationRow]:
    """What was published of an order and is none of these any more, unless another order has it too."""
    left = [
        row
        for row in rows
        if row.name not in names
        and row.reference
        and row.resource_type in WITHDRAWABLE
        and row.outcome != Outcome.WITHDRAWN
    ]
    return [row for row in left if not _is_anothers_too(session, row)]


def references(session: Session, destination: str, names: Collection[str]) -> list[str]:
    """What the destination calls those of these entries that any order has published there, sorted."""
    query = select(PublicationRow.reference).where(
        PublicationRow.destination == destination,
        col(PublicationRow.name).in_(names),
        PublicationRow.reference != "",
    )
    return sorted(set(session.exec(query))) if names else []


def _is_anothers_too(session: Session, row: PublicationRow) -> bool:
    query = select(PublicationRow.id).where(
        PublicationRow.name == row.name,
        PublicationRow.destination == row.destination,
        PublicationRow.order_key != row.order_key,
        col(PublicationRow.outcome).in_(PUBLISHED),
    )
    return session.exec(query.limit(1)).first() is not None


def save(
    session: Session,
    order_key: str,
    destination: str,
    written: Sequence[Written],
    *,
    revision: int,
    now: datetime,
) -> None:
    """Keep what has become of entries. What failed leaves what was written before as it is."""
    rows = {row.name: row for row in of_order(session, order_key, destination)}
    new: list[PublicationRow] = []
    for one in written:
        entry = one.entry
        row = rows.get(entry.name) or PublicationRow(
            order_key=order_key, destination=destination, name=entry.name,
            resource_type=entry.resource_type, revision=revision, outcome="", at=now,
        )  # fmt: skip
        row.outcome, row.reason, row.revision, row.at = one.outcome, one.reason, revision, now
        if one.outcome in PUBLISHED:
            row.reference, row.version, row.digest = one.reference, one.version, entry.digest
            row.elements = sorted(entry.resource)
        if one.outcome == Outcome.WITHDRAWN:
            row.digest, row.elements = entry.digest, sorted({*row.elements, *entry.resource})
            row.version = one.version
        if entry.name not in rows:
            rows[entry.name] = row
            new.append(row)
    if new:
        # As rows of one short statement, which the driver knows: added as objects they would be one long one.
        session.execute(insert(PublicationRow), [row.model_dump(exclude={"id"}) for row in new])
