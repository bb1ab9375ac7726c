"""Markets as REST answers them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from msc_client import Side
from msc_trading.paper.config import RateLimits, SymbolSpec
from msc_trading.paper.engine.bars import Bar
from msc_trading.paper.engine.market import Market
from msc_trading.paper.engine.values import CONDITIONAL_TYPES, ZERO, OrderType, TimeInForce
from msc_trading.paper.http.text import fixed, milliseconds, plain

Shape = dict[str, object]
PERPETUAL_END_MS = 4133404800000
UNLIMITED_LEVEL = Decimal(1_000_000)
TAKER_SHARE = Decimal("0.5")
HOURS_IN_A_DAY = 24
INTEREST_RATE = "0.00010000"


def symbol_shape(spec: SymbolSpec) -> Shape:
    """Returns a contract with its filters."""
    return {
        "symbol": spec.symbol,
        "pair": spec.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": PERPETUAL_END_MS,
        "onboardDate": spec.onboard_ms,
        "status": spec.status,
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": spec.base_asset,
        "quoteAsset": spec.quote_asset,
        "marginAsset": spec.quote_asset,
        "pricePrecision": spec.price_precision,
        "quantityPrecision": spec.quantity_precision,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": ["PoW"],
        "settlePlan": 0,
        "triggerProtect": "0.0500",
        "liquidationFee": str(spec.liquidation_fee),
        "marketTakeBound": str(spec.market_take_bound),
        "maxMoveOrderLimit": 10000,
        "filters": _filters(spec),
        "orderTypes": [OrderType.LIMIT, OrderType.MARKET, *(kind for kind in OrderType if kind in CONDITIONAL_TYPES)],
        "timeInForce": [*TimeInForce],
    }


def _filters(spec: SymbolSpec) -> list[Shape]:
    return [
        {
            "filterType": "PRICE_FILTER",
            "tickSize": str(spec.tick_size),
            "minPrice": str(spec.min_price),
            "maxPrice": str(spec.max_price),
        },
        _lot_size("LOT_SIZE", spec.step_size, spec.min_quantity, spec.max_quantity),
        _lot_size("MARKET_LOT_SIZE", spec.market_step_size, spec.market_min_quantity, spec.market_max_quantity),
        {"filterType": "MAX_NUM_ORDERS", "limit": spec.max_orders},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": spec.max_algo_orders},
        {"filterType": "MIN_NOTIONAL", "notional": str(spec.min_notional)},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": str(spec.multiplier_up),
            "multiplierDown": str(spec.multiplier_down),
            "multiplierDecimal": "4",
        },
    ]


def _lot_size(name: str, step: Decimal, smallest: Decimal, largest: Decimal) -> Shape:
    return {"filterType": name, "stepSize": str(step), "minQty": str(smallest), "maxQty": str(largest)}


def rate_limit_shapes(limits: RateLimits) -> list[Shape]:
    """Returns the limits on requests and orders."""
    weight = {
        "rateLimitType": "REQUEST_WEIGHT",
        "interval": "MINUTE",
        "intervalNum": 1,
        "limit": limits.weight_per_minute,
    }
    return [weight, *order_limit_shapes(limits)]


def order_limit_shapes(limits: RateLimits) -> list[Shape]:
    """Returns the limits on orders."""
    return [
        {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": limits.orders_per_minute},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": limits.orders_per_10s},
    ]


def levels(market: Market, taker: Side, count: int) -> list[list[str]]:
    """Returns one side of the book, best first; nobody offers before there is a price."""
    if not market.has_price:
        return []
    price = market.spec.price_precision
    quantity = market.spec.quantity_precision
    found: list[list[str]] = []
    for level, available in market.levels(taker):
        if len(found) == count:
            break
        found.append([fixed(level, price), fixed(available or UNLIMITED_LEVEL, quantity)])
    return found


def best(market: Market, taker: Side) -> list[str]:
    """Returns price and quantity of the best level; zeros where nobody offers, as the venue writes it."""
    nobody = [fixed(ZERO, market.spec.price_precision), fixed(ZERO, market.spec.quantity_precision)]
    return next(iter(levels(market, taker, 1)), nobody)


def depth_shape(market: Market, count: int, now: datetime) -> Shape:
    """Returns the book."""
    return {
        "lastUpdateId": market.update_id,
        "E": milliseconds(now),
        "T": milliseconds(now),
        "bids": levels(market, Side.SELL, count),
        "asks": levels(market, Side.BUY, count),
    }


def book_ticker_shape(market: Market, now: datetime) -> Shape:
    """Returns the best prices."""
    bid, ask = best(market, Side.SELL), best(market, Side.BUY)
    return {
        "symbol": market.spec.symbol,
        "bidPrice": bid[0],
        "bidQty": bid[1],
        "askPrice": ask[0],
        "askQty": ask[1],
        "time": milliseconds(now),
        "lastUpdateId": market.update_id,
    }


def price_shape(market: Market, now: datetime) -> Shape:
    """Returns the last price."""
    price = fixed(market.last, market.spec.price_precision)
    return {"symbol": market.spec.symbol, "price": price, "time": milliseconds(now)}


def premium_shape(market: Market, now: datetime, next_funding: datetime) -> Shape:
    """Returns mark price and funding."""
    return {
        "symbol": market.spec.symbol,
        "markPrice": fixed(market.mark, 8),
        "indexPrice": fixed(market.last, 8),
        "estimatedSettlePrice": fixed(market.last, 8),
        "lastFundingRate": fixed(market.spec.funding_rate, 8),
        "interestRate": INTEREST_RATE,
        "nextFundingTime": milliseconds(next_funding),
        "time": milliseconds(now),
    }


def kline_row(market: Market, bar: Bar) -> list[object]:
    """Returns a bar as a row. Takers are taken to have bought half of it."""
    price = market.spec.price_precision
    return [
        bar.open_ms,
        fixed(bar.open, price),
        fixed(bar.high, price),
        fixed(bar.low, price),
        fixed(bar.close, price),
        plain(bar.volume),
        bar.close_ms,
        plain(round(bar.quote, 8)),
        bar.trades,
        plain(bar.volume * TAKER_SHARE),
        plain(round(bar.quote * TAKER_SHARE, 8)),
        "0",
    ]


def day_of(market: Market) -> Bar | None:
    """Returns the last 24 hourly bars as one, None without any."""
    hours = list(market.bars.of("1h"))[-HOURS_IN_A_DAY:]
    if not hours:
        return None
    first = hours[0]
    return Bar(
        open_ms=first.open_ms,
        close_ms=hours[-1].close_ms,
        open=first.open,
        high=max(bar.high for bar in hours),
        low=min(bar.low for bar in hours),
        close=market.last,
        volume=sum((bar.volume for bar in hours), ZERO),
        quote=sum((bar.quote for bar in hours), ZERO),
        trades=sum(bar.trades for bar in hours),
        first_trade=first.first_trade,
    )


def ticker_shape(market: Market, day: Bar, now: datetime) -> Shape:
    """Returns the statistics of a day."""
    price = market.spec.price_precision
    change = day.close - day.open
    return {
        "symbol": market.spec.symbol,
        "priceChange": fixed(change, price),
        "priceChangePercent": f"{change / day.open * 100:.3f}",
        "weightedAvgPrice": fixed(day.quote / day.volume if day.volume else day.close, price),
        "lastPrice": fixed(day.close, price),
        "lastQty": fixed(ZERO, market.spec.quantity_precision),
        "openPrice": fixed(day.open, price),
        "highPrice": fixed(day.high, price),
        "lowPrice": fixed(day.low, price),
        "volume": plain(day.volume),
        "quoteVolume": plain(round(day.quote, 8)),
        "openTime": day.open_ms,
        "closeTime": milliseconds(now),
        "firstId": day.first_trade,
        "lastId": market.next_trade_id - 1,
        "count": day.trades,
    }
