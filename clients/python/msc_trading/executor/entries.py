"""Entries: from a signal to an order at the venue, or to a block with its reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from msc_client.view import PolicyView
from msc_trading.executor.blocks import Block, BlockReason
from msc_trading.executor.errors import StateUnwritable
from msc_trading.executor.ids import Purpose, order_id
from msc_trading.executor.judgement import Admission, Size, admit, entry_side, expired, size_entry
from msc_trading.executor.parts import Parts
from msc_trading.executor.records import OrderRecord
from msc_trading.executor.shadow import ShadowBook
from msc_trading.filters import round_to_tick
from msc_trading.guard.decision import Decision
from msc_trading.guard.intent import OrderIntent
from msc_trading.signals import Signal
from msc_trading.venue.port import OrderType, SymbolRules, VenueError


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What had to be waited for before a decision, so that nothing is waited for within it."""

    now: datetime
    rules: SymbolRules | None
    journal_writable: bool
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A block with what is known of the order that was not sent."""

    block: Block
    view: PolicyView | None = None
    quantity: Decimal | None = None
    client_order_id: str = ""
    detail_json: str = ""


class EntryDesk:
    """Judges entry signals by the policy of now, and sends those that pass."""

    def __init__(self, parts: Parts, shadow: ShadowBook) -> None:
        self._parts = parts
        self._shadow = shadow

    async def enter(self, signal: Signal) -> OrderRecord | None:
        """Sends the signal's order, and returns it as far as its fate is known; or notes why not, and returns None."""
        gathered = await self._gather(signal)
        id_ = order_id(self._parts.config.executor_id, signal.signal_id, Purpose.ENTRY)
        if self._parts.orders.get(id_) is not None:
            block = Block(reason=BlockReason.DUPLICATE_SIGNAL, text=f"signal {signal.signal_id} has been acted upon")
            self.note(signal, Refusal(block=block, client_order_id=id_), at=gathered.now)
            return None
        # From here to the order on its way nothing waits: one policy, one set of facts.
        outcome = self._decide(signal, gathered)
        if isinstance(outcome, OrderRecord):
            return await self._parts.orders.send(outcome)
        self.note(signal, outcome, at=gathered.now)
        if outcome.block.reason == BlockReason.STRATEGY_NOT_ALLOWED and outcome.view is not None:
            self._shadow.open(signal, outcome.view, rules=gathered.rules, now=gathered.now)
        return None

    def note(self, signal: Signal, refusal: Refusal, *, at: datetime) -> None:
        """Takes note of a block."""
        self._parts.blocks.note(
            signal,
            refusal.block,
            at=at,
            view=refusal.view,
            quantity=refusal.quantity,
            client_order_id=refusal.client_order_id,
            detail_json=refusal.detail_json,
        )

    async def _gather(self, signal: Signal) -> Gathered:
        parts, symbol, rules, trouble = self._parts, signal.symbol, None, ""
        now = parts.clock.now()
        try:
            now = await parts.venue.now()
            rules = await parts.venue.rules(symbol)
            age_s = parts.account.price_age_s(symbol)
            if age_s is None or age_s > parts.config.price_refresh_s:
                parts.account.take_price(await parts.venue.price(symbol))
            if parts.account.quantity(symbol) != parts.books.quantity(symbol):
                await parts.read_positions()
            parts.settle_filled(symbol)
        except (VenueError, ValueError) as error:
            trouble = f"{type(error).__name__}: {error}"
        writable = await parts.recorder.is_durable()
        return Gathered(now=now, rules=rules, journal_writable=writable, trouble=trouble)

    def _decide(self, signal: Signal, gathered: Gathered) -> OrderRecord | Refusal:
        parts = self._parts
        view, plan = parts.snapshot()
        admission = admit(signal, view, plan, now_ns=parts.policies.now_ns(), config=parts.config)
        if isinstance(admission, Block):
            return Refusal(block=admission, view=view)
        block = self._standing_block(signal, gathered)
        if block is not None:
            return Refusal(block=replace(block, rows=admission.rows), view=view)
        balance = parts.account.balance
        price = self._entry_price(signal, gathered.rules)
        size = size_entry(
            signal,
            risk_fraction=admission.risk_fraction,
            equity=None if balance is None else balance.equity,
            price=price,
            rules=gathered.rules,
            config=parts.config,
        )
        if isinstance(size, Block):
            return Refusal(block=replace(size, rows=admission.rows), view=view)
        return self._authorize(signal, view, admission, size, price, gathered)

    def _standing_block(self, signal: Signal, gathered: Gathered) -> Block | None:
        """Returns what stands in the way here, whatever the policy says."""
        parts, symbol = self._parts, signal.symbol
        late = expired(signal, now=gathered.now, max_age_s=parts.config.max_signal_age_s)
        if late is not None:
            return late
        if gathered.trouble:
            return Block(reason=BlockReason.VENUE_UNAVAILABLE, text=gathered.trouble)
        hold = parts.orders.hold
        if hold is not None and parts.clock.monotonic() < hold.until:
            return Block(reason=BlockReason.RATE_LIMITED, text=f"the venue asked for quiet: {hold.why}")
        trip = parts.books.trip(symbol)
        if trip is not None:
            owner = trip.strategy_id or "nobody of ours"
            return Block(reason=BlockReason.SYMBOL_HELD, text=f"{symbol} is held by {owner}: one owner at a time")
        return self._unfinished_block(symbol)

    def _unfinished_block(self, symbol: str) -> Block | None:
        parts = self._parts
        for record in parts.orders.of_symbol(symbol):
            if record.purpose is Purpose.STOP:
                text = f"stop {record.client_order_id} of the position before may still be armed"
                return Block(reason=BlockReason.STOP_PENDING, text=text)
            text = f"order {record.client_order_id} in {symbol} is not over"
            return Block(reason=BlockReason.ENTRY_PENDING, text=text)
        ours, theirs = parts.books.quantity(symbol), parts.account.quantity(symbol)
        if ours == theirs and not parts.books.has_gap(symbol):
            return None
        return Block(reason=BlockReason.POSITION_MISMATCH, text=f"we hold {ours} {symbol}, the venue says {theirs}")

    def _entry_price(self, signal: Signal, rules: SymbolRules | None) -> Decimal | None:
        price = self._parts.account.price_of(signal.symbol)
        if price is None or rules is None or self._parts.config.entry_order is OrderType.MARKET:
            return price
        # A resting entry never pays more than what is paid now.
        return round_to_tick(price, rules, up=entry_side(signal.direction) == "SELL")

    def _authorize(
        self,
        signal: Signal,
        view: PolicyView,
        admission: Admission,
        size: Size,
        price: Decimal | None,
        gathered: Gathered,
    ) -> OrderRecord | Refusal:
        parts, config = self._parts, self._parts.config
        intent = OrderIntent(
            account_id=config.account_id,
            executor_id=config.executor_id,
            executor_epoch=parts.state.epoch,
            strategy_id=signal.strategy_id,
            symbol=signal.symbol,
            side=entry_side(signal.direction),
            order_type=config.entry_order,
            quantity=size.quantity,
            price=price if config.entry_order is OrderType.LIMIT else None,
            stop_price=size.stop_price,
            client_order_id=order_id(config.executor_id, signal.signal_id, Purpose.ENTRY),
            signal_at=signal.at,
            confidence=signal.confidence,
            ref_price=signal.reference_price,
            ref_price_at=signal.at,
            ref_price_source="signal",
            trace_id=signal.signal_id,
        )
        facts = parts.guard_facts(
            signal.symbol, gathered.rules, now=gathered.now, journal_writable=gathered.journal_writable
        )
        decision = parts.guard.authorize(intent, view, facts)
        if not decision.allowed:
            return Refusal(
                block=Block(reason=decision.reason_code.value, text=decision.text),
                view=view,
                quantity=size.quantity,
                client_order_id=intent.client_order_id,
                detail_json=decision.as_json(),
            )
        return self._prepare(signal, intent, decision, size, gathered)

    def _prepare(
        self, signal: Signal, intent: OrderIntent, decision: Decision, size: Size, gathered: Gathered
    ) -> OrderRecord | Refusal:
        parts = self._parts
        record = OrderRecord(
            client_order_id=intent.client_order_id,
            purpose=Purpose.ENTRY,
            strategy_id=signal.strategy_id,
            signal_id=signal.signal_id,
            symbol=signal.symbol,
            side=intent.side,
            order_type=intent.order_type,
            quantity=intent.quantity,
            price=intent.price,
            stop_price=size.stop_price,
            confidence=None if signal.confidence is None else float(signal.confidence),
            risk=size.risk,
            policy_version=decision.policy_version,
            decision_json=decision.as_json(),
            prepared_at=gathered.now,
        )
        try:
            parts.orders.prepare(record)
        except StateUnwritable as error:
            return self._give_back(record, Block(reason=BlockReason.STATE_UNWRITABLE, text=str(error)))
        changed = self._changed_since(signal, decision, size)
        if changed is None:
            return record
        parts.orders.abandon(record.client_order_id, changed.text)
        return self._give_back(record, changed)

    def _changed_since(self, signal: Signal, decision: Decision, size: Size) -> Block | None:
        """Returns the block of an order that the policy of this instant would not allow any more."""
        parts = self._parts
        view = parts.policies.current()
        if view.ref == decision.policy_ref and view.tier is decision.policy_tier:
            return None
        view, plan = parts.snapshot()
        admission = admit(signal, view, plan, now_ns=parts.policies.now_ns(), config=parts.config)
        if isinstance(admission, Block):
            text = f"while it was being sent the policy became {view.ref}: {admission.text}"
            return Block(reason=BlockReason.POLICY_CHANGED, text=text)
        balance = parts.account.balance
        allowed = None if balance is None else balance.equity * admission.risk_fraction
        if allowed is not None and size.risk <= allowed:
            return None
        text = f"while it was being sent the policy became {view.ref}, with less risk for each trade"
        return Block(reason=BlockReason.POLICY_CHANGED, text=text)

    def _give_back(self, record: OrderRecord, block: Block) -> Refusal:
        self._parts.guard.release(record.client_order_id)
        return Refusal(
            block=block,
            view=self._parts.policies.current(),
            quantity=record.quantity,
            client_order_id=record.client_order_id,
        )
