"""Everything that the guard counts. Not safe for threads by itself: the guard keeps it under its lock."""

from __future__ import annotations

from datetime import UTC, date
from decimal import Decimal

from msc_client.facts import Side
from msc_trading.filters import EXACT
from msc_trading.guard.capacity import Usage
from msc_trading.guard.case import Case, Denial
from msc_trading.guard.config import GuardConfig
from msc_trading.guard.day import DayBook
from msc_trading.guard.facts import known
from msc_trading.guard.lanes import reduce_lane_denial
from msc_trading.guard.ledger import Ledger
from msc_trading.guard.reasons import Lane, ReasonCode
from msc_trading.guard.reservations import Reservation
from msc_trading.guard.throttle import RateLane, RepeatThrottle

_ZERO = Decimal(0)
_NS = 1_000_000_000
_OTHER = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}


class Books:
    """Reservations, the day's trades, repetitions and order rates of one account."""

    def __init__(self, account_id: str, config: GuardConfig) -> None:
        self.day_book = DayBook(account_id)
        self.ledger = Ledger(self.day_book, config)
        self._reduce_lane = RateLane(config.reduce_orders_per_10s)
        self._entry_lane = RateLane(config.entry_orders_per_10s)
        self._repeats = RepeatThrottle(config.repeat_window_s)
        self._ttl_ns = round(config.reservation_ttl_s * _NS)

    def usage(self, case: Case) -> Usage:
        """Returns what is in use, as far as it concerns this entry."""
        intent, facts, strategy, totals = case.intent, case.facts, case.strategy, self.ledger.totals
        symbol, positions, open_risk = intent.symbol, case.positions, known(facts.open_risk)
        held, under_way = positions.quantities, totals.symbols
        exposure, gross = positions.exposures.get(symbol, _ZERO), positions.gross_exposure
        reserved, opposed = 0, False
        if under_way:
            reserved = len(under_way.keys() - held.keys())
            opposed = bool(totals.entries(symbol, _OTHER[intent.side]))
            exposure = EXACT.add(exposure, totals.exposure(symbol))
            gross = EXACT.add(gross, totals.gross_exposure)
            open_risk = None if open_risk is None else EXACT.add(open_risk, totals.risk)
        own = None if strategy.max_positions is None else self._strategy_symbols(case)
        day = self.day_book.day_of(facts.now)
        # By position, as the fields stand: names take longer than all the rest.
        return Usage(
            len(held),
            reserved,
            symbol in held or symbol in under_way,
            opposed,
            self.day_book.used(day),
            None if own is None else len(own),
            own is not None and symbol in own,
            None if strategy.max_daily_trades is None else self.day_book.used_by(day, intent.strategy_id),
            exposure,
            gross,
            open_risk,
            self._repeats.count((intent.strategy_id, symbol, intent.side), facts.now),
            self._entry_lane.used(case.now_ns),
        )

    def reserve_entry(self, case: Case, reservation_id: str) -> Reservation:
        """Sets aside what an entry takes, and returns that."""
        intent = case.intent
        self._repeats.note((intent.strategy_id, intent.symbol, intent.side), case.facts.now)
        self._entry_lane.take(case.now_ns)
        day = self.day_book.day_of(case.facts.now)
        return self._reserve(case, reservation_id, Lane.ENTRY, day, case.notional, case.risk_amount)

    def reserve_reduce(self, case: Case, reservation_id: str) -> Reservation:
        """Notes a reduction, so that others do not count on the same position. It takes no slot, trade or risk."""
        self._reduce_lane.take(case.now_ns)
        # Nobody has checked the clock for a reduction: it must not move the day on which entries are counted.
        day = case.facts.now.astimezone(UTC).date()
        return self._reserve(case, reservation_id, Lane.REDUCE, day, _ZERO, _ZERO)

    def reduce_lane_denial(self, case: Case) -> Denial | None:
        """Returns why an order cannot reduce what is held, or is about to be."""
        symbol, opened_by = case.intent.symbol, _OTHER[case.intent.side]
        ledger = self.ledger
        return reduce_lane_denial(case, ledger.pending_reduce(symbol), ledger.opening(symbol, opened_by))

    def reduce_rate_denial(self, case: Case) -> Denial | None:
        """Returns whether reductions themselves come too fast for the venue. Entries never use up this lane."""
        used, limit = self._reduce_lane.used(case.now_ns), self._reduce_lane.limit
        case.rows.append(("reduce_orders_10s", used, limit, used < limit))
        if used < limit:
            return None
        return Denial(ReasonCode.RATE_LIMIT, f"reductions in 10 s current={used} limit={limit}")

    def _reserve(
        self, case: Case, reservation_id: str, lane: Lane, day: date, notional: Decimal, risk: Decimal
    ) -> Reservation:
        intent = case.intent
        reservation = Reservation(
            reservation_id,
            intent.client_order_id,
            lane,
            intent.strategy_id,
            intent.symbol,
            intent.side,
            intent.quantity,
            notional,
            risk,
            day,
            case.now_ns + self._ttl_ns,
            intent.close_position,
        )
        self.ledger.add(reservation)
        return reservation

    def _strategy_symbols(self, case: Case) -> frozenset[str]:
        """Returns the symbols that count for a strategy with a cap of its own."""
        strategy_id, owners = case.intent.strategy_id, case.facts.strategy_symbols
        confirmed = frozenset(case.positions.quantities)
        reserved = self.ledger.totals.symbols_of(strategy_id)
        if owners is None:
            return confirmed | reserved
        # A position that nobody owns may be this strategy's.
        owned = frozenset[str]().union(*owners.values())
        return (confirmed & owners.get(strategy_id, frozenset())) | (confirmed - owned) | reserved
