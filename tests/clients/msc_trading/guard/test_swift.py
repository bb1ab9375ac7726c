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


def mostly(usual: object, *others_: object) -> st.SearchStrategy[object]:
    """The usual value for the most part, so that what is drawn passes often enough."""
    return st.sampled_from([usual] * (3 * len(others_)) + list(others_))


def some(**fields: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries(fields)


INTENTS = some(
    side=mostly(Side.BUY, Side.SELL),
    order_type=mostly(OrderType.MARKET, OrderType.LIMIT),
    quantity=mostly(D("0.1"), D("0.1000"), D("0.1005"), D("0.0001"), D(200), D("0.14"), D("1E-7"), D("NaN"), 0.1, D(0)),
    price=mostly(None, D(40_000), D("40000.05"), D("4E+4"), D(43_000), D("NaN")),
    stop_price=mostly(D(39_500), None, D(40_500), D("39500.000000000000001"), D("1E-19"), D(40_000), D("-1")),
    confidence=mostly(0.70, None, 0.6, 0.59, 1, NAN, 1.1, True),
    ref_price=mostly(D(40_000), None, D(38_000), D(37_999), D(39_000), D("Infinity")),
    signal_at=mostly(AT, ELSEWHERE, AT.replace(tzinfo=None), None),
    position_side=mostly(PositionSide.BOTH, PositionSide.LONG),
    strategy_id=mostly("TREND_001", "MOMENTUM_002", "NOBODY", ""),
    symbol=mostly("BTCUSDT", "ETHUSDT", " BTCUSDT", ""),
    account_id=mostly("main", "other"),
    executor_id=mostly("executor-1", "", "a\nb", None),
    client_order_id=mostly("asked", "a.b", "x" * 37, None),
)
FACTS = some(
    now=mostly(AT, ELSEWHERE, AT.replace(tzinfo=None)),
    positions=mostly(
        positions(),
        None,
        positions(position(quantity="0.1")),
        positions(position(quantity="-0.1")),
        positions(position(quantity="2")),
        others(9),
        others(10),
    ),
    positions_age_s=mostly(1.0, None, NAN, -1.0, 60.0, 61.0),
    equity=mostly(D(10_000), None, D("NaN"), D("Infinity"), D(0), D("7090.67"), D("7090.66"), 10_000),
    equity_age_s=mostly(1.0, None, NAN, 61.0),
    day_pnl=mostly(D(0), None, D("NaN"), D(-499), D("-526.315789"), D(-600), D("Infinity"), D(20_000)),
    losing_streak=mostly(0, None, 9, 10),
    open_risk=mostly(D(0), None, D("NaN"), D(446), D(447)),
    reference_price=mostly(D(40_000), None, D("NaN"), D(0), D("Infinity"), D(39_000), D(39_500)),
    reference_price_age_s=mostly(0.1, None, 5.0, 5.1),
    clock_offset_s=mostly(0.01, None, NAN, 1.0, -1.0, 1.1),
    journal_writable=mostly(True, None, False, 1),
    kill=mostly(
        KillState(),
        None,
        KillState(account=TradingState.HALTED),
        KillState(strategies={"TREND_001": TradingState.REDUCING}),
        KillState(symbols={"OTHERUSDT": TradingState.HALTED}),
    ),
    locks=mostly({}, None, {"BTCUSDT": None}, {"BTCUSDT": AT}, {"OTHERUSDT": None}),
    strategy_symbols=mostly({}, None, {"TREND_001": frozenset({"BTCUSDT"})}),
)
RULES = some(
    trading=mostly(True, False),
    step_size=mostly(D("0.001"), D(0), D("0.003")),
    min_quantity=mostly(D("0.001"), D("0.1"), D("0.2")),
    max_quantity=mostly(D(1000), D(0), D("0.1"), D("0.05")),
    market_step_size=mostly(D("0.001"), D(0), D("0.007")),
    min_notional=mostly(D(100), D(4_000), D(4_001)),
    multiplier_up=mostly(D("1.05"), D("0.99")),
    max_price=mostly(D(1_000_000), D(39_999)),
)
LIMITS = some(
    max_order_notional=mostly(D(50_000), D(4_000), D(3_999)),
    max_order_quantity=mostly({}, {"BTCUSDT": D("0.1")}, {"BTCUSDT": D("0.09")}),
    max_symbol_leverage=mostly(D(3), D("0.4"), D("0.39")),
    max_open_risk_fraction=mostly(None, D("0.05"), D("0.0001")),
    symbol_risk_multiplier=mostly({}, {"BTCUSDT": D("0.5")}),
    symbol_min_confidence=mostly({}, {"BTCUSDT": 0.71}),
    assumed_stop_fraction=mostly(None, D("0.01")),
    repeat_max=mostly(10, 1),
    entry_orders_per_10s=mostly(200, 1),
)
POLICIES = some(
    max_risk_per_trade=mostly(0.0075, 0.005318, 0.0053, NAN),
    global_min_confidence=mostly(0.6, 0.7, 0.71, NAN),
    max_positions=mostly(10, 0, 1),
    max_daily_trades=mostly(30, 0, 1),
    trading_state=mostly(TradingState.ACTIVE, TradingState.REDUCING),
    strategy_grants=mostly(
        (),
        (StrategyGrant(strategy_id="TREND_001", state=StrategyState.PROBATION),),
        (StrategyGrant(strategy_id="TREND_001", max_positions=1, max_daily_trades_fraction=0.1),),
    ),
)
TIERS = mostly(Tier.FRESH, Tier.STALE, Tier.SAFE_EXPIRED)


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
        order = intent(**({"client_order_id": f"e-{number}"} | without_usual_id(values)))
        known = facts(**what, rules=rules(order.symbol, **lots))

        assert outcome(swift, order, known) == outcome(thorough, order, known)


def without_usual_id(values: dict[str, object]) -> dict[str, object]:
    """The id that most are drawn with would be that of all of them."""
    return {name: value for name, value in values.items() if (name, value) != ("client_order_id", "asked")}


@given(INTENTS, FACTS)
def test_an_order_that_comes_twice_is_answered_alike_both_ways(
    values: dict[str, object], what: dict[str, object]
) -> None:
    swift, thorough = Desk(), Desk(latched=(SOMEBODYS_LATCH,))
    order, known = intent(**values), facts(**what)

    for _ in range(2):
        assert outcome(swift, order, known) == outcome(thorough, order, known)
    for desk in (swift, thorough):
        desk.guard.release("asked")
    assert outcome(swift, order, known) == outcome(thorough, order, known)


@pytest.mark.parametrize("kill", [KillState(), KillState(strategies={"SOMEBODY": TradingState.HALTED})])
def test_the_usual_entry_is_decided_at_once(kill: KillState) -> None:
    decision = Desk().ask(known=facts(kill=kill))

    assert decision.allowed
    assert decision.written is None
    assert [name for name, _, _, _ in decision.rows][:3] == ["shape", "lane", "trading_state"]


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
