"""The order of the checks: everything is wrong at once, and is put right one thing after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from guard_builders import Desk, facts, intent, others, position, positions, rules

from msc_client.policy import TradingState
from msc_client.testing import make_policy
from msc_trading.guard import Decision, KillState, ReasonCode
from msc_trading.guard.checks import ENTRY_CHECKS
from msc_trading.venue.port import OrderType

D = Decimal
R = ReasonCode


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is wrong, and the reason it leads to."""

    code: ReasonCode
    asked: dict[str, object] = field(default_factory=dict)
    known: dict[str, object] = field(default_factory=dict)
    rules: dict[str, object] = field(default_factory=dict)
    limits: dict[str, object] = field(default_factory=dict)
    policy: dict[str, object] = field(default_factory=dict)
    steps: tuple[str, ...] = ()


# Where two faults need the same field, the later one shows once the earlier is put right: see `_merged`.
FAULTS = (
    Fault(code=R.INVALID_INPUT, asked={"confidence": float("nan")}),
    Fault(code=R.ID_CONFLICT, steps=("used id",)),
    Fault(code=R.FLIP_NOT_ALLOWED, known={"positions": positions(position(quantity="-1")), "positions_age_s": 1.0}),
    Fault(code=R.TRADING_HALTED, policy={"trading_state": TradingState.HALTED}),
    Fault(code=R.TRADING_REDUCING, known={"kill": KillState(symbols={"BTCUSDT": TradingState.REDUCING})}),
    Fault(code=R.CLOCK_OFFSET, known={"clock_offset_s": None}),
    Fault(code=R.JOURNAL_UNAVAILABLE, known={"journal_writable": None}),
    Fault(code=R.POSITIONS_UNKNOWN, known={"positions_age_s": None}),
    Fault(code=R.POLICY_REGRESSED, steps=("older policy",)),
    Fault(code=R.STRATEGY_NOT_ALLOWED, asked={"strategy_id": "NOBODY"}),
    Fault(code=R.CONFIDENCE_TOO_LOW, asked={"confidence": 0.1}),
    Fault(code=R.SYMBOL_LOCKED, known={"locks": {"BTCUSDT": None}}),
    Fault(code=R.PRICE_STALE, known={"reference_price_age_s": None}),
    Fault(code=R.PRICE_COLLAR, asked={"price": D("43000.05"), "stop_price": None}),
    Fault(code=R.FILTER_LOT_SIZE, rules={"max_quantity": D("0.5")}),
    Fault(code=R.FILTER_STEP_SIZE, asked={"quantity": D("0.9005")}),
    Fault(code=R.FILTER_PRICE_RANGE, rules={"max_price": D(40_000)}),
    Fault(code=R.FILTER_TICK_SIZE, asked={"price": D("40800.05")}),
    Fault(code=R.FILTER_PERCENT_PRICE, rules={"multiplier_up": D("1.01")}, asked={"price": D("40800.1")}),
    Fault(code=R.FILTER_MIN_NOTIONAL, rules={"min_notional": D(99_999)}),
    Fault(code=R.MAX_NOTIONAL, limits={"max_order_notional": D(1_000)}),
    Fault(code=R.MAX_QTY, limits={"max_order_quantity": {"BTCUSDT": D("0.09")}}),
    Fault(code=R.EQUITY_UNKNOWN, known={"equity_age_s": None}),
    Fault(code=R.RISK_PER_TRADE, asked={"stop_price": None}),
    Fault(code=R.DAILY_LOSS, known={"day_pnl": None}),
    Fault(code=R.LOSS_STREAK, known={"losing_streak": None}),
    Fault(code=R.REPEAT_THROTTLE, steps=("granted before",), limits={"repeat_max": 1}),
    Fault(code=R.MAX_POSITIONS, known={"positions": others(10)}),
    Fault(code=R.MAX_DAILY_TRADES, policy={"max_daily_trades": 0}),
    Fault(code=R.MAX_EXPOSURE, limits={"max_symbol_leverage": D("0.01")}),
    Fault(code=R.MAX_OPEN_RISK, limits={"max_open_risk_fraction": D("0.0001")}),
    Fault(code=R.RATE_LIMIT, limits={"entry_orders_per_10s": 1}, steps=("granted elsewhere",)),
)


def _merged(faults: tuple[Fault, ...], kind: str) -> dict[str, object]:
    merged: dict[str, object] = {}
    for fault in reversed(faults):
        merged |= getattr(fault, kind)
    return merged


def _ask_with(faults: tuple[Fault, ...]) -> Decision:
    steps = {step for fault in faults for step in fault.steps}
    desk = Desk(make_policy(5), **_merged(faults, "limits"))  # type: ignore[arg-type]  # what the faults say
    if "used id" in steps:
        desk.ask(intent(client_order_id="asked", strategy_id="SOMEBODY"))
    if "granted before" in steps:
        _grant(desk, symbol="BTCUSDT")
    if "granted elsewhere" in steps and "granted before" not in steps:
        _grant(desk, symbol="ETHUSDT")
    version = 4 if "older policy" in steps else 6
    desk.bench.set(make_policy(version, **_merged(faults, "policy")))  # type: ignore[arg-type]  # what the faults say
    asked = {"price": D("40000"), "order_type": OrderType.LIMIT, "client_order_id": "asked"} | _merged(faults, "asked")
    known = _merged(faults, "known") | {"rules": rules(**_merged(faults, "rules"))}
    return desk.ask(intent(**asked), facts(**known))


def _grant(desk: Desk, symbol: str) -> None:
    """Grants an entry under whatever limits there are, and settles it so that only the throttles remember it."""
    small = intent(symbol=symbol, quantity=D("0.001"), stop_price=D(39_999))
    decision = desk.ask(small, facts(symbol, rules=rules(symbol, min_notional=D(1))))
    if decision.allowed:
        desk.guard.filled(small.client_order_id, D("0.001"))
        desk.guard.settled(small.client_order_id)


def test_the_first_fault_in_the_order_is_the_one_that_is_told() -> None:
    for number, fault in enumerate(FAULTS):
        decision = _ask_with(FAULTS[number:])

        assert decision.reason_code is fault.code, f"{fault.code}: {decision.reason_code} {decision.text}"


def test_with_every_fault_put_right_the_entry_passes() -> None:
    assert _ask_with(()).allowed


def test_the_checks_that_need_no_counting_stand_in_this_order() -> None:
    assert [check.__name__ for check in ENTRY_CHECKS] == [
        "check_trading_state",
        "check_clock",
        "check_journal",
        "check_positions_known",
        "check_policy",
        "check_strategy",
        "check_confidence",
        "check_symbol",
        "check_price",
        "check_filters",
        "check_size",
        "check_risk",
        "check_losses",
    ]


def test_a_granted_entry_has_passed_every_check_once() -> None:
    names = [check.name for check in Desk(max_open_risk_fraction=D("0.05")).ask().checks]

    assert names == [
        "shape",
        "lane",
        "trading_state",
        "clock_offset_s",
        "journal_writable",
        "positions_age_s",
        "policy",
        "strategy",
        "confidence",
        "symbol",
        "price_age_s",
        "price_collar",
        "filters",
        "notional",
        "equity_age_s",
        "risk",
        "day_pnl",
        "losing_streak",
        "repeats",
        "opposing_entry",
        "positions",
        "daily_trades",
        "symbol_exposure",
        "gross_exposure",
        "open_risk",
        "entry_orders_10s",
    ]
