"""Where a study can be fetched → Endpoint: an archive's DICOMweb root, by WADO-RS (PS3.18 §10.4)."""

from mappings.fhir.codes import TERMINOLOGY
from mappings.fhir.datatypes import Element, coding
from mappings.fhir.identifiers import own_identifier


def endpoint(archive: str, url: str, *, site: str, base: str) -> Element:
    """The Endpoint of a site's archive."""
    return {
        "resourceType": "Endpoint",
        "identifier": [own_identifier("endpoint", f"{site}/{archive}", base)],
        "status": "active",
        "connectionType": coding(f"{TERMINOLOGY}/endpoint-connection-type", "dicom-wado-rs", "DICOM WADO-RS"),
        "name": archive,
        "payloadType": [{"text": "DICOM"}],
        "payloadMimeType": ["application/dicom"],
        "address": url,
    }
