"""What a backtest found: both sides, whole, as values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from msc_client.facts import ClosedTrade
from msc_client.policy import Policy, RiskMode


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyStep:
    """A policy, and since when it was traded under."""

    at: datetime
    policy: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyResult:
    """What one strategy did with money. `entries_blocked` are those that the guard refused."""

    trades: int
    wins: int
    net_pnl: Decimal
    fees: Decimal
    entries_blocked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side. Money in account currency; the drawdown in percent of the peak, by closes of the minutes.

    `entries` were granted, `repeated` came while the strategy was in the symbol already. `blocks` counts refusals by
    strategy and reason. `closed_at_end` of the trades were closed only because the candles ended.
    """

    starting_equity: Decimal
    final_equity: Decimal
    max_drawdown_pct: float
    trades: tuple[ClosedTrade, ...]
    shadow_trades: tuple[ClosedTrade, ...]
    closed_at_end: int
    entries: int
    repeated: int
    blocks: Mapping[tuple[str, str], int]
    policies: tuple[PolicyStep, ...]
    minutes_in_mode: Mapping[RiskMode, int]

    @property
    def net_pnl(self) -> Decimal:
        """What was won or lost, after fees."""
        return sum((trade.net_pnl for trade in self.trades), Decimal(0))

    @property
    def fees(self) -> Decimal:
        """The fees paid."""
        return sum((trade.fees for trade in self.trades), Decimal(0))

    @property
    def winrate(self) -> float | None:
        """Fraction of the trades that won; None without any that won or lost."""
        wins = sum(trade.net_pnl > 0 for trade in self.trades)
        decided = wins + sum(trade.net_pnl < 0 for trade in self.trades)
        return wins / decided if decided else None

    @property
    def blocks_by_reason(self) -> dict[str, int]:
        """Refusals by reason, the most frequent first."""
        counts: Counter[str] = Counter()
        for (_, reason), count in self.blocks.items():
            counts[reason] += count
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def strategy(self, strategy_id: str) -> StrategyResult:
        """Returns what one strategy did."""
        trades = [trade for trade in self.trades if trade.strategy_id == strategy_id]
        return StrategyResult(
            trades=len(trades),
            wins=sum(trade.net_pnl > 0 for trade in trades),
            net_pnl=sum((trade.net_pnl for trade in trades), Decimal(0)),
            fees=sum((trade.fees for trade in trades), Decimal(0)),
            entries_blocked=sum(count for (id_, _), count in self.blocks.items() if id_ == strategy_id),
        )

    def time_in_mode(self, mode: RiskMode) -> float:
        """Returns the share of the time spent in a mode, as a fraction; 0 when no time passed."""
        total = sum(self.minutes_in_mode.values())
        return self.minutes_in_mode.get(mode, 0) / total if total else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestReport:
    """The same signals with and without the controller. `first_at` and `last_at` bound the candles.

    `missing_minutes` are those between them that had no candle, summed over the symbols.
    """

    first_at: datetime
    last_at: datetime
    symbols: tuple[str, ...]
    strategies: tuple[str, ...]
    candles: int
    missing_minutes: int
    entry_signals: int
    exit_signals: int
    evaluations: int
    controlled: Side
    fixed: Side

    def __str__(self) -> str:
        """The report as text."""
        from msc_trading.backtest.text import report_text

        return report_text(self)
