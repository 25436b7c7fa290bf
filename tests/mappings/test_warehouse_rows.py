"""An order's life as rows."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from mappings.dicom.sr import read_structured_report
from mappings.warehouse import TABLES, Privacy, Row, rows_of, stages_of
from radflow.order import State
from tests.builders_around import a_structured_report_of_obx
from tests.builders_result import a_full_order, a_life, a_report, a_study
from tests.builders_sr import ct_dose_report, measurement_report

TABLE = {table.name: table for table in TABLES}


def no_limit(stage: str, modality: str, priority: str) -> float | None:
    return None


def the_rows(now: datetime, **changes: object) -> dict[str, list[Row]]:
    return rows_of(a_life("P1", now, **changes), limits=no_limit, now=now)


def test_rows_have_the_columns_of_their_tables(now: datetime) -> None:
    """In the order of the schema, in every table of orders."""
    documents = [read_structured_report(measurement_report(), ZoneInfo("UTC"))]
    for name, rows in the_rows(now, documents=documents).items():
        assert rows, name
        for row in rows:
            assert list(row) == [column.name for column in TABLE[name].columns], name


def test_an_order_in_numbers_and_codes(now: datetime) -> None:
    """Stages, counts and codes; the age is of the day of the request."""
    (row,) = the_rows(now, studies=[a_study(), a_study("1.9")])["orders"]
    assert (row["series"], row["instances"], row["report_status"]) == (2, 4, "final")
    assert (row["received_at"], row["worklisted_at"]) == (now, None)
    assert (row["patient_sex"], row["patient_age"]) == ("M", 56)


def test_old_people_are_one_group(now: datetime) -> None:
    """An age above 89 would identify a person."""
    order = a_full_order()
    patient = order.patient.model_copy(update={"birth_date": now.date().replace(year=1925)})
    (row,) = the_rows(now, order=order.model_copy(update={"patient": patient}))["orders"]
    assert row["patient_age"] == 90


def test_a_part_that_is_not_told_makes_the_sum_unknown(now: datetime) -> None:
    """No count is better than one that is too small."""
    (row,) = the_rows(now, studies=[a_study(), a_study("1.9", series=())], report=None)["orders"]
    assert (row["series"], row["instances"], row["report_status"]) == (None, None, None)


def test_measurements_and_doses_are_findings(now: datetime) -> None:
    """Values with their units and codes, as the documents have them."""
    documents = [
        read_structured_report(measurement_report(), ZoneInfo("UTC")),
        read_structured_report(ct_dose_report(), ZoneInfo("UTC")),
    ]
    found = the_rows(now, documents=documents)["findings"]
    values = {(row["kind"], row["code"], row["unit"], row["value"]) for row in found}
    assert ("dose", "113813", "mGy.cm", 412.37) in values
    assert ("measurement", "112031", "[hnsf'U]", -7.0) in values
    assert {row["value_code"] for row in found if row["kind"] == "evaluation"} == {"129738005"}


def test_observations_of_the_report_are_findings_too(now: datetime) -> None:
    """OBX NM, SN and CWE beside what SR documents say; ranges in words; what was withdrawn is none."""
    report = a_structured_report_of_obx()
    wrong = report.observations[0].model_copy(update={"status": "W"})
    rows = the_rows(now, report=report.model_copy(update={"observations": (*report.observations, wrong)}))
    found = [row for row in rows["findings"] if row["source"] == "obx"]
    assert [(row["kind"], row["value"], row["comparator"], row["value_text"]) for row in found] == [
        ("measurement", 12.5, None, None), ("measurement", 3.0, ">", None),
        ("measurement", None, None, "1-3"),
        ("measurement", None, None, "1:128"), ("evaluation", None, None, "nodule"),
        ("measurement", None, None, "1, 2.5"),
    ]  # fmt: skip
    assert (found[0]["unit"], found[0]["site_code"]) == ("mm", "39607008")
    assert (found[4]["value_code"], found[4]["value_system"]) == ("RID3875", "RADLEX")
    assert [list(row) for row in found] == [[column.name for column in TABLE["findings"].columns]] * len(
        found
    )
    withdrawn = report.model_copy(update={"withdrawn": True})
    assert the_rows(now, report=withdrawn)["findings"] == []


def test_stages_follow_one_another(now: datetime) -> None:
    """Each from the one before it; a report before its images took no time; the rest is waited for."""
    reached = {
        "received": now,
        "worklisted": now + timedelta(minutes=1),
        "acquired": now + timedelta(hours=3),
        "reported": now + timedelta(hours=2),
    }
    stages = {stage.name: stage for stage in stages_of(reached, State.REPORTED)}
    assert [stage.seconds for stage in stages.values()] == [60, 10740, 0, None, None]
    assert list(stages) == ["worklisted", "acquired", "reported", "published", "total"]
    assert stages["published"].started_at == now + timedelta(hours=3)
    assert stages["published"].overdue(3600, now + timedelta(hours=5))
    assert not stages["published"].overdue(None, now + timedelta(hours=5))


def test_a_cancelled_order_waits_for_nothing(now: datetime) -> None:
    """What it has reached counts; it is never overdue."""
    stages = stages_of({"received": now, "worklisted": now + timedelta(minutes=1)}, State.CANCELLED)
    assert [stage.name for stage in stages] == ["worklisted"]


def values_of(rows: dict[str, list[Row]], privacy: Privacy) -> set[str]:
    return {
        str(value)
        for name, of_table in rows.items()
        for row in privacy.applied(TABLE[name], of_table)
        for value in row.values()
    }


def test_nothing_of_the_patient_is_let_through(now: datetime) -> None:
    """Neither names nor numbers nor free text, in any table, unless the site wants them."""
    order, study, report = a_full_order(), a_study(), a_report()
    secrets = {
        order.accession_number, order.reason, order.study_instance_uid, order.patient.name.family, "P1", "F1",
        "4711", "HOSP|4711", "R9", study.study_instance_uid, study.description, study.series[0].description,
        report.text,
    }  # fmt: skip
    rows = the_rows(now)
    assert not secrets & values_of(rows, Privacy())
    assert secrets - {"4711", "Yamada"} <= values_of(rows, Privacy("plain", text=True))


def test_hashes_join_and_need_the_key(now: datetime) -> None:
    """One number is one hash in every table; another key is another hash; text stays out."""
    rows = the_rows(now)
    privacy = Privacy("hashed", key=b"0123456789abcdef")
    (order,) = privacy.applied(TABLE["orders"], rows["orders"])
    assert len(order["patient_id"]) == 64
    assert order["reason"] is None
    (study,) = privacy.applied(TABLE["studies"], rows["studies"])
    (series,) = privacy.applied(TABLE["series"], rows["series"])
    assert study["study_instance_uid"] == series["study_instance_uid"]
    (other,) = Privacy("hashed", key=b"another key, 16+").applied(TABLE["orders"], rows["orders"])
    assert other["patient_id"] != order["patient_id"]
    with pytest.raises(ValueError, match="16 bytes"):
        Privacy("hashed", key=b"short")
