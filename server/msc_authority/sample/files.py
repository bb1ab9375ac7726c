"""The sample as files: compressed CSV with the journal's columns."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from importlib import resources

from msc_authority.core.facts import EquityPoint, Trade
from msc_authority.core.intake import parse_equity, parse_trade

TRADES_FILE = "trades.csv.gz"
EQUITY_FILE = "equity.csv.gz"


def csv_text(facts: Sequence[Trade] | Sequence[EquityPoint]) -> str:
    """The facts as CSV, one a line, with a header."""
    names = [field.name for field in fields(facts[0])]
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_text(getattr(fact, name)) for name in names] for fact in facts)
    return target.getvalue()


def compressed(text: str) -> bytes:
    """The text as gzip, without a time stamp of its own."""
    return gzip.compress(text.encode(), compresslevel=9, mtime=0)


def read_text(name: str) -> str:
    """The text of a bundled file."""
    return gzip.decompress(resources.files(__package__).joinpath(name).read_bytes()).decode()


def read_trades(text: str, now: datetime) -> list[Trade]:
    """Trades from CSV, checked like any other facts, as if read at `now`."""
    return [parse_trade(row, now) for row in _rows(text)]


def read_equity(text: str, now: datetime) -> list[EquityPoint]:
    """Equity readings from CSV, checked like any other facts, as if read at `now`."""
    return [parse_equity(row, now) for row in _rows(text)]


def _rows(text: str) -> Iterator[dict[str, str]]:
    rows: Iterable[dict[str, str]] = csv.DictReader(io.StringIO(text))
    yield from rows


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return format(value, "f") if isinstance(value, Decimal) else str(value)
