"""An order's life as rows for analysts: the tables, what goes into them, and what a site lets through."""

from mappings.warehouse.privacy import Privacy, Row
from mappings.warehouse.rows import Event, Life, rows_of, series_rows, study_row
from mappings.warehouse.schema import OF_ORDERS, SCHEMA_VERSION, TABLES, Column, Table
from mappings.warehouse.stages import STAGES, TOTAL, Limits, Stage, stages_of

__all__ = [
    "OF_ORDERS",
    "SCHEMA_VERSION",
    "STAGES",
    "TABLES",
    "TOTAL",
    "Column",
    "Event",
    "Life",
    "Limits",
    "Privacy",
    "Row",
    "Stage",
    "Table",
    "rows_of",
    "series_rows",
    "stages_of",
    "study_row",
]
