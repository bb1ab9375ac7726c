"""Column types that lose nothing, on SQLite and on PostgreSQL."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from datetime import datetime
from decimal import Decimal
from enum import Enum

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Double, Integer, Numeric, Text, TypeDecorator
from sqlalchemy.types import TypeEngine

from msc_authority.adapters.instants import aware_utc, instant_from, text_of


class UtcTime(TypeDecorator[datetime]):
    """An aware instant in UTC, to the microsecond. Text of one width on SQLite, so that it sorts by time."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str] | TypeEngine[datetime]:
        """The dialect's column type."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Text())
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | datetime | None:
        """What the driver gets. Raises ValueError for an instant without a time zone."""
        if value is None:
            return None
        return text_of(value) if dialect.name == "sqlite" else aware_utc(value)

    def bind_column(self, values: Collection[datetime | None], dialect: Dialect) -> list[str | datetime | None]:
        """What the driver gets, of a whole column. Raises ValueError for an instant without a time zone."""
        ready = text_of if dialect.name == "sqlite" else aware_utc
        return [None if value is None else ready(value) for value in values]

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[str | datetime | None], datetime | None]:
        """What makes of the driver's value what the reader gets."""
        return _instant_read


class Exact(TypeDecorator[Decimal]):
    """A finite Decimal without loss. Text on SQLite, whose own numbers are binary."""

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str] | TypeEngine[Decimal]:
        """The dialect's column type."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Text())
        return dialect.type_descriptor(Numeric())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | Decimal | None:
        """What the driver gets. Raises ValueError for NaN and infinity."""
        if value is None:
            return None
        if not value.is_finite():
            raise ValueError(f"{value} is no amount: only finite numbers can be stored")
        return _plain_text(value) if dialect.name == "sqlite" else value

    def bind_column(self, values: Collection[Decimal | None], dialect: Dialect) -> list[str | Decimal | None]:
        """What the driver gets, of a whole column. Raises ValueError for NaN and infinity."""
        if not all(map(Decimal.is_finite, filter(None, values))):
            # The first of them is named.
            return [self.process_bind_param(value, dialect) for value in values]
        if dialect.name != "sqlite":
            return list(values)
        return [None if value is None else _plain_text(value) for value in values]

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[str | None], Decimal | None] | None:
        """What makes of the driver's value what the reader gets. None: it is a Decimal already."""
        return _decimal_read if dialect.name == "sqlite" else None


# Journals are read by the million rows: as methods of their types, these would be called by way of two others.


def _instant_read(value: str | datetime | None) -> datetime | None:
    if value is None:
        return None
    return instant_from(value) if isinstance(value, str) else aware_utc(value)


def _decimal_read(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _plain_text(value: Decimal) -> str:
    # Formatting takes twice as long, and differs only where there is an exponent.
    text = str(value)
    return format(value, "f") if "E" in text else text


class Finite(TypeDecorator[float]):
    """A finite float. SQLite would turn NaN into NULL without a word."""

    impl = Double
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:
        """What the driver gets. Raises ValueError for NaN and infinity."""
        if value is not None and not math.isfinite(value):
            raise ValueError(f"{value} is no number to store: unknown is NULL")
        return value


class Named(TypeDecorator[Enum]):
    """A member of an enum, stored by name, so that SQL reads NORMAL and not 2."""

    impl = Text
    cache_ok = True

    def __init__(self, members: type[Enum]) -> None:
        super().__init__()
        self.members = members

    def process_bind_param(self, value: Enum | None, dialect: Dialect) -> str | None:
        """What the driver gets."""
        return None if value is None else value.name

    def bind_column(self, values: Collection[Enum | None]) -> list[str | None]:
        """What the driver gets, of a whole column."""
        names: dict[Enum | None, str | None] = {None: None, **{member: member.name for member in self.members}}
        return [names[value] for value in values]

    def process_result_value(self, value: str | None, dialect: Dialect) -> Enum | None:
        """What the reader gets. Raises KeyError for a name the enum does not have."""
        return None if value is None else self.members[value]


# Ids sort by code point everywhere, as Python and SQLite sort them; PostgreSQL would follow the database's locale.
Identifier = Text().with_variant(Text(collation="C"), "postgresql")

# SQLite counts rows by itself only in a column declared INTEGER.
Sequence = BigInteger().with_variant(Integer(), "sqlite")

# JSON NULL and SQL NULL are one here: a document that is not there.
Document = JSON(none_as_null=True)
