"""What it costs to ask an archive for the images of all orders that wait for some."""

import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from pydicom import Dataset

from flows.sweep import ask_archives
from mappings.dicom.worklist import worklist_items
from radflow.bench import seeding
from radflow.bench.homes import SITE, home
from radflow.bench.registry import Place, Result, at_most, bench, growth
from radflow.clock import kept_by
from radflow.settings import LOOPBACK
from radflow.simulators.any_archive import AnArchive, any_archive
from radflow.simulators.modality import make_study, store_study
from tasks.sweep import search_archive

STUDIES = 1_000
"""In the archive, at most."""
FOUND = 100
"""Of them so many are of orders that wait, at most."""
AN_HOUR = timedelta(hours=1)


@bench("sweep", size="outstanding orders", sizes=(1_000, 10_000, 100_000))
def sweep(sizes: Sequence[int], place: Place) -> Iterator[Result]:
    """Seconds of a sweep of one archive: one that finds some of the studies, and one without news."""
    first, quiet, cpu = {}, {}, {}
    with any_archive(place.folder / "archive") as archive:
        if not archive.is_orthanc:
            place.say("Orthanc is left out, a simulated archive takes its place: apt install orthanc")
        place.say(f"storing studies in {archive.ae_title}")
        _fill(archive, min(sizes))
        for size in sizes:
            with home(place.folder / str(size), _site_file(archive)) as store:
                place.say(f"sweep of {size}")
                seeding.wait(store, SITE, size)
                now = seeding.FIRST_DAY + timedelta(days=(size - 1) // seeding.A_DAY) + AN_HOUR
                found, first[size], _ = _timed(now)
                news, quiet[size], cpu[size] = _timed(now + AN_HOUR / 2)
            if news:
                raise RuntimeError(f"a sweep without news has found {news} orders")
            yield Result(
                f"{found} of {size} found, {archive.ae_title}", "seconds", first[size], goal=at_most(10)
            )
            yield Result(
                f"none of {size} found, {archive.ae_title}", "seconds", quiet[size], goal=at_most(10)
            )
            yield Result(f"none of {size} found: our CPU", "seconds", cpu[size])
    if len(sizes) > 1:
        yield growth("none found", quiet)


def _timed(now: datetime) -> tuple[int, float, float]:
    """A sweep as the flow makes it: orders that have news by it, seconds, and CPU seconds of this process."""
    begun, busy = time.perf_counter(), time.process_time()
    with kept_by(lambda: now):
        found = ask_archives(search_archive.fn)
    return len(found), time.perf_counter() - begun, time.process_time() - busy


def _fill(archive: AnArchive, orders: int) -> None:
    """Some studies of the first orders, the others of none; one image of each."""
    store_study(list(_images(orders)), LOOPBACK, archive.port, archive.ae_title)


def _images(orders: int) -> Iterator[Dataset]:
    for number in range(min(STUDIES, orders)):
        # Those after the first are of another site's orders: their numbers name nothing here.
        site_number = number if number < min(FOUND, orders // 2) else -1 - number
        item = worklist_items(seeding.the_order(SITE, site_number), seeding.ZONE)[0]
        yield make_study(item, seeding.FIRST_DAY)[0]


def _site_file(archive: AnArchive) -> str:
    address = f'host = "{LOOPBACK}"\nport = {archive.port}\nae_title = "{archive.ae_title}"\n'
    # Old studies are found by their numbers, whatever their day.
    return f'[[archives]]\nkind = "dimse"\nname = "pacs"\n{address}[finding]\nlook_back_days = 1000\n'
