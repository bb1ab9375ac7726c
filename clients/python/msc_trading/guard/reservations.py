"""What was granted and is not yet part of the confirmed positions. It counts until the venue has decided."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeVar

from msc_client.facts import Side
from msc_trading.filters import EXACT
from msc_trading.guard.config import GuardConfig
from msc_trading.guard.day import DayBook
from msc_trading.guard.making import quickly
from msc_trading.guard.reasons import Lane
from msc_trading.venue.port import OrderState

_Key = TypeVar("_Key", str, tuple[str, Side])

_ZERO: Final = Decimal(0)
_NS: Final = 1_000_000_000


class ReservationState(StrEnum):
    """How far an order is."""

    PENDING = "PENDING"
    """Granted, not sent yet."""
    SENT = "SENT"
    """Sent, no answer yet."""
    BOUND = "BOUND"
    """The venue has accepted it."""
    PARTIAL = "PARTIAL"
    """Filled in part; the rest is open."""
    FILLED = "FILLED"
    """Nothing more will fill. Counts until the confirmed positions hold it."""
    CLOSED = "CLOSED"
    """The confirmed positions hold it."""
    RELEASED = "RELEASED"
    """Refused, cancelled, expired or never sent, without a fill."""
    UNKNOWN = "UNKNOWN"
    """Nobody knows whether the venue has it."""


class OrderEvent(StrEnum):
    """What can happen to an order."""

    SENT = "SENT"
    BOUND = "BOUND"
    FILLED_IN_PART = "FILLED_IN_PART"
    FILLED = "FILLED"
    REJECTED = "REJECTED"
    ENDED = "ENDED"
    """Cancelled or expired: what filled before stands."""
    ABANDONED = "ABANDONED"
    """Certainly never sent."""
    LOST = "LOST"
    """Sent, and the answer never came."""
    ABSENT = "ABSENT"
    """The venue said conclusively that there is no such order."""
    SETTLED = "SETTLED"
    """The confirmed positions hold it."""


_S, _E = ReservationState, OrderEvent
# Read for each order: a member is looked up anew in its class each time.
_PENDING, _CLOSED, _RELEASED, _IS_FILLED = _S.PENDING, _S.CLOSED, _S.RELEASED, _S.FILLED
_BOUND, _PARTIAL = _S.BOUND, _S.PARTIAL
_ENTRY, _REDUCE = Lane.ENTRY, Lane.REDUCE

# What is not here changes nothing: a late or repeated report. RELEASED is left again when the venue reports the order
# after all: what fills exists, whatever was concluded before.
TRANSITIONS: Final[dict[tuple[ReservationState, OrderEvent], ReservationState]] = {
    (_S.PENDING, _E.SENT): _S.SENT,
    (_S.PENDING, _E.BOUND): _S.BOUND,
    (_S.PENDING, _E.FILLED_IN_PART): _S.PARTIAL,
    (_S.PENDING, _E.FILLED): _S.FILLED,
    (_S.PENDING, _E.REJECTED): _S.RELEASED,
    (_S.PENDING, _E.ENDED): _S.RELEASED,
    (_S.PENDING, _E.ABANDONED): _S.RELEASED,
    (_S.PENDING, _E.LOST): _S.UNKNOWN,
    (_S.SENT, _E.BOUND): _S.BOUND,
    (_S.SENT, _E.FILLED_IN_PART): _S.PARTIAL,
    (_S.SENT, _E.FILLED): _S.FILLED,
    (_S.SENT, _E.REJECTED): _S.RELEASED,
    (_S.SENT, _E.ENDED): _S.RELEASED,
    (_S.SENT, _E.LOST): _S.UNKNOWN,
    (_S.SENT, _E.ABSENT): _S.RELEASED,
    (_S.UNKNOWN, _E.BOUND): _S.BOUND,
    (_S.UNKNOWN, _E.FILLED_IN_PART): _S.PARTIAL,
    (_S.UNKNOWN, _E.FILLED): _S.FILLED,
    (_S.UNKNOWN, _E.REJECTED): _S.RELEASED,
    (_S.UNKNOWN, _E.ENDED): _S.RELEASED,
    (_S.UNKNOWN, _E.ABSENT): _S.RELEASED,
    (_S.BOUND, _E.FILLED_IN_PART): _S.PARTIAL,
    (_S.BOUND, _E.FILLED): _S.FILLED,
    (_S.BOUND, _E.REJECTED): _S.RELEASED,
    (_S.BOUND, _E.ENDED): _S.RELEASED,
    (_S.PARTIAL, _E.FILLED): _S.FILLED,
    (_S.PARTIAL, _E.REJECTED): _S.FILLED,
    (_S.PARTIAL, _E.ENDED): _S.FILLED,
    (_S.FILLED, _E.SETTLED): _S.CLOSED,
    (_S.RELEASED, _E.BOUND): _S.BOUND,
    (_S.RELEASED, _E.FILLED_IN_PART): _S.PARTIAL,
    (_S.RELEASED, _E.FILLED): _S.FILLED,
}

_OPEN: Final = frozenset({_S.PENDING, _S.SENT, _S.BOUND, _S.PARTIAL})
_UNDECIDED: Final = frozenset({_S.PENDING, _S.SENT, _S.UNKNOWN})
_REPORTED: Final = frozenset({_E.BOUND, _E.FILLED_IN_PART, _E.FILLED})
_LEAVING: Final = frozenset({_E.SENT, _E.LOST})
_ENDED: Final = _E.ENDED
_OVER: Final = frozenset({_E.ENDED, _E.REJECTED, _E.FILLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """One granted order. `notional` and `risk` are what it counts for; instants are on the policy source's clock.

    `accepted`: the venue has had it. `ended`: the venue has said that no more will come of it.
    """

    reservation_id: str
    client_order_id: str
    lane: Lane
    strategy_id: str
    symbol: str
    side: Side
    quantity: Decimal
    notional: Decimal
    risk: Decimal
    day: date
    expires_ns: int
    whole_position: bool = False
    state: ReservationState = ReservationState.PENDING
    filled: Decimal = _ZERO
    order_id: str = ""
    sent_ns: int | None = None
    absent_ns: int | None = None
    accepted: bool = False
    ended: bool = False

    @property
    def is_live(self) -> bool:
        """Whether it counts. A reduction that is filled counts no more: there is nothing to hold a place for."""
        state = self.state
        if state is _CLOSED or state is _RELEASED:
            return False
        return not (state is _IS_FILLED and self.lane is _REDUCE)

    @property
    def pending_reduce(self) -> Decimal:
        """What it may still take off the position.

        An unknown one is left out: the venue holds a reduction to the position, and an exit must not wait for an
        answer that may never come.
        """
        if self.lane is not Lane.REDUCE or self.whole_position or self.state not in _OPEN:
            return _ZERO
        return self.quantity - self.filled


new_reservation: Final = quickly(Reservation)


class Totals:
    """Sums over the live entries, kept with each change."""

    def __init__(self) -> None:
        self.symbols: dict[str, int] = {}
        self.sides: dict[tuple[str, Side], int] = {}
        self.strategy_symbols: dict[str, dict[str, int]] = {}
        self.symbol_exposure: dict[str, Decimal] = {}
        self.gross_exposure = _ZERO
        self.risk = _ZERO

    def add(self, entry: Reservation) -> None:
        """Counts a live entry."""
        symbol, notional = entry.symbol, entry.notional
        _count(self.symbols, symbol)
        _count(self.sides, (symbol, entry.side))
        _count(self.strategy_symbols.setdefault(entry.strategy_id, {}), symbol)
        self.symbol_exposure[symbol] = EXACT.add(self.symbol_exposure.get(symbol, _ZERO), notional)
        self.gross_exposure = EXACT.add(self.gross_exposure, notional)
        self.risk = EXACT.add(self.risk, entry.risk)

    def remove(self, entry: Reservation) -> None:
        """Takes back exactly what `add` did."""
        symbol, notional = entry.symbol, entry.notional
        _uncount(self.symbols, symbol)
        _uncount(self.sides, (symbol, entry.side))
        _uncount(self.strategy_symbols[entry.strategy_id], symbol)
        self.symbol_exposure[symbol] = EXACT.subtract(self.symbol_exposure[symbol], notional)
        self.gross_exposure = EXACT.subtract(self.gross_exposure, notional)
        self.risk = EXACT.subtract(self.risk, entry.risk)

    def exposure(self, symbol: str) -> Decimal:
        """Returns the notional reserved in a symbol."""
        return self.symbol_exposure.get(symbol, _ZERO)


def _count(counts: dict[_Key, int], key: _Key) -> None:
    counts[key] = counts.get(key, 0) + 1


def _uncount(counts: dict[_Key, int], key: _Key) -> None:
    left = counts[key] - 1
    if left:
        counts[key] = left
    else:
        del counts[key]


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
        before = self._by_id.get(reservation.client_order_id)
        self._put(before, reservation)
        if before is None:
            self._oldest_first.append(reservation.client_order_id)
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
        after = _after(before, event, now_ns=now_ns, order_id=order_id, filled=filled)
        self._put(before, after)
        return after

    def absent(self, client_order_id: str, *, now_ns: int) -> bool:
        """Takes in an answer "no such order" of this instant. Returns whether it was conclusive, and freed the order.

        It is when the venue had time to refuse the request as too old, the answer came twice, some time apart, and
        nothing was ever heard of the order.
        """
        order = self._by_id.get(client_order_id)
        if order is None or order.accepted or order.sent_ns is None or order.state not in (_S.SENT, _S.UNKNOWN):
            return False
        config = self._config
        if now_ns <= order.sent_ns + round((config.recv_window_s + config.absent_margin_s) * _NS):
            return False
        if order.absent_ns is None:
            self._by_id[client_order_id] = replace(order, absent_ns=now_ns)
            return False
        if now_ns - order.absent_ns < config.absent_gap_s * _NS:
            return False
        self.apply(client_order_id, _E.ABSENT, now_ns=now_ns)
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
        if (symbol, side) not in self.totals.sides:
            return _ZERO
        entries = (order for order in self._by_id.values() if order.lane is Lane.ENTRY and order.is_live)
        return sum((order.quantity for order in entries if (order.symbol, order.side) == (symbol, side)), _ZERO)

    def _put(self, before: Reservation | None, after: Reservation) -> None:
        id_ = after.client_order_id
        if after.lane is _ENTRY:
            self._count_entry(before, after)
        elif after.pending_reduce:
            self._reductions[id_] = after
        else:
            self._reductions.pop(id_, None)
        self._by_id[id_] = after

    def _count_entry(self, before: Reservation | None, after: Reservation) -> None:
        # One of its day's trades is what may exist, or was accepted by the venue.
        was_live, is_live = before is not None and before.is_live, after.is_live
        if before is not None and was_live:
            self.totals.remove(before)
        if is_live:
            self.totals.add(after)
        counted = before is not None and (was_live or before.accepted)
        counts = is_live or after.accepted
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


def _after(
    before: Reservation, event: OrderEvent, *, now_ns: int, order_id: str, filled: Decimal | None
) -> Reservation:
    state = TRANSITIONS.get((before.state, event), before.state)
    if before.ended and (state is _BOUND or state is _PARTIAL):
        # A late report of an order that is over: only what filled still counts.
        state = before.state if state is _S.BOUND else _S.FILLED
    # Spelled out: `replace` takes longer than all the checks of a decision together.
    after = new_reservation(
        reservation_id=before.reservation_id,
        client_order_id=before.client_order_id,
        lane=before.lane,
        strategy_id=before.strategy_id,
        symbol=before.symbol,
        side=before.side,
        quantity=before.quantity,
        notional=before.notional,
        risk=before.risk,
        day=before.day,
        expires_ns=before.expires_ns,
        whole_position=before.whole_position,
        state=state,
        filled=before.filled if filled is None else max(before.filled, filled),
        order_id=order_id or before.order_id,
        sent_ns=now_ns if event in _LEAVING and before.sent_ns is None else before.sent_ns,
        absent_ns=before.absent_ns,
        accepted=before.accepted or event in _REPORTED or (event is _ENDED and before.state is not _PENDING),
        ended=before.ended or event in _OVER,
    )
    if state is not _IS_FILLED:
        return after
    counted = before.filled if before.state is _IS_FILLED and before.filled > 0 else before.quantity
    return _counting_for_filled(after, counted)


def _counting_for_filled(order: Reservation, counted: Decimal) -> Reservation:
    """Returns an order that is over, counting for what filled. It counted for so much before."""
    filled = min(order.filled, order.quantity)
    if filled <= 0 or filled == counted:
        return order
    share = filled / counted
    return replace(order, notional=order.notional * share, risk=order.risk * share)


def adopted(
    order: OrderState, *, strategy_id: str, price: Decimal, risk: Decimal, day: date, now_ns: int
) -> Reservation:
    """Returns the reservation of an order that was found at the venue."""
    entry = not order.reduce_only
    return Reservation(
        reservation_id=f"r-adopted-{order.client_order_id}",
        client_order_id=order.client_order_id,
        lane=Lane.ENTRY if entry else Lane.REDUCE,
        strategy_id=strategy_id,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
        notional=EXACT.multiply(order.quantity, price) if entry else _ZERO,
        risk=risk if entry else _ZERO,
        day=day,
        expires_ns=now_ns,
        state=_S.PARTIAL if order.filled_quantity else _S.BOUND,
        filled=order.filled_quantity,
        order_id=order.order_id,
        accepted=True,
    )
