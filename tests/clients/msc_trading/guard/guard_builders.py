"""An account that trades, a policy that allows it, and an entry that passes: tests say only what is different."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from msc_client.facts import Execution, Side
from msc_client.policy import Policy
from msc_client.testing import make_policy
from msc_client.tier import SafeDefaults, Tier
from msc_client.view import PolicyView
from msc_trading.guard import (
    ConfirmedPositions,
    Decision,
    GuardConfig,
    GuardFacts,
    KillState,
    Latch,
    OrderIntent,
    RiskGuard,
)
from msc_trading.venue.port import Fill, OrderState, OrderStatus, OrderType, Position, SymbolRules

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
NS = 1_000_000_000
ACCOUNT = "main"

_ids = itertools.count(1)


class PolicyBench:
    """A policy source whose policy and time are set by hand."""

    def __init__(self, policy: Policy | None = None, tier: Tier = Tier.FRESH) -> None:
        self._now_ns = 1_000 * NS
        self._view = self._view_of(make_policy() if policy is None else policy, tier, None)
        self.reads = 0

    def set(self, policy: Policy, tier: Tier = Tier.FRESH, *, entries_until_ns: int | None = None) -> PolicyView:
        self._view = self._view_of(policy, tier, entries_until_ns)
        return self._view

    def set_nothing(self, *, entries_until_ns: int | None = 0) -> PolicyView:
        return self.set(SafeDefaults().as_policy(), Tier.SAFE_NONE, entries_until_ns=entries_until_ns)

    def advance(self, seconds: float) -> None:
        self._now_ns += round(seconds * NS)

    def current(self) -> PolicyView:
        self.reads += 1
        return self._view

    def now_ns(self) -> int:
        return self._now_ns

    def _view_of(self, policy: Policy, tier: Tier, entries_until_ns: int | None) -> PolicyView:
        nothing = tier is Tier.SAFE_NONE
        return PolicyView(
            policy=policy,
            tier=tier,
            ref=None if nothing else policy.ref,
            as_of_ns=None if nothing else self._now_ns,
            entries_until_ns=entries_until_ns,
        )


def rules(symbol: str = "BTCUSDT", /, **overrides: object) -> SymbolRules:
    usual = SymbolRules(
        symbol=symbol,
        trading=True,
        tick_size=Decimal("0.1"),
        min_price=Decimal("0.1"),
        max_price=Decimal(1_000_000),
        step_size=Decimal("0.001"),
        min_quantity=Decimal("0.001"),
        max_quantity=Decimal(1000),
        market_step_size=Decimal("0.001"),
        market_min_quantity=Decimal("0.001"),
        market_max_quantity=Decimal(120),
        min_notional=Decimal(100),
        multiplier_up=Decimal("1.05"),
        multiplier_down=Decimal("0.95"),
    )
    return replace(usual, **overrides)  # type: ignore[arg-type]  # builders pass what the test says


def position(symbol: str = "BTCUSDT", quantity: str = "0.5", mark: str = "40000") -> Position:
    return Position(
        symbol=symbol,
        quantity=Decimal(quantity),
        entry_price=Decimal(mark),
        mark_price=Decimal(mark),
        unrealized_pnl=Decimal(0),
    )


def positions(*held: Position) -> ConfirmedPositions:
    return ConfirmedPositions.of(held)


def others(count: int) -> ConfirmedPositions:
    """Positions in so many symbols that are not BTCUSDT."""
    return positions(*(position(f"C{number:02d}USDT", "1", "10") for number in range(count)))


def intent(**overrides: object) -> OrderIntent:
    """A BUY of 0.1 BTCUSDT at 40,000 with a stop 500 below: 53.18 at risk of 10,000, fees included."""
    usual = OrderIntent(
        account_id=ACCOUNT,
        executor_id="executor-1",
        strategy_id="TREND_001",
        symbol="BTCUSDT",
        side=Side.BUY,
        order_type=OrderType.MARKET,
        quantity=Decimal("0.1"),
        client_order_id=f"entry-{next(_ids)}",
        signal_at=AT,
        stop_price=Decimal(39_500),
        confidence=0.70,
        ref_price=Decimal(40_000),
        ref_price_at=AT,
        ref_price_source="bench",
        trace_id="trace-1",
    )
    return replace(usual, **overrides)  # type: ignore[arg-type]  # wrong types are what some tests pass


def reduce_intent(**overrides: object) -> OrderIntent:
    """A reduce-only SELL of 0.1 BTCUSDT."""
    values: dict[str, object] = {"side": Side.SELL, "reduce_only": True, "stop_price": None, "confidence": None}
    return intent(**(values | overrides))


def facts(symbol: str = "BTCUSDT", /, **overrides: object) -> GuardFacts:
    usual = GuardFacts(
        now=AT,
        positions=ConfirmedPositions.of(),
        positions_age_s=1.0,
        equity=Decimal(10_000),
        equity_age_s=1.0,
        day_pnl=Decimal(0),
        losing_streak=0,
        open_risk=Decimal(0),
        reference_price=Decimal(40_000),
        reference_price_age_s=0.1,
        rules=rules(symbol),
        clock_offset_s=0.01,
        journal_writable=True,
        kill=KillState(),
        locks={},
        strategy_symbols={},
    )
    return replace(usual, **overrides)  # type: ignore[arg-type]  # builders pass what the test says


def blind_facts(**overrides: object) -> GuardFacts:
    """Nothing is known, but the time."""
    return replace(GuardFacts(now=AT), **overrides)  # type: ignore[arg-type]  # builders pass what the test says


def config(**overrides: object) -> GuardConfig:
    values: dict[str, object] = {"max_order_notional": Decimal(50_000)}
    return GuardConfig(**(values | overrides))  # type: ignore[arg-type]  # wrong values are what some tests pass


class Desk:
    """A guard, the policy it goes by, and a short way to ask it."""

    def __init__(
        self,
        policy: Policy | None = None,
        *,
        bench: PolicyBench | None = None,
        rebuilt: bool = True,
        latched: tuple[Latch, ...] = (),
        **limits: object,
    ) -> None:
        self.bench = bench or PolicyBench(policy)
        self.guard = RiskGuard(
            account_id=ACCOUNT, config=config(**limits), policies=self.bench, instance_id="g", latched=latched
        )
        if rebuilt:
            self.guard.rebuild_day(AT, fills=(), executions=())

    def ask(self, asked: OrderIntent | None = None, known: GuardFacts | None = None) -> Decision:
        return self.guard.authorize(asked or intent(), self.bench.current(), known or facts())

    def granted(self, **overrides: object) -> str:
        """Has an entry granted, and returns its client order id."""
        asked = intent(**overrides)
        decision = self.ask(asked, facts(asked.symbol))
        assert decision.allowed, decision.text
        return asked.client_order_id


def fill(client_order_id: str = "entry", **overrides: object) -> Fill:
    usual = Fill(
        trade_id=f"t-{next(_ids)}",
        order_id=f"o-{client_order_id}",
        client_order_id=client_order_id,
        symbol="BTCUSDT",
        side=Side.BUY,
        quantity=Decimal("0.1"),
        price=Decimal(40_000),
        fee=Decimal("1.6"),
        realized_pnl=Decimal(0),
        reduce_only=False,
        at=AT,
    )
    return replace(usual, **overrides)  # type: ignore[arg-type]  # builders pass what the test says


def report(client_order_id: str = "entry", **overrides: object) -> Execution:
    usual = Execution(
        event_id=f"e-{next(_ids)}",
        account=ACCOUNT,
        executor="executor-1",
        symbol="BTCUSDT",
        side=Side.BUY,
        status="FILLED",
        quantity=Decimal("0.1"),
        reduce_only=False,
        at=AT,
        strategy_id="TREND_001",
        client_order_id=client_order_id,
    )
    return replace(usual, **overrides)  # type: ignore[arg-type]  # builders pass what the test says


def open_order(client_order_id: str = "found", **overrides: object) -> OrderState:
    usual = OrderState(
        client_order_id=client_order_id,
        order_id=f"o-{client_order_id}",
        symbol="BTCUSDT",
        side=Side.BUY,
        status=OrderStatus.NEW,
        quantity=Decimal("0.1"),
        filled_quantity=Decimal(0),
        average_price=None,
        reduce_only=False,
        updated_at=AT,
    )
    return replace(usual, **overrides)  # type: ignore[arg-type]  # builders pass what the test says
