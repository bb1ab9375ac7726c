"""Typed values read out of one raw row: a valid value, or a refusal that names the field. Nothing is ever repaired.

Raw values are text, int, float, Decimal, bool, datetime or None. None and the empty text both mean that nothing was
said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from functools import cache
from typing import NoReturn, TypeVar

MAX_AHEAD = timedelta(minutes=5)
"""How far ahead of our clock a fact may be: clocks of venues and hosts differ."""

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""Nothing we trade existed before; an earlier instant is a mistaken unit or an unset field."""

MAX_INTEGER_DIGITS = 15
"""Most digits before the point, of any number."""

MAX_DECIMAL_PLACES = 18
"""Most digits behind the point, of any number: what the finest tokens have."""

MAX_ID_CHARS = 128
"""Longest id, symbol or name."""

MAX_REASON_CHARS = 256
"""Longest reason."""

MAX_DETAIL_CHARS = 16_384
"""Longest record of a decision: a batch of facts has to fit into a message."""

MAX_VERSION = 2**63 - 1
"""Greatest number of a policy."""

_is_plain_number = re.compile(r"-?(\d+(\.\d+)?|\.\d+)", re.ASCII).fullmatch
_EXPONENT_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)[eE]([+-]?\d+)", re.ASCII)
_NOT_FINITE = re.compile(r"[+-]?(s?nan|inf(inity)?)", re.IGNORECASE | re.ASCII)
_TIMESTAMP = re.compile(r"(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2})(?:\.(\d{1,6})0{0,3})?(Z|[+-]\d{2}:\d{2})?", re.ASCII)
_STATUS = re.compile(r"[A-Z][A-Z0-9_]{0,31}", re.ASCII)
_BOOLEANS: Mapping[str, bool] = {"true": True, "false": False, "1": True, "0": False}

_E = TypeVar("_E", bound=Enum)


class RefusalCode(StrEnum):
    """What was wrong with a field. The texts are part of the contract."""

    MISSING = "MISSING"
    NOT_A_NUMBER = "NOT_A_NUMBER"
    NOT_FINITE = "NOT_FINITE"
    NOT_POSITIVE = "NOT_POSITIVE"
    NEGATIVE = "NEGATIVE"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    EXPONENT_FORM = "EXPONENT_FORM"
    UNKNOWN_VALUE = "UNKNOWN_VALUE"
    UNKNOWN_FIELD = "UNKNOWN_FIELD"
    BAD_TIMESTAMP = "BAD_TIMESTAMP"
    NAIVE_TIMESTAMP = "NAIVE_TIMESTAMP"
    CLOSED_BEFORE_OPENED = "CLOSED_BEFORE_OPENED"
    FROM_THE_FUTURE = "FROM_THE_FUTURE"
    TOO_LONG = "TOO_LONG"
    BAD_TEXT = "BAD_TEXT"
    INCONSISTENT = "INCONSISTENT"


class Refusal(Exception):
    """A fact that is not taken. `id` is the fact's own, as far as it could be read; `field` names what was wrong."""

    def __init__(self, id: str, field: str, code: str, reason: str) -> None:
        super().__init__(id, field, code, reason)
        self.id = id
        self.field = field
        self.code = str(code)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.field}: {self.reason} ({self.code})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """The columns of one kind of fact: those that every row must fill, and those that may stay empty."""

    required: tuple[str, ...]
    optional: tuple[str, ...]
    names: frozenset[str] = field(init=False)
    """All columns."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", frozenset(self.required + self.optional))


class RawRow:
    """Reads typed values out of one raw row. Each reader raises Refusal when the field holds something else."""

    def __init__(self, raw: Mapping[str, object], fields: Fields, id: str, now: datetime) -> None:
        self._raw = raw
        self._id = id
        self._latest = now + MAX_AHEAD
        if not fields.names.issuperset(raw):
            key = next(key for key in raw if key not in fields.names)
            self._refuse(_show(key), RefusalCode.UNKNOWN_FIELD, "is not a column of this kind of fact")

    def _refuse(self, field: str, code: RefusalCode, reason: str) -> NoReturn:
        raise Refusal(self._id, field, code, reason)

    def _said(self, field: str) -> object | None:
        value = self._raw.get(field)
        return None if value == "" else value

    def _required(self, field: str) -> object:
        value = self._raw.get(field)
        if value is None or value == "":
            self._refuse(field, RefusalCode.MISSING, "must not be empty")
        return value

    def name(self, field: str) -> str:
        """Returns an id, symbol or name."""
        return self._text(field, self._required(field), MAX_ID_CHARS)

    def optional_name(self, field: str, max_chars: int = MAX_ID_CHARS) -> str:
        """Returns a short text, empty when nothing was said."""
        value = self._said(field)
        return "" if value is None else self._text(field, value, max_chars)

    def _text(self, field: str, value: object, max_chars: int) -> str:
        text = self._bounded(field, value, max_chars)
        if not text.isprintable() or text != text.strip():
            self._refuse(field, RefusalCode.BAD_TEXT, f"{_show(text)} has control characters, or blanks at its ends")
        return text

    def _bounded(self, field: str, value: object, max_chars: int) -> str:
        if not isinstance(value, str):
            self._refuse(field, RefusalCode.BAD_TEXT, f"must be text, not {type(value).__name__}")
        if len(value) > max_chars:
            self._refuse(field, RefusalCode.TOO_LONG, f"has {len(value)} characters; at most {max_chars} are taken")
        return str(value)

    def optional_json(self, field: str) -> str:
        """Returns a JSON object as text, empty when nothing was said."""
        value = self._said(field)
        if value is None:
            return ""
        text = self._bounded(field, value, MAX_DETAIL_CHARS)
        if not _is_json_object(text):
            self._refuse(field, RefusalCode.BAD_TEXT, "is not a JSON object in valid Unicode")
        return text

    def choice(self, field: str, kind: type[_E]) -> _E:
        """Returns the member of `kind` with this value."""
        value = self._required(field)
        member = _members(kind).get(value) if isinstance(value, str) else None
        if isinstance(member, kind):
            return member
        known = ", ".join(str(member.value) for member in kind)
        self._refuse(field, RefusalCode.UNKNOWN_VALUE, f"{_show(value)} is none of {known}")

    def status(self, field: str) -> str:
        """Returns an order status in the venue's words."""
        # Venues add words (a liquidation has its own): a report about real money is not turned away for one.
        text = self.name(field)
        if not _STATUS.fullmatch(text):
            self._refuse(field, RefusalCode.UNKNOWN_VALUE, f"{_show(text)} is not an order status such as FILLED")
        return text

    def boolean(self, field: str) -> bool:
        """Returns a truth value."""
        value = self._required(field)
        known = _BOOLEANS.get(value.lower()) if isinstance(value, str) else None
        if isinstance(value, bool):
            return value
        if known is None:
            self._refuse(field, RefusalCode.UNKNOWN_VALUE, f"{_show(value)} is neither true nor false")
        return known

    def number(self, field: str) -> Decimal:
        """Returns a finite number within bounds, without exponent."""
        value = self._raw.get(field)
        if isinstance(value, str) and len(value) <= MAX_INTEGER_DIGITS and _is_plain_number(value):
            # Too short to break a bound, and exact as it is written: nearly every number there is.
            return Decimal(value)
        return self._decimal(field, self._required(field))

    def optional_number(self, field: str) -> Decimal | None:
        """Returns a number, or None when nothing was said."""
        return None if self._said(field) is None else self.number(field)

    def positive(self, field: str) -> Decimal:
        """Returns a number above 0."""
        return self._above_zero(field, self.number(field))

    def optional_positive(self, field: str) -> Decimal | None:
        """Returns a number above 0, or None when nothing was said."""
        number = self.optional_number(field)
        return None if number is None else self._above_zero(field, number)

    def _above_zero(self, field: str, number: Decimal) -> Decimal:
        if number <= 0:
            self._refuse(field, RefusalCode.NOT_POSITIVE, f"is {number}; it must be above 0")
        return number

    def optional_fraction(self, field: str) -> float | None:
        """Returns a number from 0 to 1, or None when nothing was said."""
        value = self._said(field)
        if value is None:
            return None
        # No bound on its digits: it is kept as a float, and never added to money.
        number = self._finite(field, value)
        if not 0 <= number <= 1:
            self._refuse(field, RefusalCode.OUT_OF_RANGE, f"is {number:.6g}; a fraction is from 0 to 1")
        return float(number)

    def optional_version(self, field: str) -> int:
        """Returns a policy version, 0 when nothing was said."""
        value = self._said(field)
        if isinstance(value, int) and not isinstance(value, bool):
            # A version may be longer than any amount of money.
            return self._version(field, value)
        number = Decimal(0) if value is None else self._decimal(field, value)
        if number != number.to_integral_value():
            self._refuse(field, RefusalCode.NOT_A_NUMBER, f"is {number}; it must be a whole number")
        return self._version(field, int(number))

    def _version(self, field: str, number: int) -> int:
        if number < 0:
            self._refuse(field, RefusalCode.NEGATIVE, "must not be below 0")
        if number > MAX_VERSION:
            self._refuse(field, RefusalCode.OUT_OF_RANGE, "is greater than any policy version")
        return number

    def _decimal(self, field: str, value: object) -> Decimal:
        number = self._finite(field, value)
        exponent = number.as_tuple().exponent
        if number.adjusted() >= MAX_INTEGER_DIGITS:
            self._refuse(field, RefusalCode.OUT_OF_RANGE, f"has more than {MAX_INTEGER_DIGITS} digits before the point")
        if isinstance(exponent, int) and exponent < -MAX_DECIMAL_PLACES:
            self._refuse(field, RefusalCode.OUT_OF_RANGE, f"has more than {MAX_DECIMAL_PLACES} decimal places")
        return Decimal(format(number, "f"))

    def _finite(self, field: str, value: object) -> Decimal:
        number = self._read_number(field, value)
        if not number.is_finite():
            self._refuse(field, RefusalCode.NOT_FINITE, f"is {number}; it must be finite")
        return number

    def _read_number(self, field: str, value: object) -> Decimal:
        match value:
            case bool():
                self._refuse(field, RefusalCode.NOT_A_NUMBER, "is a truth value, not a number")
            case Decimal():
                return value
            case float():
                return Decimal(repr(float(value)))
            case int() if value.bit_length() <= 64:
                return Decimal(value)
            case int():
                self._refuse(field, RefusalCode.OUT_OF_RANGE, "is too great a number")
            case str():
                return self._read_text_number(field, value)
        self._refuse(field, RefusalCode.NOT_A_NUMBER, f"must be a number, not {type(value).__name__}")

    def _read_text_number(self, field: str, text: str) -> Decimal:
        if len(text) > MAX_ID_CHARS:
            self._refuse(field, RefusalCode.OUT_OF_RANGE, f"has {len(text)} characters")
        if _is_plain_number(text):
            return Decimal(text)
        if _NOT_FINITE.fullmatch(text):
            self._refuse(field, RefusalCode.NOT_FINITE, f"is {text}; it must be finite")
        if exponent := _EXPONENT_NUMBER.fullmatch(text):
            absurd = abs(int(exponent[1])) > MAX_INTEGER_DIGITS + MAX_DECIMAL_PLACES
            code = RefusalCode.OUT_OF_RANGE if absurd else RefusalCode.EXPONENT_FORM
            self._refuse(field, code, f"{_show(text)} has an exponent; write the number out")
        self._refuse(field, RefusalCode.NOT_A_NUMBER, f"{_show(text)} is not a number such as -12.50")

    def instant(self, field: str) -> datetime:
        """Returns an instant in UTC, not from the future."""
        at = self._utc(field, self._read_instant(field, self._required(field)))
        if at < EARLIEST:
            self._refuse(field, RefusalCode.OUT_OF_RANGE, f"{at.isoformat()} is before {EARLIEST.isoformat()}")
        if at > self._latest:
            reason = f"{at.isoformat()} is more than {MAX_AHEAD.total_seconds():.0f} s ahead of our clock"
            self._refuse(field, RefusalCode.FROM_THE_FUTURE, reason)
        return at

    def _read_instant(self, field: str, value: object) -> datetime:
        if isinstance(value, datetime):
            return value
        match = _TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            reason = f"{_show(value)} is not an instant such as 2022-01-31T23:59:59.123Z"
            self._refuse(field, RefusalCode.BAD_TIMESTAMP, reason)
        seconds, fraction, offset = match.groups()
        try:
            return datetime.fromisoformat(f"{seconds}.{(fraction or '').ljust(6, '0')}{offset or ''}")
        except ValueError as error:
            self._refuse(field, RefusalCode.BAD_TIMESTAMP, f"{_show(value)} is not an instant: {error}")

    def _utc(self, field: str, at: datetime) -> datetime:
        if at.tzinfo is UTC:
            return at
        if at.utcoffset() is None:
            self._refuse(field, RefusalCode.NAIVE_TIMESTAMP, f"{at.isoformat()} has no offset; write Z for UTC")
        try:
            return at.astimezone(UTC)
        except OverflowError:
            self._refuse(field, RefusalCode.BAD_TIMESTAMP, f"{at.isoformat()} is outside the calendar in UTC")


@cache
def _members(kind: type[_E]) -> Mapping[str, _E]:
    return {member.value: member for member in kind}


def _is_json_object(text: str) -> bool:
    try:
        text.encode()
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def id_of(raw: Mapping[str, object], *fields: str) -> str:
    """Returns the id of the fact in `raw`, as far as it can be read: short and printable, whatever `raw` holds."""
    return "@".join(_show(raw.get(field)) for field in fields)


def _show(value: object) -> str:
    """Short printable text for a message; a raw value may be of any size and hold anything."""
    text = value[:MAX_ID_CHARS] if isinstance(value, str) else ""
    if isinstance(value, datetime):
        text = value.isoformat()
    elif value is not None and not isinstance(value, str):
        text = f"a value of type {type(value).__name__}"
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
