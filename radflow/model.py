"""What radflow knows of a patient, an order, a report and a study: plain values without I/O.

The names are the standards' own. Every time is an aware UTC `datetime`; mappings turn HL7 and DICOM
local times into UTC with the site's time zone. All values are immutable, compare by content (that is
how a replayed message is known to change nothing) and travel to and from JSON.
"""

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """An immutable value that compares by content."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Identifier(Value):
    """A value and who assigned it: HL7 CX-1/CX-4 and EI-1/EI-2 (v2.5.1 ch. 2A), Issuer in DICOM."""

    value: str
    assigner: str = ""


class CodedConcept(Value):
    """HL7 CE/CWE (identifier, text, coding system) and DICOM code sequence item (PS3.3 §8)."""

    code: str = ""
    display: str = ""
    system: str = ""


class PersonName(Value):
    """A name by its parts: HL7 XPN/XCN and DICOM PN (PS3.5 §6.2.1).

    `ideographic` and `phonetic` are whole PN component groups (`山田^太郎`), as HL7 gives them in
    repetitions with name representation code I and P (XPN-8).
    """

    family: str = ""
    given: str = ""
    middle: str = ""
    prefix: str = ""
    suffix: str = ""
    ideographic: str = ""
    phonetic: str = ""


class Practitioner(Value):
    """A physician: HL7 XCN, the identifier being XCN-1 with its assigning authority XCN-9."""

    identifier: Identifier | None = None
    name: PersonName = PersonName()


class Patient(Value):
    """HL7 PID; the first identifier is the one that names the patient here (PID-3)."""

    identifiers: tuple[Identifier, ...]
    name: PersonName = PersonName()
    birth_date: date | None = None
    sex: str = ""
    """HL7 table 0001: F, M, O, U, A, N; empty when not sent."""


class ScheduledProcedureStep(Value):
    """One step on the worklist: DICOM PS3.4 table K.6-1, HL7 IPC-4…9 or OBR/ZDS."""

    step_id: str
    """Scheduled Procedure Step ID (0040,0009), SH: 16 characters at most."""
    modality: str
    start: datetime | None = None
    station_aet: tuple[str, ...] = ()
    station_name: str = ""
    location: str = ""
    protocol: CodedConcept = CodedConcept()
    performing_physician: Practitioner = Practitioner()


class Order(Value):
    """An imaging service request with its one requested procedure, as IHE RAD-2/RAD-4 carry it."""

    key: str
    """Names the order everywhere outside the store: made by `order_key`, free of patient data."""
    site: str
    placer_order_number: Identifier | None = None
    filler_order_number: Identifier | None = None
    accession_number: str
    """Accession Number (0008,0050), SH: 16 characters at most."""
    study_instance_uid: str
    requested_procedure_id: str
    procedure: CodedConcept
    reason: str = ""
    priority: str = ""
    """Requested Procedure Priority (0040,1003): STAT, HIGH, ROUTINE, MEDIUM, LOW; empty when not sent."""
    patient: Patient
    patient_class: str = ""
    """HL7 table 0004 (PV1-2)."""
    visit_number: Identifier | None = None
    requesting_physician: Practitioner = Practitioner()
    referring_physician: Practitioner = Practitioner()
    requested_at: datetime | None = None
    steps: tuple[ScheduledProcedureStep, ...]

    @property
    def modality(self) -> str:
        """Modality (0008,0060) of the first scheduled step."""
        return self.steps[0].modality


class Attachment(Value):
    """A document inside a report: HL7 ED (OBX-5), base64 as it was sent."""

    content_type: str
    data: str


class Report(Value):
    """One version of a radiology report: HL7 ORU^R01 of one OBR with its OBX."""

    site: str
    placer_order_number: Identifier | None = None
    filler_order_number: Identifier | None = None
    accession_number: str = ""
    study_instance_uid: str = ""
    status: str
    """Result status (OBR-25, HL7 table 0123): P preliminary, F final, C corrected, …"""
    code: CodedConcept
    issued: datetime | None = None
    """When the report was issued (OBR-22)."""
    observed: datetime | None = None
    """When the examination took place (OBR-7)."""
    interpreter: Practitioner = Practitioner()
    text: str = ""
    """The narrative, a line for each OBX-5 repetition of type TX, FT or ST."""
    attachments: tuple[Attachment, ...] = ()


class Instance(Value):
    """A SOP instance: DICOM PS3.3 table C.12-1."""

    sop_instance_uid: str
    sop_class_uid: str = ""
    number: int | None = None


class Series(Value):
    """DICOM PS3.3 table C.7-5a, with its instances where the archive tells them."""

    series_instance_uid: str
    modality: str = ""
    number: int | None = None
    description: str = ""
    body_part: str = ""
    """Body Part Examined (0018,0015)."""
    laterality: str = ""
    """Laterality (0020,0060): R or L."""
    started: datetime | None = None
    instances: tuple[Instance, ...] = ()


class Study(Value):
    """A study as an archive shows it: DICOM PS3.3 table C.7-3."""

    study_instance_uid: str
    archive: str
    accession_number: str = ""
    patient_id: str = ""
    description: str = ""
    started: datetime | None = None
    modalities: tuple[str, ...] = ()
    series: tuple[Series, ...] = ()
    """Empty in the answer of a sweep, which asks at study level only."""
