"""MFN: catalogues change what later orders map to, not past ones."""

from datetime import datetime

from sqlmodel import select

from radflow.store.engine import Store
from radflow.store.tables import CatalogueEntry
from tests.hl7_builders import an_orm, message, order_named, segment
from tests.inbox import as_told, receive, replay, states, the_order, the_orders


def an_mfn(control_id: str, *entries: tuple[str, str, str, str]) -> bytes:
    """Changes of the procedure catalogue: MFE-1, code, text, modality."""
    lines = [segment("MFI", {1: "CDM", 3: "UPD", 6: "AL"})]
    for number, (action, code, text, modality) in enumerate(entries, start=1):
        key = f"{code}^{text}^L"
        lines.append(segment("MFE", {1: action, 2: str(number), 4: key, 5: "CWE"}))
        lines.append(segment("OM1", {1: str(number), 2: key, 49: modality}))
    return message("MFN^M01", control_id, *lines)


def an_order_for(code: str, number: str, *, text: str = "", modality: str = "") -> bytes:
    changes = order_named(number)
    changes["OBR"] |= {4: f"{code}^{text}^L", 24: modality}
    return an_orm(f"M{number}", changes=changes)


def entries(store: Store) -> dict[str, tuple[bool, str]]:
    with store.read() as session:
        rows = session.exec(select(CatalogueEntry)).all()
    return {row.code: (row.active, str(row.document.get("display", ""))) for row in rows}


def test_later_orders_have_the_catalogues_names(store: Store, now: datetime) -> None:
    """Where their messages leave the text empty; the order that was there stays as it is."""
    before = an_order_for("CTCHEST", "P1")
    catalogue = an_mfn("C1", ("MAD", "CTCHEST", "CT of the chest", "CT"))
    after = an_order_for("CTCHEST", "P2")
    own = an_order_for("CTCHEST", "P3", text="Thorax", modality="MR")
    again = an_orm("M9", changes={"ORC": {1: "XO"}, "OBR": {4: "CTCHEST^^L", 13: "x", 24: ""}})
    assert states(store, now, before, catalogue, after, own, again) == ["processed"] * 5
    shown = [as_told(row).procedure.display for row in the_orders(store)]
    assert shown == ["", "CT of the chest", "Thorax"]


def test_entries_are_added_changed_and_taken_out(store: Store, now: datetime) -> None:
    """MAD, MUP, MDC, MAC, MDL, in one message or several; an older message changes nothing when replayed."""
    receive(
        store,
        now,
        an_mfn("C1", ("MAD", "A", "one", "CT"), ("MAD", "B", "two", "CT"), ("MAD", "C", "three", "CT")),
        an_mfn("C2", ("MUP", "A", "eins", "CT"), ("MDC", "B", "two", "CT"), ("MDL", "C", "three", "CT")),
        an_mfn("C3", ("MAC", "B", "two", "CT")),
    )
    replay(store, now, 1)
    assert entries(store) == {"A": (True, "eins"), "B": (True, "two"), "C": (False, "three")}
    receive(store, now, an_order_for("C", "P1"))
    assert as_told(the_order(store)).procedure.display == ""
