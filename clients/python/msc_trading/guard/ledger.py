"""Every reservation, and what those that count come to."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Final

from msc_client.facts import Side
from msc_trading.filters import EXACT
from msc_trading.guard.config import GuardConfig
from msc_trading.guard.day import DayBook
from msc_trading.guard.reasons import Lane
from msc_trading.guard.reservations import OrderEvent, Reservation, ReservationState, after_event

_ZERO: Final = Decimal(0)
_NS: Final = 1_000_000_000
# Read for each order: a member is looked up anew in its class each time.
_PENDING, _SENT, _UNKNOWN = ReservationState.PENDING, ReservationState.SENT, ReservationState.UNKNOWN
_ABANDONED: Final = OrderEvent.ABANDONED
_ENTRY: Final = Lane.ENTRY
# States in which an entry counts no more.
_OVER: Final = frozenset({ReservationState.CLOSED, ReservationState.RELEASED})
_UNDECIDED: Final = frozenset({_PENDING, _SENT, _UNKNOWN})


class Totals:
    """The live entries by symbol, and the sums over all of them, kept with each change."""

    def __init__(self) -> None:
        self.symbols: dict[str, dict[str, Reservation]] = {}
        self.gross_exposure = _ZERO
        self.risk = _ZERO

    def add(self, entry: Reservation) -> None:
        """Counts a live entry."""
        in_symbol = self.symbols.get(entry.symbol)
        if in_symbol is None:
            self.symbols[entry.symbol] = {entry.client_order_id: entry}
        else:
            in_symbol[entry.client_order_id] = entry
        self.gross_exposure = EXACT.add(self.gross_exposure, entry.notional)
        self.risk = EXACT.add(self.risk, entry.risk)

    def remove(self, entry: Reservation) -> None:
        """Takes back exactly what `add` did."""
        in_symbol = self.symbols[entry.symbol]
        del in_symbol[entry.client_order_id]
        if not in_symbol:
            del self.symbols[entry.symbol]
        if self.symbols:
            self.gross_exposure = EXACT.subtract(self.gross_exposure, entry.notional)
            self.risk = EXACT.subtract(self.risk, entry.risk)
        else:
            self.gross_exposure = self.risk = _ZERO

    def entries(self, symbol: str, side: Side) -> list[Reservation]:
        """Returns the live entries of one side of a symbol."""
        return [entry for entry in self.symbols.get(symbol, {}).values() if entry.side is side]

    def exposure(self, symbol: str) -> Decimal:
        """Returns the notional reserved in a symbol."""
        total = _ZERO
        for entry in self.symbols.get(symbol, {}).values():
            total = EXACT.add(total, entry.notional)
        return total

    def symbols_of(self, strategy_id: str) -> frozenset[str]:
        """Returns the symbols in which a strategy has a live entry."""
        return frozenset(
            symbol
            for symbol, entries in self.symbols.items()
            if any(entry.strategy_id == strategy_id for entry in entries.values())
        )


class Ledger:
    """Every reservation by client order id. Not safe for threads by itself: the guard keeps it under its lock."""

    def __init__(self, day_book: DayBook, config: GuardConfig) -> None:
        self.totals = Totals()
        self._day_book = day_book
        self._config = config
        self._by_id: dict[str, Reservation] = {}
        self._oldest_first: deque[str] = deque()
        self._reductions: dict[str, Reservation] = {}

    def get(self, client_order_id: str) -> Reservation | None:
        """Returns the reservation of an order, None when there is none or it was forgotten."""
        return self._by_id.get(client_order_id)

    def add(self, reservation: Reservation) -> None:
        """Sets a grant aside."""
        id_ = reservation.client_order_id
        before = self._by_id.get(id_)
        if before is None:
            self._oldest_first.append(id_)
        self._put(before, reservation)
        if len(self._by_id) > self._config.remembered_decisions:
            self._forget_oldest()

    def apply(
        self,
        client_order_id: str,
        event: OrderEvent,
        *,
        now_ns: int,
        order_id: str = "",
        filled: Decimal | None = None,
    ) -> Reservation | None:
        """Takes in what happened to an order, and returns what that makes of it. None: no such reservation."""
        before = self._by_id.get(client_order_id)
        if before is None:
            return None
        after = after_event(before, event, now_ns=now_ns, order_id=order_id, filled=filled)
        self._put(before, after)
        return after

    def release(self, client_order_id: str) -> Reservation | None:
        """Gives back what was never sent, and returns what is known of the order. None: no such reservation."""
        before = self._by_id.get(client_order_id)
        if before is None or before.state is not _PENDING:
            return before
        after = before.abandoned()
        self._put(before, after)
        return after

    def absent(self, client_order_id: str, *, now_ns: int) -> bool:
        """Takes in an answer "no such order" of this instant. Returns whether it was conclusive, and freed the order.

        It is when the venue had time to refuse the request as too old, the answer came twice, some time apart, and
        nothing was ever heard of the order.
        """
        order = self._by_id.get(client_order_id)
        if order is None or order.accepted or order.sent_ns is None or order.state not in (_SENT, _UNKNOWN):
            return False
        config = self._config
        if now_ns <= order.sent_ns + round((config.recv_window_s + config.absent_margin_s) * _NS):
            return False
        if order.absent_ns is None:
            self._put(order, order._replace(absent_ns=now_ns))
            return False
        if now_ns - order.absent_ns < config.absent_gap_s * _NS:
            return False
        self.apply(client_order_id, OrderEvent.ABSENT, now_ns=now_ns)
        return True

    def overdue(self, now_ns: int) -> tuple[Reservation, ...]:
        """Returns what is undecided past its time: to be asked about, for time alone frees nothing."""
        return tuple(
            order for order in self._by_id.values() if order.state in _UNDECIDED and order.expires_ns <= now_ns
        )

    def live(self) -> tuple[Reservation, ...]:
        """Returns every reservation that counts."""
        return tuple(order for order in self._by_id.values() if order.is_live)

    def pending_reduce(self, symbol: str) -> Decimal:
        """Returns what open reductions may still take off the symbol's position."""
        pending = (order.pending_reduce for order in self._reductions.values() if order.symbol == symbol)
        return sum(pending, _ZERO)

    def opening(self, symbol: str, side: Side) -> Decimal:
        """Returns what live entries of one side may have added to the symbol's position since it was confirmed."""
        return sum((entry.quantity for entry in self.totals.entries(symbol, side)), _ZERO)

    def _put(self, before: Reservation | None, after: Reservation) -> None:
        id_ = after.client_order_id
        self._by_id[id_] = after
        if after.lane is _ENTRY:
            self._count_entry(before, after)
        elif after.pending_reduce:
            self._reductions[id_] = after
        else:
            self._reductions.pop(id_, None)

    def _count_entry(self, before: Reservation | None, after: Reservation) -> None:
        # One of its day's trades is what may exist, or was accepted by the venue.
        counted, counts = False, after.accepted
        if before is not None:
            counted = before.accepted
            if before.state not in _OVER:
                counted = True
                self.totals.remove(before)
        if after.state not in _OVER:
            counts = True
            self.totals.add(after)
        if counts and not counted:
            self._day_book.take(after.day, after.client_order_id, after.strategy_id)
        elif counted and not counts:
            self._day_book.give_back(after.day, after.client_order_id)

    def _forget_oldest(self) -> None:
        ids = self._oldest_first
        for _ in range(len(ids)):
            oldest = ids.popleft()
            if not self._by_id[oldest].is_live:
                del self._by_id[oldest]
                return
            ids.append(oldest)
