"""Values that tests of the venue start from."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from msc_client import Side
from msc_trading.venue.port import OrderRequest, OrderType, StopRequest

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

MARKET_BUY = OrderRequest(
    client_order_id="id-1", symbol="BTCUSDT", side=Side.BUY, order_type=OrderType.MARKET, quantity=Decimal("0.010")
)
LIMIT_SELL = replace(
    MARKET_BUY, client_order_id="id-2", side=Side.SELL, order_type=OrderType.LIMIT, price=Decimal("51000.10")
)
MARKET_CLOSE = replace(MARKET_BUY, client_order_id="id-3", side=Side.SELL, reduce_only=True)
STOP = StopRequest(client_algo_id="stop-1", symbol="BTCUSDT", side=Side.SELL, trigger_price=Decimal("48000.00"))


class ManualClock:
    """A clock that stands still until it is moved; the wall clock may also jump by itself."""

    def __init__(self, now: datetime = NOON) -> None:
        self._now = now
        self._monotonic = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


class Overflow(logging.Handler):
    """Hears python-binance say that its queue is full."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = asyncio.Event()
        logging.getLogger("binance.ws.reconnecting_websocket").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if "QueueOverflow" in record.getMessage():
            self.seen.set()
            logging.getLogger(record.name).removeHandler(self)
