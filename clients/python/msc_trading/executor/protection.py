"""The protective stop: every position of ours has one at the venue, and nothing flat has."""

from __future__ import annotations

import logging
from dataclasses import replace

from msc_trading.executor.book import Trip
from msc_trading.executor.ids import Purpose, order_id
from msc_trading.executor.judgement import entry_side, opposite
from msc_trading.executor.orders import NEVER_ARRIVED
from msc_trading.executor.parts import Parts
from msc_trading.executor.records import OrderRecord, Stage
from msc_trading.executor.reducing import Reducer
from msc_trading.venue.port import OrderStatus, OrderType, VenueError

_LOG = logging.getLogger("msc_trading.executor")
_LOST_STOPS_MAX = 2


class Protector:
    """Keeps the stops of positions. It asks nobody: a protective stop can only close what is open."""

    def __init__(self, parts: Parts, reducer: Reducer) -> None:
        self._parts = parts
        self._reducer = reducer

    async def protect(self, symbol: str) -> None:
        """Places the stop that the symbol's position lacks, or takes away those of one that is gone.

        A position whose stop the venue refuses is closed at market.
        """
        trip, stops = self._parts.books.trip(symbol), self.stops(symbol)
        if trip is None or trip.entry is None:
            await self._take_away(stops)
        elif not stops:
            await self._arm(trip, trip.entry)

    def stops(self, symbol: str) -> list[OrderRecord]:
        """Returns the symbol's stops that are armed, or may be."""
        return [record for record in self._parts.orders.of_symbol(symbol) if record.purpose is Purpose.STOP]

    async def _take_away(self, stops: list[OrderRecord]) -> None:
        for stop in stops:
            if stop.stage.is_undecided:
                # Whether there is one to take away is found out first.
                continue
            if self._parts.books.filled(stop.client_order_id) > 0:
                self._parts.orders.end_stop(stop, OrderStatus.FILLED)
                continue
            try:
                await self._parts.venue.cancel_stop(stop.symbol, stop.client_order_id)
            except VenueError as error:
                _LOG.warning("stop %s cannot be taken away, and is tried again: %s", stop.client_order_id, error)
            else:
                self._parts.orders.end_stop(stop, OrderStatus.CANCELED)

    async def _arm(self, trip: Trip, entry: OrderRecord) -> None:
        refused = self._refused(trip)
        if len(refused) < _LOST_STOPS_MAX and all(stop.reason == NEVER_ARRIVED for stop in refused):
            stop = await self._next_stop(trip, entry)
            if stop is not None:
                self._parts.orders.prepare(stop)
                stop = await self._parts.orders.send(stop)
                if stop.stage is not Stage.REFUSED:
                    return
                refused = [stop]
        why = refused[-1].reason if refused else "the entry had no stop price"
        _LOG.error("%s cannot be protected and is closed at market: %s", trip.symbol, why)
        await self._reducer.flatten(
            trip, purpose=Purpose.CLOSE, signal_id=entry.signal_id, policy_version=entry.policy_version
        )

    def _refused(self, trip: Trip) -> list[OrderRecord]:
        records = self._parts.orders.of_trip(trip.trip_id)
        return [record for record in records if record.purpose is Purpose.STOP and record.stage is Stage.REFUSED]

    async def _next_stop(self, trip: Trip, entry: OrderRecord) -> OrderRecord | None:
        if entry.stop_price is None:
            return None
        executor_id, attempt = self._parts.config.executor_id, 0
        while self._parts.orders.get(order_id(executor_id, entry.signal_id, Purpose.STOP, attempt)) is not None:
            attempt += 1
        return replace(
            entry,
            client_order_id=order_id(executor_id, entry.signal_id, Purpose.STOP, attempt),
            purpose=Purpose.STOP,
            side=opposite(entry_side(trip.direction)),
            order_type=OrderType.MARKET,
            quantity=trip.open_quantity,
            price=None,
            prepared_at=await self._reducer.venue_now(),
            confidence=None,
            risk=None,
            decision_json="",
            trip_id=trip.trip_id,
            stage=Stage.PREPARED,
            order_id="",
            status=None,
            filled=type(entry.filled)(0),
            reason="",
        )
