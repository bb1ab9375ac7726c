"""The limits of last resort: nothing out of sense gets into them, and nothing loosens them."""

from __future__ import annotations

from dataclasses import fields

import pytest

from msc_client import ClientConfig, PolicyView, RiskMode, SafeDefaults, Tier, TradingState
from msc_client._held import held_without_value
from msc_client.policy import UNCOMMITTED
from msc_client.testing import make_policy
from msc_client.tier import tightened

NAN, INF = float("nan"), float("inf")

WRONG: dict[str, list[object]] = {
    "risk_mode": [0, 1, 99, "DEFENSIVE", None, TradingState.ACTIVE],
    "allowed_strategies": [None, ["A"], "A", {"A"}, ("",), (" ",), ("A", "A"), (1,), (None,)],
    "max_risk_per_trade": [NAN, INF, -INF, -1e-9, 1.0000001, "0.003", None, True],
    "global_min_confidence": [NAN, INF, -1e-9, 1.0000001, "0.7", None, False],
    "max_positions": [-1, NAN, 1.5, 8.0, "8", None, True],
    "max_daily_trades": [-1, NAN, 0.5, 10.0, "10", None, False],
    "trading_state": [0, 1, 99, "ACTIVE", None, RiskMode.NORMAL],
}


def safe_with(**values: object) -> SafeDefaults:
    return SafeDefaults(**values)  # type: ignore[arg-type]  # wrong types are what some tests pass


def test_every_field_is_checked() -> None:
    assert set(WRONG) == {field.name for field in fields(SafeDefaults)}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in WRONG.items() for value in values], ids=repr
)
def test_a_value_out_of_sense_is_refused_by_its_name(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        safe_with(**{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_risk_per_trade", 0.0),
        ("max_risk_per_trade", 1.0),
        ("max_risk_per_trade", 0),
        ("global_min_confidence", 0.0),
        ("global_min_confidence", 1.0),
        ("max_positions", 0),
        ("max_daily_trades", 0),
        ("trading_state", TradingState.HALTED),
        ("risk_mode", RiskMode.AGGRESSIVE),
    ],
    ids=repr,
)
def test_the_edges_of_each_range_are_taken(field: str, value: object) -> None:
    assert getattr(safe_with(**{field: value}), field) == value


def test_the_built_in_defaults_are_those_of_the_contract() -> None:
    safe = SafeDefaults()
    assert (safe.risk_mode, safe.max_risk_per_trade, safe.global_min_confidence) == (RiskMode.DEFENSIVE, 0.0030, 0.70)
    assert (safe.allowed_strategies, safe.trading_state) == ((), TradingState.ACTIVE)


def test_as_a_policy_they_have_every_limit_and_no_commit() -> None:
    safe = SafeDefaults(allowed_strategies=("B", "A"), max_positions=2, max_daily_trades=3)
    policy = safe.as_policy()
    assert policy.ref == UNCOMMITTED
    assert (policy.created_at, policy.author) == (None, "safe defaults")
    for field in fields(SafeDefaults):
        assert getattr(policy, field.name) == getattr(safe, field.name)
    assert [grant.strategy_id for grant in policy.strategy_grants] == ["B", "A"]


@pytest.mark.parametrize(
    ("tight", "expected"),
    [
        ({"risk_mode": RiskMode.DEFENSIVE}, {"risk_mode": RiskMode.DEFENSIVE}),
        ({"max_risk_per_trade": 0.001}, {"max_risk_per_trade": 0.001}),
        ({"global_min_confidence": 0.95}, {"global_min_confidence": 0.95}),
        ({"max_positions": 0}, {"max_positions": 0}),
        ({"max_daily_trades": 0}, {"max_daily_trades": 0}),
        ({"trading_state": TradingState.REDUCING}, {"trading_state": TradingState.REDUCING}),
    ],
)
def test_each_limit_of_the_defaults_binds_a_looser_policy_alone(
    tight: dict[str, object], expected: dict[str, object]
) -> None:
    loose: dict[str, object] = {
        "risk_mode": RiskMode.AGGRESSIVE,
        "max_risk_per_trade": 1.0,
        "global_min_confidence": 0.0,
        "max_positions": 10**6,
        "max_daily_trades": 10**6,
        "trading_state": TradingState.ACTIVE,
    }
    policy = make_policy(5)
    bound = tightened(policy, safe_with(**(loose | tight)))
    changed = {name: getattr(bound, name) for name in loose if getattr(bound, name) != getattr(policy, name)}
    assert changed == expected


def safe_view(safe: SafeDefaults, config: ClientConfig) -> PolicyView:
    return held_without_value(safe, config, since_ns=0).lapsed()


def test_a_host_whose_defaults_are_halted_lets_nothing_in_from_the_first_instant() -> None:
    view = safe_view(SafeDefaults(trading_state=TradingState.HALTED), ClientConfig(safe_entries_s=-1.0))
    assert (view.tier, view.entry_denial(0)) == (Tier.SAFE_NONE, "TRADING_HALTED")


@pytest.mark.parametrize("last", list(TradingState))
@pytest.mark.parametrize("own", list(TradingState))
def test_of_a_kill_on_disk_and_one_in_the_defaults_the_tighter_holds(last: TradingState, own: TradingState) -> None:
    held = held_without_value(
        SafeDefaults(trading_state=own), ClientConfig(), since_ns=0, last=make_policy(5, trading_state=last)
    )
    assert held.lapsed().policy.trading_state is max(last, own)
