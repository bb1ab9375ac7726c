from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from backtest_builders import BTC, Say, Scripted, bar, policy
from hypothesis import given
from hypothesis import strategies as st

from msc_client.facts import Direction
from msc_client.policy import Policy
from msc_client.tier import Tier
from msc_client.view import PolicyView
from msc_trading.backtest import BacktestConfig
from msc_trading.backtest.book import Book
from msc_trading.backtest.judge import Refusal, Situation, refusal_of, sized
from msc_trading.guard.limits import InForce, Limits
from msc_trading.guard.risk import loss_at_stop
from msc_trading.signals import Signal

CONFIG = BacktestConfig()


def situation(held: Policy | None = None, *, equity: str = "10000") -> Situation:
    chosen = held or policy()
    view = PolicyView(policy=chosen, tier=Tier.FRESH, ref=chosen.ref, as_of_ns=0, entries_until_ns=None)
    return Situation(
        in_force=InForce(view=view, limits=Limits.of(chosen), regressed=False),
        book=Book(),
        marks={BTC: Decimal(100)},
        equity=Decimal(equity),
        day_pnl=Decimal(0),
        losing_streak=0,
        daily={},
        latches=frozenset(),
    )


def signal(price: float = 100, **changes: object) -> Signal:
    (made,) = Scripted(Say(minute=0, **changes)).on_candle(bar(0, [price]))  # type: ignore[arg-type] # by name
    return made


PRICES = st.integers(100, 10_000_000).map(lambda cents: cents / 100)
EQUITIES = st.integers(100, 10**9).map(str)
RISKS = st.sampled_from([0.001, 0.003, 0.0075, 0.015])


@given(price=PRICES, away=st.floats(0.001, 0.5), equity=EQUITIES, risk=RISKS, long=st.booleans())
def test_a_size_is_the_greatest_that_the_guard_lets_pass(
    price: float, away: float, equity: str, risk: float, long: bool
) -> None:
    stop = round(price * (1 - away if long else 1 + away), 4)
    direction = Direction.LONG if long else Direction.SHORT
    asked, state = (
        signal(price, stop=stop, direction=direction),
        situation(policy(max_risk_per_trade=risk), equity=equity),
    )
    quantity = sized(asked, state, CONFIG)
    refusal = refusal_of(asked, quantity, state, CONFIG)
    assert refusal is None or refusal.code in {"FILTER_LOT_SIZE", "FILTER_MIN_NOTIONAL", "MAX_NOTIONAL"}
    more = quantity + Decimal("0.001")
    loss = loss_at_stop(
        quantity=more, entry=asked.reference_price, stop=Decimal(str(stop)), fee_rate=CONFIG.guard.fee_rate
    )
    affordable = CONFIG.max_leverage * state.equity
    assert loss > state.equity * Decimal(str(risk)) or more * asked.reference_price > affordable


def test_one_step_more_than_the_size_is_too_much_risk() -> None:
    asked, state = signal(), situation()
    quantity = sized(asked, state, CONFIG)
    assert refusal_of(asked, quantity, state, CONFIG) is None
    assert refusal_of(asked, quantity + Decimal("0.001"), state, CONFIG) == Refusal("RISK_PER_TRADE")


def test_probation_is_sized_by_its_share() -> None:
    full, share = sized(signal(), situation(), CONFIG), sized(signal(), situation(policy(probation=["A_001"])), CONFIG)
    assert share == pytest.approx(full / 4, abs=Decimal("0.001"))


@pytest.mark.parametrize("equity", ["0", "-500", "0.01"])
def test_who_has_nothing_orders_nothing(equity: str) -> None:
    state = situation(equity=equity)
    quantity = sized(signal(), state, CONFIG)
    assert quantity == 0
    refusal = refusal_of(signal(), quantity, state, CONFIG)
    assert refusal is not None
    assert refusal.code.startswith("FILTER_")


def test_the_venues_filters_hold_where_they_are_given() -> None:
    one = Decimal(1)
    coarse = replace(
        CONFIG.rules_of(BTC), step_size=one, min_quantity=one, market_step_size=one, market_min_quantity=one
    )
    config = BacktestConfig(rules={BTC: coarse})
    assert sized(signal(), situation(), config) == 9
    assert config.rules_of("ETHUSDT").step_size == Decimal("0.001")


def test_a_symbol_that_does_not_trade_is_not_entered() -> None:
    halted = replace(CONFIG.rules_of(BTC), trading=False)
    config = BacktestConfig(rules={BTC: halted})
    assert refusal_of(signal(), Decimal(1), situation(), config) == Refusal("SYMBOL_LOCKED")
