"""Each reason code, from the smallest change that leads to it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from guard_builders import AT, Desk, blind_facts, facts, intent, others, position, positions, reduce_intent, rules

from msc_client.facts import Side
from msc_client.policy import StrategyGrant, StrategyState, TradingState
from msc_client.testing import make_policy
from msc_client.tier import Tier
from msc_trading.guard import Decision, Latch, ReasonCode
from msc_trading.venue.port import OrderType

D = Decimal
LIMIT = {"order_type": OrderType.LIMIT, "price": D(40_000)}


def _with_facts(**known: object) -> Callable[[], Decision]:
    return lambda: Desk().ask(known=facts(**known))


def _with_intent(**asked: object) -> Callable[[], Decision]:
    return lambda: Desk().ask(intent(**asked))


def _under(**policy: object) -> Callable[[], Decision]:
    return lambda: Desk(make_policy(**policy)).ask()  # type: ignore[arg-type]  # what the case says


def _with_limits(**limits: object) -> Callable[[], Decision]:
    return lambda: Desk(**limits).ask()  # type: ignore[arg-type]  # what the case says


def _id_conflict() -> Decision:
    desk = Desk()
    desk.ask(intent(client_order_id="same"))
    return desk.ask(intent(client_order_id="same", quantity=D("0.11")))


def _policy_missing() -> Decision:
    desk = Desk()
    desk.bench.set_nothing(entries_until_ns=desk.bench.now_ns())
    return desk.ask()


def _policy_expired() -> Decision:
    desk = Desk()
    desk.bench.set(make_policy(), Tier.SAFE_EXPIRED, entries_until_ns=desk.bench.now_ns())
    return desk.ask()


def _policy_regressed() -> Decision:
    desk = Desk(make_policy(5))
    desk.ask()
    desk.bench.set(make_policy(4))
    return desk.ask()


def _repeated() -> Decision:
    desk = Desk(repeat_max=1)
    desk.granted()
    return desk.ask()


def _probation_cap() -> Decision:
    grant = StrategyGrant(strategy_id="TREND_001", state=StrategyState.PROBATION, risk_multiplier=1.0)
    desk = Desk(make_policy(strategy_grants=(grant,)))
    small = {"quantity": D("0.003")}
    desk.ask(intent(**small), facts())
    return desk.ask(intent(symbol="ETHUSDT", **small), facts("ETHUSDT"))


def _rate_limit() -> Decision:
    desk = Desk(entry_orders_per_10s=1)
    desk.granted()
    return desk.ask()


def _latched(code: ReasonCode) -> Callable[[], Decision]:
    return lambda: Desk(latched=(Latch(code),)).ask()


CASES: list[tuple[ReasonCode, str, Callable[[], Decision]]] = [
    (ReasonCode.ALLOWED, "allowed", lambda: Desk().ask()),
    (ReasonCode.INVALID_INPUT, "quantity: is 0; it must be a number above 0", _with_intent(quantity=D(0))),
    (ReasonCode.ID_CONFLICT, "client_order_id: same was used for another order", _id_conflict),
    (
        ReasonCode.FLIP_NOT_ALLOWED,
        "0.1 would flip a position of 0.05: close it reduce-only, enter with a second order",
        _with_facts(positions=positions(position(quantity="-0.05"))),
    ),
    (
        ReasonCode.NOTHING_TO_REDUCE,
        "a SELL cannot reduce a position of 0",
        lambda: Desk().ask(reduce_intent()),
    ),
    (
        ReasonCode.TRADING_HALTED,
        "trading is HALTED: only reductions pass",
        _under(trading_state=TradingState.HALTED),
    ),
    (
        ReasonCode.TRADING_REDUCING,
        "trading is REDUCING: only reductions pass",
        _under(trading_state=TradingState.REDUCING),
    ),
    (ReasonCode.TRADING_STATE_UNKNOWN, "the kill latch cannot be read", _with_facts(kill=None)),
    (ReasonCode.CLOCK_OFFSET, "clock offset is 1.5 s, limit 1 s", _with_facts(clock_offset_s=1.5)),
    (ReasonCode.CLOCK_OFFSET, "clock offset is -1.5 s, limit 1 s", _with_facts(clock_offset_s=-1.5)),
    (ReasonCode.CLOCK_OFFSET, "clock offset is unknown s, limit 1 s", _with_facts(clock_offset_s=None)),
    (
        ReasonCode.JOURNAL_UNAVAILABLE,
        "the journal takes no facts: nothing unaudited",
        _with_facts(journal_writable=False),
    ),
    (
        ReasonCode.JOURNAL_UNAVAILABLE,
        "the journal takes no facts: nothing unaudited",
        _with_facts(journal_writable=None),
    ),
    (
        ReasonCode.POSITIONS_UNKNOWN,
        "positions were confirmed 60.5 s ago, limit 60 s",
        _with_facts(positions_age_s=60.5),
    ),
    (ReasonCode.POSITIONS_UNKNOWN, "positions were confirmed 1 s ago, limit 60 s", _with_facts(positions=None)),
    (ReasonCode.POLICY_MISSING, "policy None is SAFE_NONE, and its time for entries is over", _policy_missing),
    (ReasonCode.POLICY_EXPIRED, "policy (1, 1) is SAFE_EXPIRED, and its time for entries is over", _policy_expired),
    (ReasonCode.POLICY_REGRESSED, "policy (1, 4) is older than one that was in force", _policy_regressed),
    (
        ReasonCode.STRATEGY_NOT_ALLOWED,
        "strategy RANGE_003 not in MSC AI allowed list",
        _with_intent(strategy_id="RANGE_003"),
    ),
    (ReasonCode.STRATEGY_NOT_ALLOWED, "the signal names no strategy", _with_intent(strategy_id="")),
    (ReasonCode.CONFIDENCE_TOO_LOW, "confidence 0.59 is below 0.6", _with_intent(confidence=0.59)),
    (ReasonCode.CONFIDENCE_TOO_LOW, "confidence unknown is below 0.6", _with_intent(confidence=None)),
    (
        ReasonCode.CONFIDENCE_TOO_LOW,
        "confidence 0.7 is below 0.8",
        _with_limits(strategy_min_confidence={"TREND_001": 0.8}),
    ),
    (
        ReasonCode.CONFIDENCE_TOO_LOW,
        "confidence 0.7 is below 0.75",
        _with_limits(symbol_min_confidence={"BTCUSDT": 0.75}),
    ),
    (ReasonCode.SYMBOL_LOCKED, "BTCUSDT is not trading at the venue", _with_facts(rules=rules(trading=False))),
    (
        ReasonCode.SYMBOL_LOCKED,
        "BTCUSDT is locked until somebody lifts it",
        _with_facts(locks={"BTCUSDT": None}),
    ),
    (
        ReasonCode.SYMBOL_LOCKED,
        "BTCUSDT is locked until 2026-01-01T12:00:01+00:00",
        _with_facts(locks={"BTCUSDT": AT + timedelta(seconds=1)}),
    ),
    (
        ReasonCode.SYMBOL_LOCKED,
        "BTCUSDT may be locked: the locks cannot be read",
        _with_facts(locks=None),
    ),
    (
        ReasonCode.PRICE_STALE,
        "reference price is 5.1 s old, limit 5 s",
        _with_facts(reference_price_age_s=5.1),
    ),
    (ReasonCode.PRICE_STALE, "reference price is unknown s old, limit 5 s", _with_facts(reference_price_age_s=None)),
    (ReasonCode.PRICE_STALE, "reference price is 0.1 s old, limit 5 s", _with_facts(reference_price=None)),
    (
        ReasonCode.PRICE_COLLAR,
        "price 43000 is 3000 from 40000, limit 2000.00",
        _with_intent(ref_price=D(43_000)),
    ),
    (
        ReasonCode.FILTER_PRICE_RANGE,
        "price 40000 is outside 40001 to 1000000",
        lambda: Desk().ask(intent(**LIMIT), facts(rules=rules(min_price=D(40_001)))),
    ),
    (
        ReasonCode.FILTER_TICK_SIZE,
        "price 40000.05 is not on the tick of 0.1",
        _with_intent(order_type=OrderType.LIMIT, price=D("40000.05")),
    ),
    (
        ReasonCode.FILTER_LOT_SIZE,
        "quantity 0.1 is outside 0.2 to 1000",
        _with_facts(rules=rules(min_quantity=D("0.2"))),
    ),
    (ReasonCode.FILTER_STEP_SIZE, "quantity 0.1005 is not on the step of 0.001", _with_intent(quantity=D("0.1005"))),
    (
        ReasonCode.FILTER_MARKET_LOT_SIZE,
        "quantity 0.1 is outside 0.001 to 0.05",
        _with_facts(rules=rules(market_max_quantity=D("0.05"))),
    ),
    (ReasonCode.FILTER_MIN_NOTIONAL, "notional 80.000 is below 100", _with_intent(quantity=D("0.002"))),
    (
        ReasonCode.FILTER_PERCENT_PRICE,
        "price 41000 is above 40400.00, from a mark of 40000",
        lambda: Desk().ask(
            intent(order_type=OrderType.LIMIT, price=D(41_000)), facts(rules=rules(multiplier_up=D("1.01")))
        ),
    ),
    (
        ReasonCode.MAX_NOTIONAL,
        "notional current=4000.0 limit=3999",
        _with_limits(max_order_notional=D(3_999)),
    ),
    (
        ReasonCode.MAX_QTY,
        "quantity current=0.1 limit=0.09",
        _with_limits(max_order_quantity={"BTCUSDT": D("0.09")}),
    ),
    (ReasonCode.EQUITY_UNKNOWN, "equity unknown is 1 s old, limit 60 s", _with_facts(equity=None)),
    (ReasonCode.EQUITY_UNKNOWN, "equity 10000 is 61 s old, limit 60 s", _with_facts(equity_age_s=61.0)),
    (
        ReasonCode.RISK_PER_TRADE,
        "risk current=0.7977% limit=0.7500% of equity 10000",
        _with_intent(quantity=D("0.15")),
    ),
    (ReasonCode.RISK_PER_TRADE, "no usable stop: the risk of the entry is unknown", _with_intent(stop_price=None)),
    (
        ReasonCode.RISK_PER_TRADE,
        "no usable stop: the risk of the entry is unknown",
        _with_facts(reference_price=D(39_400)),
    ),
    (
        ReasonCode.DAILY_LOSS,
        "day PnL current=-600 limit=-530.00",
        _with_facts(day_pnl=D(-600)),
    ),
    (ReasonCode.DAILY_LOSS, "the day's PnL is unknown", _with_facts(day_pnl=None)),
    (ReasonCode.DAILY_LOSS, "latched until a person clears it", _latched(ReasonCode.DAILY_LOSS)),
    (ReasonCode.LOSS_STREAK, "losing streak current=10 limit=10", _with_facts(losing_streak=10)),
    (ReasonCode.LOSS_STREAK, "the losing streak is unknown", _with_facts(losing_streak=None)),
    (ReasonCode.LOSS_STREAK, "latched until a person clears it", _latched(ReasonCode.LOSS_STREAK)),
    (ReasonCode.REPEAT_THROTTLE, "same entry current=2 limit=1 within 60 s", _repeated),
    (ReasonCode.STRATEGY_CAP, "strategy TREND_001 positions current=1 limit=1", _probation_cap),
    (
        ReasonCode.MAX_POSITIONS,
        "positions current=10 limit=10",
        _with_facts(positions=others(10)),
    ),
    (ReasonCode.MAX_DAILY_TRADES, "daily trades current=0 limit=0", _under(max_daily_trades=0)),
    (
        ReasonCode.MAX_DAILY_TRADES,
        "today's entries are not counted yet: rebuild the day first",
        lambda: Desk(rebuilt=False).ask(),
    ),
    (
        ReasonCode.MAX_EXPOSURE,
        "symbol exposure current=0 with this=4000.0 limit=3000.0",
        _with_limits(max_symbol_leverage=D("0.3")),
    ),
    (
        ReasonCode.MAX_EXPOSURE,
        "gross exposure current=0 with this=4000.0 limit=3900.00",
        _with_limits(max_gross_leverage=D("0.39")),
    ),
    (
        ReasonCode.MAX_OPEN_RISK,
        "open risk with this=53.18000 limit=50.000",
        _with_limits(max_open_risk_fraction=D("0.005")),
    ),
    (
        ReasonCode.MAX_OPEN_RISK,
        "open risk with this=unknown limit=500.00",
        lambda: Desk(max_open_risk_fraction=D("0.05")).ask(known=facts(open_risk=None)),
    ),
    (ReasonCode.RATE_LIMIT, "entries in 10 s current=1 limit=1", _rate_limit),
]


@pytest.mark.parametrize(("code", "text", "ask"), CASES, ids=[f"{code}-{n}" for n, (code, _, _) in enumerate(CASES)])
def test_each_reason_has_its_code_and_its_numbers(code: ReasonCode, text: str, ask: Callable[[], Decision]) -> None:
    decision = ask()

    assert (decision.reason_code, decision.text) == (code, text)
    assert decision.allowed is (code is ReasonCode.ALLOWED)
    assert (decision.reservation_id is not None) is decision.allowed


def test_every_reason_code_is_in_the_table() -> None:
    assert {code for code, _, _ in CASES} == set(ReasonCode)


@pytest.mark.parametrize(("code", "text", "ask"), CASES, ids=[f"{code}-{n}" for n, (code, _, _) in enumerate(CASES)])
def test_the_last_check_is_the_one_that_refused(code: ReasonCode, text: str, ask: Callable[[], Decision]) -> None:
    checks = ask().checks

    assert all(check.passed for check in checks[:-1])
    assert checks[-1].passed is (code is ReasonCode.ALLOWED)


def test_who_knows_nothing_enters_nothing() -> None:
    assert not Desk().ask(intent(), blind_facts()).allowed
    assert not Desk().ask(intent(), blind_facts(rules=rules())).allowed


def test_a_short_entry_is_judged_as_a_long_one_is() -> None:
    short = intent(side=Side.SELL, stop_price=D(40_500))

    assert Desk().ask(short).allowed
