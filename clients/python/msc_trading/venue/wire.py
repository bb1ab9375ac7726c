"""Reading and writing the venue's JSON: what is missing or makes no sense is refused, and no number becomes a float."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

Json = Mapping[str, object]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Malformed(ValueError):
    """The venue's words cannot be read. The message names the field and never holds its value."""


def parse(words: str) -> object:
    """Returns the JSON value; numbers with a point are Decimal.

    Raises:
        Malformed: it is no JSON, or has a number that is not finite.
    """
    try:
        return json.loads(words, parse_float=Decimal, parse_constant=_refuse_constant)
    except ValueError:
        raise Malformed("the answer is not JSON") from None


def _refuse_constant(_: str) -> object:
    raise ValueError("NaN and infinity are no numbers")


def record(value: object) -> Json:
    """Returns the value as an object of names and values."""
    if not isinstance(value, dict):
        raise Malformed("the answer is not an object")
    return value


def rows(value: object) -> list[Json]:
    """Returns the value as a list of objects."""
    if not isinstance(value, list):
        raise Malformed("the answer is not a list")
    return [record(item) for item in value]


def inner(source: Json, name: str) -> Json:
    """Returns the object under the name."""
    value = source.get(name)
    if not isinstance(value, dict):
        raise Malformed(f"{name}: an object was expected")
    return value


def text(source: Json, name: str) -> str:
    """Returns the text under the name; whole numbers count as text, as ids come either way."""
    value = source.get(name)
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise Malformed(f"{name}: text was expected")


def number(source: Json, name: str) -> Decimal:
    """Returns the finite number under the name."""
    return to_number(source.get(name), name)


def to_number(value: object, name: str) -> Decimal:
    """Returns the value as a finite number; `name` is for the message."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise Malformed(f"{name}: a number was expected")
    try:
        parsed = Decimal(value)
    except InvalidOperation:
        raise Malformed(f"{name}: a number was expected") from None
    if not parsed.is_finite():
        raise Malformed(f"{name}: a finite number was expected")
    return parsed


def whole(source: Json, name: str) -> int:
    """Returns the whole number under the name."""
    value = number(source, name)
    if value != value.to_integral_value():
        raise Malformed(f"{name}: a whole number was expected")
    return int(value)


def instant(source: Json, name: str) -> datetime:
    """Returns the instant under the name, given in milliseconds since 1970."""
    return to_instant(whole(source, name), name)


def to_instant(milliseconds: int, name: str) -> datetime:
    """Returns the instant; `name` is for the message."""
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise Malformed(f"{name}: an instant was expected") from None


def flag(source: Json, name: str, *, absent: bool | None = None) -> bool:
    """Returns the truth under the name, which the algo service also writes as text; `absent` when it is not there."""
    value = source.get(name)
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in {"true", "false"}:
        return value == "true"
    if value is None and absent is not None:
        return absent
    raise Malformed(f"{name}: true or false was expected")


def milliseconds(at: datetime) -> int:
    """Returns the instant as whole milliseconds since 1970, rounded down."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


def plain(value: Decimal) -> str:
    """Returns the number as the venue wants it: digits and a point, no exponent, no trailing zeros.

    python-binance sends `str(value)`, and the exponent form of a small or a normalised number is refused.

    Raises:
        ValueError: it is not finite, or not above zero.
    """
    if not value.is_finite() or value <= 0:
        raise ValueError("a finite number above zero was expected")
    return _without_trailing_zeros(format(value, "f"))


def _without_trailing_zeros(digits: str) -> str:
    return digits.rstrip("0").rstrip(".") if "." in digits else digits
