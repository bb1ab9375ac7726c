"""Sends orders once, and finds out what became of each: by the answer, by the stream, by asking."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from msc_client.facts import Execution
from msc_trading.executor.config import ExecutorConfig
from msc_trading.executor.errors import StateUnwritable
from msc_trading.executor.ids import Purpose
from msc_trading.executor.order_facts import accepted_fact, ended_fact, refused_fact
from msc_trading.executor.ports import Guard
from msc_trading.executor.recorder import Recorder
from msc_trading.executor.records import OrderRecord, Stage
from msc_trading.executor.settlement import Absence, missed
from msc_trading.executor.state_file import StateFile
from msc_trading.executor.timing import ExecutorClock
from msc_trading.venue.port import (
    OrderRefused,
    OrderRequest,
    OrderState,
    OrderStatus,
    OrderType,
    RateLimited,
    StopRequest,
    Venue,
    VenueError,
    VenueMisconfigured,
)

_LOG = logging.getLogger("msc_trading.executor")
# Among open orders the id was taken: then it is our own order that is there.
_DUPLICATE_ID: Final = frozenset({-4116, -4111})
NEVER_ARRIVED: Final = "NEVER_ARRIVED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """The venue asked to be left alone until then, by the executor's clock."""

    until: float
    why: str


class Orders:
    """Every order of this executor, from before it is sent until nothing more can happen to it."""

    def __init__(
        self,
        *,
        config: ExecutorConfig,
        clock: ExecutorClock,
        venue: Venue,
        guard: Guard,
        state: StateFile,
        recorder: Recorder,
        changed: Callable[[OrderRecord], None],
    ) -> None:
        self._config = config
        self._clock = clock
        self._venue = venue
        self._guard = guard
        self._state = state
        self._recorder = recorder
        self._changed = changed
        # What an earlier process left undecided may have been sent up to this moment.
        started = clock.monotonic()
        self._absences = {id_: Absence(sent_at=started) for id_, r in state.orders.items() if r.stage.is_undecided}
        self._silent_since: dict[str, float] = {}
        self._missing: set[str] = set()
        self._open = {id_ for id_, record in state.orders.items() if not record.stage.is_over}
        self._of_trip: dict[str, list[str]] = {}
        for record in state.orders.values():
            self._index(record)
        self._over: dict[str, asyncio.Event] = {}
        self.hold: Hold | None = None

    def get(self, client_order_id: str) -> OrderRecord | None:
        """Returns an order's record, None for one that is not ours."""
        return self._state.orders.get(client_order_id)

    def of_symbol(self, symbol: str) -> list[OrderRecord]:
        """Returns the symbol's orders that are not over."""
        return [record for record in self.open() if record.symbol == symbol]

    def open(self) -> list[OrderRecord]:
        """Returns every order that is not over."""
        return [self._state.orders[id_] for id_ in sorted(self._open)]

    def of_trip(self, trip_id: str) -> list[OrderRecord]:
        """Returns the stops and reductions that were prepared for a position, oldest first."""
        return [self._state.orders[id_] for id_ in self._of_trip.get(trip_id, ()) if id_ in self._state.orders]

    def _index(self, record: OrderRecord) -> None:
        if record.trip_id:
            self._of_trip.setdefault(record.trip_id, []).append(record.client_order_id)

    def prepare(self, record: OrderRecord) -> None:
        """Writes an order down before it is sent.

        Raises:
            StateUnwritable: for an entry, which must then not be sent. A reduction is sent all the same.
        """
        try:
            self._state.prepare(record)
        except StateUnwritable as error:
            if not record.purpose.reduces:
                self._state.orders.pop(record.client_order_id, None)
                raise
            _LOG.critical("%s is sent without being written down: %s", record.client_order_id, error)
        self._open.add(record.client_order_id)
        self._index(record)

    async def send(self, record: OrderRecord) -> OrderRecord:
        """Sends an order that was prepared, once, and returns it as far as its fate is known then."""
        self._absences[record.client_order_id] = Absence(sent_at=self._clock.monotonic())
        self._guard.sent(record.client_order_id)
        try:
            if record.purpose is Purpose.STOP:
                await self._venue.place_stop(_stop_request(record))
                return self._accept(record.client_order_id)
            state = await self._venue.place(_order_request(record))
        except (OrderRefused, RateLimited, VenueMisconfigured) as error:
            return self._not_placed(record, error)
        except VenueError as error:
            return self._lost(record, str(error))
        return self.take(state) or record

    def _not_placed(self, record: OrderRecord, error: VenueError) -> OrderRecord:
        if error.code in _DUPLICATE_ID:
            return self._lost(record, str(error))
        if isinstance(error, RateLimited):
            self.hold = Hold(until=self._clock.monotonic() + error.retry_after_s, why=str(error))
        return self.refuse(record.client_order_id, f"{error.code}: {error}")

    def _lost(self, record: OrderRecord, why: str) -> OrderRecord:
        known = self._state.orders[record.client_order_id]
        if not known.stage.is_undecided:
            # The stream was faster than the error.
            return known
        _LOG.warning(
            "nobody knows what became of %s, which is asked for and never sent again: %s", known.client_order_id, why
        )
        self._guard.unknown(record.client_order_id)
        return self._put(known, Stage.UNKNOWN)

    def abandon(self, client_order_id: str, reason: str) -> None:
        """Takes note that an order that was prepared is not sent after all."""
        self._put(self._state.orders[client_order_id], Stage.REFUSED, reason=reason)

    def refuse(self, client_order_id: str, reason: str) -> OrderRecord:
        """Takes note that an order certainly does not exist, unless it was heard of after all."""
        known = self._state.orders[client_order_id]
        if not known.stage.is_undecided:
            return known
        self._guard.rejected(client_order_id)
        record = self._put(known, Stage.REFUSED, reason=reason)
        self._recorder.record(refused_fact(record, self._config))
        return record

    def take(self, state: OrderState) -> OrderRecord | None:
        """Takes in what the venue says of an order, in any order and any number of times. None: it is not ours."""
        known = self._state.orders.get(state.client_order_id)
        if known is None or known.purpose is Purpose.STOP or state.status is OrderStatus.UNKNOWN:
            return known
        if known.stage is Stage.ENDED:
            return known
        if known.stage is not Stage.PLACED:
            known = self._accept(known.client_order_id, state.order_id)
        filled = max(known.filled, state.filled_quantity)
        if filled > known.filled:
            self._guard.filled(known.client_order_id, filled)
        if state.status.is_final:
            return self._end(known, state.status, filled)
        if filled == known.filled:
            return known
        return self._put(known, Stage.PLACED, status=state.status, filled=filled)

    def _accept(self, client_order_id: str, order_id: str = "") -> OrderRecord:
        known = self._state.orders[client_order_id]
        if known.stage in (Stage.PLACED, Stage.ENDED):
            return known
        if known.stage is Stage.REFUSED:
            _LOG.critical("%s exists although the venue had denied it; it is counted again", client_order_id)
        self._guard.bind(client_order_id, order_id)
        record = self._put(known, Stage.PLACED, order_id=order_id, status=OrderStatus.NEW)
        self._recorder.record(accepted_fact(record, self._config))
        return record

    def _end(self, known: OrderRecord, status: OrderStatus, filled: Decimal) -> OrderRecord:
        if status is not OrderStatus.FILLED:
            self._guard.ended(known.client_order_id, filled)
            self._recorder.record(ended_fact(known, status, self._config))
        return self._put(known, Stage.ENDED, status=status, filled=filled)

    def end_stop(self, record: OrderRecord, status: OrderStatus) -> None:
        """Takes note that a protective stop has triggered, or was taken away."""
        known = self._state.orders[record.client_order_id]
        if known.stage.is_over:
            return
        if known.stage.is_undecided:
            known = self._accept(known.client_order_id)
        self._put(known, Stage.ENDED, status=status)
        if status is not OrderStatus.FILLED:
            self._recorder.record(ended_fact(known, status, self._config))

    def accept_stop(self, client_algo_id: str) -> None:
        """Takes note that a protective stop is armed."""
        record = self._state.orders.get(client_algo_id)
        if record is not None and record.stage.is_undecided:
            self._accept(client_algo_id)

    async def wait_over(self, client_order_id: str) -> OrderRecord:
        """Returns an order once nothing more can happen to it. `settle` sees to it that this comes."""
        record = self._state.orders[client_order_id]
        while not record.stage.is_over:
            event = self._over.setdefault(client_order_id, asyncio.Event())
            await event.wait()
            record = self._state.orders[client_order_id]
        return record

    async def settle(self) -> None:
        """Asks the venue about every order that has been without an answer for too long.

        Raises:
            VenueError: it could not be asked; ask again.
        """
        now = self._clock.monotonic()
        undecided = [record for record in self.open() if record.stage.is_undecided and self._was_sent(record)]
        stops = [record for record in undecided if record.purpose is Purpose.STOP]
        if stops:
            armed = {stop.client_algo_id for stop in await self._venue.open_stops()}
            for record in stops:
                self.accept_stop(record.client_order_id) if record.client_order_id in armed else self._miss(record, now)
        for record in undecided:
            if record.purpose is not Purpose.STOP:
                await self._ask(record, now)
        for record in self.open():
            if record.stage is Stage.PLACED and self._is_silent(record, now):
                await self._ask(record, now)

    def _was_sent(self, record: OrderRecord) -> bool:
        return record.client_order_id in self._absences

    def _is_silent(self, record: OrderRecord, now: float) -> bool:
        if record.client_order_id in self._missing:
            return True
        if record.order_type is not OrderType.MARKET or record.purpose is Purpose.STOP:
            return False
        return now - self._silent_since.get(record.client_order_id, now) >= self._config.answer_patience_s

    async def _ask(self, record: OrderRecord, now: float) -> None:
        state = await self._venue.order(record.symbol, record.client_order_id)
        if state is not None:
            self._missing.discard(record.client_order_id)
            self.take(state)
        else:
            self._miss(record, now)

    def note_missing(self, client_order_id: str) -> None:
        """Takes note that the venue does not show an order that it had accepted; `settle` finds out."""
        self._missing.add(client_order_id)

    def _miss(self, record: OrderRecord, asked_at: float) -> None:
        """Takes in an answer "no such order" to a question of `asked_at`."""
        id_ = record.client_order_id
        known = self._state.orders[id_]
        if known.stage.is_over:
            return
        absence = missed(self._absences.get(id_, Absence(sent_at=asked_at)), now=asked_at, config=self._config)
        self._absences[id_] = absence
        if absence.conclusive and known.stage.is_undecided:
            self.refuse(id_, NEVER_ARRIVED)
        elif absence.conclusive:
            # It was accepted once, and the venue has forgotten it: that happens to what ended long ago.
            self._end(known, OrderStatus.EXPIRED, known.filled)

    def _put(
        self,
        known: OrderRecord,
        stage: Stage,
        *,
        order_id: str = "",
        status: OrderStatus | None = None,
        filled: Decimal | None = None,
        reason: str = "",
    ) -> OrderRecord:
        id_ = known.client_order_id
        try:
            self._state.change(id_, stage=stage, order_id=order_id, status=status, filled=filled, reason=reason)
        except StateUnwritable as error:
            # The venue has it in any case, and a restart asks it: what is lost is only that we know already.
            _LOG.critical("what became of %s is not written down: %s", id_, error)
        record = self._state.orders[id_]
        if stage is Stage.PLACED:
            self._silent_since.setdefault(id_, self._clock.monotonic())
        if not stage.is_undecided:
            self._absences.pop(id_, None)
        if stage.is_over:
            self._open.discard(id_)
            self._missing.discard(id_)
            self._silent_since.pop(id_, None)
            self._over.pop(id_, asyncio.Event()).set()
        else:
            self._open.add(id_)
        self._changed(record)
        return record


def past_executions(records: list[OrderRecord], config: ExecutorConfig) -> list[Execution]:
    """Returns the facts of the entries that the venue had accepted, from which the day's trades are counted again."""
    accepted = (Stage.PLACED, Stage.ENDED)
    return [accepted_fact(r, config) for r in records if r.purpose is Purpose.ENTRY and r.stage in accepted]


def _order_request(record: OrderRecord) -> OrderRequest:
    return OrderRequest(
        client_order_id=record.client_order_id,
        symbol=record.symbol,
        side=record.side,
        order_type=record.order_type,
        quantity=record.quantity,
        price=record.price,
        reduce_only=record.purpose.reduces,
    )


def _stop_request(record: OrderRecord) -> StopRequest:
    if record.stop_price is None:
        raise ValueError(f"stop_price: the stop {record.client_order_id} has none")
    return StopRequest(
        client_algo_id=record.client_order_id,
        symbol=record.symbol,
        side=record.side,
        trigger_price=record.stop_price,
    )
