"""Values that are whole and plain, each with overrides: a test names only what it is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol, TypeVar

from msc_authority.core.evaluation import HealthMetric, StrategyRanking, StrategyTransition, Verdict
from msc_authority.core.facts import Direction, EquityPoint, Execution, Side, Trade, TradeSource
from msc_authority.core.policy import (
    Limits,
    PolicyContent,
    PolicyMetrics,
    Reason,
    RiskMode,
    StrategyGrant,
    StrategyState,
    SystemHealth,
    TradingState,
)
from msc_authority.ports.audit import AuditLog
from msc_authority.ports.evaluations import EvaluationCommit, EvaluationEntry, EvaluationLog, EvaluationStore
from msc_authority.ports.journal import ExecutionLog, Journal, JournalCursor, LedgerCheckpoint
from msc_authority.ports.operator import ActLog
from msc_authority.ports.policies import PolicyStore
from msc_authority.ports.replicas import EvaluationRequests, Lease, Replicas
from msc_authority.ports.store import StoreTally
from msc_authority.ports.tokens import TokenStore
from msc_authority.ports.upkeep import Retention

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")

START = datetime(2025, 11, 30, 10, 30, tzinfo=UTC)


def at(minutes: float) -> datetime:
    """The instant so many minutes after START."""
    return START + timedelta(minutes=minutes)


def changed(value: T, overrides: Mapping[str, object]) -> T:
    """The value with other fields."""
    with_fields: Callable[..., T] = replace
    return with_fields(value, **overrides)


class Store(Protocol):
    """What every store offers, whatever it is made of."""

    @property
    def journal(self) -> Journal:
        """The facts."""
        ...

    @property
    def audit(self) -> AuditLog:
        """Who did what to it."""
        ...

    @property
    def retention(self) -> Retention:
        """What lets go of what is old."""
        ...

    @property
    def executions(self) -> ExecutionLog:
        """The execution reports, in the order of arrival."""
        ...

    @property
    def evaluations(self) -> EvaluationStore:
        """Where evaluations start from and end."""
        ...

    @property
    def policies(self) -> PolicyStore:
        """The policies."""
        ...

    @property
    def log(self) -> EvaluationLog:
        """The evaluations."""
        ...

    @property
    def tokens(self) -> TokenStore:
        """The bearer tokens."""
        ...

    @property
    def acts(self) -> ActLog:
        """What persons did."""
        ...

    @property
    def lease(self) -> Lease:
        """Who leads."""
        ...

    @property
    def replicas(self) -> Replicas:
        """Who is there."""
        ...

    @property
    def requests(self) -> EvaluationRequests:
        """What the leader is asked to do."""
        ...

    def tally(self) -> StoreTally:
        """What went wrong."""
        ...

    def close(self) -> None:
        """Ends it."""
        ...


class ManualClock:
    """Time that moves when told."""

    def __init__(self, now: datetime = START) -> None:
        self.instant = now

    def now(self) -> datetime:
        """Returns the present instant, aware UTC."""
        return self.instant

    def monotonic(self) -> float:
        """Returns seconds that never run backwards; only differences mean anything."""
        return self.instant.timestamp()

    def advance(self, by: timedelta) -> None:
        """Moves time on."""
        self.instant += by


def a_trade(trade_id: str = "T-1", **overrides: object) -> Trade:
    """A closed trade that won, closed at START."""
    trade = Trade(
        trade_id=trade_id,
        strategy_id="TREND_001",
        symbol="BTCUSDT",
        direction=Direction.LONG,
        quantity=Decimal("0.5"),
        entry_price=Decimal("46356.10"),
        exit_price=Decimal("46465.00"),
        opened_at=START - timedelta(minutes=15),
        closed_at=START,
        gross_pnl=Decimal("54.45"),
        fees=Decimal("1.25"),
        funding=Decimal("-0.20"),
        net_pnl=Decimal("53.00"),
        risk_at_entry=Decimal("100"),
        source=TradeSource.LIVE,
        policy_version=3,
    )
    return changed(trade, overrides)


def an_equity_point(when: datetime = START, **overrides: object) -> EquityPoint:
    """A reading of the account `main`."""
    point = EquityPoint(
        account="main",
        at=when,
        wallet_balance=Decimal("100000.00"),
        unrealized_pnl=Decimal("-12.5"),
        net_flow=Decimal("0"),
    )
    return changed(point, overrides)


def an_execution(event_id: str = "E-1", **overrides: object) -> Execution:
    """A report of a filled market order."""
    execution = Execution(
        event_id=event_id,
        account="main",
        executor="executor-1",
        strategy_id="TREND_001",
        symbol="BTCUSDT",
        side=Side.BUY,
        order_id="81",
        client_order_id="c-81",
        status="FILLED",
        quantity=Decimal("0.5"),
        price=Decimal("46356.10"),
        fee=Decimal("0.62"),
        realized_pnl=Decimal("0"),
        reduce_only=False,
        confidence=0.71,
        policy_version=3,
        at=START,
    )
    return changed(execution, overrides)


def a_reason(code: str = "DRAWDOWN_LOW", **overrides: object) -> Reason:
    """A reason with its numbers."""
    reason = Reason(code=code, text="drawdown 0.50 % is below 2.00 %", metric="drawdown_pct", value=0.5, threshold=2.0)
    return changed(reason, overrides)


def a_content(risk_mode: RiskMode = RiskMode.NORMAL, **overrides: object) -> PolicyContent:
    """What a policy of that mode could say."""
    content = PolicyContent(
        risk_mode=risk_mode,
        trading_state=TradingState.ACTIVE,
        limits=Limits(max_risk_per_trade=0.0075, global_min_confidence=0.6, max_positions=10, max_daily_trades=30),
        grants=(
            StrategyGrant(
                strategy_id="TREND_001",
                state=StrategyState.ACTIVE,
                risk_multiplier=1.0,
                max_positions=0,
                max_daily_trades_fraction=1.0,
            ),
        ),
        metrics=PolicyMetrics(
            system_drawdown=0.5,
            global_winrate=0.58,
            equity_slope=None,
            system_health=SystemHealth.NORMAL,
            trades_n=120,
            equity_source="equity points",
        ),
        reasons=(a_reason(),),
    )
    return changed(content, overrides)


def a_ranking(strategy_id: str = "TREND_001", **overrides: object) -> StrategyRanking:
    """The best of a fleet."""
    ranking = StrategyRanking(
        strategy_id=strategy_id,
        rank=1,
        state=StrategyState.ACTIVE,
        state_since=START,
        allowed=True,
        score=0.12,
        posterior_lower_r=0.2,
        posterior_mean_r=0.35,
        drawdown_penalty_r=0.05,
        selection_penalty_r=0.03,
        probability_positive=0.93,
        prior_mean_r=0.1,
        effective_n=31.5,
        live_trades=40,
        shadow_trades=0,
        winrate_fraction=0.6,
        net_pnl=Decimal("812.5000"),
        drawdown_r=1.5,
        fallback_fraction=0.0,
        last_trade_at=START,
        reason=a_reason("ABOVE_THRESHOLD"),
    )
    return changed(ranking, overrides)


def a_transition(strategy_id: str = "TREND_001", **overrides: object) -> StrategyTransition:
    """A strategy seen for the first time."""
    transition = StrategyTransition(
        strategy_id=strategy_id, before=None, after=StrategyState.PROBATION, at=START, reason=a_reason("NEW")
    )
    return changed(transition, overrides)


def a_verdict(candidate: PolicyContent | None = None, **overrides: object) -> Verdict:
    """The verdict of a calm day."""
    verdict = Verdict(
        as_of=START,
        system_health=SystemHealth.NORMAL,
        warning_points=0,
        mode_before=RiskMode.DEFENSIVE,
        mode_target=RiskMode.NORMAL,
        mode_after=RiskMode.NORMAL,
        metrics=(HealthMetric(name="drawdown_pct", value=0.5, threshold=2.0, margin=1.5, sample_size=3),),
        reasons=(a_reason(),),
        candidate=candidate or a_content(),
        strategies=(a_ranking(),),
        transitions=(),
    )
    return changed(verdict, overrides)


def an_entry(evaluation_id: str = "eval-1", **overrides: object) -> EvaluationEntry:
    """An evaluation that succeeded, asked for by the timer."""
    entry = EvaluationEntry(
        evaluation_id=evaluation_id, trigger="SCHEDULE", started_at=START, duration_s=0.004, verdict=a_verdict()
    )
    return changed(entry, overrides)


def a_checkpoint(watermark: datetime = START, **overrides: object) -> LedgerCheckpoint:
    """The ledger at `watermark`."""
    checkpoint = LedgerCheckpoint(watermark=watermark, cursor=JournalCursor(trades=1, equity=1), payload=b"ledger")
    return changed(checkpoint, overrides)


def a_commit(evaluation_id: str = "eval-1", **overrides: object) -> EvaluationCommit:
    """A commit that publishes a policy in mode NORMAL."""
    commit = EvaluationCommit(
        entry=an_entry(evaluation_id),
        publish=a_content(),
        valid_for_s=3600.0,
        controller=b"controller",
        checkpoint=a_checkpoint(),
        keep_as_rewind_point=False,
    )
    return changed(commit, overrides)
