"""The strategies by rank: state, every part of the score, and the result of the last days as a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from msc_authority.app.trace_fold import SPAN
from msc_authority.core.evaluation import StrategyRanking
from msc_authority.http.dashboard.facts import Facts
from msc_authority.http.dashboard.policy_view import Instant, instant
from msc_authority.http.dashboard.text import number, percent, signed

SPARK_WIDTH, SPARK_HEIGHT = 96, 24
_MARGIN = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spark:
    """A line through a few values, in units of its drawing. `zero` is the height of the value 0, if it is in sight."""

    points: str
    zero: float | None
    text: str
    rising: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyRow:
    """One strategy."""

    rank: int
    strategy_id: str
    state: str
    state_since: Instant
    allowed: bool
    score: str
    lower: str
    drawdown_penalty: str
    selection_penalty: str
    mean: str
    probability: str
    winrate: str
    trades: str
    effective_n: str
    drawdown: str
    net_pnl: str
    fallback: str
    last_trade: Instant | None
    reason: str
    spark: Spark | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategies:
    """The ranking of the newest evaluation. `course_days` is what the lines span."""

    as_of: Instant | None = None
    rows: tuple[StrategyRow, ...] = ()
    allowed: int = 0
    course_days: int = SPAN.days


def strategies(facts: Facts) -> Strategies:
    """Returns the ranking."""
    kept = facts.kept
    lines = _sparks(facts.trace.strategies)
    return Strategies(
        as_of=instant(kept.ranked_at) if kept.ranked_at else None,
        rows=tuple(_row(ranking, lines.get(ranking.strategy_id)) for ranking in kept.rankings),
        allowed=sum(ranking.allowed for ranking in kept.rankings),
    )


def _sparks(results: Mapping[str, Sequence[float]]) -> dict[str, Spark]:
    return {strategy_id: spark(values) for strategy_id, values in results.items() if len(values) > 1}


def _row(ranking: StrategyRanking, line: Spark | None) -> StrategyRow:
    return StrategyRow(
        rank=ranking.rank,
        strategy_id=ranking.strategy_id,
        state=str(ranking.state),
        state_since=instant(ranking.state_since),
        allowed=ranking.allowed,
        score=signed(ranking.score, 3),
        lower=signed(ranking.posterior_lower_r, 3),
        drawdown_penalty=signed(-ranking.drawdown_penalty_r, 3),
        selection_penalty=signed(-ranking.selection_penalty_r, 3),
        mean=signed(ranking.posterior_mean_r, 3),
        probability=percent(ranking.probability_positive, 0),
        winrate=percent(ranking.winrate_fraction, 0),
        trades=f"{ranking.live_trades:,} + {ranking.shadow_trades:,}",
        effective_n=number(ranking.effective_n, 1),
        drawdown=number(ranking.drawdown_r, 2),
        net_pnl=signed(Decimal(ranking.net_pnl), 2),
        fallback=percent(ranking.fallback_fraction, 0) if ranking.fallback_fraction else "",
        last_trade=instant(ranking.last_trade_at) if ranking.last_trade_at else None,
        reason=ranking.reason.text,
        spark=line,
    )


def spark(values: Sequence[float]) -> Spark:
    """Returns a line through at least two values of a result in account currency that is cumulated from zero."""
    low, high = min(*values, 0.0), max(*values, 0.0)
    height = high - low or 1.0
    step = (SPARK_WIDTH - 2 * _MARGIN) / (len(values) - 1)

    def y(value: float) -> float:
        return round(_MARGIN + (high - value) / height * (SPARK_HEIGHT - 2 * _MARGIN), 1)

    points = " ".join(f"{_MARGIN + index * step:.1f},{y(value)}" for index, value in enumerate(values))
    # They are cumulated from zero: the last one is what all the days came to, the first day's result included.
    result = values[-1]
    text = f"{signed(result)} in account currency, live + shadow, over the last {SPAN.days} days"
    return Spark(points=points, zero=y(0.0), text=text, rising=result >= 0)
