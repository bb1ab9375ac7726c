"""What a run of the loop is, as every process of it is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import takewhile
from pathlib import Path

from msc_authority.settings import sqlite_url
from msc_loop.home import LOG_NAME
from msc_loop.symbols import MODELS
from msc_trading.market import MINUTE, Candle, generated_candles, read_candles

ACCOUNT = "paper"
WARM_UP = timedelta(minutes=1260)
"""History that the sample strategies need before their measures mean anything."""
MADE_UP_START = datetime(2026, 1, 1, tzinfo=UTC)
EVALUATE_EVERY = timedelta(minutes=30)
FILE_SYMBOL = "BTCUSDT"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopPlan:
    """One run. Simulated time begins at `origin`; the candles from `start` to there are what everybody knows already.

    `candles` are BTCUSDT's (None: made up, as the other symbols' are). `speed` is simulated seconds in a real one.
    `config` is the authority's configuration file, None for the one in its home.
    """

    home: Path
    symbols: tuple[str, ...]
    start: datetime
    origin: datetime
    speed: float
    seed: int
    balance: Decimal
    candles: Path | None = None
    config: Path | None = None

    @property
    def database_url(self) -> str:
        """The authority's database."""
        return sqlite_url(self.home)

    @property
    def log(self) -> Path:
        """The log that all processes share."""
        return self.home / LOG_NAME

    def feed(self, symbol: str) -> Iterator[Candle]:
        """Yields the symbol's candles from `start` on; those of a file end where it does.

        Raises:
            CandleFileError: the file makes no sense.
            OSError: it cannot be read.
        """
        if self.candles is not None and symbol == FILE_SYMBOL:
            return read_candles(self.candles, symbol=symbol)
        return generated_candles(symbol, seed=self.seed, start=self.start, model=MODELS[symbol])

    def history(self, symbol: str, until: datetime) -> Iterator[Candle]:
        """Yields the candles that have ended by then."""
        return takewhile(lambda candle: candle.open_time + MINUTE <= until, self.feed(symbol))

    def as_json(self) -> str:
        """Returns it on one line."""
        return json.dumps(
            {
                "home": str(self.home),
                "symbols": list(self.symbols),
                "start": self.start.isoformat(),
                "origin": self.origin.isoformat(),
                "speed": self.speed,
                "seed": self.seed,
                "balance": str(self.balance),
                "candles": None if self.candles is None else str(self.candles),
                "config": None if self.config is None else str(self.config),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> LoopPlan:
        """Returns the plan that `as_json` wrote."""
        document = json.loads(text)
        return cls(
            home=Path(document["home"]),
            symbols=tuple(document["symbols"]),
            start=datetime.fromisoformat(document["start"]),
            origin=datetime.fromisoformat(document["origin"]),
            speed=document["speed"],
            seed=document["seed"],
            balance=Decimal(document["balance"]),
            candles=_path(document["candles"]),
            config=_path(document["config"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the authority (host:port) and the paper exchange (URLs) listen."""

    target: str
    rest_url: str
    stream_url: str

    def as_json(self) -> str:
        """Returns them on one line."""
        return json.dumps({"target": self.target, "rest_url": self.rest_url, "stream_url": self.stream_url})

    @classmethod
    def from_json(cls, text: str) -> Addresses:
        """Returns the addresses that `as_json` wrote."""
        return cls(**json.loads(text))


def first_instant(candles: Path | None) -> datetime:
    """Returns where the candles begin.

    Raises:
        ValueError: there are none, or they make no sense.
        OSError: the file cannot be read.
    """
    if candles is None:
        return MADE_UP_START
    first = next(read_candles(candles, symbol=FILE_SYMBOL), None)
    if first is None:
        raise ValueError(f"{candles}: there are no candles in it")
    return first.open_time


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
