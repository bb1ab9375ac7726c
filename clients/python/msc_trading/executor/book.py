"""Whose position it is: a symbol's fills, folded into round trips. Pure: the same fills always make the same book.

One strategy owns a symbol at a time, so what closes a position without naming an order (a stop of the venue's algo
service, a liquidation, a person) belongs to whoever opened it.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from msc_client.facts import ClosedTrade, Direction, Side, TradeSource
from msc_trading.executor.ids import Purpose
from msc_trading.executor.numbers import canonical, ratio
from msc_trading.executor.records import FlatMark, OrderRecord
from msc_trading.venue.port import Fill, OrderStatus

_ZERO: Final = Decimal(0)
RecordOf = Callable[[Fill], OrderRecord | None]
"""Returns the record of the order that filled, None for an order that is not ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """A position from flat to flat. `entry` is the order that opened it, None for one that is not ours."""

    trip_id: str
    symbol: str
    direction: Direction
    entry: OrderRecord | None
    opened_at: datetime
    last_at: datetime
    entered: Decimal = _ZERO
    entry_notional: Decimal = _ZERO
    exited: Decimal = _ZERO
    exit_notional: Decimal = _ZERO
    fees: Decimal = _ZERO

    @property
    def strategy_id(self) -> str:
        """Who owns it; empty for nobody of ours."""
        return "" if self.entry is None else self.entry.strategy_id

    @property
    def open_quantity(self) -> Decimal:
        """What is still held, without sign."""
        return self.entered - self.exited

    @property
    def signed_quantity(self) -> Decimal:
        """What is still held; short is negative."""
        return self.open_quantity if self.direction is Direction.LONG else -self.open_quantity

    @property
    def risk(self) -> Decimal | None:
        """What it loses at its stop, for as much of the entry as filled. None: unknown."""
        if self.entry is None or self.entry.risk is None:
            return None
        return canonical(self.entry.risk * ratio(min(self.entered, self.entry.quantity), self.entry.quantity))

    def closed_trade(self, *, account_id: str, funding: Decimal) -> ClosedTrade:
        """Returns the closed trade, as the journal has it."""
        made = self.exit_notional - self.entry_notional
        gross = canonical(made if self.direction is Direction.LONG else -made)
        fees, funding = canonical(self.fees), canonical(funding)
        return ClosedTrade(
            trade_id=f"{account_id}:{self.trip_id}",
            strategy_id=self.strategy_id,
            symbol=self.symbol,
            direction=self.direction,
            quantity=canonical(self.entered),
            entry_price=canonical(ratio(self.entry_notional, self.entered)),
            exit_price=canonical(ratio(self.exit_notional, self.exited)),
            opened_at=self.opened_at,
            closed_at=self.last_at,
            gross_pnl=gross,
            fees=fees,
            funding=funding,
            net_pnl=gross - fees + funding,
            source=TradeSource.LIVE,
            risk_at_entry=self.risk,
            policy_version=0 if self.entry is None else self.entry.policy_version,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedFill:
    """A fill with what the book knows of it: whose it is, whether it reduced, and how its order stands after it."""

    fill: Fill
    record: OrderRecord | None
    strategy_id: str
    reduces: bool
    status: OrderStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Folding:
    """What a symbol's fills make: the open position, those that were closed, and each fill with its owner.

    `gap`: a reduction came that nothing explains, so a fill before it is missing; what follows is not told.
    """

    trip: Trip | None = None
    closed: tuple[Trip, ...] = ()
    told: tuple[BookedFill, ...] = ()
    gap: bool = False


class SymbolLedger:
    """One symbol's fills since it was last flat, each once, in the venue's order, whatever order they came in."""

    def __init__(self, mark: FlatMark, record_of: RecordOf) -> None:
        self._mark = mark
        self._record_of = record_of
        self._fills: list[Fill] = []
        self._ids: set[str] = set()
        self.folding = Folding()

    @property
    def since(self) -> datetime:
        """From where fills have to be read to know all that matters."""
        return self._mark.since

    @property
    def quantity(self) -> Decimal:
        """What we believe to hold; short is negative."""
        return _ZERO if self.folding.trip is None else self.folding.trip.signed_quantity

    def add(self, fills: Iterable[Fill], *, complete: bool = False) -> bool:
        """Takes in fills and returns whether any was new.

        `complete`: these are all that the venue has since the mark, so that nothing can be missing any more.
        """
        new = [fill for fill in fills if self._is_new(fill)]
        for fill in new:
            self._ids.add(fill.trade_id)
            bisect.insort(self._fills, fill, key=_order)
        if new or (complete and self.folding.gap):
            self.folding = fold(self._fills, self._record_of, accept_gaps=complete)
        return bool(new)

    def flat_mark(self) -> FlatMark | None:
        """Returns the mark up to which everything is over, None when there is none newer than the last."""
        if not self._fills or self.folding.trip is not None or self.folding.gap:
            return None
        since = self._fills[-1].at
        at_once = tuple(fill.trade_id for fill in self._fills if fill.at == since)
        seen = (*self._mark.seen, *at_once) if since == self._mark.since else at_once
        return FlatMark(symbol=self._mark.symbol, since=since, seen=seen)

    def start_again_at(self, mark: FlatMark) -> None:
        """Forgets the fills up to a mark that is kept for the next start."""
        self._mark = mark
        self._fills.clear()
        self._ids.clear()
        self.folding = Folding()

    def _is_new(self, fill: Fill) -> bool:
        if fill.trade_id in self._ids or fill.at < self._mark.since:
            return False
        return fill.at != self._mark.since or fill.trade_id not in self._mark.seen


def fold(fills: Iterable[Fill], record_of: RecordOf, *, accept_gaps: bool) -> Folding:
    """Returns what fills in the venue's order make. With `accept_gaps` a reduction of nothing is told, and no more."""
    trip: Trip | None = None
    closed: list[Trip] = []
    told: list[BookedFill] = []
    filled: dict[str, Decimal] = {}
    for fill in fills:
        record = record_of(fill)
        reduces_only = fill.reduce_only if record is None else record.purpose.reduces
        opposes = trip is not None and _direction(fill.side) is not trip.direction
        left = fill.quantity - trip.open_quantity if trip is not None and opposes else fill.quantity
        if reduces_only and (not opposes or left > 0):
            if not accept_gaps:
                return Folding(trip=trip, closed=tuple(closed), told=tuple(told), gap=True)
            if not opposes:
                told.append(_booked(fill, record, trip, filled, reduces=True))
                continue
        owner = trip if opposes else None
        if trip is not None and opposes:
            trip = _reduced(trip, fill, min(fill.quantity, trip.open_quantity))
            if trip.open_quantity == 0:
                closed.append(trip)
                trip = None
                if left > 0 and not reduces_only:
                    trip = _opened(fill, record, left)
        else:
            trip = _opened(fill, record, fill.quantity) if trip is None else _grown(trip, fill)
        told.append(_booked(fill, record, owner, filled, reduces=opposes, flat=trip is None))
    return Folding(trip=trip, closed=tuple(closed), told=tuple(told))


def _booked(
    fill: Fill,
    record: OrderRecord | None,
    owner: Trip | None,
    filled: dict[str, Decimal],
    *,
    reduces: bool,
    flat: bool = True,
) -> BookedFill:
    whole = flat
    if record is not None and record.purpose is not Purpose.STOP:
        filled[record.client_order_id] = filled.get(record.client_order_id, _ZERO) + fill.quantity
        whole = filled[record.client_order_id] >= record.quantity
    strategy_id = record.strategy_id if record is not None else "" if owner is None else owner.strategy_id
    return BookedFill(
        fill=fill,
        record=record,
        strategy_id=strategy_id,
        reduces=reduces if record is None else record.purpose.reduces,
        status=OrderStatus.FILLED if whole else OrderStatus.PARTIALLY_FILLED,
    )


def _opened(fill: Fill, record: OrderRecord | None, quantity: Decimal) -> Trip:
    return Trip(
        trip_id=f"{fill.symbol}:{fill.trade_id}",
        symbol=fill.symbol,
        direction=_direction(fill.side),
        entry=record,
        opened_at=fill.at,
        last_at=fill.at,
        entered=quantity,
        entry_notional=quantity * fill.price,
        fees=fill.fee * ratio(quantity, fill.quantity),
    )


def _grown(trip: Trip, fill: Fill) -> Trip:
    return replace(
        trip,
        entered=trip.entered + fill.quantity,
        entry_notional=trip.entry_notional + fill.quantity * fill.price,
        fees=trip.fees + fill.fee,
        last_at=fill.at,
    )


def _reduced(trip: Trip, fill: Fill, quantity: Decimal) -> Trip:
    return replace(
        trip,
        exited=trip.exited + quantity,
        exit_notional=trip.exit_notional + quantity * fill.price,
        fees=trip.fees + fill.fee * ratio(quantity, fill.quantity),
        last_at=fill.at,
    )


def _direction(side: Side) -> Direction:
    return Direction.LONG if side is Side.BUY else Direction.SHORT


def _order(fill: Fill) -> tuple[datetime, int, str]:
    return fill.at, int(fill.trade_id) if fill.trade_id.isdecimal() else 0, fill.trade_id
