"""What an order takes over from what is known of its patient."""

from datetime import date

from mappings.rules.enrichment import enriched
from radflow.model import Identifier, Patient, PersonName

MR, PI, SS = (Identifier(value=value, assigner="HOSP", type=value) for value in ("MR", "PI", "SS"))
KNOWN = Patient(
    identifiers=(MR, PI), name=PersonName(family="Müller", given="Åse"), birth_date=date(1961, 4, 12), sex="F"
)
SENT = Patient(identifiers=(PI, SS), name=PersonName(family="Mueller"), sex="")


def test_merge() -> None:
    """What the order says counts, and what it does not say is as known; a new identifier is added."""
    merged = enriched(SENT, KNOWN, "merge")
    assert (merged.name.family, merged.name.given) == ("Mueller", "")
    assert (merged.birth_date, merged.sex) == (date(1961, 4, 12), "F")
    assert merged.identifiers == (MR, PI, SS)


def test_the_survivor_of_a_merge_keeps_its_identifiers() -> None:
    """An order under a retired identifier finds the survivor, and does not bring the retired one back."""
    retired = Patient(identifiers=(Identifier(value="OLD", assigner="HOSP"),))
    assert enriched(retired, KNOWN, "merge") == KNOWN


def test_adt_and_order() -> None:
    """One of both, whole; nothing known leaves the order's."""
    assert enriched(SENT, KNOWN, "adt") == KNOWN
    assert enriched(SENT, KNOWN, "order") == SENT
    assert enriched(SENT, None, "adt") == SENT
    assert enriched(SENT, None, "merge") == SENT
