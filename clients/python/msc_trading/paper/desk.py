"""The exchange without its sockets: engine, time, prices, limits, faults and listeners, put together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from msc_trading.clock import Clock
from msc_trading.market.candle import Candle
from msc_trading.paper.clock import SimulatedClock
from msc_trading.paper.config import PaperConfig
from msc_trading.paper.engine.core import Engine
from msc_trading.paper.engine.events import PriceMoved
from msc_trading.paper.engine.values import ZERO, Order
from msc_trading.paper.feed import Feed
from msc_trading.paper.http.auth import Gate, ServerTime
from msc_trading.paper.http.faults import Faults
from msc_trading.paper.http.hub import Hub
from msc_trading.paper.http.limits import Limiter
from msc_trading.paper.http.listen_keys import ListenKeys

HEARTBEAT = timedelta(seconds=1)


class Desk:
    """One running exchange. Everything here is synchronous; whoever calls it is in one event loop."""

    def __init__(self, config: PaperConfig, feeds: Mapping[str, Iterable[Candle]], clock: Clock) -> None:
        unknown = set(feeds) - {spec.symbol for spec in config.symbols}
        if unknown:
            raise ValueError(f"feeds: no such symbol: {', '.join(sorted(unknown))}")
        self.config = config
        self._feed = Feed(feeds, origin=config.origin, warm_up_bars=config.warm_up_bars)
        self.origin = self._feed.origin
        self.clock = SimulatedClock(clock, origin=self.origin, speed=config.speed, paused=config.paused)
        self.engine = Engine(config, self.origin)
        for candle in self._feed.history():
            self.engine.remember(candle)
        self.time = ServerTime(self.clock)
        self.gate = Gate(config.keys, self.time)
        self.limiter = Limiter(config.rate_limits)
        self.listen_keys = ListenKeys(config.seed, config.listen_key_s)
        self.faults = Faults()
        self.hub = Hub(self.engine, self.faults.mangle)
        self.thawed = asyncio.Event()
        self.thawed.set()
        self._frozen_until_s: float | None = None
        self._countdowns: dict[str, float] = {}
        self._told: dict[str, datetime] = {}
        self.catch_up()

    @property
    def feed_ended(self) -> bool:
        """Whether there is no price left to come."""
        return self._feed.ended

    def now(self) -> datetime:
        """Returns the simulated instant."""
        return self.clock.now()

    def catch_up(self) -> None:
        """Brings the engine to the present: every price that is due, then the time itself."""
        now = self.now()
        for point in self._feed.until(now):
            self.engine.move(
                point.symbol,
                point.price,
                point.at,
                quantity=point.quantity,
                jumps=point.jumps,
                closes_bar=point.closes_bar,
            )
            self._told[point.symbol] = point.at
            self.publish()
        self.engine.advance(now)
        self.publish()

    def publish(self) -> None:
        """Sends what has happened since the last time."""
        self.hub.publish(self.engine.drain())

    def tick(self) -> None:
        """Does what is due without anybody asking: prices, heartbeats, countdowns, tickets and old connections."""
        now_s = self.clock.real_s()
        if self._frozen_until_s is not None and now_s >= self._frozen_until_s:
            self.thaw()
        if not self.thawed.is_set():
            return
        self.catch_up()
        self._beat()
        self._count_down(now_s)
        self.hub.expire(self.listen_keys.expired(now_s))
        self.hub.close_older_than(now_s - self.config.stream_age_s)

    def _beat(self) -> None:
        now = self.now()
        for symbol, market in self.engine.state.markets.items():
            if market.has_price and now - self._told.get(symbol, now - HEARTBEAT) >= HEARTBEAT:
                self._told[symbol] = now
                self.hub.beat(PriceMoved(at=now, symbol=symbol, quantity=ZERO, closes_bar=False))

    def count_down(self, symbol: str, milliseconds: int) -> None:
        """Cancels the symbol's open orders in so many real milliseconds unless it is called again; 0 disarms."""
        if milliseconds:
            self._countdowns[symbol] = self.clock.real_s() + milliseconds / 1000
        else:
            self._countdowns.pop(symbol, None)

    def _count_down(self, now_s: float) -> None:
        for symbol in [symbol for symbol, due_s in self._countdowns.items() if due_s <= now_s]:
            del self._countdowns[symbol]
            self.engine.cancel_all(symbol, self.now())
        self.publish()

    def set_price(self, symbol: str, price: Decimal, *, jumps: bool = False) -> None:
        """Moves the price by hand."""
        self.catch_up()
        self.engine.move(symbol, price, self.now(), jumps=jumps)
        self.publish()

    def step(self, by: timedelta) -> None:
        """Moves simulated time forward, with all that falls into it."""
        self.clock.step(by)
        self.catch_up()
        self._beat()

    def liquidate(self, symbol: str, *, by_adl: bool = False) -> Order | None:
        """Closes a position as a liquidation would; None without one."""
        self.catch_up()
        order = self.engine.liquidate(symbol, self.now(), by_adl=by_adl)
        self.publish()
        return order

    def freeze(self, seconds: float | None) -> None:
        """Answers nothing and sends nothing for so many real seconds, None until it is thawed."""
        self._frozen_until_s = None if seconds is None else self.clock.real_s() + seconds
        self.thawed.clear()

    def thaw(self) -> None:
        """Ends a freeze."""
        self._frozen_until_s = None
        self.thawed.set()

    def expire_listen_keys(self) -> int:
        """Ends every ticket to the private stream; returns how many there were."""
        expired = self.listen_keys.expire_all()
        self.hub.expire(expired)
        return len(expired)
