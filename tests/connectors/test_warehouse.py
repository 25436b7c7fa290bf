"""The warehouse on a disk and on S3 (moto), read by those who analysts read it with."""

import re
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import fsspec
import httpx
import pandas as pd
import polars as pl
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

from mappings.dicom.sr import read_structured_report
from mappings.warehouse import TABLES, Row, Table, rows_of
from radflow.connectors.warehouse import Warehouse, WarehouseUnavailable
from radflow.order import State
from tests.builders_result import a_life
from tests.builders_sr import measurement_report

DAY = date(2026, 11, 24)
ORDERS = TABLES[0]


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


def rows(number: str, now: datetime, state: State = State.REPORTED) -> dict[str, list[Row]]:
    return rows_of(a_life(number, now, state=state), limits=lambda *_: None, now=now)


def write(url: str, table: Table, *orders: dict[str, list[Row]], site: str = "main") -> None:
    with Warehouse(url).rewritten(table, site, DAY) as writer:
        for order in orders:
            writer.add(order[table.name])


def upsert(url: str, order: dict[str, list[Row]], site: str = "main") -> None:
    for table in TABLES[:-1]:
        Warehouse(url).upsert(table, site, DAY, {order["orders"][0]["order_key"]}, order[table.name])


def states(url: str) -> dict[str, str]:
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    table = pd.read_parquet(f"{url}/v1/orders")
    return dict(zip(table["order_key"], table["state"], strict=True))


def test_the_folder_is_one_table(url: str, now: datetime) -> None:
    """pandas reads all orders at once, with the partition as columns and times in UTC."""
    write(url, ORDERS, rows("P1", now), rows("P2", now))
    write(url, ORDERS, rows("P3", now), site="north")
    table = pd.read_parquet(f"{url}/v1/orders")
    assert sorted(table["site"]) == ["main", "main", "north"]
    assert set(table["day"].astype(str)) == {"2026-11-24"}
    assert str(table["received_at"].dtype) == "datetime64[us, UTC]"
    assert set(table["received_at"]) == {pd.Timestamp(now)}
    assert table["worklisted_at"].isna().all()
    assert table["instances"].tolist() == [2, 2, 2]


def test_an_upsert_replaces_the_rows_of_its_orders_alone(url: str, now: datetime) -> None:
    """One order is one row, the newest; the day's other orders keep theirs."""
    for order in (rows("P1", now), rows("P2", now), rows("P1", now, State.PUBLISHED)):
        upsert(url, order)
    first, second = rows("P1", now)["orders"][0]["order_key"], rows("P2", now)["orders"][0]["order_key"]
    assert states(url) == {first: "published", second: "reported"}
    assert len(pd.read_parquet(f"{url}/v1/series")) == 2


def test_an_upsert_without_rows_removes(url: str, now: datetime) -> None:
    """An order that has no report any more has no row of one; a day without rows has no file."""
    order = rows("P1", now)
    upsert(url, order)
    upsert(url, {**order, "reports": []})
    path = Warehouse(url).path(next(t for t in TABLES if t.name == "reports"), "main", DAY)
    system, file = fsspec.core.url_to_fs(path, use_listings_cache=False)
    assert not system.exists(file)


def test_a_day_is_rewritten_whole_or_not_at_all(url: str, now: datetime) -> None:
    """What fails half-way leaves the day as it was; what succeeds takes its place."""
    write(url, ORDERS, rows("P1", now), rows("P2", now))
    before = states(url)
    broken = rows("P4", now) | {"orders": [{}]}
    with pytest.raises(ValueError, match="columns differ"):
        write(url, ORDERS, rows("P3", now), broken)
    assert states(url) == before
    write(url, ORDERS, rows("P3", now))
    assert len(states(url)) == 1


def test_duckdb_reads_what_was_written_and_rewritten(url: str, now: datetime) -> None:
    """Joined over tables and filtered by partition; on S3 through Arrow, without DuckDB's httpfs."""
    for number in ("P1", "P2"):
        upsert(url, rows(number, now))
    upsert(url, rows("P2", now, State.PUBLISHED))
    connection = duckdb.connect()
    for table in ("orders", "turnaround"):
        if url.startswith("s3"):
            arrow = ds.dataset(
                f"{url.removeprefix('s3://')}/v1/{table}",
                filesystem=fsspec.filesystem("s3"),
                partitioning="hive",
            )
            connection.register(table, arrow)
        else:
            files = connection.read_parquet(f"{url}/v1/{table}/*/*/*.parquet", hive_partitioning=True)
            connection.register(table, files)
    found = connection.sql(
        "SELECT state, stage, seconds FROM orders JOIN turnaround USING (order_key) "
        "WHERE orders.day = DATE '2026-11-24' AND stage = 'reported' ORDER BY state"
    ).fetchall()
    assert found == [("published", "reported", 7200.0), ("reported", "reported", 7200.0)]


def test_polars_reads_it(url: str, now: datetime) -> None:
    """The same rows, with the partition's columns."""
    write(url, ORDERS, rows("P1", now), rows("P2", now))
    if url.startswith("s3"):
        arrow = ds.dataset("warehouse/v1/orders", filesystem=fsspec.filesystem("s3"), partitioning="hive")
        table = pl.scan_pyarrow_dataset(arrow).collect()
    else:
        table = pl.scan_parquet(f"{url}/v1/orders/**/*.parquet", hive_partitioning=True).collect()
    assert table.height == 2
    assert table["site"].unique().to_list() == ["main"]


def test_every_table_is_written_by_its_schema(tmp_path: Path, now: datetime) -> None:
    """The rows of an order with everything fit, and each file names its table and version."""
    documents = [read_structured_report(measurement_report(), ZoneInfo("UTC"))]
    life = a_life("P1", now, documents=documents)
    upsert(str(tmp_path), rows_of(life, limits=lambda *_: None, now=now))
    for table in TABLES[:-1]:
        file = Path(Warehouse(str(tmp_path)).path(table, "main", DAY))
        metadata = pq.read_schema(file).metadata
        assert metadata[b"radflow.table"] == table.name.encode()
        assert metadata[b"radflow.schema_version"] == b"1"


def test_an_older_file_gets_the_columns_that_were_added(tmp_path: Path, now: datetime) -> None:
    """A file from before a column was added can be upserted into; the old rows have null there."""
    older = Table(ORDERS.name, "", ORDERS.columns[:1] + ORDERS.columns[2:])
    old, new = rows("P1", now), rows("P2", now)
    del old["orders"][0]["modality"]
    with Warehouse(str(tmp_path)).rewritten(older, "main", DAY) as writer:
        writer.add(old["orders"])
    upsert(str(tmp_path), new)
    table = pd.read_parquet(f"{tmp_path}/v1/orders")
    assert set(table["modality"].fillna("")) == {"", "CT"}


def test_many_rows_go_through_little_memory(tmp_path: Path, now: datetime) -> None:
    """Rows leave memory a row group at a time."""
    row = rows("P1", now)["orders"][0]
    with Warehouse(str(tmp_path)).rewritten(ORDERS, "main", DAY) as writer:
        for number in range(12_000):
            writer.add([{**row, "order_key": f"k{number}"}])
    file = pq.ParquetFile(Warehouse(str(tmp_path)).path(ORDERS, "main", DAY))
    assert [file.metadata.row_group(n).num_rows for n in range(3)] == [5_000, 5_000, 2_000]


def test_an_unknown_column_is_not_written(tmp_path: Path, now: datetime) -> None:
    """Nothing reaches analysts that the schema does not name."""
    order = rows("P1", now)
    order["orders"][0]["patient_name"] = "Yamada"
    with pytest.raises(ValueError, match="patient_name"):
        write(str(tmp_path), ORDERS, order)
    assert list(tmp_path.rglob("*.parquet")) == []


def test_a_store_that_does_not_take_the_file(bucket: str, now: datetime) -> None:
    """A missing bucket or a disk that is no disk can be tried again."""
    for url in ("s3://not-there", "/dev/null"):
        with pytest.raises(WarehouseUnavailable):
            write(url, ORDERS, rows("P1", now))


def test_the_documentation_has_every_column() -> None:
    """docs/warehouse.md explains each table with each of its columns, in their order."""
    page = (Path(__file__).parents[2] / "docs" / "warehouse.md").read_text()
    for table in TABLES:
        section = page.split(f"### {table.name}\n")[1].split("\n### ")[0]
        shown: list[Any] = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
        assert shown == [column.name for column in table.columns]
