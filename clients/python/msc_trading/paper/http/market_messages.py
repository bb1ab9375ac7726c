"""Messages of the public and market streams, and what their names mean."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from msc_client import Side
from msc_trading.paper.engine.bars import INTERVALS, Bar, milliseconds
from msc_trading.paper.engine.core import Engine
from msc_trading.paper.engine.events import ForcedOrder, PriceMoved
from msc_trading.paper.engine.market import Market
from msc_trading.paper.http.market_shapes import TAKER_SHARE, best, day_of, levels
from msc_trading.paper.http.text import fixed, plain

Shape = dict[str, object]
PUBLIC_KINDS = frozenset({"bookTicker", "depth"})
ALL_MARKETS = {
    "!bookTicker": "bookTicker",
    "!miniTicker@arr": "miniTicker",
    "!ticker@arr": "ticker",
    "!markPrice@arr": "markPrice",
    "!markPrice@arr@1s": "markPrice",
    "!forceOrder@arr": "forceOrder",
}
ONE_MARKET = re.compile(
    r"(?P<symbol>[a-z0-9]+)(?:_perpetual)?@(?:"
    r"(?P<kind>bookTicker|aggTrade|markPrice|miniTicker|ticker|forceOrder)(?:@1s)?"
    r"|(?P<kline>kline|continuousKline)_(?P<interval>\w+)"
    r"|depth(?P<levels>5|10|20)(?:@(?:100|250|500)ms)?)"
)
HEARTBEAT_KINDS = frozenset({"markPrice", "bookTicker"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """What a stream name stands for. `symbol` None: all of them."""

    name: str
    kind: str
    symbol: str | None
    detail: str = ""

    @property
    def category(self) -> str:
        """The path the stream lives under: public or market."""
        return "public" if self.kind in PUBLIC_KINDS else "market"


def channel_of(name: str, symbols: frozenset[str]) -> Channel | None:
    """Returns what a stream name stands for, None when it is none."""
    if name in ALL_MARKETS:
        return Channel(name=name, kind=ALL_MARKETS[name], symbol=None)
    found = ONE_MARKET.fullmatch(name)
    if found is None or found["symbol"].upper() not in symbols:
        return None
    symbol = found["symbol"].upper()
    if found["kline"]:
        known = found["interval"] in INTERVALS
        return Channel(name=name, kind=found["kline"], symbol=symbol, detail=found["interval"]) if known else None
    if found["kind"]:
        return Channel(name=name, kind=found["kind"], symbol=symbol)
    return Channel(name=name, kind="depth", symbol=symbol, detail=found["levels"])


def market_message(engine: Engine, channel: Channel, event: PriceMoved) -> object:
    """Returns what a channel says of a move of the price, None when it says nothing."""
    message = _WRITERS[channel.kind](engine, channel, event) if channel.kind in _WRITERS else None
    return [message] if message is not None and channel.name.endswith(("@arr", "@arr@1s")) else message


def forced_order_message(channel: Channel, event: ForcedOrder) -> object:
    """Returns what a channel says of a liquidation, None when it says nothing."""
    order = event.order
    if channel.kind != "forceOrder" or channel.symbol not in {None, order.symbol}:
        return None
    at = milliseconds(event.at)
    return {
        "e": "forceOrder",
        "E": at,
        "o": {
            "s": order.symbol,
            "S": order.side.value,
            "o": "LIMIT",
            "f": "IOC",
            "q": plain(order.quantity),
            "p": plain(order.price),
            "ap": plain(round(order.average_price, 8)),
            "X": order.status.value,
            "l": plain(order.executed),
            "z": plain(order.executed),
            "T": at,
        },
    }


def _market(engine: Engine, event: PriceMoved) -> Market:
    return engine.state.markets[event.symbol]


def _book_ticker(engine: Engine, _: Channel, event: PriceMoved) -> Shape:
    market, at = _market(engine, event), milliseconds(event.at)
    bid, ask = best(market, Side.SELL), best(market, Side.BUY)
    return {
        "e": "bookTicker",
        "u": market.update_id,
        "E": at,
        "T": at,
        "s": event.symbol,
        "b": bid[0],
        "B": bid[1],
        "a": ask[0],
        "A": ask[1],
        "st": 1,
        "ps": event.symbol,
    }


def _agg_trade(engine: Engine, _: Channel, event: PriceMoved) -> Shape | None:
    if not event.quantity:
        return None
    market, at = _market(engine, event), milliseconds(event.at)
    trade_id = market.next_trade_id - 1
    return {
        "e": "aggTrade",
        "E": at,
        "a": trade_id,
        "s": event.symbol,
        "p": fixed(market.last, market.spec.price_precision),
        "q": plain(event.quantity),
        "f": trade_id,
        "l": trade_id,
        "T": at,
        "m": False,
        "st": 1,
    }


def _mark_price(engine: Engine, _: Channel, event: PriceMoved) -> Shape:
    market = _market(engine, event)
    return {
        "e": "markPriceUpdate",
        "E": milliseconds(event.at),
        "s": event.symbol,
        "p": fixed(market.mark, 8),
        "i": fixed(market.last, 8),
        "P": fixed(market.last, 8),
        "r": fixed(market.spec.funding_rate, 8),
        "T": milliseconds(engine.next_funding),
        "st": 1,
    }


def _kline(engine: Engine, channel: Channel, event: PriceMoved) -> Shape:
    market = _market(engine, event)
    bar = market.bars.of(channel.detail)[-1]
    body = _bar(market, bar, channel.detail)
    return {"e": "kline", "E": _told_at(event, bar), "s": event.symbol, "k": body}


def _continuous_kline(engine: Engine, channel: Channel, event: PriceMoved) -> Shape:
    market = _market(engine, event)
    bar = market.bars.of(channel.detail)[-1]
    body = _bar(market, bar, channel.detail)
    del body["s"]
    return {
        "e": "continuous_kline",
        "E": _told_at(event, bar),
        "ps": event.symbol,
        "ct": "PERPETUAL",
        "k": body,
    }


def _told_at(event: PriceMoved, bar: Bar) -> int:
    return bar.close_ms + 1 if bar.closed else milliseconds(event.at)


def _bar(market: Market, bar: Bar, interval: str) -> Shape:
    price = market.spec.price_precision
    return {
        "t": bar.open_ms,
        "T": bar.close_ms,
        "s": market.spec.symbol,
        "i": interval,
        "f": bar.first_trade,
        "L": market.next_trade_id - 1,
        "o": fixed(bar.open, price),
        "c": fixed(bar.close, price),
        "h": fixed(bar.high, price),
        "l": fixed(bar.low, price),
        "v": plain(bar.volume),
        "n": bar.trades,
        "x": bar.closed,
        "q": plain(round(bar.quote, 8)),
        "V": plain(bar.volume * TAKER_SHARE),
        "Q": plain(round(bar.quote * TAKER_SHARE, 8)),
        "B": "0",
    }


def _mini_ticker(engine: Engine, _: Channel, event: PriceMoved) -> Shape | None:
    market = _market(engine, event)
    day = day_of(market)
    if day is None:
        return None
    price = market.spec.price_precision
    return {
        "e": "24hrMiniTicker",
        "E": milliseconds(event.at),
        "s": event.symbol,
        "c": fixed(day.close, price),
        "o": fixed(day.open, price),
        "h": fixed(day.high, price),
        "l": fixed(day.low, price),
        "v": plain(day.volume),
        "q": plain(round(day.quote, 8)),
    }


def _ticker(engine: Engine, channel: Channel, event: PriceMoved) -> Shape | None:
    market = _market(engine, event)
    mini, day = _mini_ticker(engine, channel, event), day_of(market)
    if mini is None or day is None:
        return None
    change, price = day.close - day.open, market.spec.price_precision
    return mini | {
        "e": "24hrTicker",
        "p": fixed(change, price),
        "P": f"{change / day.open * 100:.3f}",
        "w": fixed(day.quote / day.volume if day.volume else day.close, price),
        "Q": plain(event.quantity),
        "O": day.open_ms,
        "C": milliseconds(event.at),
        "F": day.first_trade,
        "L": market.next_trade_id - 1,
        "n": day.trades,
    }


def _depth(engine: Engine, channel: Channel, event: PriceMoved) -> Shape:
    market, at = _market(engine, event), milliseconds(event.at)
    count = int(channel.detail)
    return {
        "e": "depthUpdate",
        "E": at,
        "T": at,
        "s": event.symbol,
        "U": market.update_id,
        "u": market.update_id,
        "pu": market.update_id - 1,
        "b": levels(market, Side.SELL, count),
        "a": levels(market, Side.BUY, count),
    }


_WRITERS: dict[str, Callable[[Engine, Channel, PriceMoved], Shape | None]] = {
    "bookTicker": _book_ticker,
    "aggTrade": _agg_trade,
    "markPrice": _mark_price,
    "kline": _kline,
    "continuousKline": _continuous_kline,
    "miniTicker": _mini_ticker,
    "ticker": _ticker,
    "depth": _depth,
}
