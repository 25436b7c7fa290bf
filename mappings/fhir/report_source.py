"""DiagnosticReport of another server → Report, as an ORU^R01 would have brought it.

| Report | DiagnosticReport R4 |
|---|---|
| placer, filler, accession number | identifier of it, basedOn, imagingStudy: PLAC, FILL, ACSN |
| study_instance_uid (0020,000D) | imagingStudy: the identifier of system `urn:dicom:uid` |
| status (OBR-25) | status, by `tables/fhir-report-status.csv` |
| text | presentedForm that is a text, else conclusion, else text |
| attachments | presentedForm that is none |
| observations | result, what it has as members, and components |
| interpreter, assistants | resultsInterpreter, else the performer |

What is read is a Bundle (`collection`): the report, then what it refers to, each under its `fullUrl`.
"""

import binascii
import json
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from pydantic import ValidationError

from mappings.fhir import received
from mappings.fhir.codes import TERMINOLOGY
from mappings.fhir.diagnostic_report import PERFORMER_FUNCTION
from mappings.fhir.identifiers import DICOM_UID, under
from mappings.fhir.received_codes import concept, identifier
from mappings.fhir.received_observations import read_observation
from mappings.fhir.xhtml import words
from mappings.tables import PACKAGED
from radflow.model import Attachment, Identifier, PersonName, Practitioner, Report

RESOURCE_TYPE = "DiagnosticReport"

_TEXTS = ("text/plain", "text/html", "application/xhtml+xml")

Model = TypeVar("Model", bound=received.Resource)


class NotAReport(ValueError):
    """What came is no DiagnosticReport that can be read; says where and why, free of patient data."""


@dataclass(frozen=True)
class Collection:
    """A DiagnosticReport, and what it refers to."""

    report: received.DiagnosticReport
    others: Mapping[str, dict[str, Any]]
    """By `Type/id`, or `#id` of what is contained."""

    def find(self, reference: received.Reference, model: type[Model]) -> Model | None:
        """What is referred to; None where it is not here, or is no such resource."""
        name = reference.reference
        found = self.others.get(name if name.startswith("#") else relative(name))
        try:
            return model.model_validate(found) if found else None
        except ValidationError:
            return None


def read_collection(raw: bytes) -> Collection:
    """The bundle as it was kept.

    Raises:
        NotAReport: its first entry is no valid DiagnosticReport.
    """
    try:
        bundle = json.loads(raw, parse_float=Decimal, object_hook=_without_nulls)
        resources = [(entry.get("fullUrl", ""), entry["resource"]) for entry in bundle["entry"]]
        report = received.DiagnosticReport.model_validate(resources[0][1])
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        where = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['type']}" for one in found[:5])
        raise NotAReport(f"Not a valid DiagnosticReport: {where}.") from None
    except (ValueError, LookupError, TypeError, AttributeError):
        raise NotAReport("Not a Bundle that begins with a DiagnosticReport.") from None
    contained = {f"#{one['id']}": one for one in report.contained if "id" in one}
    return Collection(report, {relative(url): resource for url, resource in resources[1:]} | contained)


def read_report(collection: Collection, *, site: str, base: str) -> Report:
    """The report it is.

    Args:
        site: where it came to.
        base: the site's URI for systems of identifiers.

    Raises:
        NotAReport: its status is none, nothing says which order it is of, or a document cannot be decoded.
    """
    return _Reader(collection, base).report(site)


def is_own(resource: Mapping[str, Any], bases: Iterable[str]) -> bool:
    """Whether radflow itself has published it, for a site of one of these bases: it is a report of itself."""
    identifiers = resource.get("identifier") or []
    systems = {one.get("system") for one in identifiers if isinstance(one, dict)}
    return not systems.isdisjoint(under(base, "report") for base in bases)


def relative(url: str) -> str:
    """`Type/id` of an absolute or relative reference, whatever its version."""
    return "/".join(url.partition("/_history/")[0].split("/")[-2:])


class _Reader:
    def __init__(self, collection: Collection, base: str) -> None:
        self._all = collection
        self._fhir = collection.report
        self._base = base

    def report(self, site: str) -> Report:
        fhir, base = self._fhir, self._base
        numbers = self._numbers()
        uid = self._study_instance_uid()
        if not numbers and not uid:
            raise NotAReport("Neither identifier nor basedOn nor imagingStudy says which order is reported.")
        accession = numbers.get("ACSN")
        readers = [self._who(one) for one in fhir.resultsInterpreter] or self._performers("")
        return Report(
            source="fhir",
            site=site,
            placer_order_number=numbers.get("PLAC"),
            filler_order_number=numbers.get("FILL"),
            accession_number=accession.value if accession else "",
            study_instance_uid=uid,
            status=self._status(),
            code=concept(fhir.code, base),
            issued=fhir.issued,
            observed=fhir.effectiveDateTime or fhir.effectivePeriod.start,
            ended=fhir.effectivePeriod.end,
            interpreter=readers[0] if readers else Practitioner(),
            assistant_interpreters=tuple(readers[1:]),
            technicians=tuple(self._performers("SPRF")),
            transcriptionists=tuple(self._performers("TRANS")),
            text=self._text(),
            attachments=tuple(self._attachments()),
            observations=tuple(self._observations(fhir.result)),
            section=self._section(),
            appended=fhir.status == "appended",
            withdrawn=fhir.status == "entered-in-error",
        )

    def _status(self) -> str:
        status = PACKAGED.code("fhir-report-status", self._fhir.status)
        if status is None:
            raise NotAReport("status: not a code of diagnostic-report-status.")
        return status

    def _numbers(self) -> dict[str, Identifier]:
        """PLAC, FILL, ACSN → the first number of that type."""
        found: dict[str, Identifier] = {}
        for given in self._identifiers():
            number = self._order_number(given)
            if number and given.kind in ("PLAC", "FILL", "ACSN"):
                found.setdefault(given.kind, number)
        if not found:
            # A ServiceRequest's only number may have no type: it is what its placer calls it.
            untyped = (self._order_number(one) for one in self._of_requests() if not one.kind)
            found.update(("PLAC", number) for number in untyped if number)
        return found

    def _order_number(self, given: received.Identifier) -> Identifier | None:
        """With its assigner where that is named as the site names it; HL7 knows others by other names."""
        number = identifier(given, self._base)
        if number is None or given.system.startswith(under(self._base, "")):
            return number
        return Identifier(value=number.value)

    def _identifiers(self) -> Iterator[received.Identifier]:
        yield from self._fhir.identifier
        yield from self._of_requests()
        yield from self._of_studies()

    def _of_requests(self) -> Iterator[received.Identifier]:
        yield from self._referred(self._fhir.basedOn)

    def _of_studies(self) -> Iterator[received.Identifier]:
        yield from self._referred(self._fhir.imagingStudy)

    def _referred(self, references: tuple[received.Reference, ...]) -> Iterator[received.Identifier]:
        for reference in references:
            yield reference.identifier
            resource = self._all.find(reference, received.Resource)
            yield from resource.identifier if resource else ()

    def _study_instance_uid(self) -> str:
        uids = [one.value for one in self._of_studies() if one.system == DICOM_UID and one.value]
        return uids[0].removeprefix("urn:oid:") if uids else ""

    def _who(self, reference: received.Reference) -> Practitioner:
        """By the resource that is referred to, or else by the reference's own identifier and display."""
        person = self._all.find(reference, received.Person)
        if person and person.practitioner != received.Reference():
            return self._who(person.practitioner)
        numbers = [*(person.identifier if person else ()), reference.identifier]
        number = next((found for each in numbers if (found := identifier(each, self._base))), None)
        name = person.name[0] if person and person.name else received.HumanName(text=reference.display)
        return Practitioner(identifier=number, name=_person_name(name))

    def _performers(self, function: str) -> list[Practitioner]:
        """Those of this function (v3-ParticipationType); without one those who have none."""
        found = (one for one in self._fhir.performer if _function(one) == function)
        return [who for who in map(self._who, found) if who != Practitioner()]

    def _text(self) -> str:
        forms = [one for one in self._fhir.presentedForm if _media_type(one) in _TEXTS]
        texts = [_as_text(one) for one in sorted(forms, key=lambda form: _TEXTS.index(_media_type(form)))]
        found = next(filter(None, (*texts, self._fhir.conclusion)), "") or words(self._fhir.text.div)
        conclusion = self._fhir.conclusion.strip()
        whole = found if conclusion in found else f"{found}\n\n{conclusion}"
        return whole.replace("\r\n", "\n").replace("\r", "\n")

    def _attachments(self) -> Iterator[Attachment]:
        for form in self._fhir.presentedForm:
            if form.data and _media_type(form) not in _TEXTS:
                _decoded(form)
                yield Attachment(content_type=form.contentType, data="".join(form.data.split()))

    def _observations(
        self, references: tuple[received.Reference, ...], sub_id: str = "", seen: frozenset[str] = frozenset()
    ) -> Iterator[Any]:
        """Those referred to, and what they have as members, which belong together."""
        for number, reference in enumerate(references, start=1):
            one = self._all.find(reference, received.Observation)
            if one is None or reference.reference in seen:
                continue
            group = sub_id or (str(number) if one.hasMember or one.component else "")
            yield from read_observation(one, group, base=self._base, who=self._who)
            yield from self._observations(one.hasMember, group, seen | {reference.reference})

    def _section(self) -> str:
        """HL7 table 0074."""
        codings = (coding for category in self._fhir.category for coding in category.coding)
        return next((one.code for one in codings if one.system == f"{TERMINOLOGY}/v2-0074"), "")


def _function(performer: received.Reference) -> str:
    roles = [one.valueCodeableConcept for one in performer.extension if one.url == PERFORMER_FUNCTION]
    return next((coding.code for role in roles for coding in role.coding), "")


def _person_name(given: received.HumanName) -> PersonName:
    if not given.family:
        return PersonName(family=given.text)
    first, *more = (*given.given, "")
    return PersonName(
        family=given.family, given=first, middle=" ".join(filter(None, more)), prefix=" ".join(given.prefix),
        suffix=" ".join(given.suffix),
    )  # fmt: skip


def _media_type(form: received.Attachment) -> str:
    return form.contentType.partition(";")[0].strip().lower()


def _as_text(form: received.Attachment) -> str:
    text = _decoded(form).decode("utf-8", errors="replace").strip()
    return text if _media_type(form) == "text/plain" else words(text)


def _decoded(form: received.Attachment) -> bytes:
    try:
        return b64decode("".join(form.data.split()), validate=True)
    except (binascii.Error, ValueError):
        raise NotAReport("presentedForm.data is not base64.") from None


def _without_nulls(element: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in element.items() if value is not None}
