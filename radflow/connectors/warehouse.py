"""The analytics warehouse: one parquet file an order, partitioned by site and day, on any fsspec file system.

    <url>/orders/site=main/day=2026-11-24/main-k3q7ymx2vt4a.parquet

pandas, DuckDB and Spark read the folder as one table, with `site` and `day` as columns.
"""

from datetime import date
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from radflow.connectors.atomic import write_atomically
from radflow.connectors.errors import Unavailable

_UTC = pa.timestamp("us", tz="UTC")

# `site` and `day` are in the path alone: a column that is in both has two types for most readers.
SCHEMA = pa.schema(
    [
        pa.field("order_key", pa.string(), nullable=False),
        pa.field("modality", pa.string()),
        pa.field("priority", pa.string()),
        pa.field("procedure_code", pa.string()),
        pa.field("procedure_system", pa.string()),
        pa.field("state", pa.string(), nullable=False),
        pa.field("report_status", pa.string()),
        pa.field("received_at", _UTC),
        pa.field("worklisted_at", _UTC),
        pa.field("acquired_at", _UTC),
        pa.field("reported_at", _UTC),
        pa.field("published_at", _UTC),
        pa.field("series", pa.int32()),
        pa.field("instances", pa.int32()),
        pa.field("schema_version", pa.int16(), nullable=False),
    ]
)
"""The same in every file, also where a column is null throughout; a new column goes to the end."""


class WarehouseUnavailable(Unavailable):
    """The file system or object store does not take the file."""


def write_order_row(url: str, row: dict[str, Any], *, site: str, day: date, order_key: str) -> str:
    """Write the order's row, in the place of an earlier one; returns where it is.

    Raises:
        WarehouseUnavailable: it may work later.
        ValueError: the row has other columns than `SCHEMA`.
    """
    if row.keys() != set(SCHEMA.names):
        raise ValueError(f"columns differ from the schema: {sorted(row.keys() ^ set(SCHEMA.names))}")
    content = _parquet(row)
    file = f"{url.rstrip('/')}/orders/site={site}/day={day.isoformat()}/{order_key}.parquet"
    try:
        _write(file, content)
    except Exception as error:
        # Each file system has exceptions of its own (botocore's are no OSError), and their texts hold paths.
        raise WarehouseUnavailable(f"warehouse: {type(error).__name__}") from error
    return file


def _parquet(row: dict[str, Any]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist([row], schema=SCHEMA), sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _write(file: str, content: bytes) -> None:
    file_system, path = fsspec.core.url_to_fs(file)
    if isinstance(file_system, LocalFileSystem):
        write_atomically(Path(path), content)
    else:
        # An object store shows an object once it is whole.
        file_system.pipe_file(path, content)
