"""What an entry may lose, and the sizing that meets the cap exactly."""

from __future__ import annotations

from decimal import Decimal

import pytest
from guard_builders import Desk, facts, intent, rules
from hypothesis import given
from hypothesis import strategies as st

from msc_client.facts import Side
from msc_client.testing import make_policy
from msc_trading.filters import round_down_quantity
from msc_trading.guard import ReasonCode, loss_at_stop, quantity_for
from msc_trading.venue.port import OrderType

D = Decimal
FEE = D("0.0004")
PRICES = st.decimals("1", "100000", places=1, allow_nan=False)


def test_the_loss_is_the_distance_and_the_fees_of_both_sides() -> None:
    assert loss_at_stop(quantity=D("0.1"), entry=D(40_000), stop=D(39_500), fee_rate=FEE) == D("53.18")
    assert loss_at_stop(quantity=D("0.1"), entry=D(40_000), stop=D(40_500), fee_rate=D(0)) == D(50)


@given(PRICES, PRICES, st.decimals("10", "1000000", places=2), st.decimals("0.0001", "0.05", places=4))
def test_a_size_never_loses_more_than_it_was_made_for(
    entry: Decimal, stop: Decimal, equity: Decimal, fraction: Decimal
) -> None:
    quantity = quantity_for(equity=equity, risk_fraction=fraction, entry=entry, stop=stop, fee_rate=FEE)

    assert loss_at_stop(quantity=quantity, entry=entry, stop=stop, fee_rate=FEE) <= equity * fraction


@given(st.integers(30_000, 39_990), st.sampled_from([0.003, 0.0075, 0.015]))
def test_what_is_sized_to_the_cap_and_rounded_down_passes_the_guard(stop: int, cap: float) -> None:
    desk = Desk(
        make_policy(max_risk_per_trade=cap),
        max_order_notional=D(10_000_000),
        max_symbol_leverage=D(100),
        max_gross_leverage=D(100),
    )
    sized = quantity_for(equity=D(10_000), risk_fraction=D(repr(cap)), entry=D(40_000), stop=D(stop), fee_rate=FEE)
    quantity = round_down_quantity(sized, rules(), OrderType.MARKET)

    decision = desk.ask(intent(quantity=quantity, stop_price=D(stop)))

    assert decision.allowed or decision.reason_code is ReasonCode.FILTER_MIN_NOTIONAL, decision.text


def test_a_stop_without_distance_has_no_size() -> None:
    with pytest.raises(ValueError, match="stop: 100 leaves no distance from the entry at 100"):
        quantity_for(equity=D(1), risk_fraction=D("0.01"), entry=D(100), stop=D(100), fee_rate=D(0))


def test_a_risk_equal_to_the_cap_passes_and_the_next_step_does_not() -> None:
    # 0.1 x (500 + 79,500 x 0.0004) = 53.18 of 10,000.
    policy = make_policy(max_risk_per_trade=0.005318)

    assert Desk(policy).ask().allowed
    assert Desk(policy).ask(intent(quantity=D("0.101"))).reason_code is ReasonCode.RISK_PER_TRADE


def test_a_symbol_may_be_given_a_share_of_the_risk() -> None:
    desk = Desk(symbol_risk_multiplier={"BTCUSDT": D("0.5")})

    assert desk.ask().reason_code is ReasonCode.RISK_PER_TRADE
    assert desk.ask(intent(symbol="ETHUSDT"), facts("ETHUSDT")).allowed


@pytest.mark.parametrize("side", list(Side))
def test_without_a_stop_the_assumed_distance_counts(side: Side) -> None:
    # 1.25 % of 40,000 is 500.
    desk = Desk(assumed_stop_fraction=D("0.0125"))
    without = {"side": side, "stop_price": None}

    assert desk.ask(intent(**without, quantity=D("0.14")), facts()).allowed
    refused = Desk(assumed_stop_fraction=D("0.0125")).ask(intent(**without, quantity=D("0.15")))
    assert refused.reason_code is ReasonCode.RISK_PER_TRADE


def test_a_limit_order_is_valued_at_its_own_price() -> None:
    decision = Desk().ask(intent(order_type=OrderType.LIMIT, price=D(39_900)))

    assert decision.notional == D(3_990)
    assert decision.risk_fraction == D("0.00431760")


def test_a_confidence_equal_to_the_floor_passes() -> None:
    assert Desk(make_policy(global_min_confidence=0.65)).ask(intent(confidence=0.65)).allowed


def test_a_size_equal_to_every_limit_passes() -> None:
    desk = Desk(
        max_order_notional=D(4_000),
        max_order_quantity={"BTCUSDT": D("0.1")},
        max_symbol_leverage=D("0.4"),
        max_gross_leverage=D("0.4"),
        max_open_risk_fraction=D("0.005318"),
    )

    assert desk.ask().allowed
