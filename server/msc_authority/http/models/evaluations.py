"""Evaluations: the health they saw, the ranking, and what a caller may ask for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from msc_authority.app.evaluate import EvaluationOutcome
from msc_authority.core.evaluation import HealthMetric, StrategyRanking, SuppliedMetrics, Verdict
from msc_authority.core.policy import StrategyState, SystemHealth
from msc_authority.http.models.basics import Answer, ChangeAnswer, Count, Fraction, Instant, ReasonAnswer, RefAnswer
from msc_authority.http.models.policies import MODE_NAMES, ContentAnswer, RiskModeName
from msc_authority.ports.evaluations import EvaluationEntry

MAX_COUNT = 2**32 - 1


class MetricAnswer(Answer):
    """One measured number beside the line it is judged by. Its unit is in its name."""

    name: str
    value: float | None
    threshold: Annotated[float | None, Field(description="From here it costs warning points; null: it is not judged.")]
    margin: Annotated[float | None, Field(description="Distance to the threshold; negative: beyond it.")]
    interval_low: Annotated[float | None, Field(description="Lower end of the confidence interval.")]
    interval_high: Annotated[float | None, Field(description="Upper end of the confidence interval.")]
    sample_size: Annotated[Count, Field(description="Facts behind it.")]
    window: Annotated[str, Field(description="What span of facts it looks at.")]
    source: Annotated[str, Field(description="Where the facts are from.")]
    age_s: Annotated[float | None, Field(description="Age of the newest fact at the evaluation, seconds.")]
    warning_points: Annotated[Count, Field(description="Warning points it cost.")]

    @classmethod
    def of(cls, metric: HealthMetric) -> Self:
        """Returns the answer for a metric."""
        return cls(
            name=metric.name,
            value=metric.value,
            threshold=metric.threshold,
            margin=metric.margin,
            interval_low=metric.interval_low,
            interval_high=metric.interval_high,
            sample_size=metric.sample_size,
            window=metric.window,
            source=metric.source,
            age_s=metric.age_s,
            warning_points=metric.warning_points,
        )


class HealthReport(Answer):
    """The grade of the whole system and what it was judged by."""

    as_of: Instant
    system_health: SystemHealth
    warning_points: Annotated[Count, Field(description="Sum of the metrics' warning points.")]
    mode_target: Annotated[RiskModeName, Field(description="The mode that the grade alone asks for.")]
    mode_after: Annotated[RiskModeName, Field(description="The mode that was decided.")]
    reasons: list[ReasonAnswer]
    metrics: list[MetricAnswer]

    @classmethod
    def of(cls, verdict: Verdict) -> Self:
        """Returns the answer for a verdict."""
        return cls(
            as_of=verdict.as_of,
            system_health=verdict.system_health,
            warning_points=verdict.warning_points,
            mode_target=MODE_NAMES[verdict.mode_target],
            mode_after=MODE_NAMES[verdict.mode_after],
            reasons=[ReasonAnswer.of(reason) for reason in verdict.reasons],
            metrics=[MetricAnswer.of(metric) for metric in verdict.metrics],
        )


class EvaluationAnswer(Answer):
    """An evaluation that succeeded."""

    evaluation_id: str
    trigger: Annotated[str, Field(description="start, schedule, request, preview or what_if.")]
    started_at: Instant
    duration_s: Annotated[float, Field(description="How long it took, seconds.")]
    committed_version: Annotated[Count | None, Field(description="Version it published; null: the policy stayed.")]
    reasons: list[ReasonAnswer]

    @classmethod
    def of(cls, entry: EvaluationEntry) -> Self:
        """Returns the answer for an evaluation."""
        reasons = entry.verdict.reasons if entry.verdict else ()
        return cls(
            evaluation_id=entry.evaluation_id,
            trigger=entry.trigger,
            started_at=entry.started_at,
            duration_s=entry.duration_s,
            committed_version=entry.committed.version if entry.committed else None,
            reasons=[ReasonAnswer.of(reason) for reason in reasons],
        )


class FailureAnswer(Answer):
    """An evaluation that failed. The policy was kept."""

    evaluation_id: str
    trigger: Annotated[str, Field(description="start, schedule or request.")]
    started_at: Instant
    failure: Annotated[str, Field(description="What went wrong.")]

    @classmethod
    def of(cls, entry: EvaluationEntry) -> Self:
        """Returns the answer for an evaluation that failed."""
        return cls(
            evaluation_id=entry.evaluation_id,
            trigger=entry.trigger,
            started_at=entry.started_at,
            failure=entry.failure,
        )


class HealthAnswer(Answer):
    """The health that the last evaluation saw, and when the next one is due."""

    health: HealthReport | None
    next_evaluation_in_s: Annotated[float, Field(description="Seconds until the next scheduled evaluation.")]
    last_failure: Annotated[FailureAnswer | None, Field(description="The newest evaluation, if it failed.")]


class StrategyAnswer(Answer):
    """One strategy with every part of its score. R is net PnL divided by the risk at entry."""

    strategy_id: str
    rank: Annotated[int, Field(description="1 is the best.")]
    state: StrategyState
    state_since: Instant
    allowed: Annotated[bool, Field(description="Whether the policy lets it open positions.")]
    score: Annotated[float, Field(description="posterior_lower_r less both penalties, in R.")]
    posterior_lower_r: Annotated[float, Field(description="Lower bound of what is believed of its mean, in R.")]
    posterior_mean_r: Annotated[float, Field(description="What is believed of its mean, in R.")]
    drawdown_penalty_r: Annotated[float, Field(description="Taken off for its drawdown, in R.")]
    selection_penalty_r: Annotated[float, Field(description="Taken off for being the best of many, in R.")]
    probability_positive: Annotated[Fraction, Field(description="Probability that its mean is positive.")]
    prior_mean_r: Annotated[float, Field(description="What is believed of any strategy, in R.")]
    effective_n: Annotated[float, Field(description="Trades behind it, weighted by age.")]
    live_trades: Count
    shadow_trades: Count
    winrate_fraction: Annotated[float | None, Field(description="Share of winning trades, fraction.")]
    net_pnl: Annotated[str, Field(description="Net PnL in account currency, decimal.", pattern=r"^-?\d+(\.\d+)?$")]
    drawdown_r: Annotated[float, Field(description="Drawdown, in R.")]
    fallback_fraction: Annotated[Fraction, Field(description="Share of trades whose risk at entry was estimated.")]
    last_trade_at: Instant | None
    reason: ReasonAnswer

    @classmethod
    def of(cls, ranking: StrategyRanking) -> Self:
        """Returns the answer for a ranked strategy."""
        return cls(
            strategy_id=ranking.strategy_id,
            rank=ranking.rank,
            state=ranking.state,
            state_since=ranking.state_since,
            allowed=ranking.allowed,
            score=ranking.score,
            posterior_lower_r=ranking.posterior_lower_r,
            posterior_mean_r=ranking.posterior_mean_r,
            drawdown_penalty_r=ranking.drawdown_penalty_r,
            selection_penalty_r=ranking.selection_penalty_r,
            probability_positive=ranking.probability_positive,
            prior_mean_r=ranking.prior_mean_r,
            effective_n=ranking.effective_n,
            live_trades=ranking.live_trades,
            shadow_trades=ranking.shadow_trades,
            winrate_fraction=ranking.winrate_fraction,
            net_pnl=format(ranking.net_pnl, "f"),
            drawdown_r=ranking.drawdown_r,
            fallback_fraction=ranking.fallback_fraction,
            last_trade_at=ranking.last_trade_at,
            reason=ReasonAnswer.of(ranking.reason),
        )


class StrategiesAnswer(Answer):
    """The ranking of the last evaluation, best first."""

    as_of: Annotated[datetime | None, Field(description="Instant of that evaluation; null: there was none.")]
    strategies: list[StrategyAnswer]

    @classmethod
    def of(cls, ranked: Sequence[StrategyRanking], as_of: datetime | None) -> Self:
        """Returns the answer for a ranking."""
        return cls(as_of=as_of, strategies=[StrategyAnswer.of(ranking) for ranking in ranked])


class _Asked(BaseModel):
    # Strict: "3" is not 3 and true is not 1. What is misspelt is refused, not ignored.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _whole(value: object) -> object:
    # JSON has one kind of number: 3.0 is 3.
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, Field(ge=0, le=MAX_COUNT), BeforeValidator(_whole)]


class WhatIf(_Asked):
    """Metrics to judge instead of the measured ones. One that is missing or null is left out of account."""

    drawdown_pct: Annotated[float | None, Field(ge=0, le=100, description="Drawdown, percent.")] = None
    winrate_fraction: Annotated[float | None, Field(ge=0, le=1, description="Share of winning trades.")] = None
    trades_n: Annotated[Whole | None, Field(description="Trades behind the win rate.")] = None
    slope_pct_per_day: Annotated[float | None, Field(ge=-100, description="Slope of equity, percent a day.")] = None
    loss_streak: Annotated[Whole | None, Field(description="Losses in a row.")] = None
    days_without_profit: Annotated[float | None, Field(ge=0, description="Days since the last profit.")] = None
    expectancy: Annotated[float | None, Field(description="Mean result of a trade, in R.")] = None
    volatility_ratio: Annotated[float | None, Field(ge=0, description="Volatility now over what is usual.")] = None

    def supplied(self) -> SuppliedMetrics:
        """Returns them as the core takes them."""
        return SuppliedMetrics(**self.model_dump())


class EvaluateRequest(_Asked):
    """What to evaluate. Everything is optional; an empty request evaluates the journal now and commits."""

    reason: Annotated[
        str, Field(max_length=256, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$", description="Why, for the log of evaluations.")
    ] = ""
    request_id: Annotated[
        str,
        Field(
            max_length=64,
            pattern=r"^[A-Za-z0-9_.-]*$",
            description="The same id again within a day returns the same evaluation instead of another one.",
        ),
    ] = ""
    dry_run: Annotated[bool, Field(description="Say what would be decided and write nothing.")] = False
    what_if: Annotated[WhatIf | None, Field(description="Judge these metrics and write nothing.")] = None


class EvaluateAnswer(Answer):
    """What an evaluation led to."""

    evaluation: EvaluationAnswer
    health: HealthReport | None
    candidate: Annotated[ContentAnswer, Field(description="What was committed, or what it would be.")]
    changes: Annotated[list[ChangeAnswer], Field(description="How it differs from the policy before.")]
    committed: Annotated[bool, Field(description="Whether a new revision was published.")]
    head: Annotated[RefAnswer, Field(description="The newest policy afterwards.")]

    @classmethod
    def of(cls, outcome: EvaluationOutcome) -> Self:
        """Returns the answer for an outcome."""
        entry = outcome.entry
        return cls(
            evaluation=EvaluationAnswer.of(entry),
            health=HealthReport.of(entry.verdict) if entry.verdict else None,
            candidate=ContentAnswer.of_content(outcome.candidate),
            changes=[ChangeAnswer.of(change) for change in outcome.changes],
            committed=entry.committed is not None,
            head=RefAnswer.of_head(outcome.head),
        )
