"""Single resources where the golden transaction does not reach."""

from datetime import UTC, datetime

from mappings.fhir.diagnostic_report import diagnostic_report
from mappings.fhir.imaging_study import imaging_study
from mappings.fhir.patient import patient
from mappings.fhir.service_request import service_request
from radflow.model import CodedConcept, Instance, PersonName, Practitioner, Report, Series, Study
from radflow.order import State
from tests.builders import an_order
from tests.builders_result import CT_IMAGE, a_report, a_study


def image(study: Study) -> dict[str, object]:
    return imaging_study(study, an_order(), subject="Patient/1", based_on="ServiceRequest/1", base="urn:x")


def report(sent: Report, *studies: Study) -> dict[str, object]:
    return diagnostic_report(
        sent,
        an_order(),
        studies,
        subject="Patient/1",
        based_on="ServiceRequest/1",
        imaging_studies=[],
        base="urn:x",
    )


def test_one_representation_needs_no_mark() -> None:
    """A name in Latin letters alone has no extension."""
    (name,) = patient(an_order().patient, "urn:x")["name"]
    assert name == {"use": "official", "family": "Müller", "given": ["Åse"]}


def test_who_refers_stands_in_for_who_requests() -> None:
    """Without an ordering provider the referring physician is the requester."""
    order = an_order(referring_physician=Practitioner(name=PersonName(given="Ann", family="Miller")))
    resource = service_request(order, State.CANCELLED, subject="Patient/1", base="urn:x")
    assert resource["requester"]["display"] == "Ann Miller"
    assert resource["status"] == "revoked"


def test_a_local_code_has_a_system_of_the_site() -> None:
    """HL7's `L` says whose code it is only within the site."""
    resource = service_request(an_order(), State.WORKLISTED, subject="Patient/1", base="urn:x")
    assert resource["code"] == {
        "coding": [{"system": "urn:x:L", "code": "CTCHEST", "display": "CT chest"}],
        "text": "CT chest",
    }


def test_counts_that_the_archive_has_not_told_are_left_out() -> None:
    """A study known at study level only claims no numbers."""
    resource = image(a_study(series=()))
    assert not {"numberOfSeries", "numberOfInstances", "series"} & resource.keys()


def test_required_elements_of_a_series_the_archive_tells_little_of() -> None:
    """Modality becomes OT; an instance without SOP class is counted but not listed; -1 is no unsignedInt."""
    instances = (Instance(sop_instance_uid="1.1"), Instance(sop_instance_uid="1.2", sop_class_uid=CT_IMAGE))
    resource = image(a_study(series=(Series(series_instance_uid="1", number=-1, instances=instances),)))
    assert resource["numberOfInstances"] == 2
    assert resource["series"] == [
        {
            "uid": "1",
            "modality": {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "OT"},
            "numberOfInstances": 2,
            "instance": [
                {"uid": "1.2", "sopClass": {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{CT_IMAGE}"}}
            ],
        }
    ]


def test_the_first_images_date_a_report_without_observation_time() -> None:
    """OBR-7 empty: the examination was when its images were made."""
    early, late = (a_study(started=datetime(2026, 11, 24, hour, tzinfo=UTC)) for hour in (9, 10))
    assert report(a_report(observed=None), late, early)["effectiveDateTime"] == "2026-11-24T09:00:00Z"


def test_the_report_takes_the_code_of_the_order() -> None:
    """DiagnosticReport.code is required; a report without one is of what was ordered."""
    code = report(a_report(code=CodedConcept()))["code"]
    assert code == service_request(an_order(), State.REPORTED, subject="Patient/1", base="urn:x")["code"]
