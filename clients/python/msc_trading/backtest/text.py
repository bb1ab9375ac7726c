"""A backtest's report as text: both sides beside each other, whatever they say."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from msc_client.policy import RiskMode
from msc_trading.backtest.report import BacktestReport, Side

_NAME_WIDTH: Final = 34
_WIDTH: Final = 18
_LAST_POLICIES: Final = 12


def report_text(report: BacktestReport) -> str:
    """Returns the report in lines of at most 100 characters."""
    return "\n".join([*_head(report), "", *_table(report), "", *_strategies(report), "", *_policies(report.controlled)])


def _head(report: BacktestReport) -> Iterator[str]:
    missing = f", {report.missing_minutes} minutes missing" if report.missing_minutes else ""
    yield f"Backtest {report.first_at:%Y-%m-%d %H:%M} to {report.last_at:%Y-%m-%d %H:%M} UTC"
    yield f"{', '.join(report.symbols)}: {report.candles} candles{missing}"
    yield f"{report.entry_signals} entry and {report.exit_signals} exit signals, {report.evaluations} evaluations"


def _table(report: BacktestReport) -> Iterator[str]:
    sides = (report.controlled, report.fixed)
    yield _row("", "controller", "fixed NORMAL")
    yield _row("starting equity", *(_money(side.starting_equity) for side in sides))
    yield _row("final equity", *(_money(side.final_equity) for side in sides))
    yield _row("net PnL", *(_money(side.net_pnl) for side in sides))
    yield _row("fees", *(_money(side.fees) for side in sides))
    yield _row("max drawdown", *(f"{side.max_drawdown_pct:.2f} %" for side in sides))
    yield _row("trades", *(str(len(side.trades)) for side in sides))
    yield _row("  closed because the candles ended", *(str(side.closed_at_end) for side in sides))
    yield _row("win rate", *(_percent(side.winrate) for side in sides))
    yield _row("shadow trades", *(str(len(side.shadow_trades)) for side in sides))
    yield _row("policy versions", *(str(len(side.policies)) for side in sides))
    for mode in RiskMode:
        yield _row(f"time in {mode.name}", *(_percent(side.time_in_mode(mode)) for side in sides))
    yield _row("entries granted", *(str(side.entries) for side in sides))
    yield _row("entries blocked", *(str(sum(side.blocks.values())) for side in sides))
    counts = [side.blocks_by_reason for side in sides]
    for reason in dict.fromkeys(reason for found in counts for reason in found):
        yield _row(f"  {reason}", *(str(found.get(reason, 0)) for found in counts))


def _strategies(report: BacktestReport) -> Iterator[str]:
    yield _row("strategy: net PnL (trades)", "controller", "fixed NORMAL")
    for id_ in report.strategies:
        yield _row(f"  {id_}", *(_result(side, id_) for side in (report.controlled, report.fixed)))


def _result(side: Side, strategy_id: str) -> str:
    result = side.strategy(strategy_id)
    return f"{_money(result.net_pnl)} ({result.trades})"


def _policies(side: Side) -> Iterator[str]:
    skipped = len(side.policies) - _LAST_POLICIES
    yield "policies" + (f", the last {_LAST_POLICIES} of {len(side.policies)}" if skipped > 0 else "")
    for step in side.policies[-_LAST_POLICIES:]:
        policy = step.policy
        allowed = ", ".join(policy.allowed_strategies) or "nobody"
        line = f"  {step.at:%m-%d %H:%M}  v{policy.ref.version} {policy.risk_mode.name} {policy.trading_state.name}: "
        yield (line + allowed)[:100]


def _row(name: str, *cells: str) -> str:
    return (f"{name:<{_NAME_WIDTH}}" + "".join(f"{cell:>{_WIDTH}}" for cell in cells)).rstrip()


def _money(amount: Decimal) -> str:
    return f"{amount:,.2f}"


def _percent(fraction: float | None) -> str:
    return "unknown" if fraction is None else f"{fraction:.1%}"
