"""What "tighter" means, as laws: for any two policies the result bounds both, whatever the order."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_client import Policy, PolicyView, Ref, RiskMode, SafeDefaults, StrategyGrant, StrategyState, Tier, TradingState
from msc_client.testing import make_policy
from msc_client.tier import tightened, tighter_of

IDS = ("A", "B", "C", "D", "E")
S = 1_000_000_000


@st.composite
def any_policy(draw: st.DrawFn) -> Policy:
    ids = tuple(draw(st.lists(st.sampled_from(IDS), unique=True)))
    return make_policy(
        draw(st.integers(1, 9)),
        strategies=ids,
        risk_mode=draw(st.sampled_from(RiskMode)),
        max_risk_per_trade=draw(st.floats(0, 1)),
        global_min_confidence=draw(st.floats(0.001, 1)),
        max_positions=draw(st.integers(0, 20)),
        max_daily_trades=draw(st.integers(0, 60)),
        trading_state=draw(st.sampled_from(TradingState)),
        strategy_grants=tuple(draw(grants(id_)) for id_ in ids),
    )


@st.composite
def grants(draw: st.DrawFn, strategy_id: str) -> StrategyGrant:
    return StrategyGrant(
        strategy_id=strategy_id,
        state=draw(st.sampled_from(StrategyState)),
        risk_multiplier=draw(st.floats(0, 1)),
        max_positions=draw(st.integers(0, 9)),
        max_daily_trades_fraction=draw(st.floats(0, 1)),
    )


defaults = st.builds(
    SafeDefaults,
    risk_mode=st.sampled_from(RiskMode),
    max_risk_per_trade=st.floats(0, 1),
    global_min_confidence=st.floats(0, 1),
    max_positions=st.integers(0, 20),
    max_daily_trades=st.integers(0, 60),
    trading_state=st.sampled_from(TradingState),
)

Limits = tuple[RiskMode, float, float, int, int, TradingState]


def limits_of(policy: Policy) -> Limits:
    return (
        policy.risk_mode,
        policy.max_risk_per_trade,
        policy.global_min_confidence,
        policy.max_positions,
        policy.max_daily_trades,
        policy.trading_state,
    )


def looser_fields(tight: Policy, than: Policy | SafeDefaults) -> list[str]:
    """The fields in which `tight` would let more happen than the other."""
    smaller = ("risk_mode", "max_risk_per_trade", "max_positions", "max_daily_trades")
    greater = ("global_min_confidence", "trading_state")
    return [name for name in smaller if getattr(tight, name) > getattr(than, name)] + [
        name for name in greater if getattr(tight, name) < getattr(than, name)
    ]


def grants_by_id(policy: Policy) -> dict[str, StrategyGrant]:
    return {grant.strategy_id: grant for grant in policy.strategy_grants}


def own_limit(count: int) -> float:
    """A grant's count of positions as a bound: 0 is none at all."""
    return count or float("inf")


@given(one=any_policy(), other=any_policy())
def test_no_field_is_looser_than_in_either(one: Policy, other: Policy) -> None:
    tight = tighter_of(one, other)
    assert looser_fields(tight, one) == []
    assert looser_fields(tight, other) == []
    assert tight.allowed == one.allowed & other.allowed


@given(one=any_policy(), other=any_policy())
def test_no_grant_is_looser_than_in_either(one: Policy, other: Policy) -> None:
    tight = grants_by_id(tighter_of(one, other))
    assert set(tight) == one.allowed & other.allowed
    for id_, grant in tight.items():
        for source in (grants_by_id(one)[id_], grants_by_id(other)[id_]):
            assert grant.risk_multiplier <= source.risk_multiplier
            assert grant.max_daily_trades_fraction <= source.max_daily_trades_fraction
            assert own_limit(grant.max_positions) <= own_limit(source.max_positions)
            assert grant.state is StrategyState.PROBATION or source.state is StrategyState.ACTIVE


@given(one=any_policy(), other=any_policy())
def test_every_limit_is_one_of_the_two_and_none_is_tighter_than_both(one: Policy, other: Policy) -> None:
    tight = tighter_of(one, other)
    for mine, left, right in zip(limits_of(tight), limits_of(one), limits_of(other), strict=True):
        assert mine in (left, right)


@given(policy=any_policy())
def test_it_is_idempotent(policy: Policy) -> None:
    assert tighter_of(policy, policy) == policy
    assert tightened(policy, policy) == policy


@given(one=any_policy(), other=any_policy())
def test_it_is_commutative_in_limits_grants_and_the_set_of_strategies(one: Policy, other: Policy) -> None:
    left, right = tighter_of(one, other), tighter_of(other, one)
    assert limits_of(left) == limits_of(right)
    assert left.allowed == right.allowed
    assert grants_by_id(left) == grants_by_id(right)


@given(policies=st.lists(any_policy(), min_size=3, max_size=5))
def test_it_is_associative_so_that_the_order_of_events_does_not_matter(policies: list[Policy]) -> None:
    first, *rest = policies
    forward = reduce(tighter_of, rest, first)
    backward = tighter_of(first, reduce(tighter_of, reversed(rest)))
    assert limits_of(forward) == limits_of(backward)
    assert grants_by_id(forward) == grants_by_id(backward)


@given(one=any_policy(), other=any_policy())
def test_the_order_of_the_list_the_reference_and_the_rest_stay_those_of_the_first(one: Policy, other: Policy) -> None:
    tight = tighter_of(one, other)
    assert tight.allowed_strategies == tuple(id_ for id_ in one.allowed_strategies if id_ in other.allowed)
    assert tuple(grant.strategy_id for grant in tight.strategy_grants) == tight.allowed_strategies
    assert (tight.ref, tight.created_at, tight.author, tight.valid_for_s) == (
        one.ref,
        one.created_at,
        one.author,
        one.valid_for_s,
    )


@given(policy=any_policy(), safe=defaults)
def test_defaults_bound_the_limits_and_leave_list_and_grants_alone(policy: Policy, safe: SafeDefaults) -> None:
    bound = tightened(policy, safe)
    assert looser_fields(bound, policy) == []
    assert looser_fields(bound, safe) == []
    assert (bound.allowed_strategies, bound.strategy_grants) == (policy.allowed_strategies, policy.strategy_grants)
    assert tightened(bound, safe) == bound


@given(policy=any_policy(), looser=any_policy(), safe=defaults)
def test_tightening_keeps_the_order_of_two_policies(policy: Policy, looser: Policy, safe: SafeDefaults) -> None:
    tight = tighter_of(policy, looser)
    assert looser_fields(tightened(tight, safe), tightened(looser, safe)) == []


@pytest.mark.parametrize(("one", "other", "tight"), [(0, 0, 0), (0, 3, 3), (3, 0, 3), (3, 5, 3), (5, 3, 3), (1, 1, 1)])
def test_no_limit_of_its_own_gives_way_to_any_limit(one: int, other: int, tight: int) -> None:
    left, right = (
        make_policy(strategies=("A",), strategy_grants=(StrategyGrant(strategy_id="A", max_positions=count),))
        for count in (one, other)
    )
    [grant] = tighter_of(left, right).strategy_grants
    assert grant.max_positions == tight


@pytest.mark.parametrize("missing_in", ["both", "first", "second"])
def test_a_grant_that_only_one_side_gives_is_kept(missing_in: str) -> None:
    grant = StrategyGrant(strategy_id="A", risk_multiplier=0.25)
    with_grant = make_policy(strategies=("A",), strategy_grants=(grant,))
    without = replace(with_grant, strategy_grants=())
    one = without if missing_in in ("both", "first") else with_grant
    other = without if missing_in in ("both", "second") else with_grant
    assert tighter_of(one, other).strategy_grants == (() if missing_in == "both" else (grant,))


# Whether a position may be opened


def view(tier: Tier, state: TradingState, until_ns: int | None) -> PolicyView:
    policy = make_policy(5, trading_state=state)
    return PolicyView(policy=policy, tier=tier, ref=Ref(1, 5), as_of_ns=0, entries_until_ns=until_ns)


DENIALS: list[tuple[TradingState, Tier, int | None, str | None]] = [
    (TradingState.ACTIVE, Tier.FRESH, None, None),
    (TradingState.ACTIVE, Tier.STALE, None, None),
    (TradingState.ACTIVE, Tier.SAFE_EXPIRED, None, None),
    (TradingState.ACTIVE, Tier.SAFE_NONE, None, None),
    (TradingState.ACTIVE, Tier.SAFE_EXPIRED, 101, None),
    (TradingState.ACTIVE, Tier.SAFE_EXPIRED, 100, "POLICY_EXPIRED"),
    (TradingState.ACTIVE, Tier.SAFE_EXPIRED, 0, "POLICY_EXPIRED"),
    (TradingState.ACTIVE, Tier.SAFE_NONE, 101, None),
    (TradingState.ACTIVE, Tier.SAFE_NONE, 100, "POLICY_MISSING"),
    (TradingState.ACTIVE, Tier.SAFE_NONE, -1, "POLICY_MISSING"),
    (TradingState.REDUCING, Tier.FRESH, None, "TRADING_REDUCING"),
    (TradingState.REDUCING, Tier.SAFE_EXPIRED, 0, "TRADING_REDUCING"),
    (TradingState.REDUCING, Tier.SAFE_NONE, 101, "TRADING_REDUCING"),
    (TradingState.HALTED, Tier.STALE, None, "TRADING_HALTED"),
    (TradingState.HALTED, Tier.SAFE_NONE, 0, "TRADING_HALTED"),
]


@pytest.mark.parametrize(("state", "tier", "until_ns", "denial"), DENIALS, ids=repr)
def test_a_kill_is_named_before_an_expiry_and_each_denial_by_its_cause(
    state: TradingState, tier: Tier, until_ns: int | None, denial: str | None
) -> None:
    seen = view(tier, state, until_ns)
    assert seen.entry_denial(100) == denial
    assert seen.entries_allowed(100) is (denial is None)
    assert seen.exits_allowed


@given(
    state=st.sampled_from(TradingState),
    tier=st.sampled_from(Tier),
    until_s=st.none() | st.integers(0, 100),
    instants=st.lists(st.integers(0, 200), min_size=2, max_size=5),
)
def test_once_denied_entries_stay_denied_as_long_as_the_view_is_held(
    state: TradingState, tier: Tier, until_s: int | None, instants: list[int]
) -> None:
    seen = view(tier, state, None if until_s is None else until_s * S)
    allowed = [seen.entries_allowed(at * S) for at in sorted(instants)]
    assert allowed == sorted(allowed, reverse=True)
