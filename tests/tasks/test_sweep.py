"""Looking for images: whose they are, in which archive, and when a study is complete."""

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from radflow.model import Identifier, Instance, Patient, PersonName, Practitioner, Series, Study
from radflow.order import Event
from radflow.store import studies
from radflow.store.engine import Store
from tests.builders import an_order
from tests.finding import Rounds, a_study, rounds

KEY = an_order().key


@pytest.fixture
def site(store: Store, now: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rounds:
    return rounds(store, now, tmp_path, monkeypatch)


def configured(site: Rounds, **finding: object) -> Rounds:
    site.site = site.site.model_copy(update={"finding": site.site.finding.model_copy(update=finding)})
    return site


def test_the_second_archive_is_asked_for_what_the_first_has_not(site: Rounds) -> None:
    """Two orders, a study in each archive: both found, each where it is; then nobody is asked any more."""
    site.place(an_order("P1"), an_order("P2"))
    site.archives["pacs"].studies = [a_study("P1")]
    site.archives["vna"].studies = [a_study("P1", "vna"), a_study("P2", "vna")]
    assert site.round() == [an_order("P1").key, an_order("P2").key]
    assert site.log(an_order("P1").key) == [("study-found", "archive:pacs")]
    assert site.log(an_order("P2").key) == [("study-found", "archive:vna")]
    asked = site.queries()
    assert asked == 2
    assert site.round() == []
    assert site.queries() == asked


def test_all_archives_are_asked_where_the_site_wants_it(site: Rounds) -> None:
    """A further study of the order in the second archive is its too; the same study is where it was first."""
    configured(site, found_in="all")
    site.place(an_order())
    site.archives["pacs"].studies = [a_study()]
    site.archives["vna"].studies = [a_study(archive="vna"), a_study(archive="vna", study_instance_uid="9.9")]
    site.round()
    found = {study.study_instance_uid: study.archive for study in site.studies(KEY)}
    assert found == {an_order().study_instance_uid: "pacs", "9.9": "vna"}
    assert [event for event, _ in site.log(KEY)] == ["study-found", "study-changed"]


def test_one_query_an_archive_however_many_wait(site: Rounds) -> None:
    """A thousand orders, three sweeps: three queries of each archive."""
    site.place(*(an_order(f"N{number}") for number in range(1000)))
    site.rounds(3)
    assert [archive.queries for archive in site.archives.values()] == [3, 3]


def test_images_that_still_arrive_are_not_complete(site: Rounds) -> None:
    """Ten minutes without another image, as the site says; the second archive is not asked meanwhile."""
    configured(site, quiet_minutes=10)
    site.place(an_order())
    for instances in (10, 20, 30):
        site.archives["pacs"].studies = [a_study(number_of_instances=instances)]
        assert site.round(5) == []
    assert site.round(9) == []
    assert site.state(KEY) == "received"
    assert site.round(1) == [KEY]
    assert site.state(KEY) == "acquired"
    assert site.archives["vna"].queries == 0


def test_an_archive_without_counts_is_counted(site: Rounds) -> None:
    """By queries below study level; the study is complete when they stay the same."""
    configured(site, quiet_minutes=10)
    site.place(an_order())
    counts = [(1, 3), (1, 3), (2, 4), (2, 4), (2, 4)]
    found = []
    for series, instances in counts:
        study = a_study(number_of_series=None, number_of_instances=None)
        site.archives["pacs"].studies = [with_series(study, series, instances)]
        found.append(site.round(9))
    assert found == [[], [], [], [], [KEY]]
    assert (site.study(KEY).number_of_series, site.study(KEY).number_of_instances) == (2, 4)


def with_series(study: Study, series: int, instances: int) -> Study:
    numbers = [instances // series + (instances % series if one == 0 else 0) for one in range(series)]
    made = tuple(
        Series(
            series_instance_uid=f"1.{one}",
            instances=tuple(Instance(sop_instance_uid=f"1.{one}.{image}") for image in range(count)),
        )
        for one, count in enumerate(numbers)
    )
    return study.model_copy(update={"series": made})


def test_mpps_says_when_a_study_is_complete(site: Rounds) -> None:
    """However long its counts stay the same; without any quiet time nothing else does."""
    configured(site, complete_by="mpps")
    site.place(an_order())
    site.archives["pacs"].studies = [a_study()]
    assert site.rounds(5) == []
    site.performed = lambda _session, key: key == KEY
    assert site.round() == [KEY]


def test_without_mpps_the_quiet_time_says_it(site: Rounds) -> None:
    """Where the site gives one beside MPPS: modalities that send none are not waited for."""
    configured(site, complete_by="mpps", quiet_minutes=60)
    site.place(an_order())
    site.archives["pacs"].studies = [a_study()]
    assert site.round() == []
    assert site.round(60) == [KEY]


def published(site: Rounds) -> None:
    """The order's study was found, and its report published."""
    site.place(an_order())
    site.archives["pacs"].studies = [a_study()]
    assert site.round() == [KEY]
    site.happens(KEY, Event.REPORT_RECEIVED, Event.PUBLISHED)


def test_more_series_after_completion_are_published(site: Rounds) -> None:
    """An append is seen by the hourly look; the published order is reopened once, when all of it is there."""
    configured(site, quiet_minutes=0)
    published(site)
    assert site.round(61) == []
    assert site.state(KEY) == "published"
    configured(site, quiet_minutes=10)
    site.archives["pacs"].studies = [a_study(number_of_series=3, number_of_instances=120)]
    assert site.round(61) == []
    site.archives["pacs"].studies = [a_study(number_of_series=3, number_of_instances=150)]
    assert site.round(1) == []
    assert site.round(9) == []
    assert site.state(KEY) == "published"
    assert site.round(1) == [KEY]
    assert site.state(KEY) == "reported"
    assert site.study(KEY).number_of_instances == 150
    assert [event for event, _ in site.log(KEY)] == ["study-found", "study-changed"]


def test_looking_again_forgets_nothing_of_a_description(site: Rounds) -> None:
    """A search asks for less than is known of a study that was described; what it asks for is as it says."""
    site.place(an_order())
    site.archives["pacs"].studies = [a_study()]
    site.round()
    (found,) = site.studies(KEY)
    physician = Practitioner(name=PersonName(family="Fernández", given="Inés"))
    described = found.model_copy(
        update={
            "referring_physician": physician,
            "series": (Series(series_instance_uid="1.9", modality="CT"),),
        }
    )
    with site.store.write() as session:
        studies.save(session, KEY, described, site.now)
    site.archives["pacs"].studies = [a_study(description="CT chest")]
    site.round(61)
    assert site.studies(KEY) == [described.model_copy(update={"description": "CT chest"})]


def test_looking_again_is_cheap_and_ends(site: Rounds) -> None:
    """One query an hour for all published studies of an archive, and none after the days the site gives."""
    configured(site, recheck_days=1)
    numbers = [f"P{number}" for number in range(50)]
    site.place(*(an_order(number) for number in numbers))
    site.archives["pacs"].studies = [a_study(number) for number in numbers]
    assert len(site.round()) == 50
    asked = site.queries()
    for _ in range(60):
        site.round()
    assert site.queries() == asked + 1
    for _ in range(48):
        site.round(30)
    asked = site.queries()
    for _ in range(10):
        site.round(60)
    assert site.queries() == asked


def test_one_empty_answer_is_not_final(site: Rounds) -> None:
    """The archive shows nothing twice, and then the study again: nothing has happened."""
    published(site)
    shown = site.archives["pacs"].studies
    site.archives["pacs"].studies = []
    assert site.round(61) == []
    assert site.round() == []
    assert site.study(KEY).misses == 2
    site.archives["pacs"].studies = shown
    assert site.round() == []
    assert site.study(KEY).misses == 0
    assert site.state(KEY) == "published"


def test_a_study_that_was_moved_is_followed(site: Rounds) -> None:
    """Its archive has it no more, the other one has: published anew, with the new place."""
    published(site)
    site.archives["pacs"].studies, site.archives["vna"].studies = [], [a_study(archive="vna")]
    site.round(61)
    assert site.rounds(2) == [KEY]
    assert site.study(KEY).archive == "vna"
    assert site.state(KEY) == "reported"
    assert [study.available for study in site.studies(KEY)] == [True]


def test_a_deleted_study_is_said_to_be_gone_and_may_come_back(site: Rounds) -> None:
    """No archive has it: said once. It is restored from a backup: said again."""
    published(site)
    shown = site.archives["pacs"].studies
    site.archives["pacs"].studies = []
    site.round(61)
    assert site.rounds(2) == [KEY]
    assert [study.available for study in site.studies(KEY)] == [False]
    assert site.state(KEY) == "reported"
    site.happens(KEY, Event.PUBLISHED)
    for _ in range(5):
        assert site.round(61) == []
    site.archives["pacs"].studies = shown
    assert site.round(61) == [KEY]
    assert [study.available for study in site.studies(KEY)] == [True]


def test_a_study_is_not_gone_while_another_archive_is_silent(site: Rounds) -> None:
    """It may have moved there: nobody knows before that archive answers."""
    published(site)
    site.archives["pacs"].studies, site.archives["vna"].down = [], True
    site.round(61)
    assert site.rounds(5) == []
    assert site.state(KEY) == "published"
    site.archives["vna"].down = False
    assert site.round() == [KEY]


def test_one_study_may_fulfil_several_orders(site: Rounds) -> None:
    """A group case, under one accession number: every order has the study."""
    group = [an_order("G1"), an_order("G2", accession_number="AG1")]
    site.place(*group)
    site.archives["pacs"].studies = [a_study("G1")]
    assert sorted(site.round()) == sorted(order.key for order in group)
    assert {site.study(order.key).study_instance_uid for order in group} == {group[0].study_instance_uid}


def test_one_order_may_be_fulfilled_by_several_studies(site: Rounds) -> None:
    """Both have its accession number; the second is news after the first."""
    site.place(an_order())
    site.archives["pacs"].studies = [a_study(), a_study(study_instance_uid="9.9")]
    site.round()
    assert len(site.studies(KEY)) == 2
    assert site.state(KEY) == "acquired"


def test_a_wrong_accession_number_links_nothing_wrong(site: Rounds) -> None:
    """Typed: that of another order. The UID is from the worklist, and it alone decides."""
    site.place(an_order("P1"), an_order("P2"))
    site.archives["pacs"].studies = [a_study("P1", accession_number="AP2")]
    assert site.round() == [an_order("P1").key]
    assert site.state(an_order("P2").key) == "received"


def test_one_accession_number_of_two_patients(site: Rounds) -> None:
    """From two assigning authorities: the order of the study's patient, and no other."""
    other = Patient(identifiers=(Identifier(value="0815", assigner="CLINIC"),))
    site.place(an_order("P1"), an_order("P2", accession_number="AP1", patient=other))
    site.archives["pacs"].studies = [a_study(study_instance_uid="9.9", patient_id="0815")]
    assert site.round() == [an_order("P2").key]


def test_duplicates_do_no_harm(site: Rounds) -> None:
    """An archive that answers everything three times, and one study without a UID."""
    site.place(an_order())
    site.archives["pacs"].studies = [a_study()] * 3 + [a_study(study_instance_uid="")]
    assert site.round() == [KEY]
    assert len(site.studies(KEY)) == 1
    assert site.log(KEY) == [("study-found", "archive:pacs")]


def test_another_uid_is_found_by_the_thorough_search(site: Rounds) -> None:
    """The modality made a UID of its own: no list of UIDs finds it, the look at all studies does."""
    site.place(an_order())
    site.round()
    site.archives["pacs"].studies = [a_study(study_instance_uid="9.9", started=site.now)]
    configured(site, thorough_minutes=30)
    assert site.round(31) == [KEY]


def test_a_cancelled_order_is_looked_for_no_more(site: Rounds) -> None:
    """And its images are nobody's."""
    site.place(an_order())
    site.happens(KEY, Event.ORDER_CANCELLED)
    site.archives["pacs"].studies = [a_study()]
    site.place(an_order("P2"))
    assert site.round() == []
    assert site.state(KEY) == "cancelled"


def test_a_look_back_has_its_limit(site: Rounds, monkeypatch: pytest.MonkeyPatch) -> None:
    """An order that never happens does not make the thorough search ask for years."""
    asked: list[int] = []

    def find_period(first: date, last: date) -> list[Study]:
        asked.append((last - first).days)
        return []

    for archive in site.archives.values():
        monkeypatch.setattr(archive, "find_period", find_period)
    site.place(an_order())
    site.now += timedelta(days=400)
    site.round()
    assert asked == [31, 31]
