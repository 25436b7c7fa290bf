"""How many HL7 messages are taken in a second, committed before they are acknowledged."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec

from sqlmodel import func, select

from radflow.bench import stores
from radflow.bench.mllp_load import Load, send
from radflow.bench.mllp_peers import serve_hl7, serve_hl7apy
from radflow.bench.processes import Wait, apart, beside
from radflow.bench.registry import Goal, Place, Result, at_most, bench, growth, times_the_peer
from radflow.services.listener import serve
from radflow.settings import Listener, Site
from radflow.store.engine import Store
from radflow.store.tables import Message

PACE = 500
"""Messages a second, where the pace is given."""

_PEERS: dict[str, tuple[str, Callable[..., None]]] = {
    "hl7.mllp, no store": ("hl7", serve_hl7),
    "hl7apy, no store": ("hl7apy", serve_hl7apy),
}
"""Peer → its distribution, and what serves it."""


@bench("mllp", size="connections", sizes=(1, 10, 50, 500))
def mllp(sizes: Sequence[int], place: Place) -> Iterator[Result]:
    """HL7 messages acknowledged a second over MLLP, durably, against servers that store nothing."""
    peers = dict(_peers(sizes, place))
    with stores.sqlite(place) as store:
        yield from _with_store("SQLite", store, sizes, place, peers)
    with stores.postgresql(place) as database:
        if database:
            yield from _with_store("PostgreSQL", database, sizes, place, peers)


def _with_store(
    name: str, store: Store, sizes: Sequence[int], place: Place, peers: dict[str, dict[int, Load]]
) -> Iterator[Result]:
    with beside(_serve_ours, store.url) as port:
        loads = _loads(f"radflow on {name}", port, sizes, place)
        for size, load in loads.items():
            goal = times_the_peer(5) if size == 50 else None
            for number, (peer, theirs) in enumerate(peers.items()):
                yield Result(
                    f"{size} connections, {name}", "messages/s", load.a_second, theirs[size].a_second, peer,
                    None if number else goal,
                )  # fmt: skip
            if not peers:
                yield Result(f"{size} connections, {name}", "messages/s", load.a_second, goal=goal)
        most = max(sizes)
        crowded = loads[most]
        yield Result(
            f"{most} connections, {name}: P99", "ms", crowded.percentile(99) * 1000, goal=at_most(250)
        )
        place.say(f"radflow on {name}: {PACE} messages/s over {most} connections")
        with apart() as do:
            paced = do(send, port, most, place.seconds, PACE)
        yield Result(f"{PACE} messages/s, {name}: P95", "ms", paced.percentile(95) * 1000, goal=at_most(10))
        lost = sum(load.refused for load in (*loads.values(), paced)) + _missing(
            store, (*loads.values(), paced)
        )
        yield Result(f"all of these, {name}: lost", "messages", lost, goal=_NONE)
        if len(loads) > 1:
            taken = {n: n / load.a_second for n, load in loads.items()}
            yield growth(f"a message of each connection, {name}", taken)


_NONE = Goal("0", lambda result: result.ours == 0)


def _missing(store: Store, loads: Sequence[Load]) -> int:
    """Messages that were acknowledged and are not in the store."""
    with store.read() as session:
        kept = session.exec(select(func.count()).select_from(Message)).one()
    return max(0, sum(load.acknowledged for load in loads) - kept)


def _loads(name: str, port: int, sizes: Sequence[int], place: Place) -> dict[int, Load]:
    loads = {}
    with apart() as do:
        for size in sizes:
            place.say(f"{name}: {size} connections")
            loads[size] = do(send, port, size, place.seconds)
    return loads


def _peers(sizes: Sequence[int], place: Place) -> Iterator[tuple[str, dict[int, Load]]]:
    for name, (distribution, serve_it) in _PEERS.items():
        if find_spec(distribution) is None:
            place.say(f"{name} is left out: pip install {distribution}")
            continue
        with beside(serve_it) as port:
            yield name, _loads(name, port, sizes, place)


def _serve_ours(tell: Callable[[int], None], wait: Wait, database_url: str) -> None:
    """The listener of a site whose EHR connects from one address."""
    site = Site(name="bench", listener=Listener(port=0, max_connections=2000, max_connections_per_peer=2000))
    with _opened(database_url) as store:
        asyncio.run(_listen(site, store, tell, wait))


@contextmanager
def _opened(database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    try:
        yield store
    finally:
        store.close()


async def _listen(site: Site, store: Store, tell: Callable[[int], None], wait: Wait) -> None:
    listening = asyncio.create_task(serve([site], store, started=lambda ports: tell(ports[site.name])))
    await asyncio.to_thread(wait)
    listening.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await listening
