"""The usual case, decided at once, is what the checks decide one by one: for everything that can be drawn here."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal, localcontext

import pytest
from guard_builders import AT, Desk, facts, intent, others, position, positions, rules
from hypothesis import given
from hypothesis import strategies as st

from msc_client.facts import Side
from msc_client.policy import Policy, StrategyGrant, StrategyState, TradingState
from msc_client.testing import make_policy
from msc_client.tier import Tier
from msc_trading.guard import GuardFacts, KillState, Latch, OrderIntent, PositionSide, ReasonCode
from msc_trading.guard.terms import INFINITY, lots_of
from msc_trading.venue.port import OrderType, SymbolRules

D = Decimal
NAN = float("nan")
# A latch of somebody else changes no decision; but while there is one, every check is asked.
SOMEBODYS_LATCH = Latch(ReasonCode.REPEAT_THROTTLE, "SOMEBODY_ELSE")
ELSEWHERE = datetime(2026, 1, 1, 14, tzinfo=timezone(timedelta(hours=2)))


def few(bases: tuple[dict[str, object], ...], **odd: tuple[object, ...]) -> st.SearchStrategy[dict[str, object]]:
    """One of the usual cases with at most two odd values in it: with more of them nothing would ever pass."""
    changes = st.lists(st.sampled_from([(name, value) for name, values in odd.items() for value in values]), max_size=2)
    return st.builds(lambda base, changed: base | dict(changed), st.sampled_from(bases), changes)


USUAL: tuple[dict[str, object], ...] = (
    {},
    {"quantity": D("0.01")},
    {"side": Side.SELL, "stop_price": D(40_500)},
    {"order_type": OrderType.LIMIT, "price": D(40_000)},
    {"strategy_id": "MOMENTUM_002", "symbol": "ETHUSDT"},
)
NOTHING: tuple[dict[str, object], ...] = ({}, {})
INTENTS = few(
    USUAL,
    side=(Side.BUY, Side.SELL),
    order_type=(OrderType.MARKET, OrderType.LIMIT),
    quantity=(D("0.1"), D("0.1000"), D("0.1005"), D("0.0001"), D(200), D("0.14"), D("1E-7"), D("NaN"), 0.1, D(0)),
    price=(None, D(40_000), D("40000.05"), D("4E+4"), D(43_000), D("NaN")),
    stop_price=(D(39_500), None, D(40_500), D("39500.000000000000001"), D("1E-19"), D(40_000), D("-1")),
    confidence=(0.70, None, 0.6, 0.59, 1, NAN, 1.1, True),
    ref_price=(D(40_000), None, D(38_000), D(37_999), D(39_000), D("Infinity")),
    signal_at=(AT, ELSEWHERE, AT.replace(tzinfo=None), None),
    position_side=(PositionSide.BOTH, PositionSide.LONG),
    strategy_id=("TREND_001", "MOMENTUM_002", "NOBODY", ""),
    symbol=("BTCUSDT", "ETHUSDT", " BTCUSDT", ""),
    account_id=("main", "other"),
    executor_id=("executor-1", "", "a\nb", None),
    client_order_id=("a.b", "x" * 37, None),
)
FACTS = few(
    NOTHING,
    now=(AT, ELSEWHERE, AT.replace(tzinfo=None)),
    positions=(
        positions(),
        None,
        positions(position(quantity="0.1")),
        positions(position(quantity="-0.1")),
        positions(position(quantity="2")),
        others(9),
        others(10),
    ),
    positions_age_s=(1.0, None, NAN, -1.0, 60.0, 61.0),
    equity=(D(10_000), None, D("NaN"), D("Infinity"), D(0), D("7090.67"), D("7090.66"), 10_000),
    equity_age_s=(1.0, None, NAN, 61.0),
    day_pnl=(D(0), None, D("NaN"), D(-499), D("-526.315789"), D(-600), D("Infinity"), D(20_000)),
    losing_streak=(0, None, 9, 10),
    open_risk=(D(0), None, D("NaN"), D(446), D(447)),
    reference_price=(D(40_000), None, D("NaN"), D(0), D("Infinity"), D(39_000), D(39_500)),
    reference_price_age_s=(0.1, None, 5.0, 5.1),
    clock_offset_s=(0.01, None, NAN, 1.0, -1.0, 1.1),
    journal_writable=(True, None, False, 1),
    kill=(
        KillState(),
        None,
        KillState(account=TradingState.HALTED),
        KillState(strategies={"TREND_001": TradingState.REDUCING}),
        KillState(symbols={"OTHERUSDT": TradingState.HALTED}),
    ),
    locks=({}, None, {"BTCUSDT": None}, {"BTCUSDT": AT}, {"OTHERUSDT": None}),
    strategy_symbols=({}, None, {"TREND_001": frozenset({"BTCUSDT"})}),
)
RULES = few(
    NOTHING,
    trading=(True, False),
    step_size=(D("0.001"), D(0), D("0.003")),
    min_quantity=(D("0.001"), D("0.1"), D("0.2")),
    max_quantity=(D(1000), D(0), D("0.1"), D("0.05")),
    market_step_size=(D("0.001"), D(0), D("0.007")),
    min_notional=(D(100), D(4_000), D(4_001)),
    multiplier_up=(D("1.05"), D("0.99")),
    max_price=(D(1_000_000), D(39_999)),
)
LIMITS = few(
    NOTHING,
    max_order_notional=(D(50_000), D(4_000), D(3_999)),
    max_order_quantity=({}, {"BTCUSDT": D("0.1")}, {"BTCUSDT": D("0.09")}),
    max_symbol_leverage=(D(3), D("0.4"), D("0.39")),
    max_open_risk_fraction=(None, D("0.05"), D("0.0001")),
    symbol_risk_multiplier=({}, {"BTCUSDT": D("0.5")}),
    symbol_min_confidence=({}, {"BTCUSDT": 0.71}),
    assumed_stop_fraction=(None, D("0.01")),
    repeat_max=(10, 1),
    entry_orders_per_10s=(200, 1),
)
POLICIES = few(
    NOTHING,
    max_risk_per_trade=(0.0075, 0.005318, 0.0053, NAN),
    global_min_confidence=(0.6, 0.7, 0.71, NAN),
    max_positions=(10, 0, 1),
    max_daily_trades=(30, 0, 1),
    trading_state=(TradingState.ACTIVE, TradingState.REDUCING),
    strategy_grants=(
        (),
        (StrategyGrant(strategy_id="TREND_001", state=StrategyState.PROBATION),),
        (StrategyGrant(strategy_id="TREND_001", max_positions=1, max_daily_trades_fraction=0.1),),
    ),
)
TIERS = st.sampled_from([Tier.FRESH, Tier.FRESH, Tier.STALE, Tier.SAFE_EXPIRED])


def outcome(desk: Desk, asked: OrderIntent, known: GuardFacts) -> object:
    """Everything that a decision says, or how it failed."""
    try:
        decision = desk.ask(asked, known)
    except (AttributeError, TypeError, ValueError) as failure:
        return type(failure)
    numbers = (decision.notional, decision.risk_amount, decision.equity, decision.usage, decision.reservation)
    said = (decision.reason_code, decision.text, decision.decision_id, decision.rows, decision.as_json())
    return repr((numbers, said, desk.guard.live(), desk.guard.latches - {SOMEBODYS_LATCH}))


@given(st.lists(st.tuples(INTENTS, FACTS), min_size=1, max_size=4), RULES, LIMITS, POLICIES, TIERS, st.booleans())
def test_what_is_decided_at_once_is_what_the_checks_decide_one_by_one(
    asked: list[tuple[dict[str, object], dict[str, object]]],
    lots: dict[str, object],
    limits: dict[str, object],
    policy: dict[str, object],
    tier: Tier,
    over: bool,
) -> None:
    swift = Desk(make_policy(), **limits)  # type: ignore[arg-type]  # the limits are fields of the config
    thorough = Desk(make_policy(), latched=(SOMEBODYS_LATCH,), **limits)  # type: ignore[arg-type]  # as above
    of: Policy = make_policy(**policy)  # type: ignore[arg-type]  # what was drawn are its fields
    for desk in (swift, thorough):
        desk.bench.set(of, tier, entries_until_ns=desk.bench.now_ns() + (not over) if tier.is_safe else None)

    for number, (values, what) in enumerate(asked):
        order = intent(**({"client_order_id": f"e-{number}"} | values))
        known = facts(order.symbol, **{"rules": rules(order.symbol, **lots)} | what)

        assert outcome(swift, order, known) == outcome(thorough, order, known)


@given(INTENTS, FACTS)
def test_an_order_that_comes_twice_is_answered_alike_both_ways(
    values: dict[str, object], what: dict[str, object]
) -> None:
    swift, thorough = Desk(), Desk(latched=(SOMEBODYS_LATCH,))
    order, known = intent(**({"client_order_id": "asked"} | values)), facts(**what)

    for _ in range(2):
        assert outcome(swift, order, known) == outcome(thorough, order, known)
    for desk in (swift, thorough):
        desk.guard.release(order.client_order_id)
    assert outcome(swift, order, known) == outcome(thorough, order, known)


@pytest.mark.parametrize("kill", [KillState(), KillState(strategies={"SOMEBODY": TradingState.HALTED})])
def test_the_usual_entry_is_decided_at_once(kill: KillState) -> None:
    decision = Desk().ask(known=facts(kill=kill))

    assert decision.allowed
    assert decision.written is None
    assert [name for name, _, _, _ in decision.rows][:3] == ["shape", "lane", "trading_state"]


@pytest.mark.parametrize(
    ("quantity", "code"),
    [
        ("0.100000000000000000", ReasonCode.ALLOWED),
        ("0.1000000000000000000", ReasonCode.INVALID_INPUT),
        ("1E+15", ReasonCode.INVALID_INPUT),
        ("9.99E+14", ReasonCode.FILTER_LOT_SIZE),
        ("Infinity", ReasonCode.INVALID_INPUT),
        ("sNaN", ReasonCode.INVALID_INPUT),
    ],
)
def test_a_number_may_have_as_many_places_as_the_shape_allows(quantity: str, code: ReasonCode) -> None:
    assert Desk().ask(intent(quantity=D(quantity))).reason_code is code


def test_what_was_stopped_later_changes_nothing_in_what_was_found() -> None:
    stopped: dict[str, TradingState] = {}
    locks: dict[str, datetime | None] = {}
    decision = Desk().ask(known=facts(kill=KillState(strategies=stopped), locks=locks))
    before = decision.rows

    stopped["TREND_001"] = TradingState.HALTED
    locks["BTCUSDT"] = None

    assert decision.rows == before


def test_a_latch_that_somebody_threw_is_asked_for() -> None:
    desk = Desk(latched=(Latch(ReasonCode.DAILY_LOSS),))

    assert desk.ask().reason_code is ReasonCode.DAILY_LOSS
    desk.guard.clear_latch(Latch(ReasonCode.DAILY_LOSS))
    assert desk.ask().written is None


def test_the_host_may_calculate_as_roughly_as_it_likes() -> None:
    with localcontext() as context:
        context.prec = 3
        decision = Desk().ask()

    assert decision.risk_amount == D("53.18")


def test_rules_that_are_replaced_are_looked_at_anew() -> None:
    desk = Desk()
    assert desk.ask().allowed

    narrower = facts(rules=rules(max_quantity=D("0.09")))

    assert desk.ask(known=narrower).reason_code is ReasonCode.FILTER_LOT_SIZE


def test_a_policy_that_is_replaced_is_looked_at_anew() -> None:
    desk = Desk()
    assert desk.ask().allowed

    desk.bench.set(make_policy(2, max_risk_per_trade=0.003))

    assert desk.ask().reason_code is ReasonCode.RISK_PER_TRADE


@pytest.mark.parametrize(
    ("changes", "order_type", "least", "most", "grids"),
    [
        ({}, OrderType.MARKET, D("0.001"), D(120), 1),
        ({}, OrderType.LIMIT, D("0.001"), D(1000), 1),
        ({"step_size": D(0)}, OrderType.LIMIT, D("0.001"), D(1000), 0),
        ({"max_quantity": D(0)}, OrderType.LIMIT, D("0.001"), INFINITY, 1),
        ({"market_min_quantity": D(1)}, OrderType.MARKET, D(1), D(120), 2),
    ],
)
def test_lots_are_what_both_filters_take(
    changes: dict[str, object], order_type: OrderType, least: Decimal, most: Decimal, grids: int
) -> None:
    of: SymbolRules = replace(rules(), **changes)  # type: ignore[arg-type]  # the changes are fields
    lots = lots_of(of, order_type)

    assert (lots.least, lots.most, len(lots.grids)) == (least, most, grids)
