"""Rows as JSON that means the same whatever database they came from, and back."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from sqlalchemy import JSON, BigInteger, Boolean, Column, Double, Integer, LargeBinary, Table, Text
from sqlalchemy.types import TypeEngine

from msc_authority.adapters.instants import instant_from, text_of
from msc_authority.adapters.sql.types import Document, Exact, Finite, UtcTime

_T = TypeVar("_T")
_Exactly = TypeEngine[bool] | TypeEngine[bytes] | TypeEngine[int] | TypeEngine[str]
_Converted = TypeEngine[datetime] | TypeEngine[Decimal] | TypeEngine[float] | JSON
PortableType = _Exactly | _Converted


class Kind(StrEnum):
    """What a column holds, in every database."""

    BOOLEAN = "boolean"
    BYTES = "bytes"
    """Base64 in JSON."""
    DOCUMENT = "document"
    EXACT = "exact"
    """A decimal number, as text."""
    FLOAT = "float"
    INSTANT = "instant"
    """UTC to the microsecond, as text."""
    INTEGER = "integer"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class PortableColumn:
    """A column by name, and what it holds."""

    name: str
    kind: Kind


def kind_of(column: Column[object]) -> Kind:
    """What the column of one of our tables holds. Names of enum members are text."""
    for type_, kind in _KINDS:
        if isinstance(column.type, type_):
            return kind
    return Kind.TEXT


def type_of(kind: Kind) -> PortableType:
    """The column type that a value of the kind is bound and read by."""
    return _TYPES[kind]


def columns_of(table: Table, there: Sequence[str]) -> list[PortableColumn]:
    """The columns of a table, of those that are there."""
    return [PortableColumn(name=each.name, kind=kind_of(each)) for each in table.columns if each.name in there]


def to_json(row: Sequence[object], columns: Sequence[PortableColumn]) -> list[object]:
    """The values of a row, in the order of the columns, as JSON takes them."""
    return [_to_json(value, column.kind) for value, column in zip(row, columns, strict=True)]


def from_json(values: Sequence[object], columns: Sequence[PortableColumn]) -> dict[str, object]:
    """The row that `to_json` wrote.

    Raises:
        ValueError: a value is not what its column holds.
    """
    if len(values) != len(columns):
        raise ValueError(f"a row has {len(values)} values for {len(columns)} columns")
    return {
        column.name: None if value is None else _READ[column.kind](value)
        for value, column in zip(values, columns, strict=True)
    }


def _to_json(value: object, kind: Kind) -> object:
    match value:
        case datetime():
            return text_of(value)
        case Decimal():
            return format(value, "f")
        case bytes() | memoryview():
            return base64.b64encode(value).decode("ascii")
        case None | bool() | int() | float() | str():
            return value
        case _ if kind is Kind.DOCUMENT:
            return value
        case _:
            raise TypeError(f"a column of the kind {kind} holds {type(value).__name__}")


def _checked(type_: type[_T]) -> Callable[[object], _T]:
    def read(value: object) -> _T:
        # A boolean is an int to Python, and no number to a database.
        if not isinstance(value, type_) or (isinstance(value, bool) and type_ is not bool):
            raise ValueError(f"{value!r} is not {type_.__name__}")
        return value

    return read


def _number(value: object) -> float:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else _checked(float)(value)


def _bytes(value: object) -> bytes:
    return base64.b64decode(_checked(str)(value), validate=True)


_KINDS: tuple[tuple[type[object], Kind], ...] = (
    (UtcTime, Kind.INSTANT),
    (Exact, Kind.EXACT),
    (Finite, Kind.FLOAT),
    (Double, Kind.FLOAT),
    (Boolean, Kind.BOOLEAN),
    (LargeBinary, Kind.BYTES),
    (JSON, Kind.DOCUMENT),
    (Integer, Kind.INTEGER),
)
_TYPES: Mapping[Kind, PortableType] = {
    Kind.BOOLEAN: Boolean(),
    Kind.BYTES: LargeBinary(),
    Kind.DOCUMENT: Document,
    Kind.EXACT: Exact(),
    Kind.FLOAT: Double(),
    Kind.INSTANT: UtcTime(),
    Kind.INTEGER: BigInteger(),
    Kind.TEXT: Text(),
}
_READ: Mapping[Kind, Callable[[object], object]] = {
    Kind.BOOLEAN: _checked(bool),
    Kind.BYTES: _bytes,
    Kind.DOCUMENT: lambda value: value,
    Kind.EXACT: lambda value: Decimal(_checked(str)(value)),
    Kind.FLOAT: _number,
    Kind.INSTANT: lambda value: instant_from(_checked(str)(value)),
    Kind.INTEGER: _checked(int),
    Kind.TEXT: _checked(str),
}
