"""`msc paper serve`: the paper exchange alone."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer

from msc_authority.cli.errors import CommandError, ExitCode, command
from msc_loop.cli.needs import require_trading

paper_app = typer.Typer(name="paper", help="The paper exchange.", no_args_is_help=True)


@paper_app.callback()
def _paper() -> None:
    """Keeps `serve` a command of its own: a Typer with a single one would swallow its name."""


@paper_app.command()
@command
def serve(  # noqa: PLR0917 - each is an option of the command, given by name
    symbols: Annotated[str, typer.Option(metavar="A,B", help="Symbols, with commas between.")] = "BTCUSDT,ETHUSDT",
    candles: Annotated[
        list[str] | None, typer.Option(metavar="SYMBOL=FILE", help="Prices from a file; without one, made-up prices.")
    ] = None,
    start: Annotated[str | None, typer.Option(metavar="INSTANT", help="Where made-up prices begin; UTC.")] = None,
    speed: Annotated[float, typer.Option(help="Simulated seconds per second.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Of prices and ids.")] = 0,
    balance: Annotated[str, typer.Option(metavar="USDT", help="What the wallet holds.")] = "1000000",
    warm_up_bars: Annotated[int, typer.Option(min=0, help="Minutes that are history already.")] = 0,
    paused: Annotated[bool, typer.Option("--paused", help="Start with time standing still.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="For clients. 0: any.")] = 7480,
    admin_port: Annotated[int, typer.Option(min=0, max=65_535, help="For time and faults. 0: any.")] = 7481,
) -> None:
    """Run a paper exchange until Ctrl-C: USD-M Futures on this machine, for the unmodified python-binance client.

    The first line it prints is JSON with its addresses. Keys: paper-key and paper-secret.
    """
    require_trading("aiohttp")
    from msc_trading.paper import PaperSettings, paper_main

    settings = PaperSettings(
        symbols=tuple(symbols.split(",")),
        candles=dict(_file(text) for text in candles or ()),
        start=None if start is None else _instant(start),
        speed=speed,
        seed=seed,
        balance=_amount(balance),
        warm_up_bars=warm_up_bars,
        paused=paused,
        port=port,
        admin_port=admin_port,
    )
    code = paper_main(settings)
    if code:
        raise typer.Exit(code)


def _file(text: str) -> tuple[str, Path]:
    symbol, separator, path = text.partition("=")
    if not separator or not symbol or not path:
        raise CommandError(f"--candles {text}: write SYMBOL=FILE", code=ExitCode.USAGE)
    return symbol, Path(path)


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"--start {text}: write 2026-01-31 or 2026-01-31T12:00", code=ExitCode.USAGE) from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _amount(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise CommandError(f"--balance {text}: write an amount", code=ExitCode.USAGE) from None
