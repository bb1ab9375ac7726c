"""The authority's own decisions for a backtest: its ledger and its rules, told facts and asked for policies."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

import msc_client
from msc_authority.core.config import DecisionConfig
from msc_authority.core.controller import ControllerState, decide
from msc_authority.core.evidence import EquityEvidence, Evidence, TradeEvidence
from msc_authority.core.ledger import Ledger
from msc_authority.core.policy import Policy, PolicyContent, PolicyRef, effective_part
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

EPOCH = 1
VALID_FOR_S = 3600.0


class CoreController:
    """Decides as the authority does: the same ledger, folded in the same order, and the same rules.

    Only what is around them is missing: nothing is stored, and a policy's version is counted here.
    """

    def __init__(self, config: DecisionConfig) -> None:
        self._config = config
        self._ledger = Ledger.empty(config)
        self._state: ControllerState | None = None
        self._policy: Policy | None = None
        self._seen: msc_client.Policy | None = None
        self._waiting: list[Evidence] = []

    def on_trade(self, trade: msc_client.ClosedTrade) -> None:
        """Takes a closed trade, LIVE or SHADOW."""
        live = trade.source is msc_client.TradeSource.LIVE
        self._waiting.append(
            TradeEvidence(trade.closed_at, trade.trade_id, trade.strategy_id, trade.net_pnl, trade.risk_at_entry, live)
        )

    def on_equity(self, point: msc_client.EquityPoint) -> None:
        """Takes a reading of the account."""
        self._waiting.append(
            EquityEvidence(point.at, point.account, point.wallet_balance, point.unrealized_pnl, point.net_flow)
        )

    def evaluate(self, as_of: datetime) -> msc_client.Policy:
        """Returns the policy to trade under from `as_of` on.

        Raises:
            ValueError: it was told a fact later than `as_of`, or earlier than the evaluation before.
        """
        self._ledger.fold(sorted(self._waiting, key=_order))
        self._waiting.clear()
        decision = decide(self._ledger, self._state or ControllerState.initial(as_of), self._config, as_of)
        self._state = decision.state
        return self._published(decision.verdict.candidate, as_of)

    def _published(self, candidate: PolicyContent, as_of: datetime) -> msc_client.Policy:
        before = self._policy
        if before is None or effective_part(before.content) != effective_part(candidate):
            version = before.ref.version + 1 if before else 1
            self._policy = Policy(
                ref=PolicyRef(EPOCH, version), created_at=as_of, content=candidate, valid_for_s=VALID_FOR_S
            )
            self._seen = as_client_sees(self._policy)
        if self._seen is None:
            raise AssertionError("the first evaluation publishes a policy")
        return self._seen


def _order(evidence: Evidence) -> tuple[datetime, bool, str]:
    return (evidence.at, isinstance(evidence, EquityEvidence), evidence.id)


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
