"""Builds nested frozen dataclasses from the tables of a configuration file: defaults, and what the file changes."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, TypeVar, cast, get_type_hints

from pydantic import TypeAdapter, ValidationError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    T = TypeVar("T", bound=DataclassInstance)


class TableError(ValueError):
    """A table does not fit. The message starts with the dotted path of the key."""


def build_table(default: T, table: Mapping[str, object], path: str) -> T:
    """`default` with the values of `table` in place; nested tables change nested dataclasses.

    Raises:
        TableError: A key is unknown, a value has the wrong type or is not finite, or the dataclass refuses it.
    """
    names = [item.name for item in fields(default)]
    types = get_type_hints(type(default))
    changed: dict[str, object] = {}
    for key, value in table.items():
        name = str(key)
        if name not in names:
            raise TableError(f"{path}.{name}: unknown key{_hint(name, names)}")
        changed[name] = _built(getattr(default, name), types[name], value, f"{path}.{name}")
    try:
        return replace(default, **changed)
    except ValueError as error:
        raise TableError(f"{path}: {error}") from error


def table_of(value: DataclassInstance) -> dict[str, object]:
    """A dataclass as nested tables of plain values, as it could stand in a configuration file."""
    return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}


def flatten_table(table: Mapping[str, object], path: str) -> Iterator[tuple[str, object]]:
    """Yields each leaf of nested tables with its dotted path."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from flatten_table(value, f"{path}.{key}")
        else:
            yield f"{path}.{key}", value


def _built(default: object, kind: object, value: object, path: str) -> object:
    if is_dataclass(default) and not isinstance(default, type):
        if not isinstance(value, Mapping):
            raise TableError(f"{path}: must be a table")
        return build_table(default, value, path)
    return _leaf(kind, value, path)


def _leaf(kind: object, value: object, path: str) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        raise TableError(f"{path}: must be a finite number")
    adapter: TypeAdapter[object] = TypeAdapter(cast("type[object]", kind))
    try:
        return adapter.validate_python(value, strict=True)
    except ValidationError as error:
        raise TableError(f"{path}: {error.errors()[0]['msg']}") from None


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return table_of(value)
    if isinstance(value, tuple | list | frozenset | set):
        return [_plain(item) for item in value]
    return value.name if isinstance(value, Enum) else value


def _hint(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=2, cutoff=0.6)
    return f"; did you mean {' or '.join(near)}?" if near else f"; known are {', '.join(known)}"
