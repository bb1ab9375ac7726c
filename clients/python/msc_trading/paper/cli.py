"""The paper exchange alone, from the command line."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from msc_trading.clock import Clock, SystemClock
from msc_trading.market import Candle, generated_candles, read_candles
from msc_trading.paper.config import BTCUSDT, ETHUSDT, HOST, ApiKey, PaperConfig
from msc_trading.paper.exchange import PaperExchange

DEFAULT_PORT = 7480
DEFAULT_ADMIN_PORT = 7481
SPECS = {spec.symbol: spec for spec in (BTCUSDT, ETHUSDT)}


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperSettings:
    """What the command line says. `candles` are files by symbol; symbols without one get made-up prices.

    `start` is where made-up prices begin, None for the first candle of the files, or else this day.
    """

    symbols: tuple[str, ...] = tuple(SPECS)
    candles: Mapping[str, Path] = field(default_factory=dict)
    start: datetime | None = None
    speed: float = 1.0
    seed: int = 0
    balance: Decimal = Decimal(1_000_000)
    warm_up_bars: int = 0
    paused: bool = False
    host: str = HOST
    port: int = DEFAULT_PORT
    admin_port: int = DEFAULT_ADMIN_PORT
    keys: tuple[ApiKey, ...] = PaperConfig().keys


def config_of(settings: PaperSettings) -> PaperConfig:
    """Returns the configuration that the settings ask for.

    Raises:
        ValueError: a setting is out of sense. The message starts with its name.
    """
    unknown = [symbol for symbol in settings.symbols if symbol not in SPECS]
    if unknown:
        raise ValueError(f"symbols: {', '.join(unknown)} is not traded here; choose from {', '.join(SPECS)}")
    return PaperConfig(
        symbols=tuple(SPECS[symbol] for symbol in settings.symbols),
        starting_balance=settings.balance,
        speed=settings.speed,
        paused=settings.paused,
        warm_up_bars=settings.warm_up_bars,
        seed=settings.seed,
        keys=settings.keys,
        host=settings.host,
        port=settings.port,
        admin_port=settings.admin_port,
    )


def feeds_of(settings: PaperSettings, today: datetime) -> dict[str, Iterable[Candle]]:
    """Returns a feed for each symbol: its file, or made-up prices that start when the files do.

    Raises:
        ValueError: a file is for a symbol that is not traded, or its candles make no sense.
        OSError: a file cannot be read.
    """
    strangers = [symbol for symbol in settings.candles if symbol not in settings.symbols]
    if strangers:
        raise ValueError(f"candles: {', '.join(strangers)} is not among the symbols")
    starts = [candle.open_time for symbol, path in settings.candles.items() for candle in _first(symbol, path)]
    start = settings.start or min(starts, default=today)
    return {
        symbol: read_candles(settings.candles[symbol], symbol=symbol)
        if symbol in settings.candles
        else generated_candles(symbol, seed=settings.seed, start=start)
        for symbol in settings.symbols
    }


def _first(symbol: str, path: Path) -> list[Candle]:
    candle = next(iter(read_candles(path, symbol=symbol)), None)
    return [] if candle is None else [candle]


async def serve(
    config: PaperConfig,
    feeds: Mapping[str, Iterable[Candle]],
    *,
    stop: asyncio.Event,
    ready: Callable[[PaperExchange], None],
) -> None:
    """Runs an exchange until `stop` is set, and raises what it fails with. `ready` is told once it listens."""
    async with PaperExchange(config, feeds) as exchange:
        ready(exchange)
        waits = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(exchange.failed())]
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()
        finally:
            for each in waits:
                each.cancel()


def paper_main(settings: PaperSettings, *, clock: Clock | None = None) -> int:
    """Runs the exchange until it is told to stop (Ctrl-C, SIGTERM); returns the exit code.

    The first line it prints is JSON with rest_url, stream_url, admin_url and origin.
    """
    try:
        now = (clock or SystemClock()).now()
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        asyncio.run(_serve_until_signal(config_of(settings), feeds_of(settings, today)))
    except (ValueError, OSError) as wrong:
        sys.stderr.write(f"msc paper: {wrong}\n")
        return 2
    return 0


async def _serve_until_signal(config: PaperConfig, feeds: Mapping[str, Iterable[Candle]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await serve(config, feeds, stop=stop, ready=_announce)


def _announce(exchange: PaperExchange) -> None:
    told = {
        "rest_url": exchange.rest_url,
        "stream_url": exchange.stream_url,
        "admin_url": exchange.admin_url,
        "origin": exchange.origin.isoformat(),
    }
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the command line, and runs the exchange."""
    parser = _parser()
    given = parser.parse_args(arguments)
    return paper_main(
        PaperSettings(
            symbols=tuple(given.symbols.split(",")),
            candles=dict(given.candles),
            start=given.start,
            speed=given.speed,
            seed=given.seed,
            balance=given.balance,
            warm_up_bars=given.warm_up_bars,
            paused=given.paused,
            host=given.host,
            port=given.port,
            admin_port=given.admin_port,
            keys=tuple(given.key) or PaperSettings().keys,
        )
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m msc_trading.paper", description="Runs a paper exchange.")
    defaults = PaperSettings()
    option = parser.add_argument
    option("--symbols", default=",".join(defaults.symbols), help="symbols, with commas between (%(default)s)")
    option("--candles", type=_file, action="append", default=[], metavar="SYMBOL=FILE", help="prices from a file")
    option("--start", type=_instant, help="where made-up prices begin (ISO 8601; UTC without a zone)")
    option("--speed", type=float, default=defaults.speed, help="simulated seconds per second (%(default)s)")
    option("--seed", type=int, default=defaults.seed, help="of prices and ids (%(default)s)")
    option("--balance", type=_amount, default=defaults.balance, help="USDT in the wallet (%(default)s)")
    option("--warm-up-bars", type=int, default=0, help="minutes that are history already (%(default)s)")
    option("--paused", action="store_true", help="start with time standing still")
    option("--host", default=defaults.host, help="address to listen on (%(default)s)")
    option("--port", type=int, default=defaults.port, help="for clients; 0 takes a free one (%(default)s)")
    option("--admin-port", type=int, default=defaults.admin_port, help="for time and faults (%(default)s)")
    option("--key", type=_key, action="append", default=[], metavar="KEY:SECRET", help="an API key; may be repeated")
    return parser


def _file(text: str) -> tuple[str, Path]:
    symbol, separator, path = text.partition("=")
    if not separator or not path:
        raise argparse.ArgumentTypeError(f"{text}: write SYMBOL=FILE")
    return symbol, Path(path)


def _key(text: str) -> ApiKey:
    key, separator, secret = text.partition(":")
    if not separator or not key or not secret:
        # Not the text itself: it may hold a secret.
        raise argparse.ArgumentTypeError("write KEY:SECRET")
    return ApiKey(key=key, secret=secret)


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as wrong:
        raise argparse.ArgumentTypeError(f"{text}: write 2026-01-31 or 2026-01-31T12:00") from wrong
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _amount(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as wrong:
        raise argparse.ArgumentTypeError(f"{text}: write an amount") from wrong
