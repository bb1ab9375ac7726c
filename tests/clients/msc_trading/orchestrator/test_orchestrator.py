"""The orchestrator follows the policy at once, and says so in the lines that operators know."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from guard_builders import NS, PolicyBench

from msc_client.policy import RiskMode
from msc_client.testing import StaticPolicySource, make_policy
from msc_client.tier import Tier
from msc_client.view import PolicyView
from msc_trading.orchestrator import (
    MarketState,
    Orchestrator,
    Regime,
    RiskProfile,
    RiskState,
    SymbolState,
    TradingPolicy,
    Volatility,
)

CALM = MarketState(
    regime=Regime.RANGE, volatility=Volatility.NORMAL, symbols={"BTCUSDT": SymbolState(cost_fraction=0.001)}
)
WELL = RiskState(day_pnl_fraction=0.0, drawdown_pct=1.0, losing_streak=0, open_positions=2, exposure_fraction=1.0)
DEFENSIVE = make_policy(2, risk_mode=RiskMode.DEFENSIVE, max_risk_per_trade=0.003)
AGGRESSIVE = make_policy(3, risk_mode=RiskMode.AGGRESSIVE, max_risk_per_trade=0.015)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="msc_trading.orchestrator")
    return caplog


def orchestrator_of(source: StaticPolicySource) -> Orchestrator:
    orchestrator = Orchestrator(source)
    orchestrator.observe(market=CALM, risk=WELL)
    return orchestrator


def test_checklist_policy_store_is_initialised_and_supreme_policy_read_in_update_policy() -> None:
    source = StaticPolicySource(make_policy(4))

    trading = orchestrator_of(source).update_policy()

    assert (trading.ref, trading.tier) == (source.current().ref, Tier.FRESH)


@pytest.mark.parametrize("mode", list(RiskMode))
def test_checklist_risk_mode_is_applied(mode: RiskMode) -> None:
    trading = orchestrator_of(StaticPolicySource(make_policy(risk_mode=mode))).update_policy()

    assert trading.entry_mode is mode


def test_checklist_risk_percentage_is_overridden_by_the_policy() -> None:
    assert orchestrator_of(StaticPolicySource(DEFENSIVE)).update_policy().max_risk_fraction == 0.003


def test_checklist_position_limits_are_enforced() -> None:
    orchestrator = orchestrator_of(StaticPolicySource(make_policy(max_positions=8)))
    orchestrator.observe(risk=replace(WELL, open_positions=8))

    assert orchestrator.update_policy().risk_profile is RiskProfile.NO_NEW_TRADES


def test_checklist_all_overrides_are_logged(said: pytest.LogCaptureFixture) -> None:
    orchestrator = orchestrator_of(StaticPolicySource(make_policy(DEFENSIVE.ref.version, max_positions=8)))
    orchestrator.observe(risk=replace(WELL, open_positions=8, losing_streak=6))
    orchestrator.update_policy()

    assert said.messages == [
        "[MSC AI] Supreme policy loaded: risk_mode=NORMAL, max_risk=0.75%",
        "[POLICY UPDATE] MSC AI: NORMAL mode (risk=0.75%)",
        "[POLICY UPDATE] MSC AI: Position limit reached (8/8)",
        "[POLICY UPDATE] Orchestrator: position limit 8/8",
        "[POLICY UPDATE] Orchestrator: losing streak 6: risk x 0.3",
    ]


def test_a_defensive_policy_is_said_as_operators_know_it(said: pytest.LogCaptureFixture) -> None:
    orchestrator_of(StaticPolicySource(DEFENSIVE)).update_policy()

    assert said.messages == [
        "[MSC AI] Supreme policy loaded: risk_mode=DEFENSIVE, max_risk=0.30%",
        "[POLICY UPDATE] MSC AI: DEFENSIVE mode (risk=0.30%)",
    ]


def test_what_was_said_is_not_said_again(said: pytest.LogCaptureFixture) -> None:
    source = StaticPolicySource(DEFENSIVE)
    orchestrator = orchestrator_of(source)
    orchestrator.update_policy()
    said.clear()

    orchestrator.update_policy()
    orchestrator.observe(risk=replace(WELL, open_positions=3))
    orchestrator.update_policy()

    assert said.messages == []


def test_a_new_version_of_the_same_mode_is_loaded_and_changes_no_mode(said: pytest.LogCaptureFixture) -> None:
    source = StaticPolicySource(DEFENSIVE)
    orchestrator = orchestrator_of(source)
    orchestrator.update_policy()
    said.clear()
    source.set(make_policy(9, risk_mode=RiskMode.DEFENSIVE, max_risk_per_trade=0.003))
    orchestrator.update_policy()

    assert said.messages == ["[MSC AI] Supreme policy loaded: risk_mode=DEFENSIVE, max_risk=0.30%"]


def test_the_limit_is_said_again_when_it_is_reached_again(said: pytest.LogCaptureFixture) -> None:
    orchestrator = orchestrator_of(StaticPolicySource(make_policy(max_positions=8)))
    for open_positions in (8, 8, 7, 8):
        orchestrator.observe(risk=replace(WELL, open_positions=open_positions))
        orchestrator.update_policy()

    assert said.messages.count("[POLICY UPDATE] MSC AI: Position limit reached (8/8)") == 2


def test_a_new_policy_is_never_answered_from_before() -> None:
    source = StaticPolicySource(AGGRESSIVE)
    orchestrator = orchestrator_of(source)
    before = orchestrator.update_policy()

    source.set(DEFENSIVE)
    after = orchestrator.update_policy()

    assert (before.entry_mode, after.entry_mode) == (RiskMode.AGGRESSIVE, RiskMode.DEFENSIVE)
    assert after.max_risk_fraction == 0.003


def test_following_recomputes_at_once_and_stops_when_it_is_ended(said: pytest.LogCaptureFixture) -> None:
    source = StaticPolicySource(AGGRESSIVE)
    orchestrator = orchestrator_of(source)
    end = orchestrator.follow()
    said.clear()

    source.set(DEFENSIVE)
    assert "[POLICY UPDATE] MSC AI: DEFENSIVE mode (risk=0.30%)" in said.messages

    end()
    said.clear()
    source.set(AGGRESSIVE)
    assert said.messages == []


def test_a_change_of_the_tier_alone_is_a_change() -> None:
    source = StaticPolicySource(DEFENSIVE)
    orchestrator = orchestrator_of(source)
    orchestrator.update_policy()

    source.set(DEFENSIVE, Tier.STALE)

    assert orchestrator.update_policy().notes == ("degraded: the policy is STALE",)


def test_while_nothing_changes_the_same_value_is_returned() -> None:
    orchestrator = orchestrator_of(StaticPolicySource(DEFENSIVE))

    assert orchestrator.update_policy() is orchestrator.update_policy()


@pytest.mark.parametrize(
    ("market", "risk"),
    [(replace(CALM, volatility=Volatility.EXTREME), None), (None, replace(WELL, day_pnl_fraction=-0.5))],
)
def test_what_is_observed_is_weighed_at_once(market: MarketState | None, risk: RiskState | None) -> None:
    orchestrator = orchestrator_of(StaticPolicySource(make_policy()))
    assert orchestrator.update_policy().allow_new_trades

    orchestrator.observe(market=market, risk=risk)

    assert not orchestrator.update_policy().allow_new_trades


def test_the_end_of_a_safe_policys_time_is_noticed_without_a_new_view() -> None:
    bench = PolicyBench()
    bench.set(make_policy(), Tier.SAFE_EXPIRED, entries_until_ns=bench.now_ns() + NS)
    orchestrator = Orchestrator(_AsSource(bench))
    orchestrator.observe(market=CALM, risk=WELL)
    assert orchestrator.update_policy().allow_new_trades

    bench.advance(1.0)

    assert not orchestrator.update_policy().allow_new_trades


class _AsSource(StaticPolicySource):
    """A source that reads view and time from a bench."""

    def __init__(self, bench: PolicyBench) -> None:
        super().__init__()
        self._bench = bench

    def current(self) -> PolicyView:
        return self._bench.current()

    def now_ns(self) -> int:
        return self._bench.now_ns()


def test_until_something_is_observed_nobody_enters() -> None:
    trading: TradingPolicy = Orchestrator(StaticPolicySource(make_policy())).update_policy()

    assert not trading.allow_new_trades
