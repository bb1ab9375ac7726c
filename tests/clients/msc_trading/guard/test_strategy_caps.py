"""A strategy with a cap of its own: which positions count as its."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

import pytest
from guard_builders import AT, Desk, facts, intent, position, positions

from msc_client.policy import StrategyGrant
from msc_client.testing import make_policy
from msc_trading.guard import ReasonCode

HELD = positions(position("C00USDT", "1", "10"))
CAPPED = make_policy(strategy_grants=(StrategyGrant(strategy_id="TREND_001", max_positions=1),))


@pytest.mark.parametrize(
    ("owners", "allowed"),
    [
        ({"TREND_001": frozenset({"C00USDT"})}, False),
        ({"MOMENTUM_002": frozenset({"C00USDT"})}, True),
        ({"TREND_001": frozenset({"C00USDT"}), "MOMENTUM_002": frozenset({"C00USDT"})}, False),
        ({}, False),
        (None, False),
        # Owned once, and flat by now.
        ({"TREND_001": frozenset({"SOLUSDT"}), "MOMENTUM_002": frozenset({"C00USDT"})}, True),
    ],
)
def test_a_position_counts_for_its_owner_and_one_of_nobody_for_everybody(
    owners: Mapping[str, frozenset[str]] | None, allowed: bool
) -> None:
    decision = Desk(CAPPED).ask(known=facts(positions=HELD, strategy_symbols=owners))

    assert decision.reason_code is (ReasonCode.ALLOWED if allowed else ReasonCode.STRATEGY_CAP)


def test_a_strategy_at_its_cap_may_add_to_what_it_holds() -> None:
    held = positions(position(quantity="0.1"))
    known = facts(positions=held, strategy_symbols={"TREND_001": frozenset({"BTCUSDT"})})

    assert Desk(CAPPED).ask(known=known).allowed


def test_a_strategy_without_a_cap_is_not_held_to_one() -> None:
    capped = Desk(CAPPED)

    assert capped.ask(intent(strategy_id="MOMENTUM_002"), facts(positions=HELD, strategy_symbols=None)).allowed


def test_a_cooldown_that_is_over_locks_nothing() -> None:
    assert Desk().ask(known=facts(locks={"BTCUSDT": AT})).allowed
    assert Desk().ask(known=facts(locks={"ETHUSDT": None, "BTCUSDT": AT - timedelta(seconds=1)})).allowed


def test_an_order_without_a_price_of_its_sender_needs_no_collar() -> None:
    decision = Desk().ask(intent(ref_price=None, quantity=Decimal("0.1")))

    assert decision.allowed
    assert "price_collar" not in [check.name for check in decision.checks]
