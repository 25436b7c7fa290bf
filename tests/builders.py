"""Ready-made values for tests: change what the test is about, take the rest as it is."""

from radflow.model import CodedConcept, Identifier, Order, Patient, PersonName, ScheduledProcedureStep
from radflow.order import order_key


def an_order(number: str = "P1", **changes: object) -> Order:
    """An order for a CT of the chest under this placer order number."""
    order = Order(
        key=order_key("main", "EHR", number),
        site="main",
        placer_order_number=Identifier(value=number, assigner="EHR"),
        accession_number=f"A{number}",
        study_instance_uid=f"1.2.3.{number.encode().hex()}",
        requested_procedure_id=f"RP{number}",
        procedure=CodedConcept(code="CTCHEST", display="CT chest", system="L"),
        patient=Patient(
            identifiers=(Identifier(value="4711", assigner="HOSP"),),
            name=PersonName(family="Müller", given="Åse"),
        ),
        steps=(ScheduledProcedureStep(step_id="S1", modality="CT"),),
    )
    return order.model_copy(update=changes)
