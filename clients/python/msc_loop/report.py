"""What a run was: numbers from the journal, beside what the same signals make without the controller."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from msc_authority.core.facts import EquityPoint, Trade, TradeSource
from msc_client import Policy, RiskMode
from msc_loop.audit import AuditResult
from msc_loop.completeness import Completeness
from msc_loop.journal import RunJournal


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyOutcome:
    """What a strategy did with money, and on paper while it was benched."""

    trades: int
    net_pnl: Decimal
    shadow_trades: int
    blocked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Without:
    """What the same signals make under fixed NORMAL limits: the fixed side of a backtest on the same candles."""

    trades: int
    net_pnl: Decimal
    fees: Decimal
    max_drawdown_pct: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """A run. Money in account currency. `net_pnl` is of closed trades; `final_equity` holds what is open, too."""

    began_at: datetime
    ended_at: datetime
    real_s: float
    why: str
    symbols: tuple[str, ...]
    minutes_in_mode: Mapping[RiskMode, float]
    revisions: int
    changes: tuple[str, ...]
    blocks: Mapping[str, int]
    strategies: Mapping[str, StrategyOutcome]
    trades: int
    wins: int
    shadow_trades: int
    net_pnl: Decimal
    fees: Decimal
    starting_equity: Decimal
    final_equity: Decimal
    max_drawdown_pct: float | None
    equity_points: int
    restarts: int
    undelivered: int
    without: Without
    audit: AuditResult
    completeness: Completeness

    @property
    def speed(self) -> float:
        """Simulated seconds in a real one, as it came out."""
        return (self.ended_at - self.began_at).total_seconds() / self.real_s if self.real_s > 0 else 0.0

    @property
    def is_good(self) -> bool:
        """Whether no order violated the policy, and the journal is complete."""
        return self.audit.is_clean and self.completeness.is_complete and self.undelivered == 0


def minutes_in_mode(revisions: Sequence[Policy], began: datetime, ended: datetime) -> dict[RiskMode, float]:
    """Returns how long each mode was in force within the run. Before the first policy there is none."""
    minutes = dict.fromkeys(RiskMode, 0.0)
    starts = [(policy.created_at, policy.risk_mode) for policy in revisions if policy.created_at is not None]
    ends = [at for at, _ in starts[1:]] + [ended]
    # Without a policy there is an end, and no start.
    for (since, mode), until in zip(starts, ends, strict=False):
        span = min(until, ended) - max(since, began)
        minutes[mode] += max(span, timedelta(0)) / timedelta(minutes=1)
    return minutes


def max_drawdown_pct(points: Sequence[EquityPoint]) -> float | None:
    """Returns the deepest fall below the peak before, in percent of it. None: there are no points."""
    peak, deepest = Decimal(0), Decimal(0)
    for point in sorted(points, key=lambda one: one.at):
        equity = point.wallet_balance + point.unrealized_pnl
        peak = max(peak, equity)
        if peak > 0:
            deepest = max(deepest, (peak - equity) / peak * 100)
    return float(deepest) if points else None


def blocks_by_reason(journal: RunJournal) -> dict[str, int]:
    """Returns how often each reason blocked something, the most frequent first."""
    counts = Counter(fact.reason for fact in journal.executions if fact.status == "BLOCKED")
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def strategy_outcomes(journal: RunJournal) -> dict[str, StrategyOutcome]:
    """Returns what each strategy did that traded, on paper or with money, or was blocked."""
    blocked = Counter(fact.strategy_id for fact in journal.executions if fact.status == "BLOCKED")
    names = {trade.strategy_id for trade in journal.trades} | set(blocked)
    return {name: _outcome(journal.trades, name, blocked[name]) for name in sorted(names)}


def _outcome(trades: Sequence[Trade], strategy_id: str, blocked: int) -> StrategyOutcome:
    own = [trade for trade in trades if trade.strategy_id == strategy_id]
    live = [trade for trade in own if trade.source is TradeSource.LIVE]
    return StrategyOutcome(
        trades=len(live),
        net_pnl=sum((trade.net_pnl for trade in live), Decimal(0)),
        shadow_trades=len(own) - len(live),
        blocked=blocked,
    )


def change_line(policy: Policy) -> str:
    """Returns one revision on one line."""
    at = "" if policy.created_at is None else f"{policy.created_at:%m-%d %H:%M}"
    allowed = ", ".join(policy.allowed_strategies) or "nobody"
    return f"{at}  v{policy.ref.version} {policy.risk_mode.name} {policy.trading_state.name}: {allowed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What is known of a run beside its journal."""

    began_at: datetime
    ended_at: datetime
    real_s: float
    why: str
    symbols: tuple[str, ...]
    starting_equity: Decimal
    final_equity: Decimal
    restarts: int
    undelivered: int


def report_of(
    facts: RunFacts, journal: RunJournal, *, without: Without, audit: AuditResult, completeness: Completeness
) -> RunReport:
    """Returns the report of a run."""
    live = [trade for trade in journal.trades if trade.source is TradeSource.LIVE]
    return RunReport(
        began_at=facts.began_at,
        ended_at=facts.ended_at,
        real_s=facts.real_s,
        why=facts.why,
        symbols=facts.symbols,
        minutes_in_mode=minutes_in_mode(journal.revisions, facts.began_at, facts.ended_at),
        revisions=len(journal.revisions),
        changes=tuple(map(change_line, journal.revisions)),
        blocks=blocks_by_reason(journal),
        strategies=strategy_outcomes(journal),
        trades=len(live),
        wins=sum(trade.net_pnl > 0 for trade in live),
        shadow_trades=len(journal.trades) - len(live),
        net_pnl=sum((trade.net_pnl for trade in live), Decimal(0)),
        fees=sum((fill.fee for fill in journal.fills), Decimal(0)),
        starting_equity=facts.starting_equity,
        final_equity=facts.final_equity,
        max_drawdown_pct=max_drawdown_pct(journal.equity),
        equity_points=len(journal.equity),
        restarts=facts.restarts,
        undelivered=facts.undelivered,
        without=without,
        audit=audit,
        completeness=completeness,
    )
