"""Case 18: abandoned, MPPS DISCONTINUED, with or without images."""

from radflow.store.orders import ABANDONED
from tests.cases.conftest import AHospital
from tests.cases.hospital import Hospital


def test_without_images_it_is_to_be_done_again(hospital: Hospital) -> None:
    """Back on the worklist as SCHEDULED, a person sees why; done again, it is published."""
    hospital.send(hospital.order())
    step = hospital.begin(hospital.item())
    hospital.end(step, status="DISCONTINUED")
    assert (hospital.state(), hospital.row().trouble) == ("worklisted", ABANDONED)
    (scheduled,) = hospital.item().ScheduledProcedureStepSequence
    assert scheduled.ScheduledProcedureStepStatus == "SCHEDULED"
    hospital.advance(minutes=1)
    assert hospital.sweep() == set()

    again = hospital.begin(hospital.item(), attempt=2)
    assert hospital.row().trouble == ""
    images = hospital.study(hospital.item())
    hospital.keep(images)
    hospital.end(again, images)
    assert hospital.state() == "acquired"
    hospital.send(hospital.report())
    assert hospital.state() == "published"
    assert hospital.events()[:8] == [
        "order-received", "worklisted", "step-started", "acquisition-abandoned", "worklisted", "step-started",
        "acquisition-completed", "study-found",
    ]  # fmt: skip


def test_with_images_they_are_the_order_s(hospital: Hospital) -> None:
    """The archive shows what was made before: found as any study; the log says that it was discontinued."""
    hospital.send(hospital.order())
    item = hospital.item()
    step, images = hospital.begin(item), hospital.study(item)[:1]
    hospital.keep(images)
    hospital.end(step, images, status="DISCONTINUED")
    hospital.advance(minutes=1)
    hospital.sweep()
    assert (hospital.state(), hospital.items()) == ("acquired", [])
    (line,) = (line for line in hospital.log() if line.event == "acquisition-abandoned")
    assert (line.detail["series"], line.detail["instances"]) == (1, 1)
    hospital.send(hospital.report(text="Examination discontinued."))
    (study,) = hospital.fhir("ImagingStudy")
    assert study["numberOfInstances"] == 1


def test_with_images_where_only_mpps_completes(a_hospital: AHospital) -> None:
    """No performed step is COMPLETED: the images wait for the one that is."""
    hospital = a_hospital(finding={"complete_by": "mpps"})
    hospital.send(hospital.order())
    item = hospital.item()
    step, images = hospital.begin(item), hospital.study(item)
    hospital.keep(images[:1])
    hospital.end(step, images[:1], status="DISCONTINUED")
    hospital.advance(minutes=1)
    hospital.sweep()
    assert (hospital.state(), len(hospital.items())) == ("worklisted", 1)
    again = hospital.begin(item, attempt=2)
    hospital.keep(images[1:])
    hospital.end(again, images[1:])
    assert hospital.state() == "acquired"
    hospital.send(hospital.report())
    (study,) = hospital.fhir("ImagingStudy")
    assert study["numberOfInstances"] == 4


def test_one_of_two_steps_is_discontinued(hospital: Hospital) -> None:
    """Another performed step of the order goes on: nothing is to be done again."""
    hospital.send(hospital.order())
    item = hospital.item()
    first, second = hospital.begin(item), hospital.begin(item, attempt=2)
    hospital.end(first, status="DISCONTINUED")
    assert (hospital.state(), hospital.events()[-1]) == ("started", "acquisition-discontinued")
    images = hospital.study(item)
    hospital.keep(images)
    hospital.end(second, images)
    assert hospital.state() == "acquired"
