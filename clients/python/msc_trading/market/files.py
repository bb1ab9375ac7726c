"""One-minute candles from CSV files, streamed. What is wrong with a row is said with its number, never repaired.

Two layouts are read, each plain or gzipped: Binance's public klines (open time in milli- or microseconds first, with
or without a header), and `timestamp,open,high,low,close,volume`.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import IO, Final

from msc_trading.market.candle import MINUTE, Candle

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PRICES: Final = ("open", "high", "low", "close")
_TIME_NAMES: Final = ("open_time", "timestamp")
_KLINE_COLUMNS: Final = ("open_time", *_PRICES, "volume", "close_time")
_MAX_INTEGER_DIGITS: Final = 15
# Counted in its unit, the year 2001 is above the line and the year 5000 below that of the next smaller unit.
_MILLISECONDS_FROM: Final = 10**11
_MICROSECONDS_FROM: Final = 10**14


class CandleFileError(ValueError):
    """A file of candles cannot be used. The message names the file and, where there is one, row and column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Minutes that a file does not have: from `start` up to, not including, `end`."""

    symbol: str
    start: datetime
    end: datetime

    @property
    def minutes(self) -> int:
        """How many candles are missing."""
        return (self.end - self.start) // MINUTE


def read_candles(path: Path, *, symbol: str, on_gap: Callable[[Gap], None] | None = None) -> Iterator[Candle]:
    """Yields the candles of a file, oldest first, holding one row at a time.

    Instants without a zone are UTC. `on_gap` is told of missing minutes before the candle behind them is yielded.

    Raises:
        CandleFileError: a row is out of sense, out of order or not of one minute, or the file is damaged.
        OSError: the file cannot be read.
    """
    expected: datetime | None = None
    for candle in _rows(path, symbol):
        if expected is not None and candle.open_time > expected and on_gap is not None:
            on_gap(Gap(symbol=symbol, start=expected, end=candle.open_time))
        expected = candle.open_time + MINUTE
        yield candle


def _rows(path: Path, symbol: str) -> Iterator[Candle]:
    with _opened(path) as file:
        reader = csv.reader(file)
        columns: _Columns | None = None
        before: datetime | None = None
        while (row := _next_row(reader, path)) is not None:
            if not row:
                continue
            if columns is None:
                columns = _Columns.of(row, path)
                if columns.in_header:
                    continue
            try:
                candle = columns.candle(row, symbol)
                _check_order(candle.open_time, before)
            except ValueError as error:
                raise CandleFileError(f"{path.name}: row {reader.line_num}: {error}") from error
            before = candle.open_time
            yield candle


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _next_row(reader: Iterator[list[str]], path: Path) -> list[str] | None:
    try:
        return next(reader, None)
    except (EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError, csv.Error) as error:
        raise CandleFileError(f"{path.name}: is damaged: {error}; fetch it again") from error


def _check_order(at: datetime, before: datetime | None) -> None:
    if before is not None and at <= before:
        raise ValueError(f"open_time: {at.isoformat()} does not come after {before.isoformat()}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """Where each column is. `close_time` None: the file has none, so the length of its bars cannot be checked."""

    at: int
    prices: tuple[int, int, int, int]
    volume: int
    close_time: int | None
    count: int
    in_header: bool

    @classmethod
    def of(cls, row: list[str], path: Path) -> _Columns:
        if row[0].strip().isdigit():
            names, in_header = [*_KLINE_COLUMNS[: len(row)], *[""] * (len(row) - len(_KLINE_COLUMNS))], False
        else:
            # Some programs begin a file with a byte order mark.
            names, in_header = [cell.strip().lower().removeprefix("\ufeff") for cell in row], True
        time_name = next((name for name in _TIME_NAMES if name in names), _TIME_NAMES[0])
        missing = [name for name in (time_name, *_PRICES, "volume") if name not in names]
        if missing:
            raise CandleFileError(f"{path.name}: row 1: there is no column {', '.join(missing)}")
        return cls(
            at=names.index(time_name),
            prices=(names.index("open"), names.index("high"), names.index("low"), names.index("close")),
            volume=names.index("volume"),
            close_time=names.index("close_time") if "close_time" in names else None,
            count=len(row),
            in_header=in_header,
        )

    def candle(self, row: list[str], symbol: str) -> Candle:
        if len(row) != self.count:
            raise ValueError(f"has {len(row)} columns, not {self.count}")
        at = _instant("open_time", row[self.at])
        if at.second or at.microsecond:
            raise ValueError(f"open_time: {at.isoformat()} is not a whole minute")
        if self.close_time is not None:
            _check_length(at, _instant("close_time", row[self.close_time]))
        open_, high, low, close, volume = self._numbers(row)
        if not (low <= open_ <= high and low <= close <= high):
            raise ValueError(f"high, low: {high} and {low} do not hold open {open_} and close {close}")
        return Candle(symbol=symbol, open_time=at, open=open_, high=high, low=low, close=close, volume=volume)

    def _numbers(self, row: list[str]) -> tuple[Decimal, Decimal, Decimal, Decimal, Decimal]:
        i_open, i_high, i_low, i_close = self.prices
        numbers = (
            _number("open", row[i_open]),
            _number("high", row[i_high]),
            _number("low", row[i_low]),
            _number("close", row[i_close]),
            _number("volume", row[self.volume]),
        )
        for name, price in zip(_PRICES, numbers, strict=False):
            if not price:
                raise ValueError(f"{name}: is 0; a price is above it")
        return numbers


def _number(name: str, cell: str) -> Decimal:
    try:
        number = Decimal(cell)
    except InvalidOperation:
        raise ValueError(f"{name}: {cell!r} is not a number") from None
    if not number.is_finite() or number < 0 or number.adjusted() >= _MAX_INTEGER_DIGITS:
        raise ValueError(f"{name}: {cell!r} is not a finite number of 0 or more with up to 15 digits before the point")
    return number


def _instant(name: str, cell: str) -> datetime:
    text = cell.strip()
    try:
        if text.isdigit():
            return _EPOCH + _since_epoch(int(text))
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{name}: {cell!r} is not an instant; give ISO 8601, or a count since 1970") from None


def _since_epoch(count: int) -> timedelta:
    if count >= _MICROSECONDS_FROM:
        return timedelta(microseconds=count)
    return timedelta(milliseconds=count) if count >= _MILLISECONDS_FROM else timedelta(seconds=count)


def _check_length(at: datetime, close_at: datetime) -> None:
    # The venue's close time is the last milli- or microsecond of the bar.
    length = close_at - at
    if not (length <= MINUTE and MINUTE - length <= timedelta(milliseconds=1)):
        raise ValueError(f"close_time: the bar lasts {length}; give one-minute bars")
