"""Which policy holds for a decision: the newest, whole, and never a looser one while nobody vouches for it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from guard_builders import Desk, PolicyBench, facts, intent, others

from msc_client.policy import Policy, RiskMode, StrategyGrant, StrategyState, TradingState
from msc_client.testing import make_policy
from msc_client.tier import Tier
from msc_client.view import PolicyView
from msc_trading.guard import Limits, ReasonCode
from msc_trading.guard.limits import PolicyMemory

D = Decimal


def test_a_stale_policy_goes_on_and_the_decision_says_so() -> None:
    desk = Desk()
    desk.bench.set(make_policy(), Tier.STALE)

    decision = desk.ask()

    assert (decision.allowed, decision.degraded, decision.policy_tier) == (True, True, Tier.STALE)


def test_a_fresh_policy_is_not_degraded() -> None:
    assert not Desk().ask().degraded


def test_a_safe_policy_lets_small_entries_through_for_its_time_and_no_longer() -> None:
    desk = Desk()
    desk.bench.set(make_policy(), Tier.SAFE_EXPIRED, entries_until_ns=desk.bench.now_ns() + 1)
    assert desk.ask().allowed

    desk.bench.advance(1.0)
    assert desk.ask().reason_code is ReasonCode.POLICY_EXPIRED


def test_a_safe_policy_without_an_end_goes_on() -> None:
    desk = Desk()
    desk.bench.set(make_policy(), Tier.SAFE_EXPIRED)
    desk.bench.advance(999_999.0)

    assert desk.ask().allowed


def test_an_older_version_of_the_same_epoch_is_refused() -> None:
    desk = Desk(make_policy(7))
    desk.ask()
    desk.bench.set(make_policy(6))

    assert desk.ask().reason_code is ReasonCode.POLICY_REGRESSED


def test_no_policy_after_one_was_seen_is_a_step_back() -> None:
    desk = Desk()
    desk.ask()
    desk.bench.set_nothing(entries_until_ns=None)

    assert desk.ask().reason_code is ReasonCode.POLICY_REGRESSED


def test_a_greater_epoch_may_begin_with_a_lower_version() -> None:
    desk = Desk(make_policy(7))
    desk.ask()
    desk.bench.set(make_policy(1, epoch=2))

    assert desk.ask().allowed


def test_a_snapshot_that_waited_is_judged_by_the_policy_of_now() -> None:
    desk = Desk(make_policy(1, strategies=("TREND_001",)))
    waited = desk.bench.current()
    desk.bench.set(make_policy(2, strategies=()))
    desk.ask()

    decision = desk.guard.authorize(intent(), waited, facts())

    assert decision.reason_code is ReasonCode.STRATEGY_NOT_ALLOWED
    assert decision.policy_version == 2


class _ChangesWhileJudging(PolicyBench):
    """A source whose policy changes between the view that was read and the grant."""

    def __init__(self, then: Policy) -> None:
        super().__init__(make_policy(1))
        self._then: Policy | None = then

    def current(self) -> PolicyView:
        view = super().current()
        if self._then is not None:
            self.set(self._then)
            self._then = None
        return view


@pytest.mark.parametrize(
    ("then", "code"),
    [
        (make_policy(2, trading_state=TradingState.HALTED), ReasonCode.TRADING_HALTED),
        (make_policy(2, strategies=()), ReasonCode.STRATEGY_NOT_ALLOWED),
        (make_policy(2, global_min_confidence=0.9), ReasonCode.CONFIDENCE_TOO_LOW),
        (make_policy(2, max_risk_per_trade=0.001), ReasonCode.RISK_PER_TRADE),
        (make_policy(2, max_positions=0), ReasonCode.MAX_POSITIONS),
        (make_policy(2), ReasonCode.ALLOWED),
    ],
)
def test_a_policy_that_arrives_before_the_grant_decides_it(then: Policy, code: ReasonCode) -> None:
    desk = Desk(bench=_ChangesWhileJudging(then))

    decision = desk.ask()

    assert decision.reason_code is code
    assert decision.policy_version == 2
    assert "policy_reread" in [check.name for check in decision.checks]


def test_while_nobody_vouches_for_it_a_looser_policy_loosens_nothing() -> None:
    desk = Desk(make_policy(1, max_risk_per_trade=0.003, strategies=("TREND_001",)))
    desk.ask(intent(quantity=D("0.003")))
    desk.bench.set(make_policy(2, max_risk_per_trade=0.015, strategies=("TREND_001", "NEW")), Tier.STALE)

    assert desk.ask().reason_code is ReasonCode.RISK_PER_TRADE
    assert desk.ask(intent(strategy_id="NEW")).reason_code is ReasonCode.STRATEGY_NOT_ALLOWED

    desk.bench.set(make_policy(2, max_risk_per_trade=0.015, strategies=("TREND_001", "NEW")), Tier.FRESH)
    assert desk.ask().allowed
    assert desk.ask(intent(strategy_id="NEW")).allowed


def test_while_nobody_vouches_for_it_a_tighter_policy_tightens_at_once() -> None:
    desk = Desk()
    desk.ask(intent(quantity=D("0.003")))
    desk.bench.set(make_policy(2, max_risk_per_trade=0.003), Tier.STALE)

    assert desk.ask().reason_code is ReasonCode.RISK_PER_TRADE


def test_safe_defaults_of_a_start_do_not_bind_the_first_policy() -> None:
    desk = Desk()
    desk.bench.set_nothing(entries_until_ns=None)
    assert desk.ask().reason_code is ReasonCode.STRATEGY_NOT_ALLOWED
    desk.bench.set(make_policy(), Tier.STALE)

    assert desk.ask().allowed


def test_the_same_view_is_taken_in_once() -> None:
    memory, view = PolicyMemory(), PolicyBench().current()
    taken = memory.take(view)

    assert memory.recall(view) is taken
    assert memory.known is taken
    assert memory.recall(PolicyBench().current()) is None


def test_a_confirmation_of_the_same_policy_keeps_its_limits() -> None:
    memory, bench, policy = PolicyMemory(), PolicyBench(), make_policy()
    first = memory.take(bench.set(policy))

    assert memory.take(bench.set(policy)).limits is first.limits


def test_limits_are_taken_as_they_are_written() -> None:
    limits = Limits.of(make_policy(max_risk_per_trade=0.0075))

    assert limits.max_risk == D("0.0075")
    assert limits.strategies["TREND_001"].max_risk == D("0.0075")


def test_a_strategy_on_the_list_without_a_grant_has_the_policys_own_limits() -> None:
    limits = Limits.of(make_policy(strategy_grants=()))

    assert limits.strategies["TREND_001"].max_positions is None
    assert limits.strategies["TREND_001"].max_daily_trades is None


def test_a_grant_without_a_place_on_the_list_allows_nothing() -> None:
    policy = make_policy(strategies=(), strategy_grants=(StrategyGrant(strategy_id="TREND_001"),))

    assert Limits.of(policy).strategies == {}


def test_probation_is_a_quarter_of_the_risk_one_position_and_a_tenth_of_the_day() -> None:
    grant = StrategyGrant(strategy_id="TREND_001", state=StrategyState.PROBATION, risk_multiplier=1.0)
    of = Limits.of(make_policy(max_risk_per_trade=0.008, max_daily_trades=30, strategy_grants=(grant,)))

    strategy = of.strategies["TREND_001"]

    assert (strategy.max_risk, strategy.max_positions, strategy.max_daily_trades) == (D("0.002"), 1, 3)


def test_a_grant_may_be_tighter_than_probation_and_never_looser_than_the_policy() -> None:
    tight = StrategyGrant(
        strategy_id="TREND_001",
        state=StrategyState.PROBATION,
        risk_multiplier=0.1,
        max_positions=5,
        max_daily_trades_fraction=0.01,
    )
    loose = StrategyGrant(strategy_id="MOMENTUM_002", risk_multiplier=3.0, max_daily_trades_fraction=2.0)
    limits = Limits.of(make_policy(max_risk_per_trade=0.01, max_daily_trades=100, strategy_grants=(tight, loose)))

    assert limits.strategies["TREND_001"].max_risk == D("0.001")
    assert limits.strategies["TREND_001"].max_positions == 1
    assert limits.strategies["TREND_001"].max_daily_trades == 1
    assert limits.strategies["MOMENTUM_002"].max_risk == D("0.01")
    assert limits.strategies["MOMENTUM_002"].max_daily_trades is None


def test_a_strategy_on_probation_risks_a_quarter() -> None:
    grant = StrategyGrant(strategy_id="TREND_001", state=StrategyState.PROBATION, risk_multiplier=0.25)
    desk = Desk(make_policy(strategy_grants=(grant,)))

    # 0.1875 % of 10,000 is 18.75: at 531.8 a coin that is 0.035.
    assert desk.ask(intent(quantity=D("0.036"))).reason_code is ReasonCode.RISK_PER_TRADE
    assert desk.ask(intent(quantity=D("0.035"))).allowed


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -0.1])
def test_a_limit_that_is_no_number_allows_nothing(number: float) -> None:
    assert Limits.of(make_policy(max_risk_per_trade=number)).max_risk == 0
    assert not Desk(make_policy(max_risk_per_trade=number)).ask().allowed


def test_a_confidence_limit_that_is_no_number_is_never_reached() -> None:
    assert not Desk(make_policy(global_min_confidence=float("nan"))).ask().allowed


def test_lowering_a_limit_closes_nothing_and_says_what_is_in_use() -> None:
    desk = Desk(make_policy(2, max_positions=8))
    crowded = facts(positions=others(10))

    decision = desk.ask(known=crowded)

    assert decision.text == "positions current=10 limit=8"
    assert decision.counters_before is not None
    assert decision.counters_before.positions_confirmed == 10
    in_held_symbol = intent(symbol="C00USDT")
    assert not desk.ask(in_held_symbol, facts("C00USDT", positions=others(10))).allowed


def test_at_the_limit_a_held_symbol_may_be_added_to() -> None:
    desk = Desk(make_policy(max_positions=2))
    asked = intent(symbol="C00USDT")

    assert desk.ask(asked, facts("C00USDT", positions=others(2))).allowed


def test_the_kill_state_is_the_tightest_of_all() -> None:
    desk = Desk(make_policy(trading_state=TradingState.HALTED, risk_mode=RiskMode.AGGRESSIVE))
    decision = desk.ask(known=facts(kill=None))

    assert decision.reason_code is ReasonCode.TRADING_HALTED
