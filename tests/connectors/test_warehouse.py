"""The warehouse on a disk and on S3 (moto)."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import fsspec
import httpx
import pandas as pd
import pytest
from moto.server import ThreadedMotoServer

from mappings.warehouse import order_row
from radflow.connectors.warehouse import WarehouseUnavailable, write_order_row
from radflow.order import State
from tests.builders_result import a_full_order, a_report, a_study

DAY = date(2026, 11, 24)


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of an empty bucket; the environment says where it is, as in production."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    httpx.post(f"{s3_endpoint}/moto-api/reset").raise_for_status()
    # fsspec keeps file systems, with the environment they were made in and what they have listed.
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    fsspec.filesystem("s3").mkdir("warehouse")
    return "s3://warehouse"


@pytest.fixture(params=["local", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A warehouse; each test that takes it runs on a disk and on S3."""
    return str(tmp_path) if request.param == "local" else str(request.getfixturevalue("bucket"))


def a_row(number: str, now: datetime, state: State = State.REPORTED) -> dict[str, Any]:
    stages = {"received": now, "reported": now}
    return order_row(a_full_order(number), state=state, stages=stages, studies=[a_study()], report=a_report())


def write(url: str, row: dict[str, Any], *, site: str = "main") -> str:
    return write_order_row(url, row, site=site, day=DAY, order_key=row["order_key"])


def test_the_folder_is_one_table(url: str, now: datetime) -> None:
    """pandas reads all orders at once, with the partition as columns and times in UTC."""
    for number in ("P1", "P2"):
        write(url, a_row(number, now))
    write(url, a_row("P3", now), site="north")
    table = pd.read_parquet(f"{url}/orders")
    assert sorted(table["site"]) == ["main", "main", "north"]
    assert set(table["day"].astype(str)) == {"2026-11-24"}
    assert str(table["received_at"].dtype) == "datetime64[us, UTC]"
    assert set(table["received_at"]) == {pd.Timestamp(now)}
    assert table["worklisted_at"].isna().all()
    assert table["instances"].tolist() == [2, 2, 2]


def test_a_repeat_overwrites_the_row(url: str, now: datetime) -> None:
    """One order is one row, the newest."""
    first = write(url, a_row("P1", now))
    assert write(url, a_row("P1", now, State.PUBLISHED)) == first
    assert pd.read_parquet(f"{url}/orders")["state"].tolist() == ["published"]


def test_an_order_without_any_stage_has_the_same_columns(tmp_path: Path) -> None:
    """A column that is null throughout one file keeps its type, so the files fit together."""
    bare = order_row(a_full_order("P9"), state=State.RECEIVED, stages={}, studies=[], report=None)
    write(str(tmp_path), bare)
    write(str(tmp_path), a_row("P1", datetime(2026, 11, 24, tzinfo=UTC)))
    assert len(pd.read_parquet(tmp_path / "orders")) == 2


def test_an_unknown_column_is_not_written(tmp_path: Path, now: datetime) -> None:
    """Nothing reaches analysts that the schema does not name."""
    with pytest.raises(ValueError, match="patient_name"):
        write(str(tmp_path), a_row("P1", now) | {"patient_name": "Yamada"})
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_does_not_take_the_file(bucket: str, now: datetime) -> None:
    """A missing bucket or a disk that is no disk can be tried again."""
    with pytest.raises(WarehouseUnavailable):
        write("s3://not-there", a_row("P1", now))
    with pytest.raises(WarehouseUnavailable):
        write("/dev/null", a_row("P1", now))
