"""The orchestrator's decision: each rule by itself, and never above the policy."""

from __future__ import annotations

from dataclasses import replace

import pytest
from guard_builders import PolicyBench
from hypothesis import given
from hypothesis import strategies as st

from msc_client.policy import RiskMode, TradingState
from msc_client.testing import make_policy
from msc_client.tier import SafeDefaults, Tier
from msc_client.view import PolicyView
from msc_trading.orchestrator import (
    ExitMode,
    MarketState,
    OrchestratorConfig,
    Regime,
    RiskProfile,
    RiskState,
    SymbolState,
    TradingPolicy,
    Volatility,
    orchestrate,
)

NAN = float("nan")
CALM = MarketState(
    regime=Regime.RANGE, volatility=Volatility.NORMAL, symbols={"BTCUSDT": SymbolState(cost_fraction=0.001)}
)
WELL = RiskState(day_pnl_fraction=0.0, drawdown_pct=1.0, losing_streak=0, open_positions=2, exposure_fraction=1.0)


def under(
    view: PolicyView | None = None,
    *,
    market: MarketState = CALM,
    risk: RiskState = WELL,
    config: OrchestratorConfig | None = None,
    now_ns: int = 0,
    **policy: object,
) -> TradingPolicy:
    view = view or PolicyBench(make_policy(**policy)).current()  # type: ignore[arg-type]  # what the test says
    return orchestrate(view, market, risk, config or OrchestratorConfig(), now_ns=now_ns)


def test_in_calm_the_policy_is_what_holds() -> None:
    trading = under()

    assert trading.allow_new_trades
    assert (trading.risk_profile, trading.max_risk_fraction) == (RiskProfile.NORMAL, 0.0075)
    assert (trading.min_confidence, trading.max_positions) == (0.60, 10)
    assert (trading.entry_mode, trading.exit_mode) == (RiskMode.NORMAL, ExitMode.NORMAL)
    assert (trading.allowed_symbols, trading.disallowed_symbols) == (("BTCUSDT",), ())
    assert trading.notes == ()


def test_a_defensive_policy_reduces() -> None:
    trading = under(risk_mode=RiskMode.DEFENSIVE, max_risk_per_trade=0.003)

    assert (trading.risk_profile, trading.entry_mode) == (RiskProfile.REDUCED, RiskMode.DEFENSIVE)
    assert (trading.max_risk_fraction, trading.exit_mode) == (0.003, ExitMode.PROTECT)


def test_an_aggressive_policy_makes_aggressive_entries() -> None:
    trading = under(risk_mode=RiskMode.AGGRESSIVE, max_risk_per_trade=0.015)

    assert (trading.risk_profile, trading.entry_mode) == (RiskProfile.NORMAL, RiskMode.AGGRESSIVE)
    assert trading.max_risk_fraction == 0.015


@pytest.mark.parametrize("regime", list(Regime))
@pytest.mark.parametrize("volatility", list(Volatility))
def test_defensive_never_comes_out_as_anything_else(regime: Regime, volatility: Volatility) -> None:
    market = replace(CALM, regime=regime, volatility=volatility)

    assert under(market=market, risk_mode=RiskMode.DEFENSIVE).entry_mode is RiskMode.DEFENSIVE


def test_high_volatility_halves_the_risk() -> None:
    trading = under(market=replace(CALM, volatility=Volatility.HIGH), risk_mode=RiskMode.AGGRESSIVE)

    assert trading.max_risk_fraction == 0.00375
    assert (trading.risk_profile, trading.entry_mode) == (RiskProfile.REDUCED, RiskMode.NORMAL)
    assert trading.notes == ("volatility HIGH: risk x 0.5",)


def test_an_unknown_volatility_counts_as_a_high_one() -> None:
    trading = under(market=replace(CALM, volatility=Volatility.UNKNOWN))

    assert trading.max_risk_fraction == 0.00375


def test_extreme_volatility_stops_entries_and_no_exit() -> None:
    trading = under(market=replace(CALM, volatility=Volatility.EXTREME))

    assert not trading.allow_new_trades
    assert (trading.risk_profile, trading.max_risk_fraction) == (RiskProfile.NO_NEW_TRADES, 0.0)
    assert trading.exit_mode is ExitMode.PROTECT


@pytest.mark.parametrize("streak", [5, 12, None])
def test_five_losses_in_a_row_leave_a_third_of_the_risk_and_ask_for_more_confidence(streak: int | None) -> None:
    trading = under(risk=replace(WELL, losing_streak=streak))

    assert trading.max_risk_fraction == pytest.approx(0.00225)
    assert trading.min_confidence == pytest.approx(0.65)
    assert trading.risk_profile is RiskProfile.REDUCED


def test_four_losses_change_nothing() -> None:
    assert under(risk=replace(WELL, losing_streak=4)) == under()


def test_more_confidence_than_there_is_cannot_be_asked_for() -> None:
    assert under(risk=replace(WELL, losing_streak=5), global_min_confidence=0.99).min_confidence == 1.0


def test_volatility_and_streak_add_up() -> None:
    trading = under(
        market=replace(CALM, volatility=Volatility.HIGH), risk=replace(WELL, losing_streak=5), max_risk_per_trade=0.01
    )

    assert trading.max_risk_fraction == pytest.approx(0.0015)


@pytest.mark.parametrize(
    ("risk", "note"),
    [
        ({"open_positions": None}, "open positions are unknown"),
        ({"open_positions": 10}, "position limit 10/10"),
        ({"open_positions": 12}, "position limit 12/10"),
        ({"day_pnl_fraction": -0.05}, "day loss 5.00% has reached 5.00%"),
        ({"drawdown_pct": 12.0}, "drawdown 12.00 % has reached 12 %"),
        ({"exposure_fraction": 10.0}, "exposure 10.00 has reached 10 times equity"),
    ],
)
def test_what_is_used_up_stops_new_trades(risk: dict[str, float | None], note: str) -> None:
    trading = under(risk=replace(WELL, **risk))  # type: ignore[arg-type]  # what the case says

    assert not trading.allow_new_trades
    assert trading.notes == (note,)


def test_a_full_book_does_not_hurry_the_exits() -> None:
    assert under(risk=replace(WELL, open_positions=10)).exit_mode is ExitMode.NORMAL


@pytest.mark.parametrize("field", ["day_pnl_fraction", "drawdown_pct", "exposure_fraction"])
@pytest.mark.parametrize("value", [None, NAN, float("inf")])
def test_what_is_unknown_halves_the_risk(field: str, value: float | None) -> None:
    trading = under(risk=replace(WELL, **{field: value}))  # type: ignore[arg-type]  # what the case says

    assert trading.max_risk_fraction == 0.00375


@pytest.mark.parametrize(
    ("policy", "note"),
    [
        ({"trading_state": TradingState.HALTED}, "TRADING_HALTED"),
        ({"trading_state": TradingState.REDUCING}, "TRADING_REDUCING"),
        ({"strategies": ()}, "no strategy is allowed"),
    ],
)
def test_a_policy_that_allows_no_entry_is_followed(policy: dict[str, object], note: str) -> None:
    trading = under(**policy)  # type: ignore[arg-type]  # what the case says

    assert (trading.allow_new_trades, trading.notes) == (False, (note,))


def test_a_safe_policy_ends_by_the_clock() -> None:
    bench = PolicyBench()
    view = bench.set(make_policy(), Tier.SAFE_EXPIRED, entries_until_ns=1_000)

    assert under(view, now_ns=999).allow_new_trades
    assert under(view, now_ns=999).notes == ("degraded: the policy is SAFE_EXPIRED",)
    assert not under(view, now_ns=1_000).allow_new_trades


def test_without_any_policy_nobody_enters() -> None:
    view = PolicyBench(SafeDefaults().as_policy(), Tier.SAFE_NONE).current()

    assert not under(view).allow_new_trades


def test_a_crash_makes_entries_defensive() -> None:
    trading = under(market=replace(CALM, regime=Regime.CRASH), risk_mode=RiskMode.AGGRESSIVE)

    assert (trading.entry_mode, trading.exit_mode) == (RiskMode.DEFENSIVE, ExitMode.PROTECT)


def test_in_an_unknown_regime_nobody_is_aggressive() -> None:
    trading = under(market=replace(CALM, regime=Regime.UNKNOWN), risk_mode=RiskMode.AGGRESSIVE)

    assert trading.entry_mode is RiskMode.NORMAL


@pytest.mark.parametrize(
    ("state", "note"),
    [
        (SymbolState(), "ETHUSDT: its cost is unknown"),
        (SymbolState(cost_fraction=NAN), "ETHUSDT: its cost is unknown"),
        (SymbolState(cost_fraction=0.004), "ETHUSDT: a round trip costs 0.40%"),
        (
            SymbolState(cost_fraction=0.001, trades_n=20, mean_return_fraction=-0.003),
            "ETHUSDT: its last 20 trades made -0.30%",
        ),
        (SymbolState(cost_fraction=0.001, trades_n=20), "ETHUSDT: its last 20 trades made nobody knows what"),
    ],
)
def test_a_symbol_that_costs_or_loses_too_much_is_left_alone(state: SymbolState, note: str) -> None:
    trading = under(market=replace(CALM, symbols={**CALM.symbols, "ETHUSDT": state}))

    assert trading.allow_new_trades
    assert (trading.allowed_symbols, trading.disallowed_symbols) == (("BTCUSDT",), ("ETHUSDT",))
    assert trading.notes == (note,)


def test_too_few_trades_say_nothing_of_a_symbol() -> None:
    young = SymbolState(cost_fraction=0.001, trades_n=19, mean_return_fraction=-0.5)

    assert under(market=replace(CALM, symbols={"ETHUSDT": young})).allowed_symbols == ("ETHUSDT",)


@pytest.mark.parametrize("symbols", [{}, {"BTCUSDT": SymbolState()}])
def test_no_symbol_left_is_no_trade(symbols: dict[str, SymbolState]) -> None:
    trading = under(market=replace(CALM, symbols=symbols))

    assert not trading.allow_new_trades
    assert trading.allowed_symbols == ()


def test_who_knows_nothing_opens_nothing() -> None:
    assert not under(market=MarketState(), risk=RiskState()).allow_new_trades


NUMBERS = st.one_of(st.none(), st.just(NAN), st.floats(-2.0, 20.0))
MARKETS = st.builds(
    MarketState,
    regime=st.sampled_from(Regime),
    volatility=st.sampled_from(Volatility),
    symbols=st.dictionaries(
        st.sampled_from(["BTCUSDT", "ETHUSDT"]),
        st.builds(SymbolState, trades_n=st.integers(0, 40), mean_return_fraction=NUMBERS, cost_fraction=NUMBERS),
    ),
)
RISKS = st.builds(
    RiskState,
    day_pnl_fraction=NUMBERS,
    drawdown_pct=NUMBERS,
    losing_streak=st.one_of(st.none(), st.integers(0, 9)),
    open_positions=st.one_of(st.none(), st.integers(0, 12)),
    exposure_fraction=NUMBERS,
)
CONFIGS = st.builds(
    OrchestratorConfig,
    high_volatility_risk_factor=st.floats(0, 1),
    streak_risk_factor=st.floats(0, 1),
    unknown_risk_factor=st.floats(0, 1),
    streak_confidence_add=st.floats(0, 2),
)


@given(
    MARKETS,
    RISKS,
    CONFIGS,
    st.sampled_from(RiskMode),
    st.floats(0, 0.02),
    st.floats(0, 1),
    st.sampled_from(TradingState),
    st.sampled_from(Tier),
)
def test_no_field_is_ever_looser_than_the_policy(
    market: MarketState,
    risk: RiskState,
    config: OrchestratorConfig,
    mode: RiskMode,
    max_risk: float,
    confidence: float,
    state: TradingState,
    tier: Tier,
) -> None:
    policy = make_policy(
        risk_mode=mode, max_risk_per_trade=max_risk, global_min_confidence=confidence, trading_state=state
    )
    view = PolicyBench().set(policy, tier)

    trading = orchestrate(view, market, risk, config, now_ns=0)

    assert trading.max_risk_fraction <= max_risk
    assert confidence <= trading.min_confidence <= 1.0
    assert trading.entry_mode <= mode
    assert trading.max_positions <= policy.max_positions
    assert set(trading.allowed_symbols).isdisjoint(trading.disallowed_symbols)
    assert set(trading.allowed_symbols) <= set(market.symbols)
    if trading.allow_new_trades:
        assert view.entries_allowed(0)
        assert risk.open_positions is not None
        assert risk.open_positions < policy.max_positions
        assert trading.allowed_symbols
    else:
        assert (trading.risk_profile, trading.max_risk_fraction) == (RiskProfile.NO_NEW_TRADES, 0.0)


@given(MARKETS, RISKS)
def test_a_healthier_account_is_never_worse_off(market: MarketState, risk: RiskState) -> None:
    view = PolicyBench().current()
    config = OrchestratorConfig()
    better = replace(risk, losing_streak=0, drawdown_pct=0.0)

    was = orchestrate(view, market, risk, config, now_ns=0)
    now = orchestrate(view, market, better, config, now_ns=0)

    assert now.allow_new_trades or not was.allow_new_trades
    assert now.max_risk_fraction >= was.max_risk_fraction
    assert now.min_confidence <= was.min_confidence


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        ({"streak_risk_factor": 1.5}, "streak_risk_factor: 1.5 would loosen"),
        ({"streak_confidence_add": -0.1}, "streak_confidence_add: -0.1 is negative"),
        ({"max_drawdown_pct": NAN}, "max_drawdown_pct: nan is not a number"),
        ({"streak_from": True}, "streak_from: True is not a number"),
    ],
)
def test_a_rule_that_would_loosen_cannot_be_made(overrides: dict[str, float], text: str) -> None:
    with pytest.raises(ValueError, match=text.replace("(", r"\(")):
        OrchestratorConfig(**overrides)  # type: ignore[arg-type]  # what the case says
