"""Policies, decisions and facts of a made-up run, each with everything in order unless a test says otherwise."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from msc_authority.core.facts import Direction, EquityPoint, Execution, Side, Trade, TradeSource
from msc_client import Policy, Ref, RiskMode, StrategyGrant, StrategyState, TradingState
from msc_loop.plan import MADE_UP_START, WARM_UP, LoopPlan
from msc_loop.symbols import SYMBOLS
from msc_trading.market import MINUTE, Candle

PLAN = LoopPlan(
    home=Path("/somewhere/loop"),
    symbols=SYMBOLS,
    start=MADE_UP_START,
    origin=MADE_UP_START + WARM_UP,
    speed=1440.0,
    seed=7,
    balance=Decimal("100000.50"),
)
T0 = datetime(2026, 1, 2, 12, tzinfo=UTC)
ENTRY = "me1-entry"
REF = Ref(7, 1, "etag-1")


def at(minutes: float) -> datetime:
    """Returns T0 and so many minutes."""
    return T0 + timedelta(minutes=minutes)


def a_plan(**changes: object) -> LoopPlan:
    """Returns the plan of a run on made-up prices."""
    return replace(PLAN, **changes)  # type: ignore[arg-type]  # named by the test


def policy(
    version: int = 1, *, since: float = -60, allowed: tuple[str, ...] = ("TREND_001",), **changes: object
) -> Policy:
    """Returns a NORMAL policy that allows strategies without limits of their own."""
    made = Policy(
        ref=Ref(7, version, f"etag-{version}"),
        risk_mode=RiskMode.NORMAL,
        allowed_strategies=allowed,
        max_risk_per_trade=0.0075,
        global_min_confidence=0.6,
        max_positions=10,
        max_daily_trades=30,
        trading_state=TradingState.ACTIVE,
        strategy_grants=tuple(StrategyGrant(strategy_id=id_) for id_ in allowed),
        created_at=at(since),
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # named by the test


def on_probation() -> Policy:
    """Returns a policy under which TREND_001 is on probation."""
    grant = StrategyGrant(strategy_id="TREND_001", state=StrategyState.PROBATION, risk_multiplier=0.25)
    return policy(strategy_grants=(grant,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A decision as the journal holds it: the guard's grant, under policy 1, to buy 1 at 1000 with the stop at 995.

    That is 0.5 % of an equity of 1000 at risk.
    """

    client_order_id: str = ENTRY
    executor_id: str = "executor-BTCUSDT"
    strategy_id: str = "TREND_001"
    signal_id: str = "signal-1"
    stop_price: str | None = "995"
    confidence: float | None = 0.8
    allowed: bool = True
    at: datetime = T0
    tier: str = "FRESH"
    ref: Ref | None = REF
    notional: str | None = "1000"
    risk_fraction: str | None = "0.005"
    equity: str | None = "1000"
    positions: tuple[int, int] | None = (0, 1)
    daily: int | None = 1
    checks: tuple[tuple[str, int, int], ...] = ()

    def as_json(self) -> str:
        """Returns the record that the guard writes, as far as an audit reads it."""
        counters = None
        if self.positions is not None:
            confirmed, reserved = self.positions
            counters = {
                "positions_confirmed": confirmed,
                "positions_reserved": reserved,
                "positions_limit": 10,
                "daily_used": self.daily,
                "daily_limit": 30,
            }
        document = {
            "decision_id": "d-1",
            "intent": {
                "client_order_id": self.client_order_id,
                "strategy_id": self.strategy_id,
                "symbol": "BTCUSDT",
                "side": "BUY",
                "quantity": "1",
                "stop_price": self.stop_price,
                "confidence": self.confidence,
                "trace_id": self.signal_id,
            },
            "allowed": self.allowed,
            "reason_code": "ALLOWED" if self.allowed else "SYMBOL_LOCKED",
            "at": self.at.isoformat(),
            "policy_ref": None
            if self.ref is None
            else {"epoch": self.ref.epoch, "version": self.ref.version, "etag": self.ref.etag},
            "policy_tier": self.tier,
            "notional": self.notional,
            "risk_fraction": self.risk_fraction,
            "equity": self.equity,
            "counters_after": counters,
            "checks": [
                {"name": name, "value": value, "limit": limit, "passed": True} for name, value, limit in self.checks
            ],
        }
        return json.dumps(document)


def accepted(made: Made | None = None, /, **changes: object) -> Execution:
    """Returns the fact that the venue accepted the order of a decision."""
    made = made or Made()
    fact = Execution(
        event_id=f"order:paper:{made.client_order_id}:NEW",
        account="paper",
        executor=made.executor_id,
        strategy_id=made.strategy_id,
        symbol="BTCUSDT",
        side=Side.BUY,
        order_id="1",
        client_order_id=made.client_order_id,
        status="NEW",
        quantity=Decimal(1),
        price=None,
        fee=Decimal(0),
        realized_pnl=Decimal(0),
        reduce_only=False,
        confidence=made.confidence,
        policy_version=0 if made.ref is None else made.ref.version,
        at=made.at,
        detail_json=made.as_json(),
    )
    return replace(fact, **changes)  # type: ignore[arg-type]  # named by the test


def fill(trade_id: str = "1", /, **changes: object) -> Execution:
    """Returns the fill of the entry."""
    fact = replace(
        accepted(),
        event_id=f"fill:paper:BTCUSDT:{trade_id}",
        status="FILLED",
        price=Decimal("1000.50"),
        fee=Decimal("0.4002"),
        detail_json="",
    )
    return replace(fact, **changes)  # type: ignore[arg-type]  # named by the test


def blocked(strategy_id: str = "TREND_001", reason: str = "SYMBOL_HELD", number: int = 1) -> Execution:
    """Returns a block."""
    fact = accepted(event_id=f"paper:b{number}", status="BLOCKED", detail_json="", client_order_id="")
    return replace(fact, strategy_id=strategy_id, reason=reason)


def trade(net_pnl: str, *, strategy_id: str = "TREND_001", source: TradeSource = TradeSource.LIVE) -> Trade:
    """Returns a closed trade."""
    return Trade(
        trade_id=f"t{net_pnl}{strategy_id}{source}",
        strategy_id=strategy_id,
        symbol="BTCUSDT",
        direction=Direction.LONG,
        quantity=Decimal(1),
        entry_price=Decimal(1000),
        exit_price=Decimal(1000) + Decimal(net_pnl),
        opened_at=T0,
        closed_at=at(5),
        gross_pnl=Decimal(net_pnl),
        fees=Decimal(0),
        funding=Decimal(0),
        net_pnl=Decimal(net_pnl),
        risk_at_entry=None,
        source=source,
    )


def equity(minutes: float, wallet: str, unrealized: str = "0") -> EquityPoint:
    """Returns a reading of the account."""
    return EquityPoint(
        account="paper",
        at=at(minutes),
        wallet_balance=Decimal(wallet),
        unrealized_pnl=Decimal(unrealized),
        net_flow=Decimal(0),
    )


def candle(number: int, close: str = "1000", *, start: datetime = T0, symbol: str = "BTCUSDT") -> Candle:
    """Returns the candle of a minute, flat at its close."""
    price = Decimal(close)
    return Candle(
        symbol=symbol,
        open_time=start + number * MINUTE,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=Decimal(1),
    )
