"""How fast results are published as FHIR, and what a very large study takes."""

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from typing import Any

import orjson

from mappings.fhir.transaction import result_transaction
from radflow.bench import seeding
from radflow.bench.homes import SITE
from radflow.bench.processes import apart, peak_memory_mb
from radflow.bench.registry import Place, Result, bench, growth
from radflow.connectors.fhir import FhirDestination, RememberedInProcess, check, open_fhir
from radflow.deploy import PROJECT
from radflow.model import CodedConcept, Instance, Report, Series, Study
from radflow.order import State
from radflow.settings import HttpFhir, NdjsonFhir

A_SERIES = 250
"""Instances in one."""
USUAL = 250
"""Instances of a study where studies are published one after another."""

_MB = 1_000_000
_CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
_SERVER = PROJECT / "tests" / "fhir_server"


@bench("fhir", size="instances", sizes=(50, 500, 5_000))
def fhir(sizes: Sequence[int], place: Place) -> Iterator[Result]:
    """Results published a second, and seconds and memory of a study of many instances."""
    place.say("publishing to files")
    rate = _rate(open_fhir(NdjsonFhir(kind="ndjson"), place.folder / "fhir"), place.seconds)
    yield Result(f"to NDJSON files, {USUAL} instances", "publications/s", rate)
    with _server(place) as url:
        if url:
            place.say("publishing to a server")
            server = open_fhir(HttpFhir(kind="http", name="bench", url=url), place.folder)
            yield Result(
                f"to a FHIR server, {USUAL} instances", "publications/s", _rate(server, place.seconds)
            )
    seconds = {}
    for size in sizes:
        place.say(f"a study of {size} instances")
        with apart() as do:
            seconds[size], bundle_mb, peak_mb = do(_publish_large, size, place.folder / "large")
        yield Result(f"study of {size}", "seconds", seconds[size])
        yield Result(f"study of {size}: its bundle", "MB", bundle_mb)
        yield Result(f"study of {size}: memory above that of the process", "MB", peak_mb)
    if len(sizes) > 1:
        yield growth("a study", seconds)


def a_bundle(number: int, instances: int) -> dict[str, Any]:
    """The transaction of a reported order with one study."""
    order = seeding.the_order(SITE, number)
    report = Report(
        site=SITE, accession_number=order.accession_number, status="F", issued=seeding.FIRST_DAY,
        code=CodedConcept(code="24627-2", display="CT Chest", system="LN"),
        text="FINDINGS: clear lungs.\nIMPRESSION: no pneumonia.",
    )  # fmt: skip
    studies = [_study(order.study_instance_uid, instances)]
    return result_transaction(order, studies, report, state=State.REPORTED, identifier_system="urn:radflow")


def _study(uid: str, instances: int) -> Study:
    series = tuple(
        Series(
            series_instance_uid=f"{uid}.{first}", modality="CT", number=first // A_SERIES + 1,
            instances=tuple(
                Instance(sop_instance_uid=f"{uid}.{first}.{n}", sop_class_uid=_CT_IMAGE_STORAGE, number=n)
                for n in range(1, min(A_SERIES, instances - first) + 1)
            ),
        )
        for first in range(0, instances, A_SERIES)
    )  # fmt: skip
    return Study(
        study_instance_uid=uid, archive="pacs", started=seeding.FIRST_DAY, modalities=("CT",), series=series
    )


def _rate(destination: FhirDestination, seconds: float) -> float:
    """Publications a second, each of another order: made, checked, published."""
    done, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        _publish(destination, a_bundle(done, USUAL), str(done))
        done += 1
    return done / (time.perf_counter() - begun)


def _publish(destination: FhirDestination, bundle: dict[str, Any], key: str) -> None:
    check(bundle)
    destination.publish(bundle, order_key=key, day=seeding.FIRST_DAY.date(), memory=RememberedInProcess())


def _publish_large(instances: int, folder: Path) -> tuple[float, float, float]:
    """Seconds, MB of the bundle, and by how many MB the peak is above what a small study has left."""
    destination = open_fhir(NdjsonFhir(kind="ndjson"), folder)
    _publish(destination, a_bundle(0, 1), "small")
    before, begun = peak_memory_mb(), time.perf_counter()
    bundle = a_bundle(1, instances)
    _publish(destination, bundle, "large")
    seconds, peak = time.perf_counter() - begun, peak_memory_mb()
    return seconds, len(orjson.dumps(bundle)) / _MB, peak - before


@contextmanager
def _server(place: Place) -> Iterator[str]:
    """URL of the FHIR server that the tests have; empty, said aloud, where it cannot run."""
    if not (which("node") and (_SERVER / "node_modules").exists()):
        place.say("the FHIR server is left out: apt install nodejs npm, then npm ci in tests/fhir_server")
        yield ""
        return
    process = subprocess.Popen(
        ["node", "server.mjs", place.folder / "taken.ndjson"], cwd=_SERVER, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.kill()
        process.communicate()
