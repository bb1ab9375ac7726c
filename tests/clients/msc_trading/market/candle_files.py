"""Writes candle files the way their makers do."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

from msc_trading.market.candle import MINUTE, Candle

START = datetime(2022, 1, 1, tzinfo=UTC)
KLINE_HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
)
_AS_THEY_ARE: Mapping[str, str] = MappingProxyType({})
PLAIN_HEADER = "timestamp,open,high,low,close,volume"


def candle(minute: int = 0, **changes: object) -> Candle:
    fields: dict[str, object] = {
        "symbol": "BTCUSDT",
        "open_time": START + minute * MINUTE,
        "open": Decimal("100.0"),
        "high": Decimal("102.0"),
        "low": Decimal("99.0"),
        "close": Decimal("101.0"),
        "volume": Decimal("5"),
    }
    return Candle(**{**fields, **changes})  # type: ignore[arg-type] # fields are overridden by name


def kline_row(
    minute: int = 0, cells: Mapping[str, str] = _AS_THEY_ARE, *, unit: timedelta = timedelta(milliseconds=1)
) -> str:
    at = START + minute * MINUTE
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    row = {
        "open_time": str(since // unit),
        "open": "100.0",
        "high": "102.0",
        "low": "99.0",
        "close": "101.0",
        "volume": "5",
        "close_time": str((since + MINUTE) // unit - 1),
    }
    return ",".join([*{**row, **cells}.values(), "500.0", "12", "2.5", "250.0", "0"])


def plain_row(minute: int = 0, **cells: str) -> str:
    row = {
        "timestamp": f"{START + minute * MINUTE:%Y-%m-%d %H:%M:%S.%f}",
        "open": "100.0",
        "high": "102.0",
        "low": "99.0",
        "close": "101.0",
        "volume": "5",
    }
    return ",".join({**row, **cells}.values())


def written(path: Path, lines: Iterable[str]) -> Path:
    text = "\n".join(lines) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def minutes_of(candles: Sequence[Candle]) -> list[int]:
    return [(item.open_time - START) // MINUTE for item in candles]
