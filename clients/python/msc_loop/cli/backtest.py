"""`msc backtest`: the same signals with and without the controller, as fast as they can be played."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from msc_authority.cli.errors import CommandError, ExitCode, command
from msc_authority.cli.loading import load_settings
from msc_authority.cli.options import ConfigOption, JsonOption
from msc_authority.cli.output import print_json

if TYPE_CHECKING:
    from msc_trading.backtest import BacktestReport, Side


@command
def backtest(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Candles of one minute: CSV, plain or .gz.")],
    symbol: Annotated[str, typer.Option(metavar="SYMBOL", help="What the candles are of.")] = "BTCUSDT",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Play the sample strategies on candles, with and without the controller, and print both sides.

    Both accounts hear the same signals, and are judged by the risk guard's own checks. One trades under the policies
    that the authority decides on the way, the other under fixed NORMAL limits with everybody allowed. Stores nothing.
    """
    from msc_loop.controller import CoreController
    from msc_trading.backtest import BacktestConfig, report_text, run_backtest
    from msc_trading.market import CandleFileError, read_candles
    from msc_trading.strategies import strategy_set

    decision = load_settings(config, {}).settings.decision
    try:
        candles = read_candles(file, symbol=symbol)
        report = run_backtest(candles, strategy_set(), BacktestConfig(), CoreController(decision))
    except CandleFileError as error:
        raise CommandError(str(error), code=ExitCode.USAGE, reason="CANDLES") from error
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}", code=ExitCode.USAGE, reason="CANDLES") from error
    if as_json:
        print_json(report_document(report))
    else:
        typer.echo(report_text(report))


def report_document(report: BacktestReport) -> dict[str, object]:
    """The report as JSON takes it. Money as strings, instants in ISO 8601."""
    return {
        "first_at": report.first_at.isoformat(),
        "last_at": report.last_at.isoformat(),
        "symbols": list(report.symbols),
        "candles": report.candles,
        "missing_minutes": report.missing_minutes,
        "entry_signals": report.entry_signals,
        "exit_signals": report.exit_signals,
        "evaluations": report.evaluations,
        "controlled": side_document(report.controlled, report.strategies),
        "fixed": side_document(report.fixed, report.strategies),
    }


def side_document(side: Side, strategies: tuple[str, ...]) -> dict[str, object]:
    """One side as JSON takes it."""
    return {
        "starting_equity": str(side.starting_equity),
        "final_equity": str(side.final_equity),
        "net_pnl": str(side.net_pnl),
        "fees": str(side.fees),
        "max_drawdown_pct": side.max_drawdown_pct,
        "trades": len(side.trades),
        "closed_at_end": side.closed_at_end,
        "winrate": side.winrate,
        "shadow_trades": len(side.shadow_trades),
        "entries": side.entries,
        "policy_versions": len(side.policies),
        "minutes_in_mode": {mode.name: minutes for mode, minutes in side.minutes_in_mode.items()},
        "blocks": side.blocks_by_reason,
        "strategies": {
            id_: {"net_pnl": str(side.strategy(id_).net_pnl), "trades": side.strategy(id_).trades} for id_ in strategies
        },
    }
