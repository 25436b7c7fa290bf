"""How many orders a second live their whole life, with every service and Prefect's server on this machine."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from statistics import quantiles

from pydicom import Dataset
from sqlmodel import col, select

from radflow.bench.hospital import Hospital, hospital, until
from radflow.bench.registry import Place, Result, at_least, at_most, bench, growth
from radflow.settings import LOOPBACK
from radflow.simulators import ris
from radflow.simulators.modality import acquire, ask_worklist
from radflow.store.tables import OrderRow

A_DAY = 500
"""Orders of a hospital with 900 beds."""
ONE_BY_ONE = 60
"""Reports at most that are sent alone, to see how long each takes to have its leg running."""


@bench("orders", size="orders", sizes=(25, 100, 500))
def orders(sizes: Sequence[int], place: Place) -> Iterator[Result]:
    """Orders through their whole life a second, and how soon a report has its leg running.

    Placed over HL7, worklisted, their images made and found, reported, published to EHR, FHIR and warehouse.
    """
    # A sweep takes the time of a leg or two: seldom beside many, often where a few wait for nothing else.
    with hospital(place, sweep_seconds=min(10, max(sizes))) as running:
        if running is None:
            return
        taken: dict[int, float] = {}
        for size in sizes:
            place.say(f"{size} orders")
            before, begun = running.cpu(), time.monotonic()
            _live(running, f"O{size}N", size)
            taken[size] = time.monotonic() - begun
            rate = at_least(2) if size == max(sizes) else None
            yield Result(f"{size} orders", "orders/s", size / taken[size], goal=rate)
            yield Result(f"{size} orders: all services", "CPU s/order", (running.cpu() - before) / size)
        if A_DAY in taken:
            yield Result("a hospital's day caught up", "s", taken[A_DAY], goal=at_most(300))
        alone = min(ONE_BY_ONE, max(sizes))
        place.say(f"{alone} reports, one by one")
        p95 = quantiles(_wake_ups(running, alone), n=20)[-1]
        yield Result("from ORU to running leg: P95", "s", p95, goal=at_most(1))
    if len(taken) > 1:
        yield growth("orders", taken)


def _live(running: Hospital, prefix: str, count: int) -> None:
    """All orders come at once; each is imaged when it is on the worklist, and reported when it has images."""
    running.order(count, prefix)
    imaged: dict[str, Dataset] = {}
    reported: set[str] = set()
    query = select(OrderRow.accession_number, OrderRow.state).where(
        OrderRow.placer_order_number.startswith(prefix), col(OrderRow.leg).is_(None)
    )

    def lived() -> bool:
        with running.store.read() as session:
            states = dict(session.exec(query).all())
        for number in {number for number, state in states.items() if state == "worklisted"} - imaged.keys():
            (imaged[number],) = ask_worklist(LOOPBACK, running.worklist, accession_number=number)
            acquire(imaged[number], LOOPBACK, running.archive.port, running.archive.ae_title)
        done = {number for number, state in states.items() if state == "acquired"} - reported
        running.send([ris.report(imaged[number], datetime.now(UTC), "F") for number in sorted(done)])
        reported.update(done)
        return list(states.values()).count("published") == count

    until(lived, every=1.0)


def _acquired(running: Hospital, prefix: str, count: int) -> list[Dataset]:
    """Place orders, make their images, and wait until these are found; the orders' worklist items."""
    running.order(count, prefix)
    running.wait(prefix, count, "worklisted")
    with running.store.read() as session:
        query = select(OrderRow.accession_number).where(OrderRow.placer_order_number.startswith(prefix))
        ours = set(session.exec(query))
    found = ask_worklist(LOOPBACK, running.worklist, "RADFLOW")
    items = [item for item in found if item.AccessionNumber in ours]
    for item in items:
        acquire(item, LOOPBACK, running.archive.port, running.archive.ae_title)
    running.wait(prefix, count, "acquired")
    return items


def _wake_ups(running: Hospital, count: int) -> Iterator[float]:
    """Seconds from a report's acknowledgement until a leg works on its order."""
    for done, item in enumerate(_acquired(running, "ALONE", count), start=1):
        query = select(OrderRow).where(OrderRow.accession_number == item.AccessionNumber)

        def at_work(query=query) -> bool:  # type: ignore[no-untyped-def]
            with running.store.read() as session:
                row = session.exec(query).one()
            return row.leg is not None or row.state == "published"

        running.send([ris.report(item, datetime.now(UTC), "F")])
        acknowledged = time.monotonic()
        until(at_work, every=0.005)
        yield time.monotonic() - acknowledged
        running.wait("ALONE", done, "published")
