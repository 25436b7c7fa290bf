"""Ready-made results for tests: an order with everything in it, its study and its report."""

from datetime import UTC, date, datetime, timedelta

from mappings.warehouse import Event, Life
from radflow.model import (
    Attachment,
    CodedConcept,
    Identifier,
    Instance,
    Order,
    Patient,
    PersonName,
    Practitioner,
    Report,
    ScheduledProcedureStep,
    Series,
    Study,
)
from radflow.order import State
from tests.builders import an_order

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"


def a_full_order(number: str = "P1", **changes: object) -> Order:
    """A STAT order with every value that FHIR has a place for."""
    full: dict[str, object] = {
        "filler_order_number": Identifier(value="F1", assigner="1.2.276.0.76"),
        "procedure": CodedConcept(code="24627-2", display="CT Chest", system="LN"),
        "reason": "Cough for three weeks",
        "priority": "STAT",
        "patient": Patient(
            identifiers=(
                Identifier(value="4711", assigner="HOSP"),
                Identifier(value="0815", assigner="http://other.example/mrn"),
            ),
            name=PersonName(
                family="Yamada", given="Tarou", ideographic="山田^太郎", phonetic="やまだ^たろう"
            ),
            birth_date=date(1970, 3, 31),
            sex="M",
        ),
        "requesting_physician": Practitioner(
            identifier=Identifier(value="D7", assigner="HOSP"),
            name=PersonName(prefix="Dr.", given="Ann", family="Miller"),
        ),
        "requested_at": datetime(2026, 11, 24, 8, 0, tzinfo=UTC),
        "steps": (
            ScheduledProcedureStep(
                step_id="S1", modality="CT", start=datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
            ),
        ),
    }
    return an_order(number, **(full | changes))


def a_study(uid: str = "1.2.3.80", **changes: object) -> Study:
    """A CT of one series with two instances."""
    study = Study(
        study_instance_uid=uid,
        archive="pacs",
        accession_number="AP1",
        description="CT chest",
        started=datetime(2026, 11, 24, 10, 41, 7, tzinfo=UTC),
        modalities=("CT",),
        series=(
            Series(
                series_instance_uid=f"{uid}.1",
                modality="CT",
                number=2,
                description="Lung 1.0",
                body_part="CHEST",
                laterality="L",
                started=datetime(2026, 11, 24, 10, 42, tzinfo=UTC),
                instances=tuple(
                    Instance(sop_instance_uid=f"{uid}.1.{n}", sop_class_uid=CT_IMAGE, number=n)
                    for n in (1, 2)
                ),
            ),
        ),
    )
    return study.model_copy(update=changes)


def a_report(**changes: object) -> Report:
    """A final report with a PDF."""
    report = Report(
        site="main",
        accession_number="AP1",
        status="F",
        code=CodedConcept(code="24627-2", display="CT Chest", system="LN"),
        issued=datetime(2026, 11, 24, 12, 0, tzinfo=UTC),
        observed=datetime(2026, 11, 24, 10, 41, tzinfo=UTC),
        interpreter=Practitioner(
            identifier=Identifier(value="R9"), name=PersonName(given="Rolf", family="Röntgen")
        ),
        text="FINDINGS: clear lungs.\nIMPRESSION: no pneumonia.",
        attachments=(Attachment(content_type="application/pdf", data="JVBERi0x\r\nLjQK"),),
    )
    return report.model_copy(update=changes)


def a_life(number: str, now: datetime, **changes: object) -> Life:
    """All that is known of a reported order: acquired after an hour, reported after three."""
    usual: dict[str, object] = {
        "order": a_full_order(number),
        "state": State.REPORTED,
        "reached": {
            "received": now,
            "acquired": now + timedelta(hours=1),
            "reported": now + timedelta(hours=3),
        },
        "events": [Event(1, "order-received", None, now, "message:1")],
        "studies": [a_study()],
        "reports": [(now + timedelta(hours=3), a_report())],
        "report": a_report(),
        "documents": [],
        "attention": False,
        "updated_at": now,
    }
    return Life(**(usual | changes))  # type: ignore[arg-type]
