"""What was granted and is not yet part of the confirmed positions. It counts until the venue has decided."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from msc_client.facts import Side
from msc_trading.filters import EXACT
from msc_trading.guard.reasons import Lane
from msc_trading.venue.port import OrderState

_ZERO: Final = Decimal(0)


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
_REDUCE: Final = Lane.REDUCE

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
_REPORTED: Final = frozenset({_E.BOUND, _E.FILLED_IN_PART, _E.FILLED})
_LEAVING: Final = frozenset({_E.SENT, _E.LOST})
_ENDED: Final = _E.ENDED
_OVER: Final = frozenset({_E.ENDED, _E.REJECTED, _E.FILLED})


class Reservation(NamedTuple):
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

    def abandoned(self) -> Reservation:
        """Returns what becomes of it when it is given back unsent."""
        # By position: naming what changes takes longer than all the rest of giving it back.
        return Reservation._make(self[:_STATE] + _GIVEN_BACK + self[_STATE + 1 :])


_STATE: Final = Reservation._fields.index("state")
_GIVEN_BACK: Final = (_RELEASED,)


def after_event(
    before: Reservation, event: OrderEvent, *, now_ns: int, order_id: str = "", filled: Decimal | None = None
) -> Reservation:
    """Returns what an order is after something happened to it."""
    state = TRANSITIONS.get((before.state, event), before.state)
    if before.ended and (state is _BOUND or state is _PARTIAL):
        # A late report of an order that is over: only what filled still counts.
        state = before.state if state is _BOUND else _IS_FILLED
    after = before._replace(
        state=state,
        filled=before.filled if filled is None else max(before.filled, filled),
        order_id=order_id or before.order_id,
        sent_ns=now_ns if event in _LEAVING and before.sent_ns is None else before.sent_ns,
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
    return order._replace(notional=order.notional * share, risk=order.risk * share)


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
