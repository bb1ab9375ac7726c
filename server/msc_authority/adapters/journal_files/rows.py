"""Raw rows out of lines: which kind of fact a row is, and its values by column name."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from msc_authority.adapters.journal_files.lines import MAX_LINE_BYTES, Line
from msc_authority.core.facts import Fact
from msc_authority.core.intake import (
    EQUITY_FIELDS,
    EXECUTION_FIELDS,
    TRADE_FIELDS,
    Fields,
    Refusal,
    parse_equity,
    parse_execution,
    parse_trade,
)

WHOLE_ROW = "row"
"""The field that a refusal names when no single one was wrong."""

_MAX_INT_DIGITS = 20


class RowCode(StrEnum):
    """What was wrong with a row before its values were looked at. The texts are part of the contract."""

    TRUNCATED = "TRUNCATED"
    WRONG_COLUMNS = "WRONG_COLUMNS"
    NOT_UTF8 = "NOT_UTF8"
    NUL_BYTE = "NUL_BYTE"
    ROW_TOO_LONG = "ROW_TOO_LONG"
    BAD_QUOTES = "BAD_QUOTES"
    NOT_JSON = "NOT_JSON"
    UNKNOWN_KIND = "UNKNOWN_KIND"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of fact: what it is called in messages, its columns, and how a raw row becomes one."""

    name: str
    fields: Fields
    parse: Callable[[Mapping[str, object], datetime], Fact]


KINDS: tuple[Kind, ...] = (
    Kind(name="trade", fields=TRADE_FIELDS, parse=parse_trade),
    Kind(name="equity", fields=EQUITY_FIELDS, parse=parse_equity),
    Kind(name="execution", fields=EXECUTION_FIELDS, parse=parse_execution),
)


def kind_of(columns: Collection[str]) -> Kind | None:
    """Returns the kind that shares most columns, if it shares more than half of those it must have; else None."""
    present = set(columns)
    best = max(KINDS, key=lambda kind: len(present & kind.fields.names) / len(kind.fields.required))
    shared = len(present.intersection(best.fields.required))
    return best if 2 * shared > len(best.fields.required) else None


def text_of(line: Line) -> str:
    """Returns the text of a line.

    Raises:
        Refusal: it is too long, damaged, or not text.
    """
    if line.damaged:
        raise refuse(RowCode.TRUNCATED, "the compressed data end or break here; what follows was not read")
    if line.too_long:
        raise refuse(RowCode.ROW_TOO_LONG, f"has more than {MAX_LINE_BYTES} bytes")
    if b"\0" in line.content:
        raise refuse(RowCode.NUL_BYTE, "has a NUL byte: the file is damaged, or is not text")
    try:
        return line.content.decode()
    except UnicodeDecodeError as error:
        raise refuse(RowCode.NOT_UTF8, f"byte {error.start + 1} is not UTF-8; save the file as UTF-8") from error


def split_csv(text: str) -> list[str]:
    """Returns the values of one CSV row. A row is one line: a quoted value does not go on into the next.

    Raises:
        Refusal: the quotes do not pair.
    """
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise refuse(RowCode.BAD_QUOTES, f"{error}; a row is one line, quotes pair") from error


def csv_row(line: Line, columns: Sequence[str]) -> Mapping[str, object]:
    """Returns the values of a row of a CSV file by column name.

    Raises:
        Refusal: it is not a whole row of so many columns.
    """
    values = split_csv(text_of(line))
    if len(values) < len(columns):
        reason = f"the row ends after {len(values)} of {len(columns)} columns"
        raise refuse(RowCode.WRONG_COLUMNS if line.ended else RowCode.TRUNCATED, reason, columns[len(values)])
    if len(values) > len(columns):
        raise refuse(RowCode.WRONG_COLUMNS, f"has {len(values)} values for {len(columns)} columns")
    if not line.ended:
        # 1000.50 cut off reads as 1000: without a line end nobody can tell a whole number from the front of one.
        reason = "the file ends inside this row, so its last value may be cut off; end the file with a line end"
        raise refuse(RowCode.TRUNCATED, reason, columns[-1])
    return dict(zip(columns, values, strict=True))


def json_row(line: Line) -> Mapping[str, object]:
    """Returns the members of a row of a JSON lines file.

    Raises:
        Refusal: it is not one JSON object.
    """
    text = text_of(line)
    try:
        row = json.loads(
            text,
            parse_float=_fractional_number,
            parse_int=_whole_number,
            parse_constant=Decimal,
            object_pairs_hook=_without_doubles,
        )
    except (ValueError, RecursionError) as error:
        code, cut = (RowCode.NOT_JSON, "") if line.ended else (RowCode.TRUNCATED, "the file ends inside this row: ")
        raise refuse(code, f"{cut}is not a JSON object: {error}") from error
    if not isinstance(row, dict):
        raise refuse(RowCode.NOT_JSON, "is JSON, but not an object")
    return row


def refuse(code: RowCode, reason: str, field: str = WHOLE_ROW) -> Refusal:
    """Returns the refusal of a row that has no id yet."""
    return Refusal("", field, code, reason)


def _fractional_number(digits: str) -> Decimal | str:
    try:
        return Decimal(digits)
    except InvalidOperation:
        # An exponent beyond even Decimal: left as text, so that the refusal names the field it stands in.
        return digits


def _whole_number(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= _MAX_INT_DIGITS else Decimal(digits)


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    counts = Counter(name for name, _ in pairs)
    for name, count in counts.items():
        if count > 1:
            raise ValueError(f"{name[:40]!a} is there {count} times")
    return dict(pairs)
