"""FHIR R4 resources as others send them: the parts that are read, and nothing else is looked at.

More lenient than the models that we publish by: what a server adds of its own is no reason to lose a report.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


class Received(BaseModel):
    """Elements in FHIR's own names."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def _whole(sent: Any) -> Any:
    """A dateTime may be a year, a month or a day (R4 §2.24.0.1): the earliest it can be."""
    return f"{sent}-01-01"[:10] if isinstance(sent, str) and "T" not in sent else sent


def _aware(moment: datetime) -> datetime:
    """A time without an offset, which FHIR does not allow, is UTC."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


Moment = Annotated[datetime, BeforeValidator(_whole), AfterValidator(_aware)]


class Coding(Received):
    system: str = ""
    code: str = ""
    display: str = ""


class CodeableConcept(Received):
    coding: tuple[Coding, ...] = ()
    text: str = ""


class Identifier(Received):
    system: str = ""
    value: str = ""
    type: CodeableConcept = CodeableConcept()

    @property
    def kind(self) -> str:
        """PLAC, FILL, ACSN, …: its type's code (HL7 table 0203)."""
        return next((coding.code for coding in self.type.coding if coding.code), "")


class Extension(Received):
    url: str
    valueCodeableConcept: CodeableConcept = CodeableConcept()  # noqa: N815 (FHIR's name)


class Reference(Received):
    reference: str = ""
    identifier: Identifier = Identifier()
    display: str = ""
    extension: tuple[Extension, ...] = ()


class Period(Received):
    start: Moment | None = None
    end: Moment | None = None


class Quantity(Received):
    value: Decimal | None = None
    comparator: str = ""
    unit: str = ""
    system: str = ""
    code: str = ""


class Range(Received):
    low: Quantity = Quantity()
    high: Quantity = Quantity()


class Ratio(Received):
    numerator: Quantity = Quantity()
    denominator: Quantity = Quantity()


class Attachment(Received):
    contentType: str = ""  # noqa: N815
    data: str = ""
    url: str = ""
    title: str = ""


class HumanName(Received):
    family: str = ""
    given: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()
    suffix: tuple[str, ...] = ()
    text: str = ""


class Narrative(Received):
    div: str = ""


class Annotation(Received):
    text: str = ""


class Meta(Received):
    versionId: str = ""  # noqa: N815
    lastUpdated: Moment | None = None  # noqa: N815


class Resource(Received):
    resourceType: str  # noqa: N815
    id: str = ""
    meta: Meta = Meta()
    identifier: tuple[Identifier, ...] = ()


class Person(Resource):
    """Practitioner; of a PractitionerRole, who it is."""

    name: tuple[HumanName, ...] = ()
    practitioner: Reference = Reference()


class ReferenceRange(Received):
    text: str = ""
    low: Quantity = Quantity()
    high: Quantity = Quantity()


class ObservationValue(Received):
    """value[x], with what qualifies it."""

    code: CodeableConcept = CodeableConcept()
    valueQuantity: Quantity | None = None  # noqa: N815
    valueCodeableConcept: CodeableConcept | None = None  # noqa: N815
    valueString: str = ""  # noqa: N815
    valueBoolean: bool | None = None  # noqa: N815
    valueInteger: int | None = None  # noqa: N815
    valueRange: Range | None = None  # noqa: N815
    valueRatio: Ratio | None = None  # noqa: N815
    valueTime: str = ""  # noqa: N815
    valueDateTime: str = ""  # noqa: N815
    interpretation: tuple[CodeableConcept, ...] = ()
    referenceRange: tuple[ReferenceRange, ...] = ()  # noqa: N815


class Observation(Resource, ObservationValue):
    resourceType: Literal["Observation"]  # noqa: N815
    status: str = ""
    effectiveDateTime: Moment | None = None  # noqa: N815
    performer: tuple[Reference, ...] = ()
    note: tuple[Annotation, ...] = ()
    bodySite: CodeableConcept = CodeableConcept()  # noqa: N815
    method: CodeableConcept = CodeableConcept()
    device: Reference = Reference()
    component: tuple[ObservationValue, ...] = ()
    hasMember: tuple[Reference, ...] = ()  # noqa: N815


class DiagnosticReport(Resource):
    resourceType: Literal["DiagnosticReport"]  # noqa: N815
    id: str = Field(min_length=1)
    status: str
    contained: tuple[dict[str, Any], ...] = ()
    text: Narrative = Narrative()
    basedOn: tuple[Reference, ...] = ()  # noqa: N815
    category: tuple[CodeableConcept, ...] = ()
    code: CodeableConcept = CodeableConcept()
    subject: Reference = Reference()
    effectiveDateTime: Moment | None = None  # noqa: N815
    effectivePeriod: Period = Period()  # noqa: N815
    issued: Moment | None = None
    performer: tuple[Reference, ...] = ()
    resultsInterpreter: tuple[Reference, ...] = ()  # noqa: N815
    result: tuple[Reference, ...] = ()
    imagingStudy: tuple[Reference, ...] = ()  # noqa: N815
    conclusion: str = ""
    conclusionCode: tuple[CodeableConcept, ...] = ()  # noqa: N815
    presentedForm: tuple[Attachment, ...] = ()  # noqa: N815
