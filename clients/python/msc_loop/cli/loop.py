"""`msc loop`: the whole loop alive on simulated time."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from msc_authority.cli.errors import CommandError, ExitCode, command
from msc_authority.cli.loading import load_settings
from msc_authority.cli.options import ConfigOption, HomeOption, JsonOption
from msc_authority.cli.output import console, print_json, text
from msc_loop.cli.needs import require_trading

if TYPE_CHECKING:
    from rich.live import Live

    from msc_authority.settings import Settings
    from msc_loop.plan import LoopPlan
    from msc_loop.report import RunReport
    from msc_loop.run import LoopState

DEFAULT_SPEED = 1440.0
DEFAULT_SEED = 7
BALANCE = Decimal(100_000)
Look = Callable[["LoopState"], None]
Note = Callable[[str], None]


@command
def loop(  # noqa: PLR0917 - each is an option of the command, given by name
    candles: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Real one-minute candles for BTCUSDT. Default: made up.")
    ] = None,
    days: Annotated[float | None, typer.Option(min=0.001, help="End after so many simulated days, and report.")] = None,
    speed: Annotated[float, typer.Option(min=1, help="Simulated seconds per second.")] = DEFAULT_SPEED,
    executors: Annotated[int, typer.Option(min=1, max=3, help="Executor processes, one symbol each.")] = 3,
    seed: Annotated[int, typer.Option(help="Of made-up prices.")] = DEFAULT_SEED,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="The authority's port. 0: any.")] = None,
    serve_http: Annotated[
        bool | None, typer.Option("--http/--no-http", help="Serve dashboard and REST.", show_default="yes")
    ] = None,
    http_port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Port for HTTP. 0: any.")] = None,
    config: ConfigOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the whole loop on this machine: prices, signals, policy, guard, orders, fills, journal, evaluation, policy.

    Starts the authority, a paper exchange, and executors with eight strategies each, all on the same simulated time,
    and shows them live. It keeps its data in the folder "loop" of home, anew each time. Ctrl-C, or --days, ends it with
    a report. Exit code 1: an order violated the policy, or the journal is not complete.
    """
    require_trading("aiohttp", "binance")
    from msc_loop.home import HomeUnusable, fresh_home

    flags = {"home": home, "grpc_port": port, "serve_http": serve_http, "http_port": http_port}
    settings = load_settings(config, flags).settings
    try:
        with fresh_home(settings.home / "loop") as folder:
            plan = _plan(folder, candles, config=config, speed=speed, seed=seed, executors=executors)
            report = _run(plan, days, settings, as_json=as_json)
    except HomeUnusable as error:
        raise CommandError(str(error), reason="HOME") from error
    _show(report, as_json=as_json)
    if not report.is_good:
        raise typer.Exit(ExitCode.BAD_NEWS)


def _plan(
    folder: Path, candles: Path | None, *, config: Path | None, speed: float, seed: int, executors: int
) -> LoopPlan:
    from msc_loop.plan import WARM_UP, LoopPlan, first_instant
    from msc_loop.symbols import SYMBOLS

    try:
        start = first_instant(candles)
    except (ValueError, OSError) as error:
        raise CommandError(f"--candles: {error}", code=ExitCode.USAGE, reason="CANDLES") from error
    return LoopPlan(
        home=folder,
        symbols=SYMBOLS[:executors],
        start=start,
        origin=start + WARM_UP,
        speed=speed,
        seed=seed,
        balance=BALANCE,
        candles=None if candles is None else candles.resolve(),
        config=None if config is None else config.resolve(),
    )


def _run(plan: LoopPlan, days: float | None, settings: Settings, *, as_json: bool) -> RunReport:
    from msc_loop.fleet import Fleet
    from msc_loop.judge_run import report_run
    from msc_loop.run import LoopFailed, LoopRun
    from msc_trading.clock import SystemClock

    try:
        with Fleet(plan.home / "logs") as fleet, _display(plan, as_json=as_json) as (look, note):
            run = LoopRun(
                plan,
                fleet,
                SystemClock(),
                port=settings.grpc_port,
                http_port=settings.http_port if settings.serve_http else None,
                look=look,
                note=note,
            )
            with _told_to_stop(run.stop):
                ended = run.run(days)
    except LoopFailed as error:
        raise CommandError(str(error), reason="LOOP_FAILED") from error
    return report_run(plan, ended)


@contextmanager
def _told_to_stop(stop: Callable[[], None]) -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda *_: stop())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _display(plan: LoopPlan, *, as_json: bool) -> Iterator[tuple[Look, Note]]:
    """Yields who is shown the state, and who is told what happens."""
    if as_json:
        yield (lambda _: None), (lambda line: typer.echo(f"msc loop: {line}", err=True))
        return
    typer.echo(f"Starting {len(plan.symbols)} executors, a paper exchange and the authority in {plan.home}")
    with _live(plan) if sys.stdout.isatty() else _plain() as shown:
        yield shown


@contextmanager
def _live(plan: LoopPlan) -> Iterator[tuple[Look, Note]]:
    from rich.live import Live

    from msc_loop.view import render

    with Live(console=console(), auto_refresh=False) as live:
        yield (lambda state: live.update(render(state, plan.speed), refresh=True)), (lambda line: _above(live, line))


def _above(live: Live, line: str) -> None:
    # Not folded: what is to be copied stays in one piece.
    live.console.print(text(line), soft_wrap=True)


@contextmanager
def _plain() -> Iterator[tuple[Look, Note]]:
    from msc_loop.view import plain_line

    shown: set[datetime] = set()

    def look(state: LoopState) -> None:
        hour = state.now.replace(minute=0, second=0, microsecond=0)
        if hour not in shown:
            shown.add(hour)
            typer.echo(plain_line(state))
            sys.stdout.flush()

    yield look, typer.echo


def _show(report: RunReport, *, as_json: bool) -> None:
    from msc_loop.report_text import report_document, report_text

    if as_json:
        print_json(report_document(report))
    else:
        typer.echo("\n" + report_text(report))
