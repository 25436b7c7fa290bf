"""Kinds of columns that both databases keep alike."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, Column, DateTime, Dialect, String
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time on both databases; SQLite would give it back naive."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("times in the store are aware; this one has no zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def time_column(nullable: bool = False, index: bool = False) -> Any:
    """A `UtcDateTime`, as the field of a table."""
    column: Column[datetime] = Column(UtcDateTime(), nullable=nullable, index=index)
    return Field(default=None, sa_column=column) if nullable else Field(sa_column=column)


def json_column() -> Any:
    """A document that is kept whole."""
    return Field(sa_column=Column(JSON(), nullable=False))


def text_by_bytes() -> Any:
    """An indexed text in which all that begins alike stands together: a language's order would mix them."""
    by_bytes = String().with_variant(String(collation="C"), "postgresql")
    return Field(sa_column=Column(by_bytes, nullable=False, index=True))
