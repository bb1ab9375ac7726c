"""Canonical bytes for state: equal values give equal bytes, and floats come back exactly as they were."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
# Where a written part goes. No document of ours holds it, and no text can: there, the quotes would be escaped.
_PLACE = ["", ""]
_PLACE_TEXT = '["",""]'


class StateMismatch(ValueError):
    """Stored bytes were written by another format or configuration: rebuild the state from the journal."""


@dataclass(frozen=True, slots=True)
class Written:
    """A part of a document that is canonical JSON already: what did not change since need not be written again."""

    text: str


def to_bytes(document: object) -> bytes:
    """Returns the document as canonical JSON, `Written` parts as they are. NaN and infinity are refused."""
    return written(document).text.encode()


def written(document: object) -> Written:
    """Returns the document as canonical JSON, to be a part of another one. NaN and infinity are refused."""
    parts: list[str] = []

    def leave_place(part: object) -> object:
        if not isinstance(part, Written):
            raise TypeError(f"a document cannot hold {part!r}")
        parts.append(part.text)
        return _PLACE

    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False, default=leave_place)
    if not parts:
        return Written(text)
    around = text.split(_PLACE_TEXT)
    return Written("".join(chain.from_iterable(zip(around, [*parts, ""], strict=True))))


def float_text(value: float) -> str:
    """Returns a float as it is written. NaN and infinity are refused."""
    if not math.isfinite(value):
        raise ValueError(f"{value} is not JSON compliant")
    return float.__repr__(value)


def from_bytes(payload: bytes, *, kind: str) -> Reader:
    """Returns a reader of the document.

    Raises:
        StateMismatch: the bytes are not such a document.
    """
    try:
        document = json.loads(payload)
    except ValueError as error:
        raise StateMismatch(f"{kind}: not readable as JSON: {error}") from error
    return Reader(document, kind)


def instant_text(at: datetime | None) -> str | None:
    """Returns an instant as ISO 8601 in UTC."""
    if at is None:
        return None
    return (at if at.tzinfo is UTC else at.astimezone(UTC)).isoformat()


def instant(text: object) -> datetime:
    """Returns the instant that `instant_text` wrote."""
    if not isinstance(text, str):
        raise TypeError(f"an instant must be text, not {text!r}")
    return datetime.fromisoformat(text)


def number(value: object) -> float:
    """Returns a stored number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"a number was expected, not {value!r}")
    return float(value)


def finite_or_none(value: float) -> float | None:
    """Returns a number, or None for one that JSON cannot hold."""
    return value if math.isfinite(value) else None


def number_or_nan(value: object) -> float:
    """Returns what `finite_or_none` stored; every number that was not finite comes back as NaN."""
    return math.nan if value is None else number(value)


def integer(value: object) -> int:
    """Returns a stored whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"a whole number was expected, not {value!r}")
    return value


def text(value: object) -> str:
    """Returns a stored text."""
    if not isinstance(value, str):
        raise TypeError(f"a text was expected, not {value!r}")
    return value


def fingerprint(*groups: DataclassInstance) -> str:
    """Returns a short hash of configuration values, to notice that state was built under other ones."""
    document = json.dumps([asdict(group) for group in groups], sort_keys=True, default=str, allow_nan=False)
    return hashlib.sha256(document.encode()).hexdigest()[:16]


class Reader:
    """Reads a stored document field by field; whatever does not fit is a `StateMismatch` naming the field."""

    __slots__ = ("_document", "_kind")

    def __init__(self, document: object, kind: str) -> None:
        if not isinstance(document, dict):
            raise StateMismatch(f"{kind}: an object was expected")
        self._document: dict[str, object] = document
        self._kind = kind

    def expect(self, name: str, wanted: object) -> None:
        """Refuses a document whose field `name` is not `wanted`."""
        found = self._document.get(name)
        if found != wanted:
            raise StateMismatch(f"{self._kind}.{name}: stored {found!r}, wanted {wanted!r}")

    def get(self, name: str, read: Callable[[object], T]) -> T:
        """Returns the field `name` as `read` understands it."""
        try:
            return read(self._document[name])
        except (KeyError, TypeError, ValueError) as error:
            raise StateMismatch(f"{self._kind}.{name}: {error}") from error

    def maybe(self, name: str, read: Callable[[object], T]) -> T | None:
        """Returns the field `name`, or None where it is stored as null."""
        return None if self._document.get(name) is None else self.get(name, read)

    def items(self, name: str, read: Callable[[object], T]) -> list[T]:
        """Returns each item of a stored list."""
        return self.get(name, lambda value: [read(item) for item in listed(value)])

    def inner(self, name: str) -> Reader:
        """Returns a reader of the object stored as `name`."""
        return Reader(self.get(name, mapping), f"{self._kind}.{name}")


def listed(value: object) -> list[object]:
    """Returns a stored list."""
    if not isinstance(value, list):
        raise TypeError(f"a list was expected, not {value!r}")
    return value


def mapping(value: object) -> dict[str, object]:
    """Returns a stored object."""
    if not isinstance(value, dict):
        raise TypeError(f"an object was expected, not {value!r}")
    return value


def row(value: object, length: int) -> list[object]:
    """Returns a stored row of `length` values."""
    values = listed(value)
    if len(values) != length:
        raise ValueError(f"{length} values were expected, not {len(values)}")
    return values


def rows(value: object, length: int) -> list[list[object]]:
    """Returns stored rows of `length` values each."""
    return [row(item, length) for item in listed(value)]
