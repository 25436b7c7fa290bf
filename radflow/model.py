"""What radflow knows of a patient, an order, a report and a study: plain values without I/O.

The names are the standards' own. Every time is an aware UTC `datetime`; mappings turn HL7 and DICOM
local times into UTC with the site's time zone. All values are immutable, compare by content (that is
how a replayed message is known to change nothing) and travel to and from JSON.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """An immutable value that compares by content."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Identifier(Value):
    """A value and who assigned it: HL7 CX-1/CX-4 and EI-1/EI-2 (v2.5.1 ch. 2A), Issuer in DICOM."""

    value: str
    assigner: str = ""
    type: str = ""
    """Identifier type (CX-5), HL7 table 0203: MR, PI, SS, VN, …; empty when not sent."""

    def names_the_same_as(self, other: "Identifier") -> bool:
        """Whether both are one number of one assigner; the type only describes it."""
        return (self.value, self.assigner) == (other.value, other.assigner)


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


class Address(Value):
    """HL7 XAD (v2.5.1 §2A.87)."""

    street: str = ""
    other: str = ""
    """Other designation (XAD-2): flat, building, care of."""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    country: str = ""
    type: str = ""
    """HL7 table 0190: H home, B business, C current, M mailing, …"""


class Telecom(Value):
    """HL7 XTN (v2.5.1 §2A.89): a telephone number or an e-mail address."""

    value: str
    use: str = ""
    """HL7 table 0201: PRN primary residence, WPN work, ORN other residence, NET e-mail, …"""
    equipment: str = ""
    """HL7 table 0202: PH telephone, CP cellular, FX fax, Internet, …"""


class Patient(Value):
    """HL7 PID and PD1; the first identifier is the one that names the patient here (PID-3)."""

    identifiers: tuple[Identifier, ...]
    name: PersonName = PersonName()
    birth_date: date | None = None
    sex: str = ""
    """HL7 table 0001: F, M, O, U, A, N; empty when not sent."""
    other_names: tuple[PersonName, ...] = ()
    """Aliases, maiden and former names: the later repetitions of PID-5."""
    mothers_maiden_name: PersonName = PersonName()
    addresses: tuple[Address, ...] = ()
    home_telecoms: tuple[Telecom, ...] = ()
    """PID-13."""
    business_telecoms: tuple[Telecom, ...] = ()
    """PID-14."""
    language: CodedConcept = CodedConcept()
    marital_status: CodedConcept = CodedConcept()
    """HL7 table 0002."""
    account_number: Identifier | None = None
    deceased: bool | None = None
    """PID-30; None when not sent."""
    died_at: datetime | None = None
    primary_care_physician: Practitioner = Practitioner()


class Organization(Value):
    """HL7 XON (v2.5.1 §2A.88), with the address and telephone that stand beside it."""

    name: str = ""
    identifier: Identifier | None = None
    """XON-10, or else XON-3, with its assigning authority (XON-6)."""
    addresses: tuple[Address, ...] = ()
    telecoms: tuple[Telecom, ...] = ()


class Location(Value):
    """Where a patient is or is assigned to: HL7 PL (v2.5.1 §2A.53)."""

    point_of_care: str = ""
    room: str = ""
    bed: str = ""
    facility: str = ""
    building: str = ""
    floor: str = ""
    description: str = ""


class Visit(Value):
    """A patient's stay or visit: HL7 PV1."""

    number: Identifier | None = None
    patient_class: str = ""
    """HL7 table 0004: E emergency, I inpatient, O outpatient, P preadmit, …"""
    location: Location = Location()
    attending_physician: Practitioner = Practitioner()
    referring_physician: Practitioner = Practitioner()
    consulting_physicians: tuple[Practitioner, ...] = ()
    admitting_physician: Practitioner = Practitioner()
    admitted_at: datetime | None = None
    discharged_at: datetime | None = None


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


class OrderDetails(Value):
    """What ORC, OBR, NTE and TQ1 say of an order beside what is needed to carry it out."""

    group_number: Identifier | None = None
    """Placer group number (ORC-4): of the orders that were placed together."""
    alternate_placer_number: Identifier | None = None
    """ORC-33, OBR-53."""
    reasons: tuple[CodedConcept, ...] = ()
    """Those of the reasons for study (OBR-31) that have a code."""
    clinical_information: str = ""
    """Relevant clinical information (OBR-13), where it is not the reason itself."""
    procedure_modifiers: tuple[CodedConcept, ...] = ()
    """OBR-45; supplemental service information, OBR-46 and OBR-47."""
    notes: tuple[str, ...] = ()
    """NTE-3 under ORC, OBR or TQ1, and TQ1-11."""
    callback: tuple[Telecom, ...] = ()
    """Order callback phone number (OBR-17, ORC-14)."""
    entered_by: Practitioner = Practitioner()
    """ORC-10."""
    verified_by: Practitioner = Practitioner()
    """ORC-11."""
    entering_organization: CodedConcept = CodedConcept()
    """ORC-17."""
    status_reason: CodedConcept = CodedConcept()
    """Order control code reason (ORC-16)."""
    ordering_facility: Organization = Organization()
    """ORC-21, ORC-22, ORC-23."""
    confidentiality: CodedConcept = CodedConcept()
    """ORC-28."""


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
    visit: Visit | None = None
    """What PV1 says beside patient_class, visit_number, referring_physician; None where it says no more."""
    details: OrderDetails = OrderDetails()

    @property
    def modality(self) -> str:
        """Modality (0008,0060) of the first scheduled step."""
        return self.steps[0].modality


class Attachment(Value):
    """A document inside a report: HL7 ED (OBX-5), base64 as it was sent."""

    content_type: str
    data: str


class ReportedObservation(Value):
    """A structured OBX (v2.5.1 §7.4.2): a number, a code, a time, and what qualifies it."""

    code: CodedConcept
    """OBX-3."""
    sub_id: str = ""
    """OBX-4."""
    value_type: str
    """OBX-2, HL7 table 0125: NM, SN, CE, CWE, CNE, CF, DT, TM, TS, DTM, NA."""
    number: Decimal | None = None
    """NM, and the first number of SN (SN-2)."""
    numbers: tuple[Decimal, ...] = ()
    """NA, or the repetitions of an NM."""
    comparator: str = ""
    """SN-1: <, >, <=, >=, = or <>."""
    separator: str = ""
    """SN-3: - for a range, / or : for a ratio, + for a count that stops there (2+)."""
    second_number: Decimal | None = None
    """SN-4."""
    codes: tuple[CodedConcept, ...] = ()
    """CE, CWE, CNE, CF: every repetition, and the alternate code after each."""
    moment: datetime | None = None
    """TS, DTM with a time of day, UTC."""
    day: str = ""
    """DT, TS, DTM to the day, month or year only: `2026-11-24`, `2026-11`, `2026`."""
    time_of_day: str = ""
    """TM: `10:15:00`."""
    text: str = ""
    """The value as it was sent, where it cannot be read as what OBX-2 says."""
    unit: CodedConcept = CodedConcept()
    """OBX-6."""
    reference_range: str = ""
    """OBX-7, as it was sent."""
    interpretations: tuple[CodedConcept, ...] = ()
    """OBX-8, HL7 table 0078: H, L, N, …"""
    status: str = ""
    """OBX-11, HL7 table 0085."""
    observed: datetime | None = None
    """OBX-14."""
    organization: CodedConcept = CodedConcept()
    """Producer's ID (OBX-15), or else the performing organization (OBX-23)."""
    observer: Practitioner = Practitioner()
    """OBX-16."""
    method: CodedConcept = CodedConcept()
    """OBX-17."""
    device: Identifier | None = None
    """OBX-18."""
    body_site: CodedConcept = CodedConcept()
    """OBX-20."""
    identifier: Identifier | None = None
    """OBX-21."""
    notes: tuple[str, ...] = ()
    """NTE-3 after the OBX."""


class Report(Value):
    """One version of a radiology report: HL7 ORU^R01 of one OBR with its OBX."""

    source: Literal["hl7", "fhir", "sr"] = "hl7"
    """What has brought it: ORU^R01, a FHIR DiagnosticReport, a DICOM SR document."""
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
    """The narrative, a line for each OBX-5 repetition of type TX, FT or ST; addenda at its end."""
    addenda: tuple[str, ...] = ()
    """The addenda that `text` ends with, first come first."""
    attachments: tuple[Attachment, ...] = ()
    observations: tuple[ReportedObservation, ...] = ()
    """OBX of the types that are no text and no document."""
    ended: datetime | None = None
    """When the examination was over (OBR-8)."""
    section: str = ""
    """Diagnostic service section (OBR-24), HL7 table 0074."""
    assistant_interpreters: tuple[Practitioner, ...] = ()
    """OBR-33."""
    technicians: tuple[Practitioner, ...] = ()
    """OBR-34."""
    transcriptionists: tuple[Practitioner, ...] = ()
    """OBR-35."""
    notes: tuple[str, ...] = ()
    """NTE-3 before the first OBX."""
    appended: bool = False
    """An addendum is in it: an OBX-3 with suffix ADT, or OBX-11 B."""
    withdrawn: bool = False
    """Every result is deleted or posted as wrong (OBX-11 D, W)."""

    def text_without(self, addenda: tuple[str, ...]) -> str:
        """The text before these addenda, with which it ends."""
        return self.text.removesuffix("\n".join(addenda)).removesuffix("\n") if addenda else self.text


class Instance(Value):
    """A SOP instance: DICOM PS3.3 table C.12-1."""

    sop_instance_uid: str
    sop_class_uid: str = ""
    number: int | None = None
    title: str = ""
    """Document Title (0042,0010), Concept Name (0040,A043) in words, or Content Label (0070,0080)."""


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
    performers: tuple[Practitioner, ...] = ()
    """Operators' Name (0008,1070), with Operator Identification (0008,1072)."""
    instances: tuple[Instance, ...] = ()


class Study(Value):
    """A study as an archive shows it: DICOM PS3.3 table C.7-3."""

    study_instance_uid: str
    archive: str
    accession_number: str = ""
    accession_assigner: str = ""
    """Issuer of Accession Number (0008,0051): its universal or else its local entity ID."""
    patient_id: str = ""
    description: str = ""
    started: datetime | None = None
    modalities: tuple[str, ...] = ()
    referring_physician: Practitioner = Practitioner()
    """(0008,0090), with its Identification Sequence (0008,0096)."""
    readers: tuple[Practitioner, ...] = ()
    """Name of Physicians Reading Study (0008,1060), with (0008,1062)."""
    procedure_codes: tuple[CodedConcept, ...] = ()
    """Procedure Code Sequence (0008,1032)."""
    reasons: tuple[CodedConcept, ...] = ()
    """Reason for the Requested Procedure, coded (0040,100A)."""
    department: str = ""
    """Institutional Department Name (0008,1040)."""
    number_of_series: int | None = None
    """Number of Study Related Series (0020,1206); None where the archive does not tell it."""
    number_of_instances: int | None = None
    """Number of Study Related Instances (0020,1208); None where the archive does not tell it."""
    available: bool = True
    """Whether an archive still has it."""
    series: tuple[Series, ...] = ()
    """Empty in the answer of a sweep, which asks at study level only."""
