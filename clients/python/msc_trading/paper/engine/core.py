"""The engine: one exchange with one account, driven by calls that say what time it is."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from msc_client import Side
from msc_trading.market.candle import Candle
from msc_trading.paper.config import PaperConfig
from msc_trading.paper.engine import conditional, margin, trading, upkeep
from msc_trading.paper.engine import rejections as reason
from msc_trading.paper.engine.bars import MINUTE_MS, milliseconds
from msc_trading.paper.engine.events import Event, LeverageEvent, PriceMoved
from msc_trading.paper.engine.market import on_step
from msc_trading.paper.engine.rejections import Rejected
from msc_trading.paper.engine.state import State
from msc_trading.paper.engine.values import ZERO, Algo, NewAlgo, NewOrder, Order


class Engine:
    """Matching, account and upkeep. Deterministic: the same calls give the same events and ids.

    Every call that changes something takes `now` (aware UTC, never going back) and leaves its events to `drain`. What
    the venue refuses raises Rejected, and then nothing has changed. `state` is for reading.
    """

    def __init__(self, config: PaperConfig, now: datetime) -> None:
        self.state = State(config, now)
        self._next_funding = upkeep.next_funding(now)

    @property
    def next_funding(self) -> datetime:
        """When funding is settled next."""
        return self._next_funding

    def drain(self) -> list[Event]:
        """Returns what happened since the last call, in order."""
        return self.state.drain()

    def remember(self, candle: Candle) -> None:
        """Takes a minute from before the start: it is history, nothing trades."""
        market = self.state.market(candle.symbol)
        tick = market.spec.tick_size
        prices = [on_step(price, tick) for price in (candle.open, candle.high, candle.low, candle.close)]
        market.bars.remember(milliseconds(candle.open_time), prices, candle.volume)
        market.set_price(prices[-1])

    def advance(self, now: datetime) -> None:
        """Lets time pass: funding is settled, overdue orders end."""
        while self._next_funding <= now:
            self.state.now = self._next_funding
            upkeep.pay_funding(self.state)
            upkeep.watch_margin(self.state)
            self._next_funding += upkeep.FUNDING_PERIOD
        self.state.now = max(now, self.state.now)
        trading.expire_overdue(self.state, self.state.now)

    def move(
        self,
        symbol: str,
        price: Decimal,
        now: datetime,
        *,
        quantity: Decimal = ZERO,
        jumps: bool = False,
        closes_bar: bool = False,
    ) -> None:
        """Moves the price. Unless it jumps it passes every price between, so that stops trigger where they stand.

        `closes_bar` says that a minute ends with this move.
        """
        self.advance(now)
        market = self.state.market(symbol)
        target = on_step(price, market.spec.tick_size)
        # Each stop on the way takes its conditional order off the list, so this ends.
        while not jumps and (between := conditional.next_stop(self.state, symbol, target)) is not None:
            self._set_price(symbol, between)
            if between == target:
                break
        if market.last != target or jumps:
            self._set_price(symbol, target)
        self._trade_at_market(symbol, target, quantity, closes_bar)

    def _set_price(self, symbol: str, price: Decimal) -> None:
        self.state.markets[symbol].set_price(price)
        trading.match_resting(self.state, symbol)
        conditional.trigger_reached(self.state, symbol)
        upkeep.watch_margin(self.state)

    def _trade_at_market(self, symbol: str, price: Decimal, quantity: Decimal, closes_bar: bool) -> None:
        market, now = self.state.markets[symbol], self.state.now
        market.bars.trade(milliseconds(now), price, quantity, market.take_trade_id())
        if closes_bar:
            market.bars.close_minute((milliseconds(now) // MINUTE_MS + 1) * MINUTE_MS)
        self.state.emit(PriceMoved(at=now, symbol=symbol, quantity=quantity, closes_bar=closes_bar))

    def place(self, asked: NewOrder, now: datetime) -> Order:
        """Places an order and matches it at once; returns it as accepted, in state NEW."""
        self.advance(now)
        return trading.place(self.state, asked)

    def check(self, asked: NewOrder, now: datetime) -> None:
        """Refuses what `place` would refuse, and does nothing else."""
        self.advance(now)
        trading.check(self.state, asked)

    def amend(
        self,
        symbol: str,
        now: datetime,
        *,
        side: Side,
        quantity: Decimal,
        price: Decimal,
        order_id: int | None = None,
        client_order_id: str | None = None,
    ) -> Order:
        """Changes a resting limit order and returns it."""
        self.advance(now)
        return trading.amend(self.state, symbol, order_id, client_order_id, side=side, quantity=quantity, price=price)

    def cancel(
        self, symbol: str, now: datetime, *, order_id: int | None = None, client_order_id: str | None = None
    ) -> Order:
        """Cancels an order and returns it."""
        self.advance(now)
        return trading.cancel(self.state, symbol, order_id, client_order_id)

    def cancel_all(self, symbol: str, now: datetime) -> list[Order]:
        """Cancels every open order of a symbol; conditional orders stay."""
        self.advance(now)
        return trading.cancel_all(self.state, symbol)

    def place_algo(self, asked: NewAlgo, now: datetime) -> Algo:
        """Places a conditional order and returns it."""
        self.advance(now)
        return conditional.place(self.state, asked)

    def cancel_algo(self, now: datetime, *, algo_id: int | None = None, client_algo_id: str | None = None) -> Algo:
        """Cancels a conditional order and returns it."""
        self.advance(now)
        return conditional.cancel(self.state, algo_id, client_algo_id)

    def cancel_all_algos(self, symbol: str, now: datetime) -> list[Algo]:
        """Cancels every conditional order of a symbol."""
        self.advance(now)
        return conditional.cancel_all(self.state, symbol)

    def set_leverage(self, symbol: str, leverage: int, now: datetime) -> Decimal:
        """Sets the leverage of a symbol and returns the largest notional that it allows."""
        self.advance(now)
        spec = self.state.spec(symbol)
        if not 1 <= leverage <= max(tier.max_leverage for tier in spec.brackets):
            raise Rejected(reason.BAD_LEVERAGE, leverage=leverage)
        exposure = margin.exposure(self.state, symbol)
        extra = exposure / leverage - exposure / self.state.leverage[symbol]
        if exposure > margin.max_notional(spec, leverage):
            raise Rejected(reason.MAX_POSITION_AT_LEVERAGE)
        if extra > 0 and extra > margin.of_account(self.state).available:
            raise Rejected(reason.LEVERAGE_TOO_SMALL)
        self.state.leverage[symbol] = leverage
        self.state.emit(LeverageEvent(at=self.state.now, symbol=symbol, leverage=leverage))
        return margin.max_notional(spec, leverage)

    def set_hedge_mode(self, hedge_mode: bool, now: datetime) -> None:
        """Sets the position mode; nothing can be traded in hedge mode."""
        self.advance(now)
        if hedge_mode is self.state.hedge_mode:
            raise Rejected(reason.SAME_POSITION_MODE)
        if any(self.state.open_orders.values()) or any(self.state.open_algos.values()):
            raise Rejected(reason.OPEN_ORDERS_KEEP_MODE)
        if self.state.holds_anything:
            raise Rejected(reason.POSITION_KEEPS_MODE)
        self.state.hedge_mode = hedge_mode

    def liquidate(self, symbol: str, now: datetime, *, by_adl: bool = False) -> Order | None:
        """Closes a position as a liquidation (or by automatic deleveraging) would; None without a position."""
        self.advance(now)
        self.state.market(symbol)
        return upkeep.force_close(self.state, symbol, by_adl=by_adl)
