"""The authority's own decisions for a backtest: its evaluator on memory, told facts and asked for policies."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from itertools import count

import msc_client
from msc_authority.adapters.memory import MemoryStore
from msc_authority.app.evaluate import Evaluator
from msc_authority.app.replay import ReplayClock
from msc_authority.core import facts
from msc_authority.core.config import DecisionConfig
from msc_authority.core.policy import Policy
from msc_client.policy import (
    EvaluationMetrics,
    Reason,
    Ref,
    RiskMode,
    StrategyGrant,
    StrategyState,
    SystemHealth,
    TradingState,
)

VALID_FOR_S = 3600.0
_START = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


class CoreController:
    """Decides as the authority does, because it is the authority's evaluator.

    Facts are kept until the next evaluation, which records them and folds what is new.
    """

    def __init__(self, config: DecisionConfig) -> None:
        self._clock = ReplayClock(_START)
        self._store = MemoryStore(self._clock)
        numbers = count(1)
        self._evaluator = Evaluator(
            store=self._store.evaluations,
            journal=self._store.journal,
            log=self._store.log,
            clock=self._clock,
            config=config,
            valid_for_s=VALID_FOR_S,
            new_id=lambda: f"backtest-{next(numbers)}",
        )
        self._waiting: list[facts.Fact] = []

    def on_trade(self, trade: msc_client.ClosedTrade) -> None:
        """Takes a closed trade, LIVE or SHADOW."""
        told = asdict(trade) | {
            "direction": facts.Direction(trade.direction),
            "source": facts.TradeSource(trade.source),
        }
        self._waiting.append(facts.Trade(**told))

    def on_equity(self, point: msc_client.EquityPoint) -> None:
        """Takes a reading of the account."""
        self._waiting.append(facts.EquityPoint(**asdict(point)))

    def evaluate(self, as_of: datetime) -> msc_client.Policy:
        """Returns the policy to trade under from `as_of` on.

        Raises:
            ValueError: a fact was refused, or `as_of` is before the last one.
        """
        self._clock.move_to(as_of)
        refused = self._store.journal.record(self._waiting).refused
        if refused:
            raise ValueError(f"{refused[0].field}: {refused[0].id} {refused[0].reason}")
        self._waiting.clear()
        policy = self._evaluator.evaluate(trigger="replay").head.policy
        if policy is None:
            raise AssertionError("an evaluation always leaves a policy")
        return as_client_sees(policy)


def as_client_sees(policy: Policy) -> msc_client.Policy:
    """Returns a committed policy as the embedded client would hold it."""
    content = policy.content
    metrics = content.metrics
    return msc_client.Policy(
        ref=Ref(policy.ref.epoch, policy.ref.version, policy.etag),
        risk_mode=RiskMode[content.risk_mode.name],
        allowed_strategies=content.allowed_strategies,
        **asdict(content.limits),
        trading_state=TradingState[content.trading_state.name],
        strategy_grants=tuple(
            StrategyGrant(
                strategy_id=grant.strategy_id,
                state=StrategyState[grant.state.name],
                risk_multiplier=grant.risk_multiplier,
                max_positions=grant.max_positions,
                max_daily_trades_fraction=grant.max_daily_trades_fraction,
            )
            for grant in content.grants
        ),
        created_at=policy.created_at,
        metrics=EvaluationMetrics(
            **asdict(metrics) | {"system_health": SystemHealth[metrics.system_health.name]},
        ),
        reasons=tuple(Reason(**asdict(reason)) for reason in content.reasons),
        author=content.author,
        rollback_of=content.rollback_of,
        valid_for_s=policy.valid_for_s,
    )
