"""The usual case of an entry, fast: every check is passed, and nothing is written down on the way.

It says yes to nothing that the checks refuse, by the same exact arithmetic. Where it does not say yes it has no
opinion: the checks, one by one, find out why not. What each of them found in an entry that was granted is told by
`rows` when somebody asks.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Context, Decimal, InvalidOperation, Overflow, Rounded
from typing import Final

from msc_client.facts import MAX_DECIMAL_PLACES, MAX_INTEGER_DIGITS, Side
from msc_client.policy import TradingState
from msc_trading.filters import EXACT, is_client_order_id, percent_price_breach, price_breach
from msc_trading.guard.case import Case
from msc_trading.guard.facts import KillState
from msc_trading.guard.intent import OrderIntent, PositionSide
from msc_trading.guard.terms import INFINITY, Tables, Terms
from msc_trading.venue.port import OrderType

_ZERO: Final = Decimal(0)
_ACTIVE: Final = TradingState.ACTIVE
_BUY, _SELL = Side.BUY, Side.SELL
_MARKET, _LIMIT = OrderType.MARKET, OrderType.LIMIT
_BOTH: Final = PositionSide.BOTH
# Raises at what is written with too many places before or behind the point, or with more than 19 digits in all.
_as_written: Final = Context(
    prec=MAX_DECIMAL_PLACES + 1, Emin=0, Emax=MAX_INTEGER_DIGITS - 1, traps=[InvalidOperation, Overflow, Rounded]
).plus

_add, _subtract, _multiply, _remainder = EXACT.add, EXACT.subtract, EXACT.multiply, EXACT.remainder
_multiply_add: Final = EXACT.fma


def passes(case: Case, tables: Tables) -> bool:
    """Tells whether an entry certainly passes every check that needs no counting, and leaves its numbers in the case.

    False says nothing: neither that a check refuses it, nor which.
    """
    if case.latches or case.in_force.regressed:
        return False
    try:
        terms = tables.terms_of(case.intent, case.in_force.limits)
        return (
            terms is not None
            and _is_well_formed(case.intent)
            and _may_enter(case, terms)
            and _is_priced_and_sized(case, tables, terms)
            and _is_affordable(case, terms)
        )
    except (ArithmeticError, AttributeError, TypeError):
        # Something is not what it should be. The checks say what.
        return False


def _is_well_formed(intent: OrderIntent) -> bool:
    price, side, order_type, confidence = intent.price, intent.side, intent.order_type, intent.confidence
    signal_at, ref_price = intent.signal_at, intent.ref_price
    return (
        not (intent.reduce_only or intent.close_position)
        and intent.position_side is _BOTH
        and (side is _BUY or side is _SELL)
        and (price is None if order_type is _MARKET else order_type is _LIMIT and _is_sound(price))
        and _is_sound(intent.quantity)
        and _is_sound(intent.stop_price)
        and (ref_price is None or _is_sound(ref_price))
        and type(confidence) is float
        and 0.0 <= confidence <= 1.0
        and type(signal_at) is datetime
        and signal_at.tzinfo is UTC
        and type(intent.client_order_id) is str
        and is_client_order_id(intent.client_order_id)
    )


def _is_sound(number: Decimal | None) -> bool:
    return type(number) is Decimal and _ZERO < _as_written(number) < INFINITY


def _may_enter(case: Case, terms: Terms) -> bool:
    intent, facts, config, in_force = case.intent, case.facts, case.config, case.in_force
    view, now, positions, rules = in_force.view, facts.now, facts.positions, facts.rules
    until_ns, offset_s, symbol = view.entries_until_ns, facts.clock_offset_s, intent.symbol
    kill, locks = facts.kill, facts.locks
    if kill is None or offset_s is None or positions is None or rules is None or locks is None:
        return False
    held = positions.quantities.get(symbol)
    return (
        in_force.limits.trading_state is _ACTIVE
        and view.policy.trading_state is _ACTIVE
        and (until_ns is None or case.now_ns < until_ns)
        and _is_not_stopped(kill, intent)
        and -config.clock_offset_max_s <= offset_s <= config.clock_offset_max_s
        and facts.journal_writable is True
        and _is_recent(facts.positions_age_s, config.positions_age_max_s)
        and (held is None or (held >= _ZERO if intent.side is _BUY else held <= _ZERO))
        and (intent.confidence or 0.0) >= terms.min_confidence
        and rules.trading
        and rules.symbol == symbol
        and symbol not in locks
        and type(now) is datetime
        and now.tzinfo is UTC
    )


def _is_not_stopped(kill: KillState, intent: OrderIntent) -> bool:
    if kill.strategies or kill.symbols:
        return kill.state_of(intent.strategy_id, intent.symbol) is _ACTIVE
    return kill.account is _ACTIVE


def _is_recent(age_s: float | None, limit_s: float) -> bool:
    return age_s is not None and 0.0 <= age_s <= limit_s


def _is_priced_and_sized(case: Case, tables: Tables, terms: Terms) -> bool:
    intent, facts, config, rules = case.intent, case.facts, case.config, case.rules
    reference, price, quantity = facts.reference_price, intent.price, intent.quantity
    if type(reference) is not Decimal or not _ZERO < reference < INFINITY:
        return False
    asked = intent.ref_price if price is None else price
    case.entry_price = entry = reference if price is None else price
    case.notional = notional = _multiply(quantity, entry)
    lots = tables.lots_of(rules, intent.order_type)
    return (
        _is_recent(facts.reference_price_age_s, config.price_age_max_s)
        and (asked is None or _subtract(asked, reference).copy_abs() <= _multiply(reference, config.collar_fraction))
        and lots.least <= quantity <= lots.most
        and quantity <= terms.max_quantity
        and all_on_grid(quantity, lots.grids)
        and rules.min_notional <= notional <= config.max_order_notional
        and (
            price is None
            or (
                price_breach(price, rules) is None
                and percent_price_breach(intent.side, price, reference, rules) is None
            )
        )
    )


def all_on_grid(quantity: Decimal, grids: tuple[tuple[Decimal, Decimal], ...]) -> bool:
    """Tells whether a quantity is on every grid."""
    for origin, step in grids:  # noqa: SIM110 -- a generator costs more than the one grid there mostly is
        if _remainder(_subtract(quantity, origin), step):
            return False
    return True


def _is_affordable(case: Case, terms: Terms) -> bool:
    intent, facts, config, entry = case.intent, case.facts, case.config, case.entry_price
    equity, pnl, stop, asked = facts.equity, facts.day_pnl, intent.stop_price, intent.ref_price
    if type(equity) is not Decimal or type(pnl) is not Decimal or stop is None or facts.losing_streak is None:
        return False
    buying = intent.side is _BUY
    if intent.price is None and asked is not None and not (stop < asked if buying else stop > asked):
        return False
    distance = _subtract(entry, stop) if buying else _subtract(stop, entry)
    loss_per_unit = _multiply_add(_add(entry, stop), config.fee_rate, distance)
    case.equity, case.strategy = equity, terms.strategy
    case.risk_amount = risk = _multiply(intent.quantity, loss_per_unit)
    return (
        _ZERO < equity < INFINITY
        and _is_recent(facts.equity_age_s, config.equity_age_max_s)
        and distance > _ZERO
        and risk <= _multiply(equity, terms.risk_fraction)
        # What the day began with: today's result is already part of the equity.
        and INFINITY > pnl > _multiply(_subtract(equity, pnl), config.max_day_loss_fraction).copy_negate()
        and facts.losing_streak < config.max_losing_streak
    )
