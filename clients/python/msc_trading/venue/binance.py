"""Binance USD-M Futures as trading sees it: the port, over python-binance."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from decimal import Decimal
from types import TracebackType

from msc_trading.clock import Clock, SystemClock
from msc_trading.market.candle import Candle
from msc_trading.venue import calls, mapping
from msc_trading.venue.calls import Call
from msc_trading.venue.candle_stream import CandleStream
from msc_trading.venue.config import VenueConfig, VenueEnvironment
from msc_trading.venue.credentials import Credentials
from msc_trading.venue.errors import NO_SUCH_ORDER, UNKNOWN_ORDER_ON_CANCEL
from msc_trading.venue.fills import FillHistory, OrderOwners
from msc_trading.venue.gateway import Gateway, Value
from msc_trading.venue.port import (
    Balance,
    Fill,
    OrderRefused,
    OrderRequest,
    OrderState,
    OrderType,
    Position,
    Price,
    StopRequest,
    StopState,
    SymbolRules,
    UserEvent,
    VenueError,
    VenueMisconfigured,
    VenueUnavailable,
)
from msc_trading.venue.price_stream import PriceStream
from msc_trading.venue.redaction import Redaction
from msc_trading.venue.rule_book import RuleBook
from msc_trading.venue.sockets import Sockets
from msc_trading.venue.user_stream import UserStream
from msc_trading.venue.wire import plain

LOGGER = logging.getLogger("msc_trading.venue")

# ':' and '/' are legal on the venue, but python-binance encodes them after signing.
_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")


class BinanceVenue:
    """An account in one-way mode on Binance USD-M Futures, or on a venue that speaks its language.

    Use it as an async context manager, or call `open` and `close`. What `place` and `place_stop` raise decides what is
    known: OutcomeUnknown, or being cancelled while waiting, leaves the outcome open; every other VenueError is proof
    that the order does not exist. Of these, OrderNotTaken and RateLimited are not the order's fault: it may be placed
    again with the same id.
    """

    def __init__(self, config: VenueConfig, credentials: Credentials, *, clock: Clock | None = None) -> None:
        """Takes where to trade and the keys; connects in `open`."""
        self._config = config
        self._credentials = credentials
        self._clock = clock or SystemClock()
        self._owners = OrderOwners()
        self._gateway: Gateway | None = None
        self._redaction = Redaction(credentials)
        self._clock_keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> BinanceVenue:
        """Opens it."""
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes it."""
        await self.close()

    async def open(self) -> None:
        """Measures the clock, reads the rules, and checks that the account can be used.

        Raises:
            VenueMisconfigured: hedge mode, or bad keys; in LIVE and DEMO also multi-assets mode, or fees paid in BNB.
            VenueUnavailable: the venue cannot be reached.
        """
        self._redaction.start()
        self._gateway = gateway = Gateway(self._config, self._credentials, self._clock)
        self._rules = RuleBook(gateway, self._clock, max_age_s=self._config.rules_max_age_s)
        self._history = FillHistory(gateway, self._owners, margin_asset=self._config.margin_asset)
        self._sockets = Sockets(gateway.client, self._config, self._clock)
        try:
            await gateway.set_clock()
            await self._rules.refresh()
            await self._refuse_what_cannot_be_traded()
        except BaseException:
            await self.close()
            raise
        self._clock_keeper = asyncio.create_task(self._keep_clock(gateway), name="venue clock")

    async def close(self) -> None:
        """Ends the connections. Twice is fine."""
        gateway, keeper = self._gateway, self._clock_keeper
        self._gateway = self._clock_keeper = None
        if keeper is not None:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
        if gateway is not None:
            await self._sockets.close()
            await gateway.close()
        self._redaction.stop()

    @property
    def _open(self) -> Gateway:
        if self._gateway is None:
            raise VenueUnavailable("the venue is not open: call open(), or use it as an async context manager")
        return self._gateway

    async def _refuse_what_cannot_be_traded(self) -> None:
        if await self._open.ask(calls.POSITION_MODE, mapping.is_hedged):
            raise VenueMisconfigured("the account is in hedge mode: switch position mode to one-way before trading")
        if self._config.environment is VenueEnvironment.CUSTOM:
            return  # A venue of our own has neither of these.
        if await self._open.ask(calls.MULTI_ASSETS_MODE, mapping.has_multi_assets):
            raise VenueMisconfigured("multi-assets mode is on: one balance would not be the equity; switch it off")
        if await self._open.ask(calls.FEE_BURN, mapping.burns_fees):
            raise VenueMisconfigured(
                "fees are paid in BNB: they could not be accounted in the margin asset; switch off"
            )

    async def _keep_clock(self, gateway: Gateway) -> None:
        while True:
            await asyncio.sleep(self._config.clock_period_s)
            try:
                await gateway.set_clock()
            except VenueError as error:
                LOGGER.warning("the venue's clock could not be read, the last offset stays: %s", error)

    async def rules(self, symbol: str) -> SymbolRules:
        """Returns the filters of a symbol; read again every hour, and after a refusal that says they changed.

        Raises:
            VenueMisconfigured: the venue does not know the symbol.
        """
        self._open  # noqa: B018 -- raises when it is closed
        return await self._rules.of(symbol)

    async def place(self, order: OrderRequest) -> OrderState:
        """Places an order once; waits for the result, so that a MARKET order mostly comes back filled.

        Raises:
            OutcomeUnknown: nobody knows whether it exists. Settle it by `order` and the stream; never send it again.
            OrderNotTaken: it does not exist, and may be placed again: the clock was off, or the venue was out of order.
            OrderRefused: it does not exist; `code` says why.
            RateLimited: it does not exist. Entries are held back before reducing orders are.
        """
        call = calls.PLACE.settling() if order.reduce_only else calls.PLACE
        return self._learn(await self._place(call, mapping.order_state, _order_parameters(order)))

    async def place_stop(self, stop: StopRequest) -> StopState:
        """Places a stop that closes the whole position at market when the mark price reaches it; raises as `place`."""
        parameters = {
            # Passed on purpose: python-binance throws newClientOrderId away for conditional orders.
            "clientAlgoId": _client_id("client_algo_id", stop.client_algo_id),
            "algoType": "CONDITIONAL",
            "symbol": stop.symbol,
            "side": stop.side.value,
            "type": mapping.PROTECTIVE_STOP,
            "triggerPrice": _positive("trigger_price", stop.trigger_price),
            "workingType": "MARK_PRICE",
            # python-binance would send Python's True.
            "closePosition": "true",
        }
        return await self._place(calls.PLACE_STOP, mapping.stop_state, parameters)

    async def _place(self, call: Call, read: Callable[[object], Value], parameters: dict[str, str]) -> Value:
        try:
            return await self._open.ask(call, read, **parameters)
        except OrderRefused as refusal:
            self._rules.doubt(parameters["symbol"], refusal.code)
            raise

    def _learn(self, order: OrderState) -> OrderState:
        self._owners.learn(order)
        return order

    async def cancel(self, symbol: str, client_order_id: str) -> OrderState:
        """Cancels an order, or returns its state when there is nothing left to cancel.

        Raises:
            OutcomeUnknown: it may be cancelled or not; cancelling again is harmless.
            VenueError: with code -2013, there has never been such an order.
        """
        try:
            return self._learn(
                await self._open.ask(
                    calls.CANCEL, mapping.order_state, symbol=symbol, origClientOrderId=client_order_id
                )
            )
        except VenueError as error:
            if error.code != UNKNOWN_ORDER_ON_CANCEL:
                raise
        return await self._after_the_end(symbol, client_order_id)

    async def _after_the_end(self, symbol: str, client_order_id: str) -> OrderState:
        state = await self.order(symbol, client_order_id)
        if state is None:
            raise VenueError(f"there is no order {client_order_id} to cancel", code=NO_SUCH_ORDER)
        return state

    async def cancel_stop(self, symbol: str, client_algo_id: str) -> None:
        """Cancels a protective stop; one that is gone is fine."""
        try:
            await self._open.request(calls.CANCEL_STOP, symbol=symbol, clientAlgoId=client_algo_id)
        except VenueError as error:
            if error.code not in {UNKNOWN_ORDER_ON_CANCEL, NO_SUCH_ORDER}:
                raise

    async def order(self, symbol: str, client_order_id: str) -> OrderState | None:
        """Returns the order, or None when the venue says that it does not exist.

        None is proof only when the order can no longer be on its way: later than its sending plus the receive window.
        """
        try:
            return self._learn(
                await self._open.ask(
                    calls.GET_ORDER, mapping.order_state, symbol=symbol, origClientOrderId=client_order_id
                )
            )
        except VenueError as error:
            if error.code == NO_SUCH_ORDER:
                return None
            raise

    async def open_orders(self) -> list[OrderState]:
        """Returns every open order. Protective stops are not among them; see `open_stops`."""
        return [self._learn(order) for order in await self._open.ask(calls.OPEN_ORDERS, mapping.order_states)]

    async def open_stops(self) -> list[StopState]:
        """Returns every protective stop that is still armed."""
        return await self._open.ask(calls.OPEN_STOPS, mapping.protective_stops)

    async def positions(self) -> list[Position]:
        """Returns every position that is not flat.

        Raises:
            VenueMisconfigured: one belongs to hedge mode; sides are not netted, so that none would be right.
        """
        held, hedged = await self._open.ask(calls.POSITIONS, mapping.positions)
        if hedged:
            raise VenueMisconfigured(f"positions of hedge mode in {', '.join(hedged)}: switch to one-way mode")
        return held

    async def balance(self) -> Balance:
        """Returns the account's balance in the margin asset, as of now."""
        at, asset = await self.now(), self._config.margin_asset
        return await self._open.ask(calls.BALANCE, lambda answer: mapping.balance(answer, asset=asset, at=at))

    async def fills(self, symbol: str, since: datetime) -> list[Fill]:
        """Returns the fills since then, oldest first, all pages; see FillHistory for what is derived."""
        # Our idea of now may be late; the venue has no fills of the future.
        return await self._history.since(symbol, since, await self.now() + timedelta(hours=1))

    async def price(self, symbol: str) -> Price:
        """Returns the price of the last trade, and when that was."""
        return await self._open.ask(calls.PRICE, mapping.price, symbol=symbol)

    def prices(self, symbols: tuple[str, ...]) -> AsyncIterator[Price]:
        """Yields the price of each trade; who reads slower gets the newest of each symbol. Reconnects by itself."""
        self._open  # noqa: B018 -- raises when it is closed
        return PriceStream(self._sockets, symbols).prices()

    def candles(self, symbols: tuple[str, ...]) -> AsyncIterator[Candle]:
        """Yields each minute's candle once it has closed, each once and without gaps, also over a reconnect."""
        return CandleStream(self._open, self._sockets, symbols, now=self.now).candles()

    def user_events(self) -> AsyncIterator[UserEvent]:
        """Yields what happens to the account; StreamLost at the start and after every interruption.

        StreamLost comes when the new stream is up, so that comparing with the venue then leaves no gap. When it cannot
        be rebuilt at once another one comes before. An event may come twice.
        """
        return UserStream(self._open, self._sockets, self._owners).events()

    async def arm_dead_man(self, symbol: str, countdown_s: float) -> None:
        """Has the venue cancel the symbol's open orders unless this is called again in `countdown_s` real seconds.

        0 disarms. Treat protective stops as outside of it.
        """
        countdown_ms = max(0, int(countdown_s * 1000))
        await self._open.request(calls.COUNTDOWN, symbol=symbol, countdownTime=countdown_ms)

    def clock_offset_s(self) -> float | None:
        """Returns venue time minus local time, None while it is unknown. Requests are dated with it applied."""
        return None if self._gateway is None else self._gateway.time.offset_s()

    def clock_error_s(self) -> float | None:
        """Returns by how much a request may be misdated with the offset applied, None while the offset is unknown."""
        return None if self._gateway is None else self._gateway.time.error_s()

    async def now(self) -> datetime:
        """Returns the venue's present instant; measures its clock first when it is unknown."""
        gateway = self._open
        known = gateway.time.now()
        if known is None:
            await gateway.set_clock()
            known = gateway.time.now()
        if known is None:
            raise VenueUnavailable("the venue's clock is unknown")
        return known


def _order_parameters(order: OrderRequest) -> dict[str, str]:
    parameters = {
        "newClientOrderId": _client_id("client_order_id", order.client_order_id),
        "symbol": order.symbol,
        "side": order.side.value,
        "type": order.order_type.value,
        "quantity": _positive("quantity", order.quantity),
        "newOrderRespType": "RESULT",
    }
    if order.reduce_only:
        parameters["reduceOnly"] = "true"
    return parameters | _price_parameters(order)


def _price_parameters(order: OrderRequest) -> dict[str, str]:
    if order.order_type is OrderType.MARKET:
        if order.price is not None:
            raise OrderRefused("price: a MARKET order has none; it was not sent")
        return {}
    if order.price is None:
        raise OrderRefused("price: a LIMIT order needs one; it was not sent")
    return {"price": _positive("price", order.price), "timeInForce": "GTC"}


def _positive(name: str, value: Decimal) -> str:
    try:
        return plain(value)
    except ValueError as error:
        raise OrderRefused(f"{name}: {error}; it was not sent") from None


def _client_id(name: str, value: str) -> str:
    if not _CLIENT_ID.fullmatch(value):
        raise OrderRefused(f"{name}: 1 to 36 of A-Z a-z 0-9 _ - were expected; it was not sent")
    return value
