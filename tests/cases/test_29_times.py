"""Case 29: times with and without zone, to the day, minute or second, across a change of clocks."""

from datetime import UTC, datetime

import pytest
from pydicom import Dataset

from tests.cases.conftest import AHospital
from tests.cases.hospital import Hospital


def scheduled(hospital: Hospital, time: str) -> Dataset:
    """The worklist's step of an order for this time (OBR-27.4)."""
    hospital.send(hospital.order("P1", changes={"OBR": {27: f"^^^{time}"}}))
    step: Dataset = hospital.item().ScheduledProcedureStepSequence[0]
    return step


@pytest.mark.parametrize(
    ("sent", "date", "time", "utc"),
    [
        ("20261125093015", "20261125", "093015", "2026-11-25T08:30:15Z"),
        ("202611250930", "20261125", "093000", "2026-11-25T08:30:00Z"),
        ("2026112509", "20261125", "090000", "2026-11-25T08:00:00Z"),
        ("20261125", "20261125", "000000", "2026-11-24T23:00:00Z"),
        ("20261125093015.2500", "20261125", "093015", "2026-11-25T08:30:15.250Z"),
        ("20261125093000-0500", "20261125", "153000", "2026-11-25T14:30:00Z"),
        ("20261125003000+0900", "20261124", "163000", "2026-11-24T15:30:00Z"),
        ("202611250930+0000", "20261125", "103000", "2026-11-25T09:30:00Z"),
        # Summer time began on 29 March 2026 at 2:00, and ends on 25 October at 3:00.
        ("20260329013000", "20260329", "013000", "2026-03-29T00:30:00Z"),
        ("20260329033000", "20260329", "033000", "2026-03-29T01:30:00Z"),
        ("20261025013000", "20261025", "013000", "2026-10-24T23:30:00Z"),
        ("20261025023000+0200", "20261025", "023000", "2026-10-25T00:30:00Z"),
        ("20261025023000+0100", "20261025", "023000", "2026-10-25T01:30:00Z"),
        ("20261025033000", "20261025", "033000", "2026-10-25T02:30:00Z"),
    ],
)
def test_a_time_is_one_instant_everywhere(
    hospital: Hospital, sent: str, date: str, time: str, utc: str
) -> None:
    """Local on the worklist, with its offset towards the RIS, in UTC in FHIR and the warehouse."""
    step = scheduled(hospital, sent)
    assert (step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime) == (date, time)
    instant = datetime.fromisoformat(utc)
    (told,) = hospital.told_ris()
    assert datetime.strptime(told.get("OBR-27.4"), "%Y%m%d%H%M%S%z") == instant.replace(microsecond=0)
    assert [at.to_pydatetime() for at in hospital.warehouse("orders")["scheduled_at"]] == [instant]

    hospital.image()
    hospital.send(hospital.report())
    (request,) = hospital.fhir("ServiceRequest")
    assert datetime.fromisoformat(request["occurrenceDateTime"]) == instant


def test_a_time_that_the_clocks_leave_out_is_still_taken(hospital: Hospital) -> None:
    """2:30 on 29 March does not exist in Berlin; the order is shown an hour later, and not lost."""
    step = scheduled(hospital, "20260329023000")
    assert step.ScheduledProcedureStepStartTime == "033000"


def test_what_is_no_time_is_refused_with_its_place(hospital: Hospital) -> None:
    """Nothing is guessed; a person sees which field it was, and not what was in it."""
    hospital.send(hospital.order("P1", changes={"OBR": {27: "^^^tomorrow"}}))
    (message,) = hospital.inbox()
    assert message.state == "quarantined"
    assert "OBR-27" in message.reason
    assert "tomorrow" not in message.reason


def test_a_birth_date_is_a_day_and_has_no_zone(a_hospital: AHospital) -> None:
    """In any zone it is the day that was sent, also where a time was sent with it."""
    hospital = a_hospital(time_zone="Pacific/Auckland")
    hospital.publish("P1", {"PID": {7: "196104120030+0000"}})
    (patient,) = hospital.fhir("Patient")
    assert patient["birthDate"] == "1961-04-12"


def test_a_study_made_in_the_hour_that_comes_twice(hospital: Hospital) -> None:
    """Timezone Offset From UTC (0008,0201) says which of the two it was (PS3.3 §C.12.1.1.8)."""
    hospital.engine.clock.now = datetime(2027, 10, 31, 1, 35, tzinfo=UTC)
    hospital.send(hospital.order("P1"))
    images = hospital.study(
        hospital.item(), StudyDate="20271031", StudyTime="023000", TimezoneOffsetFromUTC="+0100"
    )
    hospital.keep(images)
    hospital.advance(minutes=1)
    hospital.sweep()
    hospital.send(hospital.report("P1"))
    (study,) = hospital.fhir("ImagingStudy")
    assert datetime.fromisoformat(study["started"]) == datetime(2027, 10, 31, 1, 30, tzinfo=UTC)


def test_two_sites_in_two_zones_mean_two_instants_by_one_time(a_hospital: AHospital) -> None:
    """Each message is read in the zone of the site whose listener it came to."""
    hospital = a_hospital(sites={"main": {}, "west": {"time_zone": "America/New_York"}})
    for site in ("main", "west"):
        hospital.send(hospital.order("P1", changes={"OBR": {27: "^^^20261125093000"}}), site=site)
        step = hospital.item(site=site).ScheduledProcedureStepSequence[0]
        assert step.ScheduledProcedureStepStartTime == "093000"
    starts = [hospital.row(site=site).document["steps"][0]["start"] for site in ("main", "west")]
    assert [datetime.fromisoformat(start) for start in starts] == [
        datetime(2026, 11, 25, 8, 30, tzinfo=UTC),
        datetime(2026, 11, 25, 14, 30, tzinfo=UTC),
    ]
