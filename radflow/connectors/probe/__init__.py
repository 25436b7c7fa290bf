"""Finding out what an archive can do, by asking it: every check is a query whose right answer is known."""

from datetime import date
from zoneinfo import ZoneInfo

from radflow.connectors.probe.checks import Check, Report
from radflow.connectors.probe.dicomweb import probe_dicomweb
from radflow.connectors.probe.dimse import probe_dimse
from radflow.settings import DicomWebArchive, DimseArchive

__all__ = ["Check", "Report", "probe"]


def probe(archive: DimseArchive | DicomWebArchive, zone: ZoneInfo, today: date) -> Report:
    """Ask the archive what it can do. Nothing is changed there, and no images are fetched."""
    if isinstance(archive, DimseArchive):
        return probe_dimse(archive, zone, today)
    return probe_dicomweb(archive, zone, today)
