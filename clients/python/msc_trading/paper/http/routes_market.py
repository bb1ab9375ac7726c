"""Routes about markets, open to everybody."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from msc_trading.paper.engine import rejections as reason
from msc_trading.paper.engine.bars import INTERVALS, Bar, milliseconds
from msc_trading.paper.engine.market import Market
from msc_trading.paper.engine.rejections import Rejected
from msc_trading.paper.http import market_shapes as shapes
from msc_trading.paper.http.auth import Access
from msc_trading.paper.http.params import Params
from msc_trading.paper.http.route import Call, Route, by_symbol
from msc_trading.paper.http.text import fixed

DEPTHS = (5, 10, 20, 50, 100, 500, 1000)
DEFAULT_DEPTH = 500


def ping(_: Call) -> object:
    """Answers nothing."""
    return {}


def server_time(call: Call) -> object:
    """Answers the exchange's time."""
    # Not under any text that somebody sends: what was told is remembered.
    key = call.api_key if call.desk.gate.knows(call.api_key) else ""
    return {"serverTime": call.desk.time.tell(key)}


def exchange_info(call: Call) -> object:
    """Answers contracts and limits."""
    config = call.desk.config
    return {
        "timezone": "UTC",
        "serverTime": call.desk.time.now_ms(),
        "futuresType": "U_MARGINED",
        "rateLimits": shapes.rate_limit_shapes(config.rate_limits),
        "exchangeFilters": [],
        "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}],
        "symbols": [shapes.symbol_shape(spec) for spec in config.symbols],
    }


def depth(call: Call) -> object:
    """Answers the book."""
    count = call.params.optional_integer("limit") or DEFAULT_DEPTH
    if count not in DEPTHS:
        raise Rejected(reason.BAD_PARAMETER, name="limit")
    return shapes.depth_shape(_market(call), count, call.desk.now())


def klines(call: Call) -> object:
    """Answers bars, oldest first; the last one may still grow."""
    params, market = call.params, _market(call)
    interval = params.text("interval")
    if interval not in INTERVALS:
        raise Rejected(reason.BAD_INTERVAL)
    start, end = params.optional_instant("startTime"), params.optional_instant("endTime")
    limit = params.limit(500, 1500)
    bars = _between(market.bars.of(interval), start, end)
    chosen = bars[:limit] if start is not None else bars[-limit:]
    return [shapes.kline_row(market, bar) for bar in chosen]


def _between(bars: Iterable[Bar], start: datetime | None, end: datetime | None) -> list[Bar]:
    if start is not None and end is not None and start > end:
        raise Rejected(reason.START_AFTER_END)
    first = milliseconds(start) if start is not None else 0
    last = milliseconds(end) if end is not None else float("inf")
    return [bar for bar in bars if first <= bar.open_ms <= last]


def premium_index(call: Call) -> object:
    """Answers mark price and funding."""
    desk = call.desk
    return _one_or_all(
        call, [shapes.premium_shape(each, desk.now(), desk.engine.next_funding) for each in _markets(call)]
    )


def funding_rate(call: Call) -> object:
    """Answers settled funding rates, oldest first."""
    params = call.params
    symbol, limit = params.optional_text("symbol"), params.limit(100, 1000)
    start, end = params.optional_instant("startTime"), params.optional_instant("endTime")
    found = [
        {"symbol": name, "fundingRate": fixed(rate, 8), "fundingTime": milliseconds(at), "markPrice": fixed(mark, 8)}
        for name, at, rate, mark in call.desk.engine.state.funding
        if symbol in {None, name} and (start is None or at >= start) and (end is None or at <= end)
    ]
    return found[:limit] if start is not None else found[-limit:]


def book_ticker(call: Call) -> object:
    """Answers the best prices."""
    return _one_or_all(call, [shapes.book_ticker_shape(each, call.desk.now()) for each in _markets(call)])


def ticker_price(call: Call) -> object:
    """Answers the last price."""
    return _one_or_all(call, [shapes.price_shape(each, call.desk.now()) for each in _markets(call)])


def ticker_day(call: Call) -> object:
    """Answers the statistics of a day."""
    days = [(each, shapes.day_of(each)) for each in _markets(call)]
    return _one_or_all(call, [shapes.ticker_shape(each, day, call.desk.now()) for each, day in days if day is not None])


def _market(call: Call) -> Market:
    return call.desk.engine.state.market(call.params.text("symbol"))


def _markets(call: Call) -> list[Market]:
    state = call.desk.engine.state
    if call.params.has("symbol"):
        return [state.market(call.params.text("symbol"))]
    return [market for market in state.markets.values() if market.has_price]


def _one_or_all(call: Call, rows: list[shapes.Shape]) -> object:
    return rows[0] if call.params.has("symbol") and rows else rows


def _depth_weight(params: Params) -> int:
    limit = params.optional_integer("limit") or DEFAULT_DEPTH
    return next((weight for most, weight in ((50, 2), (100, 5), (500, 10)) if limit <= most), 20)


def _kline_weight(params: Params) -> int:
    limit = params.optional_integer("limit") or 500
    return next((weight for most, weight in ((99, 1), (499, 2), (1000, 5)) if limit <= most), 10)


ROUTES = (
    Route("GET", "/api/v3/ping", Access.OPEN, ping),
    Route("GET", "/api/v3/time", Access.OPEN, server_time),
    Route("GET", "/fapi/v1/ping", Access.OPEN, ping),
    Route("GET", "/fapi/v1/time", Access.OPEN, server_time),
    Route("GET", "/fapi/v1/exchangeInfo", Access.OPEN, exchange_info),
    Route("GET", "/fapi/v1/depth", Access.OPEN, depth, _depth_weight),
    Route("GET", "/fapi/v1/klines", Access.OPEN, klines, _kline_weight),
    Route("GET", "/fapi/v1/premiumIndex", Access.OPEN, premium_index, by_symbol(1, 10)),
    Route("GET", "/fapi/v1/fundingRate", Access.OPEN, funding_rate),
    Route("GET", "/fapi/v1/ticker/bookTicker", Access.OPEN, book_ticker, by_symbol(2, 5)),
    Route("GET", "/fapi/v1/ticker/24hr", Access.OPEN, ticker_day, by_symbol(1, 40)),
    Route("GET", "/fapi/v1/ticker/price", Access.OPEN, ticker_price, by_symbol(1, 2)),
    Route("GET", "/fapi/v2/ticker/price", Access.OPEN, ticker_price, by_symbol(1, 2)),
)
