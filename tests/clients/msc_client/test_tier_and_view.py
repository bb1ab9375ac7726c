"""Values, tiers, and the question whether a position may be opened."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from msc_client import PolicyView, Ref, RiskMode, SafeDefaults, StrategyGrant, StrategyState, Tier, TradingState
from msc_client._held import Confirmation, bounds_of, held_value, held_without_value
from msc_client._messages import Freshness
from msc_client.config import ClientConfig
from msc_client.testing import make_policy
from msc_client.tier import tightened, tighter_of

S = 1_000_000_000


def view(
    tier: Tier = Tier.FRESH, *, trading_state: TradingState = TradingState.ACTIVE, until_ns: int | None = None
) -> PolicyView:
    policy = make_policy(trading_state=trading_state)
    return PolicyView(policy=policy, tier=tier, ref=policy.ref, as_of_ns=10 * S, entries_until_ns=until_ns)


def test_references_compare_by_epoch_then_version() -> None:
    assert Ref(1, 9) < Ref(2, 1) < Ref(2, 2)
    assert Ref(1, 1, '"a"') == Ref(1, 1, '"b"')
    assert not Ref(1, 1, '"a"').same_as(Ref(1, 1, '"b"'))


def test_a_policy_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        make_policy().max_positions = 99  # type: ignore[misc]  # that it is refused is the test


def test_an_empty_list_means_nobody_and_an_empty_id_is_not_allowed() -> None:
    assert not make_policy(strategies=()).allows("TREND_001")
    assert not make_policy().allows("")
    assert make_policy().allows("TREND_001")


def test_a_grant_is_found_by_its_strategy() -> None:
    grant = make_policy().grant_of("TREND_001")
    assert grant is not None
    assert grant.risk_multiplier == 1.0
    assert make_policy().grant_of("RANGE_003") is None


@pytest.mark.parametrize(
    ("mode", "strategies", "risk", "line"),
    [
        (RiskMode.DEFENSIVE, 3, 0.005, "[MSC AI] Policy loaded: risk_mode=DEFENSIVE, strategies=3, max_risk=0.50%"),
        (RiskMode.NORMAL, 5, 0.0075, "[MSC AI] Policy loaded: risk_mode=NORMAL, strategies=5, max_risk=0.75%"),
        (RiskMode.AGGRESSIVE, 0, 0.015, "[MSC AI] Policy loaded: risk_mode=AGGRESSIVE, strategies=0, max_risk=1.50%"),
    ],
)
def test_the_loaded_line_is_what_operators_search_for(mode: RiskMode, strategies: int, risk: float, line: str) -> None:
    ids = tuple(f"S{number}" for number in range(strategies))
    policy = make_policy(strategies=ids, risk_mode=mode, max_risk_per_trade=risk)
    assert policy.loaded_line() == line


def test_safe_is_the_tighter_of_each_limit_with_the_last_known_list() -> None:
    policy = make_policy(max_positions=3, global_min_confidence=0.8, risk_mode=RiskMode.AGGRESSIVE)
    safe = tightened(policy, SafeDefaults())
    assert safe.allowed_strategies == policy.allowed_strategies
    assert (safe.risk_mode, safe.max_risk_per_trade, safe.global_min_confidence) == (RiskMode.DEFENSIVE, 0.003, 0.8)
    assert (safe.max_positions, safe.max_daily_trades) == (3, 10)
    assert safe.ref == policy.ref


def test_safe_defaults_cannot_loosen_a_kill() -> None:
    assert (
        tightened(make_policy(trading_state=TradingState.HALTED), SafeDefaults()).trading_state is TradingState.HALTED
    )


def test_the_tighter_grant_wins_and_no_limit_of_its_own_is_the_loosest() -> None:
    one = make_policy(strategies=("A",), strategy_grants=(StrategyGrant(strategy_id="A", max_positions=0),))
    probation = StrategyGrant(strategy_id="A", state=StrategyState.PROBATION, risk_multiplier=0.25, max_positions=1)
    other = make_policy(strategies=("A",), strategy_grants=(probation,))
    assert tighter_of(one, other).strategy_grants == (probation,)
    assert tighter_of(other, one).strategy_grants == (probation,)


@pytest.mark.parametrize("tier", [Tier.FRESH, Tier.STALE])
def test_entries_are_allowed_while_the_policy_is_good(tier: Tier) -> None:
    assert view(tier).entries_allowed(10**18)


@pytest.mark.parametrize("tier", list(Tier))
@pytest.mark.parametrize(
    ("state", "denial"), [(TradingState.HALTED, "TRADING_HALTED"), (TradingState.REDUCING, "TRADING_REDUCING")]
)
def test_a_kill_denies_entries_in_every_tier_and_exits_in_none(tier: Tier, state: TradingState, denial: str) -> None:
    killed = view(tier, trading_state=state)
    assert killed.entry_denial(0) == denial
    assert killed.exits_allowed


@pytest.mark.parametrize(
    ("tier", "denial"), [(Tier.SAFE_EXPIRED, "POLICY_EXPIRED"), (Tier.SAFE_NONE, "POLICY_MISSING")]
)
def test_safe_lets_entries_through_until_its_window_ends(tier: Tier, denial: str) -> None:
    safe = view(tier, until_ns=300 * S)
    assert safe.entry_denial(300 * S - 1) is None
    assert safe.entry_denial(300 * S) == denial


@pytest.mark.parametrize(
    ("safe_entries_s", "allowed_at_s"),
    [(300.0, {0: True, 299: True, 300: False}), (0.0, {0: False}), (-1.0, {0: True, 10**6: True})],
)
def test_the_window_is_configured(safe_entries_s: float, allowed_at_s: dict[int, bool]) -> None:
    held = held_without_value(SafeDefaults(), ClientConfig(safe_entries_s=safe_entries_s), since_ns=50 * S)
    assert {s: held.lapsed().entries_allowed((50 + s) * S) for s in allowed_at_s} == allowed_at_s


def test_the_window_of_an_expired_policy_begins_when_it_expired() -> None:
    confirmation = Confirmation(at_ns=100 * S, freshness=Freshness(replica_age_s=10, ttl_s=3600))
    config = ClientConfig()
    held = held_value(
        make_policy(), bounds_of(confirmation, config), safe=SafeDefaults(), config=config, confirmed=True
    )
    assert held.at((100 - 10 + 900) * S).tier is Tier.STALE
    expired = held.at((100 - 10 + 901) * S)
    assert expired.tier is Tier.SAFE_EXPIRED
    assert expired.entries_until_ns == (100 - 10 + 900 + 300) * S


def test_without_a_policy_nobody_trades_unless_the_host_said_who() -> None:
    assert SafeDefaults().as_policy().allowed_strategies == ()
    assert SafeDefaults(allowed_strategies=("TREND_001",)).as_policy().allows("TREND_001")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_risk_per_trade", float("nan")),
        ("max_risk_per_trade", -0.1),
        ("global_min_confidence", 1.1),
        ("max_positions", -1),
        ("max_daily_trades", -1),
        ("allowed_strategies", ("A", "A")),
        ("allowed_strategies", ("",)),
        ("allowed_strategies", "TREND_001"),
    ],
)
def test_safe_defaults_out_of_sense_are_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        SafeDefaults(**{field: value})  # type: ignore[arg-type]  # what mypy would refuse is refused at run time too


def test_the_age_is_told_by_the_sources_own_clock() -> None:
    assert view().age_s(15 * S) == 5.0
    assert held_without_value(SafeDefaults(), ClientConfig(), since_ns=0).lapsed().age_s(S) is None
