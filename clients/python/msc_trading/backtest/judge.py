"""Judges an entry with the guard's own checks, on what a desk holds. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from msc_client.facts import Direction, Side
from msc_trading.backtest.book import Book, Key, Order
from msc_trading.backtest.config import BacktestConfig
from msc_trading.filters import round_down_quantity
from msc_trading.guard.capacity import Usage, capacity_denial
from msc_trading.guard.case import Case, Latch
from msc_trading.guard.checks import first_denial
from msc_trading.guard.facts import ConfirmedPositions, GuardFacts, KillState
from msc_trading.guard.intent import OrderIntent
from msc_trading.guard.lanes import entry_lane_denial
from msc_trading.guard.limits import InForce
from msc_trading.guard.risk import quantity_for
from msc_trading.signals import Signal
from msc_trading.venue.port import OrderType

_ZERO: Final = Decimal(0)
_NOTHING_STOPPED: Final = KillState()
_NO_LOCKS: Final[dict[str, datetime | None]] = {}
SYMBOL_HELD: Final = "SYMBOL_HELD"
"""The executor's code for an entry in a symbol that another strategy is in."""
SIDES: Final = {Direction.LONG: Side.BUY, Direction.SHORT: Side.SELL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a side has and has done when an entry is judged. `daily` counts today's grants of each strategy."""

    in_force: InForce
    book: Book
    marks: dict[str, Decimal]
    equity: Decimal
    day_pnl: Decimal
    losing_streak: int
    daily: dict[str, int]
    latches: frozenset[Latch]


def sized(signal: Signal, situation: Situation, config: BacktestConfig) -> Decimal:
    """Returns the quantity that risks what the policy allows this strategy, cut down to the largest notional."""
    limits, entry, stop = situation.in_force.limits, signal.reference_price, signal.stop_price
    most = config.max_leverage * situation.equity / entry
    if stop is not None and stop != entry:
        own = limits.strategies.get(signal.strategy_id)
        by_risk = quantity_for(
            equity=situation.equity,
            risk_fraction=limits.max_risk if own is None else own.max_risk,
            entry=entry,
            stop=stop,
            fee_rate=config.guard.fee_rate,
        )
        most = min(most, by_risk)
    return _without_zeros(round_down_quantity(most, config.rules_of(signal.symbol), OrderType.MARKET))


def _without_zeros(quantity: Decimal) -> Decimal:
    # Exact arithmetic drags along every place that was ever written.
    short = quantity.normalize()
    exponent = short.as_tuple().exponent
    return short.quantize(Decimal(1)) if isinstance(exponent, int) and exponent > 0 else short


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an entry is not made, in the code of whoever refuses it, and the latch that this throws."""

    code: str
    latch: Latch | None = None


def refusal_of(signal: Signal, quantity: Decimal, situation: Situation, config: BacktestConfig) -> Refusal | None:
    """Returns why the entry is refused, by the guard's checks and by the executor's rule, or None."""
    case = Case(
        _intent(signal, quantity, config),
        _facts(signal, situation, config),
        situation.in_force,
        config.guard,
        situation.latches,
        0,
    )
    denial = first_denial(case)
    if denial is None and not config.share_symbols and signal.symbol in _symbols(_in_the_market(situation.book)):
        return Refusal(SYMBOL_HELD)
    denial = denial or entry_lane_denial(case) or capacity_denial(case, _usage(case, situation))
    return None if denial is None else Refusal(denial.code, denial.latch)


def _intent(signal: Signal, quantity: Decimal, config: BacktestConfig) -> OrderIntent:
    return OrderIntent(
        account_id=config.account_id,
        executor_id=config.account_id,
        strategy_id=signal.strategy_id,
        symbol=signal.symbol,
        side=SIDES[signal.direction],
        order_type=OrderType.MARKET,
        quantity=quantity,
        client_order_id=signal.signal_id,
        signal_at=signal.at,
        stop_price=signal.stop_price,
        confidence=signal.confidence,
    )


def _facts(signal: Signal, situation: Situation, config: BacktestConfig) -> GuardFacts:
    # Everything is known, and of this instant.
    return GuardFacts(
        now=signal.at,
        positions=_positions(situation),
        positions_age_s=0.0,
        equity=situation.equity,
        equity_age_s=0.0,
        day_pnl=situation.day_pnl,
        losing_streak=situation.losing_streak,
        open_risk=_ZERO,
        reference_price=signal.reference_price,
        reference_price_age_s=0.0,
        rules=config.rules_of(signal.symbol),
        clock_offset_s=0.0,
        journal_writable=True,
        kill=_NOTHING_STOPPED,
        locks=_NO_LOCKS,
    )


def _positions(situation: Situation) -> ConfirmedPositions:
    """Returns the net positions. What is on its way out is gone before an entry of the same instant comes."""
    quantities: dict[str, Decimal] = {}
    for key, leg in situation.book.legs.items():
        if key not in situation.book.leaving:
            quantities[key[1]] = quantities.get(key[1], _ZERO) + leg.order.signed
    exposures = {symbol: abs(quantity) * situation.marks[symbol] for symbol, quantity in quantities.items()}
    return ConfirmedPositions(quantities=quantities, exposures=exposures, gross_exposure=sum(exposures.values(), _ZERO))


def _usage(case: Case, situation: Situation) -> Usage:
    strategy_id, symbol = case.intent.strategy_id, case.intent.symbol
    waiting, held = situation.book.waiting.values(), case.positions.quantities
    own = _symbols(key for key in _in_the_market(situation.book) if key[0] == strategy_id)
    reserved = {order.symbol for order in waiting} - set(held)
    in_symbol = [order for order in waiting if order.symbol == symbol]
    return Usage(
        confirmed=len(held),
        reserved=len(reserved),
        holds_slot=symbol in held or symbol in reserved,
        opposed=any(SIDES[order.direction] is not case.intent.side for order in in_symbol),
        daily_used=sum(situation.daily.values()),
        strategy_positions=None if case.strategy.max_positions is None else len(own),
        strategy_holds=symbol in own,
        strategy_daily=None if case.strategy.max_daily_trades is None else situation.daily.get(strategy_id, 0),
        symbol_exposure=case.positions.exposure(symbol) + _notional(in_symbol),
        gross_exposure=case.positions.gross_exposure + _notional(waiting),
        open_risk=_open_risk(situation.book),
        # Signals are minutes apart, and no venue counts orders here.
        repeats=0,
        orders=0,
    )


def _in_the_market(book: Book) -> set[Key]:
    return (set(book.legs) - book.leaving) | set(book.waiting)


def _symbols(keys: Iterable[Key]) -> set[str]:
    return {symbol for _, symbol in keys}


def _notional(orders: Iterable[Order]) -> Decimal:
    return sum((order.notional for order in orders), _ZERO)


def _open_risk(book: Book) -> Decimal:
    held = (leg.order.risk for key, leg in book.legs.items() if key not in book.leaving)
    return sum(held, _ZERO) + sum((order.risk for order in book.waiting.values()), _ZERO)
