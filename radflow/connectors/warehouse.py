"""The analytics warehouse: a parquet file a table, site and day, on any fsspec file system.

    <url>/v1/orders/site=main/day=2026-11-24/part-0.parquet

A file is replaced as a whole: readers see it as it was, or as it is. Two writers of one file would lose rows,
so whoever writes holds the day (`radflow/store/warehouse.py`).
"""

import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from mappings.warehouse import SCHEMA_VERSION, Row, Table
from radflow.connectors.atomic import copy_atomically
from radflow.connectors.errors import Unavailable

_TYPES = {
    "string": pa.string(),
    "time": pa.timestamp("us", tz="UTC"),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
}
_ROW_GROUP = 5_000
"""Rows that are held in memory before they go to the file."""


class WarehouseUnavailable(Unavailable):
    """The file system or object store does not take the file, or another one is writing the day."""


def arrow_schema(table: Table) -> pa.Schema:
    """The same in every file, also where a column is null throughout; its metadata tell table and version."""
    fields = [pa.field(one.name, _TYPES[one.type], nullable=not one.required) for one in table.columns]
    return pa.schema(fields, {"radflow.table": table.name, "radflow.schema_version": str(SCHEMA_VERSION)})


class Warehouse:
    """A warehouse at this URL. What it cannot do raises WarehouseUnavailable: it may work later."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def path(self, table: Table, site: str, day: date) -> str:
        """Where the rows of this day are."""
        return f"{self._url}/v{SCHEMA_VERSION}/{table.name}/site={site}/day={day.isoformat()}/part-0.parquet"

    @contextmanager
    def rewritten(self, table: Table, site: str, day: date) -> Iterator["PartitionWriter"]:
        """The day from nothing: what is added takes the place of what is there when all has gone well.

        A day without rows has no file.
        """
        with _reached():
            system, path = _file_system(self.path(table, site, day))
        with tempfile.TemporaryDirectory(prefix="radflow-warehouse-") as folder:
            writer = PartitionWriter(table, Path(folder) / "rows.parquet")
            try:
                yield writer
            finally:
                writer.close()
            with _reached():
                _put(system, path, writer.file) if writer.rows else _remove(system, path)

    def upsert(
        self, table: Table, site: str, day: date, order_keys: Collection[str], rows: Iterable[Row]
    ) -> None:
        """Put these rows in the place of all that these orders have on the day; the others' rows stay."""
        new = list(rows)
        before = self._read(table, site, day)
        theirs = pc.is_in(before["order_key"], pa.array(sorted(order_keys), pa.string()))
        kept = before.filter(pc.invert(theirs))
        if not new and kept.num_rows == before.num_rows:
            return
        with self.rewritten(table, site, day) as writer:
            writer.add_table(kept)
            writer.add(new)

    def _read(self, table: Table, site: str, day: date) -> pa.Table:
        schema = arrow_schema(table)
        with _reached():
            system, path = _file_system(self.path(table, site, day))
            try:
                content = system.cat_file(path)
            except FileNotFoundError:
                return schema.empty_table()
            found = pq.read_table(pa.BufferReader(content))
        for field in schema:
            if field.name not in found.column_names:
                # It was written before the column was added.
                found = found.append_column(field, pa.nulls(found.num_rows, field.type))
        return found.select(schema.names).cast(schema)


class PartitionWriter:
    """A table's rows of one day, on their way to a file; memory holds a row group of them."""

    def __init__(self, table: Table, file: Path) -> None:
        self.file = file
        self.rows = 0
        self._schema = arrow_schema(table)
        self._names = set(self._schema.names)
        self._held: list[Row] = []
        self._writer: Any = None

    def add(self, rows: Iterable[Row]) -> None:
        """Add rows. Raises ValueError for one with other columns than the table."""
        for row in rows:
            if row.keys() != self._names:
                raise ValueError(f"columns differ from the schema: {sorted(row.keys() ^ self._names)}")
            self._held.append(row)
            self.rows += 1
            if len(self._held) >= _ROW_GROUP:
                self._flush()

    def add_table(self, rows: pa.Table) -> None:
        """Add rows that are an Arrow table of this schema."""
        if rows.num_rows:
            self._flush()
            self.rows += rows.num_rows
            self._open().write_table(rows.replace_schema_metadata(self._schema.metadata))

    def close(self) -> None:
        """Finish the file."""
        self._flush()
        if self._writer is not None:
            self._writer.close()

    def _flush(self) -> None:
        if self._held:
            self._open().write_table(pa.Table.from_pylist(self._held, schema=self._schema))
            self._held = []

    def _open(self) -> Any:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self.file, self._schema, compression="zstd")
        return self._writer


def _file_system(url: str) -> tuple[Any, str]:
    # A list of files that was kept would hide what another process has written.
    system, path = fsspec.core.url_to_fs(url, use_listings_cache=False)
    return system, path


def _put(system: Any, path: str, file: Path) -> None:
    if isinstance(system, LocalFileSystem):
        copy_atomically(file, Path(path))
    else:
        # An object store shows an object once it is whole.
        system.put_file(str(file), path)


def _remove(system: Any, path: str) -> None:
    try:
        system.rm_file(path)
    except FileNotFoundError:
        return


@contextmanager
def _reached() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # Each file system has exceptions of its own (botocore's are no OSError), and their texts hold paths.
        raise WarehouseUnavailable(f"warehouse: {type(error).__name__}") from error
