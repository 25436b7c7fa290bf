"""Around the content: who observed and verified, what the document is evidence of, and what it replaces."""

from collections.abc import Iterator
from datetime import datetime, tzinfo

from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from mappings.dicom.sr.attributes import items, text
from mappings.dicom.sr.concepts import first_code, first_text, named
from mappings.dicom.sr.content import read_reference
from mappings.dicom.sr.times import moment, offset
from radflow.findings import ContentItem, Evidence, Observer
from radflow.model import CodedConcept

DCM = codes.DCM


def zone_of(document: Dataset, site: tzinfo) -> tzinfo:
    """The document's own Timezone Offset From UTC (0008,0201), else the site's zone."""
    return offset(text(document, "TimezoneOffsetFromUTC")) or site


def written_at(document: Dataset, zone: tzinfo) -> datetime | None:
    """Content Date (0008,0023) and Content Time (0008,0033)."""
    date, time = (text(document, keyword).strip() for keyword in ("ContentDate", "ContentTime"))
    # ACR-NEMA wrote 2026.11.24 and 10:15:00, and some still do.
    return moment(date.replace(".", "") + time.replace(":", ""), zone)


def accession_numbers(document: Dataset) -> tuple[str, ...]:
    """Those of the document and of the requests that it fulfils (0040,A370)."""
    sources = [document, *items(document, "ReferencedRequestSequence")]
    numbers = (text(one, "AccessionNumber").strip() for one in sources)
    return tuple(number for number in dict.fromkeys(numbers) if number)


def language(root: ContentItem) -> CodedConcept | None:
    """Language of Content Item and Descendants (TID 1204)."""
    return first_code(root.children, DCM.LanguageOfContentItemAndDescendants)


def observers(document: Dataset, root: ContentItem) -> tuple[Observer, ...]:
    """Observation Context of the root (TID 1002), and the authors of the header (0040,A078)."""
    found = [*_people(root), *_devices(root)]
    for author in items(document, "AuthorObserverSequence"):
        person = text(author, "PersonName")
        device = text(author, "ObserverType").strip() == "DEV"
        found.append(
            Observer(
                name=person or text(author, "StationName") or text(author, "ManufacturerModelName"),
                uid=text(author, "DeviceUID"),
                organization=text(author, "InstitutionName"),
                device=device,
            )
        )
    return tuple(dict.fromkeys(found))


def verifiers(document: Dataset, zone: tzinfo) -> tuple[Observer, ...]:
    """Verifying Observer Sequence (0040,A073)."""
    return tuple(
        Observer(
            name=text(one, "VerifyingObserverName"),
            organization=text(one, "VerifyingOrganization"),
            verified_at=moment(text(one, "VerificationDateTime"), zone),
        )
        for one in items(document, "VerifyingObserverSequence")
    )


def predecessors(document: Dataset) -> tuple[Evidence, ...]:
    """Predecessor Documents Sequence (0040,A360)."""
    return tuple(_instances(document, "PredecessorDocumentsSequence"))


def evidence(document: Dataset) -> tuple[Evidence, ...]:
    """Current Requested Procedure Evidence (0040,A375) and Pertinent Other Evidence (0040,A385)."""
    return (
        *_instances(document, "CurrentRequestedProcedureEvidenceSequence"),
        *_instances(document, "PertinentOtherEvidenceSequence"),
    )


def _instances(document: Dataset, keyword: str) -> Iterator[Evidence]:
    """A Hierarchical SOP Instance Reference: studies, their series, their instances (PS3.3 table C.17-3)."""
    for study in items(document, keyword):
        for series in items(study, "ReferencedSeriesSequence"):
            for instance in items(series, "ReferencedSOPSequence"):
                yield Evidence(
                    study_instance_uid=text(study, "StudyInstanceUID"),
                    series_instance_uid=text(series, "SeriesInstanceUID"),
                    instance=read_reference(instance),
                )


def _people(root: ContentItem) -> Iterator[Observer]:
    """TID 1003. One observer's items follow each other, each beginning with the name."""
    organization = Code("121009", "DCM", "Person Observer's Organization Name")
    for item in named(root.children, DCM.PersonObserverName):
        yield Observer(name=item.text or "", organization=first_text(root.children, organization))


def _devices(root: ContentItem) -> Iterator[Observer]:
    """TID 1004: the UID is what every device has."""
    names = [item.text or "" for item in named(root.children, DCM.DeviceObserverName)]
    uids = [item.text or "" for item in named(root.children, DCM.DeviceObserverUID)]
    for position in range(max(len(names), len(uids))):
        yield Observer(
            name=names[position] if position < len(names) else "",
            uid=uids[position] if position < len(uids) else "",
            device=True,
        )
