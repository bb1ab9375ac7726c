"""What has to be done by the clock: account readings, equity points, resting entries, the dead-man switch."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from msc_client.facts import EquityPoint
from msc_client.view import PolicyView
from msc_trading.executor.blocks import Block, BlockReason
from msc_trading.executor.ids import Purpose
from msc_trading.executor.judgement import admit
from msc_trading.executor.numbers import canonical
from msc_trading.executor.parts import Parts
from msc_trading.executor.records import DayStart, OrderRecord, Stage
from msc_trading.signals import Signal, SignalKind
from msc_trading.venue.port import OrderType, VenueError

_LOG = logging.getLogger("msc_trading.executor")
_ZERO: Final = Decimal(0)


class AccountKeeper:
    """Reads the account in full now and then, and writes what it is worth, every minute of the venue's time."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._read_at: float | None = None
        self._told_until: datetime | None = None

    def is_due(self, venue_now: datetime) -> bool:
        """Tells whether the account has to be read."""
        parts = self._parts
        if self._read_at is None or parts.clock.monotonic() - self._read_at >= parts.config.account_every_s:
            return True
        return self._is_point_due(venue_now)

    def _is_point_due(self, venue_now: datetime) -> bool:
        if not self._parts.config.records_equity:
            return False
        every = timedelta(seconds=self._parts.config.equity_every_s)
        return self._told_until is None or venue_now >= self._told_until + every

    async def read(self) -> None:
        """Reads positions and balance, starts a new day, and writes the equity point that is due.

        Raises:
            VenueError: they could not be read.
            ValueError: a position makes no sense.
        """
        parts = self._parts
        await parts.read_positions()
        balance = await parts.venue.balance()
        parts.account.take_balance(balance)
        self._read_at = parts.clock.monotonic()
        today = balance.at.astimezone(UTC).date()
        if parts.state.day is not None and parts.state.day.day < today:
            parts.start_day(DayStart(day=today, equity=balance.equity))
        if self._is_point_due(balance.at):
            self._told_until = balance.at
            parts.recorder.record(
                EquityPoint(
                    account=parts.config.account_id,
                    at=balance.at,
                    wallet_balance=canonical(balance.wallet_balance),
                    unrealized_pnl=canonical(balance.unrealized_pnl),
                )
            )


class RestingEntries:
    """Judges entries that rest at the venue again, by the policy of now, and takes back what would not be sent now."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def resting(self) -> list[OrderRecord]:
        """Returns the entries that rest at the venue."""
        return [
            record
            for record in self._parts.orders.open()
            if record.purpose is Purpose.ENTRY and record.order_type is OrderType.LIMIT and record.stage is Stage.PLACED
        ]

    async def judge(self, venue_now: datetime) -> None:
        """Takes back each entry that rests against the policy of now, or has rested for too long.

        Raises:
            VenueError: one could not be cancelled; judge again.
        """
        for record in self.resting():
            view, block = self._block(record, venue_now)
            if block is not None:
                self._parts.orders.take(await self._parts.venue.cancel(record.symbol, record.client_order_id))
                self._parts.blocks.note(
                    _signal_of(record),
                    block,
                    at=venue_now,
                    view=view,
                    quantity=record.quantity,
                    client_order_id=record.client_order_id,
                )

    def _block(self, record: OrderRecord, venue_now: datetime) -> tuple[PolicyView, Block | None]:
        parts = self._parts
        view, plan = parts.snapshot()
        admission = admit(_signal_of(record), view, plan, now_ns=parts.policies.now_ns(), config=parts.config)
        if isinstance(admission, Block):
            return view, admission
        balance = parts.account.balance
        if balance is not None and record.risk is not None and record.risk > balance.equity * admission.risk_fraction:
            text = f"policy {view.ref} allows less risk than the entry at rest has"
            return view, Block(reason=BlockReason.POLICY_CHANGED, text=text)
        rested_s = (venue_now - record.prepared_at) / timedelta(seconds=1)
        if rested_s <= parts.config.entry_rests_s:
            return view, None
        text = f"the entry rested for {rested_s:.0f} s, limit {parts.config.entry_rests_s:g} s"
        return view, Block(reason=BlockReason.SIGNAL_EXPIRED, text=text)


def _signal_of(record: OrderRecord) -> Signal:
    return Signal(
        signal_id=record.signal_id,
        strategy_id=record.strategy_id,
        symbol=record.symbol,
        direction=record.direction,
        kind=SignalKind.ENTRY,
        confidence=record.confidence,
        reference_price=record.price or _ZERO,
        stop_price=record.stop_price,
        at=record.prepared_at,
    )


class DeadMan:
    """Has the venue cancel resting entries if this process dies. Only symbols with such entries are armed."""

    def __init__(self, parts: Parts, resting: RestingEntries) -> None:
        self._parts = parts
        self._resting = resting
        self._renewed: dict[str, float] = {}

    async def renew(self) -> None:
        """Arms the switch where entries rest, when it is due, and disarms it where none does any more."""
        parts, now = self._parts, self._parts.clock.monotonic()
        symbols = {record.symbol for record in self._resting.resting()}
        for symbol in sorted(symbols):
            if now - self._renewed.get(symbol, -parts.config.dead_man_every_s) >= parts.config.dead_man_every_s:
                await self._arm(symbol, parts.config.dead_man_s, now)
        for symbol in sorted(set(self._renewed) - symbols):
            await self._arm(symbol, 0.0, None)

    async def _arm(self, symbol: str, countdown_s: float, at: float | None) -> None:
        try:
            await self._parts.venue.arm_dead_man(symbol, countdown_s)
        except VenueError as error:
            _LOG.warning("the dead-man switch of %s cannot be set, and is tried again: %s", symbol, error)
            return
        if at is None:
            self._renewed.pop(symbol, None)
        else:
            self._renewed[symbol] = at
