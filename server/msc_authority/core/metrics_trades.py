"""What the tape of closed trades says: win rate with its certainty, expectancy, and the classic ratios."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from msc_authority.core.metrics_trend import Z_95

# Tharp's reading of the number stops growing with the count of trades here, so that activity is not quality.
_SQN_MAX_TRADES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeStatistics:
    """Statistics of net results, in account currency. None: undefined on these trades.

    `decided` counts wins and losses; results of zero are neither.
    """

    trades: int
    wins: int
    losses: int
    winrate_fraction: float | None
    expectancy: float | None
    profit_factor: float | None
    payoff_ratio: float | None
    sqn: float | None

    @property
    def decided(self) -> int:
        """Wins and losses."""
        return self.wins + self.losses


def trade_statistics(results: Sequence[float]) -> TradeStatistics:
    """Returns the statistics of net results, oldest first."""
    wins = [result for result in results if result > 0.0]
    losses = [-result for result in results if result < 0.0]
    decided = len(wins) + len(losses)
    return TradeStatistics(
        trades=len(results),
        wins=len(wins),
        losses=len(losses),
        winrate_fraction=len(wins) / decided if decided else None,
        expectancy=_mean(results),
        profit_factor=math.fsum(wins) / math.fsum(losses) if losses else None,
        payoff_ratio=_payoff(wins, losses),
        sqn=system_quality_number(results),
    )


def wilson_interval(rate: float, trials: float) -> tuple[float, float] | None:
    """Returns the 95 % interval of a success rate, or None without trials.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", J. Am. Stat. Assoc. 22 (1927).
    """
    if trials <= 0.0:
        return None
    square = Z_95 * Z_95 / trials
    centre = (rate + square / 2.0) / (1.0 + square)
    half = Z_95 * math.sqrt(rate * (1.0 - rate) / trials + square / (4.0 * trials)) / (1.0 + square)
    return max(centre - half, 0.0), min(centre + half, 1.0)


def system_quality_number(results: Sequence[float]) -> float | None:
    """Returns √min(n, 100) × mean / standard deviation (n − 1), or None below two results or without scatter.

    V. K. Tharp, "Definitive Guide to Position Sizing" (2008).
    """
    if len(results) < 2:
        return None
    mean = math.fsum(results) / len(results)
    deviation = math.sqrt(math.fsum((result - mean) ** 2 for result in results) / (len(results) - 1))
    if deviation <= 0.0:
        return None
    return math.sqrt(min(len(results), _SQN_MAX_TRADES)) * mean / deviation


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _payoff(wins: Sequence[float], losses: Sequence[float]) -> float | None:
    mean_win, mean_loss = _mean(wins), _mean(losses)
    return mean_win / mean_loss if mean_win is not None and mean_loss is not None else None
