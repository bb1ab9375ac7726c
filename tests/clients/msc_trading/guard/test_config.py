"""The guard's own limits: checked when they are made, and named when they are wrong."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from guard_builders import config

from msc_trading.guard import GuardConfig


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        ({"max_order_notional": Decimal("NaN")}, "max_order_notional: NaN is not finite"),
        ({"max_order_notional": Decimal(0)}, "max_order_notional: 0 must be above 0"),
        ({"max_order_notional": "much"}, "max_order_notional: 'much' is not a number"),
        ({"max_order_notional": None}, "max_order_notional: None is not a number"),
        ({"max_day_loss_fraction": None}, "max_day_loss_fraction: None is not a number"),
        ({"collar_fraction": Decimal(5)}, "collar_fraction: 5 is above 1; give a fraction, not a percentage"),
        ({"max_losing_streak": True}, "max_losing_streak: True is not a number"),
        ({"price_age_max_s": float("inf")}, "price_age_max_s: inf is not finite"),
        ({"repeat_window_s": -1.0}, "repeat_window_s: -1.0 must be above 0"),
        ({"symbol_min_confidence": {"BTCUSDT": 65.0}}, "is above 1; give a fraction"),
        ({"symbol_risk_multiplier": {"BTCUSDT": Decimal(2)}}, "symbol_risk_multiplier[BTCUSDT]: 2 is above 1"),
        ({"strategy_min_confidence": {"A": float("nan")}}, "strategy_min_confidence[A]: nan is not a limit"),
        ({"max_order_quantity": {"BTCUSDT": Decimal(-1)}}, "max_order_quantity[BTCUSDT]: -1 is not a limit"),
    ],
)
def test_a_limit_out_of_sense_is_named(overrides: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        config(**overrides)


@pytest.mark.parametrize(
    "overrides",
    [
        {"fee_rate": Decimal(0)},
        {"absent_margin_s": 0.0},
        {"max_open_risk_fraction": None},
        {"assumed_stop_fraction": None},
        {"max_order_quantity": {"DOGEUSDT": Decimal(1_000_000)}},
    ],
)
def test_what_may_be_left_out_or_zero_may(overrides: dict[str, object]) -> None:
    assert isinstance(config(**overrides), GuardConfig)
