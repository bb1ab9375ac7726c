"""What a backtest needs from a controller."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from msc_client.facts import ClosedTrade, EquityPoint
from msc_client.policy import UNCOMMITTED, Policy, RiskMode, StrategyGrant, TradingState


class Controller(Protocol):
    """Decides policies from facts. It hears of each fact once, in the order of time, and never of later ones."""

    def on_trade(self, trade: ClosedTrade) -> None:
        """Takes a closed trade, LIVE or SHADOW. Of the facts of one instant, trades come before readings."""
        ...

    def on_equity(self, point: EquityPoint) -> None:
        """Takes a reading of the account."""
        ...

    def evaluate(self, as_of: datetime) -> Policy:
        """Returns the policy to trade under from `as_of` on, decided from what it was told, all of it up to then.

        A policy that differs has a greater `ref`. Called first at the start, before any fact.
        """
        ...


def fixed_normal(strategy_ids: Iterable[str]) -> Policy:
    """Returns the policy of the side without a controller: NORMAL limits, everybody allowed, for good."""
    ids = tuple(strategy_ids)
    return Policy(
        ref=UNCOMMITTED,
        risk_mode=RiskMode.NORMAL,
        allowed_strategies=ids,
        max_risk_per_trade=0.0075,
        global_min_confidence=0.60,
        max_positions=10,
        max_daily_trades=30,
        trading_state=TradingState.ACTIVE,
        strategy_grants=tuple(StrategyGrant(strategy_id=id_) for id_ in ids),
        author="fixed",
    )
