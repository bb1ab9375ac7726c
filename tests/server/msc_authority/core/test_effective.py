"""What is looser than what."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_core_builders import CONFIG

from msc_authority.core.effective import Effective
from msc_authority.core.limits import limits_for
from msc_authority.core.policy import Limits, RiskMode, StrategyGrant, StrategyState, TradingState

GRANT = StrategyGrant(
    strategy_id="A", state=StrategyState.ACTIVE, risk_multiplier=1.0, max_positions=0, max_daily_trades_fraction=1.0
)
TRIAL = replace(
    GRANT, state=StrategyState.PROBATION, risk_multiplier=0.25, max_positions=1, max_daily_trades_fraction=0.1
)
USUAL = Effective(
    mode=RiskMode.NORMAL,
    trading_state=TradingState.ACTIVE,
    limits=limits_for(RiskMode.NORMAL, CONFIG.modes),
    grants=(GRANT,),
)
GRANTS = st.builds(
    StrategyGrant,
    strategy_id=st.sampled_from("ABCD"),
    state=st.sampled_from([StrategyState.ACTIVE, StrategyState.PROBATION]),
    risk_multiplier=st.sampled_from([0.25, 1.0]),
    max_positions=st.integers(0, 3),
    max_daily_trades_fraction=st.sampled_from([0.1, 1.0]),
)
EFFECTIVES = st.builds(
    Effective,
    mode=st.sampled_from(RiskMode),
    trading_state=st.sampled_from(TradingState),
    limits=st.builds(
        Limits,
        max_risk_per_trade=st.sampled_from([0.0015, 0.003, 0.0075]),
        global_min_confidence=st.sampled_from([0.5, 0.6, 0.7]),
        max_positions=st.integers(1, 3),
        max_daily_trades=st.integers(1, 3),
    ),
    grants=st.lists(GRANTS, max_size=4, unique_by=lambda grant: grant.strategy_id).map(tuple),
)


@pytest.mark.parametrize(
    "looser",
    [
        replace(USUAL, mode=RiskMode.AGGRESSIVE),
        replace(USUAL, limits=replace(USUAL.limits, max_risk_per_trade=0.008)),
        replace(USUAL, limits=replace(USUAL.limits, global_min_confidence=0.59)),
        replace(USUAL, limits=replace(USUAL.limits, max_positions=11)),
        replace(USUAL, limits=replace(USUAL.limits, max_daily_trades=31)),
        replace(USUAL, grants=(GRANT, replace(TRIAL, strategy_id="B"))),
    ],
)
def test_each_part_alone_can_be_looser(looser: Effective) -> None:
    assert looser.is_looser_than(USUAL)
    assert not USUAL.is_looser_than(looser)


def test_active_is_looser_than_reducing_and_a_full_grant_than_a_trial() -> None:
    assert USUAL.is_looser_than(replace(USUAL, trading_state=TradingState.REDUCING))
    assert USUAL.is_looser_than(replace(USUAL, grants=(TRIAL,)))
    assert not replace(USUAL, grants=(TRIAL,)).is_looser_than(USUAL)
    assert not replace(USUAL, grants=()).is_looser_than(USUAL)


def test_another_order_of_the_same_strategies_is_not_looser() -> None:
    other = replace(GRANT, strategy_id="B")
    one, two = replace(USUAL, grants=(GRANT, other)), replace(USUAL, grants=(other, GRANT))
    assert not one.is_looser_than(two)


@given(EFFECTIVES, EFFECTIVES)
def test_the_tighter_of_two_is_looser_than_neither(one: Effective, other: Effective) -> None:
    tighter = one.tightened_to(other)
    assert not tighter.is_looser_than(one)
    assert not tighter.is_looser_than(other)


@given(EFFECTIVES)
def test_nothing_is_looser_than_itself_and_tightening_to_itself_changes_nothing(one: Effective) -> None:
    assert not one.is_looser_than(one)
    assert one.tightened_to(one) == one


@given(EFFECTIVES)
def test_what_is_stored_comes_back(one: Effective) -> None:
    assert Effective.decode(one.encode()) == one
