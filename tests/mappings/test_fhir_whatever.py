"""Whatever a sender writes, what is published is valid: odd characters, half a value, unknown codes."""

from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from radflow.connectors.fhir import check
from radflow.model import (
    Address,
    CodedConcept,
    Identifier,
    Location,
    Organization,
    PersonName,
    Practitioner,
    ReportedObservation,
    Series,
    Telecom,
    Visit,
)
from tests.builders_around import (
    STUDY,
    a_structured_report_of_obx,
    an_order_with_everything,
    everything,
    everything_around,
)
from tests.builders_result import a_study

words = st.text(max_size=8)
concepts = st.builds(CodedConcept, code=words, display=words, system=words)
numbers = st.builds(Identifier, value=words, assigner=words, type=words)
people = st.builds(
    Practitioner, identifier=st.none() | numbers, name=st.builds(PersonName, family=words, given=words)
)
telecoms = st.builds(Telecom, value=words, use=words, equipment=words)
addresses = st.builds(Address, street=words, city=words, type=words)
AROUND = everything_around()

ODD = "\x00"
ODD_CONCEPT = CodedConcept(code=ODD, display=ODD, system=ODD)
ODD_NUMBER = Identifier(value=ODD, assigner=ODD, type=ODD)
ODD_PERSON = Practitioner(identifier=ODD_NUMBER, name=PersonName(family=ODD))


def empty_parts(value: Any) -> list[Any]:
    parts = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    own = [value] if value in (None, "", [], {}) else []
    return [*own, *(empty for part in parts for empty in empty_parts(part))]


@example(ODD, ODD_CONCEPT, ODD_NUMBER, ODD_PERSON, Telecom(value=ODD), Address(city=ODD))
@example(" ", CodedConcept(code=" "), Identifier(value=" "), Practitioner(), Telecom(value=" "), Address())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(words, concepts, numbers, people, telecoms, addresses)
def test_whatever_is_sent_what_is_published_is_valid(
    text: str,
    concept: CodedConcept,
    number: Identifier,
    person: Practitioner,
    telecom: Telecom,
    address: Address,
) -> None:
    """Every field of an order, its visit, patient, report and study filled with the same oddity."""
    order = an_order_with_everything()
    details = order.details.model_copy(
        update={
            "group_number": number, "alternate_placer_number": number, "reasons": (concept,),
            "clinical_information": text, "procedure_modifiers": (concept,), "notes": (text,),
            "callback": (telecom,), "entered_by": person, "verified_by": person,
            "entering_organization": concept, "status_reason": concept, "confidentiality": concept,
            "ordering_facility": Organization(
                name=text, identifier=number, addresses=(address,), telecoms=(telecom,)
            ),
        }
    )  # fmt: skip
    patient = order.patient.model_copy(
        update={
            "identifiers": (*order.patient.identifiers, number), "addresses": (address,),
            "home_telecoms": (telecom,), "language": concept, "marital_status": concept,
            "primary_care_physician": person,
        }
    )  # fmt: skip
    visit = Visit(location=Location(room=text), attending_physician=person, admitting_physician=person)
    odd = order.model_copy(
        update={
            "details": details, "patient": patient, "visit": visit, "visit_number": number,
            "patient_class": text, "requesting_physician": person, "placer_order_number": number,
        }
    )  # fmt: skip
    observation = ReportedObservation(
        code=concept, sub_id=text, value_type="CWE", codes=(concept,), text=text, unit=concept,
        reference_range=text, interpretations=(concept,), status=text, organization=concept, observer=person,
        method=concept, device=number, body_site=concept, identifier=number, notes=(text,),
    )  # fmt: skip
    numeric = observation.model_copy(update={"number": Decimal("1e3"), "comparator": text, "separator": text})
    report = a_structured_report_of_obx(
        observations=(observation, numeric), section=text, technicians=(person,), notes=(text,)
    )
    series = Series(series_instance_uid="1.2", body_part=text, performers=(person,))
    study = a_study(
        STUDY, department=text, readers=(person,), procedure_codes=(concept,), reasons=(concept,),
        accession_assigner=text, series=(series,),
    )  # fmt: skip
    transaction = everything(odd, (study,), report, AROUND)
    check(transaction)
    assert not empty_parts(transaction)
