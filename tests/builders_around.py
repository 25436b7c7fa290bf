"""A result with everything that radflow publishes: visit, places, findings, documents, sources."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from mappings.dicom.sr import read_structured_report
from mappings.fhir.provenance import SourceMessage
from mappings.fhir.result import Around
from mappings.fhir.transaction import result_transaction
from radflow.model import (
    Address,
    Attachment,
    CodedConcept,
    Identifier,
    Location,
    Order,
    OrderDetails,
    Organization,
    PersonName,
    Practitioner,
    Report,
    ReportedObservation,
    Study,
    Telecom,
    Visit,
)
from radflow.order import State
from tests.builders_result import a_full_order, a_report, a_study
from tests.builders_sr import ct_dose_report, key_object, measurement_report

STUDY = "1.2.3.80"
NODULE = CodedConcept(code="RID3875", display="nodule", system="RADLEX")
MM = CodedConcept(code="mm", display="millimeter", system="UCUM")


def a_physician(number: str, family: str) -> Practitioner:
    return Practitioner(
        identifier=Identifier(value=number, assigner="HOSP"), name=PersonName(given="Kim", family=family)
    )


def an_order_with_everything(number: str = "P1", **changes: object) -> Order:
    """In hospital, asked for by a physician of a named facility."""
    order = a_full_order(number)
    patient = order.patient.model_copy(
        update={
            "other_names": (PersonName(family="Sato", given="Tarou"),),
            "mothers_maiden_name": PersonName(family="Suzuki"),
            "addresses": (
                Address(street="1 Elm St", city="Town", postal_code="12345", country="DE", type="H"),
            ),
            "home_telecoms": (Telecom(value="+49891", use="PRN", equipment="CP"),),
            "business_telecoms": (Telecom(value="y@example.org", use="NET"),),
            "language": CodedConcept(code="JA"),
            "marital_status": CodedConcept(code="M"),
            "died_at": datetime(2026, 11, 30, tzinfo=UTC),
            "primary_care_physician": a_physician("D5", "Family"),
        }
    )
    return order.model_copy(
        update={
            "patient": patient,
            "patient_class": "I",
            "visit_number": Identifier(value="V1", assigner="HOSP"),
            "referring_physician": a_physician("D6", "Refer"),
            "visit": Visit(
                location=Location(point_of_care="W1", room="101", bed="A", facility="HOSP"),
                attending_physician=a_physician("D1", "Attend"),
                consulting_physicians=(a_physician("D2", "Consult"), Practitioner()),
                admitting_physician=Practitioner(name=PersonName(family="Nameonly")),
                admitted_at=datetime(2026, 11, 23, 8, tzinfo=UTC),
            ),
            "details": OrderDetails(
                group_number=Identifier(value="G1", assigner="EHR"),
                reasons=(CodedConcept(code="R05", display="Cough", system="I10"),),
                clinical_information="Smoker",
                procedure_modifiers=(CodedConcept(code="LOWDOSE", display="Low dose", system="L"),),
                notes=("Claustrophobic",),
                callback=(Telecom(value="089 4711", equipment="PH"),),
                entered_by=a_physician("E1", "Clerk"),
                verified_by=a_physician("N1", "Nurse"),
                status_reason=CodedConcept(display="Urgent"),
                ordering_facility=Organization(name="City Hospital", addresses=(Address(city="Town"),)),
                confidentiality=CodedConcept(code="R", system="HL70177"),
            ),
            **changes,
        }
    )


def a_structured_report_of_obx(**changes: object) -> Report:
    """A corrected report with numbers, codes, a PDF and a CDA."""

    def obx(value_type: str, **values: object) -> ReportedObservation:
        name = f"{value_type}-{len(values)}"
        return ReportedObservation(
            code=CodedConcept(code=name, display=name, system="L"),
            value_type=value_type,
            status="F",
            **values,
        )

    return a_report(
        status="C",
        ended=datetime(2026, 11, 24, 11, 0, tzinfo=UTC),
        technicians=(a_physician("T1", "Tech"),),
        transcriptionists=(Practitioner(name=PersonName(family="Scribe")),),
        notes=("Compared with 2025.",),
        attachments=(
            Attachment(content_type="application/pdf", data="JVBERi0x"),
            Attachment(content_type="text/xml", data="PENsaW5pY2FsRG9jdW1lbnQvPg=="),
        ),
        observations=(
            obx("NM", number=Decimal("12.50"), unit=MM, reference_range="<10",
                interpretations=(CodedConcept(code="H"),),
                body_site=CodedConcept(code="39607008", display="Lung", system="SCT"),
                method=CodedConcept(code="CAL", display="Caliper", system="L"), notes=("twice",),
                device=Identifier(value="CT7", assigner="RAD"), observer=a_physician("R8", "Reader"),
                organization=CodedConcept(code="RAD", display="Radiology", system="L")),
            obx("SN", comparator=">", number=Decimal(3), unit=MM),
            obx("SN", number=Decimal(1), separator="-", second_number=Decimal(3), unit=MM),
            obx("SN", number=Decimal(1), separator=":", second_number=Decimal(128)),
            obx("CWE", codes=(NODULE, CodedConcept(code="N", system="L"))),
            obx("DT", day="2026-11"),
            obx("TM", time_of_day="10:15:00"),
            obx("NA", numbers=(Decimal(1), Decimal("2.5")), unit=MM),
            obx("NM"),
        ),
    ).model_copy(update=changes)  # fmt: skip


def everything_around(**changes: Any) -> Around:
    """SR documents of the study, where its archive can be reached, and the messages."""
    documents = [measurement_report(STUDY), ct_dose_report(STUDY), key_object(STUDY)]
    received = datetime(2026, 11, 24, 8, tzinfo=UTC)
    given = {
        "structured_reports": [read_structured_report(one, ZoneInfo("UTC")) for one in documents],
        "endpoints": {"pacs": "https://archive.example/dicom-web"},
        "order_messages": [SourceMessage("M1", "EHR|HOSP", "OMI^O23", received)],
        "result_messages": [SourceMessage("R1", "RIS|HOSP", "ORU^R01", received)],
    }
    return Around(**(given | changes))


def everything(
    order: Order | None = None,
    studies: tuple[Study, ...] | None = None,
    report: Report | None = None,
    around: Around | None = None,
    state: State = State.REPORTED,
) -> dict[str, Any]:
    """The transaction of it all."""
    return result_transaction(
        order or an_order_with_everything(),
        studies if studies is not None else (a_study(STUDY),),
        report or a_structured_report_of_obx(),
        state=state,
        identifier_system="urn:radflow",
        around=around or everything_around(),
    )


def resources(transaction: dict[str, Any], resource_type: str) -> list[dict[str, Any]]:
    """Those of one type."""
    found = (entry["resource"] for entry in transaction["entry"])
    return [one for one in found if one["resourceType"] == resource_type]
