"""The books of all symbols: fills in, facts and closed trades out, each exactly once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

from msc_trading.executor.book import SymbolLedger, Trip
from msc_trading.executor.config import ExecutorConfig
from msc_trading.executor.errors import StateUnwritable
from msc_trading.executor.order_facts import fill_fact
from msc_trading.executor.recorder import Recorder
from msc_trading.executor.records import FlatMark, OrderRecord, TradeResult
from msc_trading.executor.state_file import StateFile
from msc_trading.venue.port import Fill

_LOG = logging.getLogger("msc_trading.executor")
_ZERO: Final = Decimal(0)


class Books:
    """What each of our symbols holds and whose it is. Other symbols of the account are somebody else's."""

    def __init__(
        self, *, config: ExecutorConfig, state: StateFile, recorder: Recorder, changed: Callable[[str], None]
    ) -> None:
        self._config = config
        self._state = state
        self._recorder = recorder
        self._changed = changed
        self._ledgers: dict[str, SymbolLedger] = {}
        self._told: dict[str, set[str]] = {}
        self._closed: dict[str, set[str]] = {}
        self._filled: dict[str, Decimal] = {}

    def open(self, symbol: str, now: datetime) -> SymbolLedger:
        """Returns the symbol's ledger. A symbol that was never traded here begins flat, `now`."""
        ledger = self._ledgers.get(symbol)
        if ledger is None:
            mark = self._state.flats.get(symbol)
            if mark is None:
                mark = FlatMark(symbol=symbol, since=now)
                self._keep_mark(mark)
            ledger = self._ledgers[symbol] = SymbolLedger(mark, self._record_of)
            self._told[symbol], self._closed[symbol] = set(), set()
        return ledger

    def since(self, symbol: str) -> datetime | None:
        """Returns from where fills have to be read, None before the symbol's ledger is open."""
        ledger = self._ledgers.get(symbol)
        return None if ledger is None else ledger.since

    def trip(self, symbol: str) -> Trip | None:
        """Returns the symbol's open position, None when it is flat."""
        ledger = self._ledgers.get(symbol)
        return None if ledger is None else ledger.folding.trip

    def trips(self) -> Mapping[str, Trip]:
        """Returns every open position by symbol."""
        return {symbol: trip for symbol in self._ledgers if (trip := self.trip(symbol)) is not None}

    def quantity(self, symbol: str) -> Decimal:
        """Returns what we believe to hold; short is negative."""
        ledger = self._ledgers.get(symbol)
        return _ZERO if ledger is None else ledger.quantity

    def filled(self, client_order_id: str) -> Decimal:
        """Returns how much of an order is in the books, for orders since their symbol was last marked flat."""
        return self._filled.get(client_order_id, _ZERO)

    def has_gap(self, symbol: str) -> bool:
        """Tells whether a fill must be missing."""
        ledger = self._ledgers.get(symbol)
        return ledger is not None and ledger.folding.gap

    def take(self, symbol: str, fills: Iterable[Fill], *, complete: bool = False) -> bool:
        """Takes in fills, in any order and any number of times; returns whether any was new.

        `complete`: these are all that the venue has since `since(symbol)`.
        """
        ledger = self._ledgers.get(symbol)
        if ledger is None:
            # Before the first comparison with the venue, which reads all of them.
            return False
        had_gap = ledger.folding.gap
        is_new = ledger.add(fills, complete=complete)
        if is_new or ledger.folding.gap is not had_gap:
            self._tell(symbol, ledger)
            self._changed(symbol)
        return is_new

    def _record_of(self, fill: Fill) -> OrderRecord | None:
        if fill.client_order_id:
            return self._state.orders.get(fill.client_order_id)
        # The venue has forgotten our name for the order, not its own.
        orders = self._state.orders.values()
        return next((record for record in orders if record.order_id and record.order_id == fill.order_id), None)

    def _tell(self, symbol: str, ledger: SymbolLedger) -> None:
        told = self._told[symbol]
        for booked in ledger.folding.told:
            if booked.fill.trade_id in told:
                continue
            told.add(booked.fill.trade_id)
            if booked.record is not None:
                id_ = booked.record.client_order_id
                self._filled[id_] = self.filled(id_) + booked.fill.quantity
            self._recorder.record(fill_fact(booked, self._config))

    def closed(self, symbol: str) -> list[Trip]:
        """Returns the round trips that have ended and were not told yet. Those of nobody are left out."""
        ledger = self._ledgers.get(symbol)
        if ledger is None:
            return []
        told = self._closed[symbol]
        return [trip for trip in ledger.folding.closed if trip.strategy_id and trip.trip_id not in told]

    def tell_closed(self, trip: Trip, funding: Decimal) -> None:
        """Journals a round trip that has ended."""
        trade = trip.closed_trade(account_id=self._config.account_id, funding=funding)
        self._closed[trip.symbol].add(trip.trip_id)
        self._recorder.record(trade)
        result = TradeResult(trade_id=trade.trade_id, closed_at=trade.closed_at, net_pnl=trade.net_pnl)
        try:
            self._state.add_result(result)
        except StateUnwritable as error:
            _LOG.critical("the result of %s is not written down: %s", trade.trade_id, error)

    async def checkpoint(self, symbol: str) -> None:
        """Forgets the fills of what is over, once the journal has them for good."""
        ledger = self._ledgers.get(symbol)
        before = None if ledger is None else ledger.flat_mark()
        if ledger is None or before is None or self.closed(symbol) or not await self._recorder.is_durable():
            return
        if ledger.flat_mark() == before and self._keep_mark(before):
            over = ledger.folding.told
            ledger.start_again_at(before)
            for booked in over:
                self._filled.pop("" if booked.record is None else booked.record.client_order_id, None)
            self._told[symbol].clear()
            self._closed[symbol].clear()

    def _keep_mark(self, mark: FlatMark) -> bool:
        try:
            self._state.mark_flat(mark)
        except StateUnwritable as error:
            _LOG.critical("%s cannot be marked flat: %s", mark.symbol, error)
            return False
        return True
