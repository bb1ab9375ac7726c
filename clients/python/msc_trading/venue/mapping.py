"""What the REST interface says, in our values. Everything raises Malformed for what cannot be read."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from msc_client import Side
from msc_trading.market.candle import Candle
from msc_trading.venue.port import (
    Balance,
    Fill,
    OrderState,
    OrderStatus,
    Position,
    Price,
    StopState,
    SymbolRules,
)
from msc_trading.venue.wire import Json, Malformed, flag, instant, number, record, rows, text, to_instant, to_number

CANDLE_LENGTH = timedelta(minutes=1)
ONE_WAY = "BOTH"
ARMED = "NEW"
PROTECTIVE_STOP = "STOP_MARKET"

# The dearest fee rate of an account without discounts: what a fee in another asset is taken for.
ASSUMED_FEE_FRACTION = Decimal("0.0005")

# How the venue names the orders by which it closes positions itself.
_FORCED_CLOSES = ("autoclose-", "adl_autoclose", "settlement_autoclose-")
_CANDLE_FIELDS = 7


def to_side(source: Json, name: str) -> Side:
    """Returns the side under the name."""
    try:
        return Side(text(source, name))
    except ValueError:
        raise Malformed(f"{name}: a side was expected") from None


def to_status(words: str) -> OrderStatus:
    """Returns the status; one that we do not know decides nothing."""
    try:
        return OrderStatus(words)
    except ValueError:
        return OrderStatus.UNKNOWN


def reduces(client_order_id: str, *, reduce_only: bool, close_position: bool) -> bool:
    """Returns whether an order can only have reduced a position."""
    return reduce_only or close_position or client_order_id.startswith(_FORCED_CLOSES)


def order_state(answer: object) -> OrderState:
    """Returns what an answer about an order says."""
    source = record(answer)
    client_order_id, filled = text(source, "clientOrderId"), number(source, "executedQty")
    return OrderState(
        client_order_id=client_order_id,
        order_id=text(source, "orderId"),
        symbol=text(source, "symbol"),
        side=to_side(source, "side"),
        status=to_status(text(source, "status")),
        quantity=number(source, "origQty"),
        filled_quantity=filled,
        average_price=_average_price(source, filled),
        reduce_only=reduces(
            client_order_id,
            reduce_only=flag(source, "reduceOnly", absent=False),
            close_position=flag(source, "closePosition", absent=False),
        ),
        updated_at=instant(source, "updateTime"),
    )


def _average_price(source: Json, filled: Decimal) -> Decimal | None:
    if filled <= 0:
        return None
    average = number(source, "avgPrice") if "avgPrice" in source else Decimal(0)
    # The answer to a cancel has no average, but what it is made of.
    return average if average > 0 else number(source, "cumQuote") / filled


def order_states(answer: object) -> list[OrderState]:
    """Returns what a list of orders says."""
    return [order_state(row) for row in rows(answer)]


def stop_state(answer: object) -> StopState:
    """Returns what the algo service says of a protective stop."""
    source = record(answer)
    return StopState(
        client_algo_id=text(source, "clientAlgoId"),
        symbol=text(source, "symbol"),
        side=to_side(source, "side"),
        trigger_price=number(source, "triggerPrice"),
        active=text(source, "algoStatus") == ARMED,
    )


def protective_stops(answer: object) -> list[StopState]:
    """Returns the armed stops that close a whole position; other conditional orders are not ours."""
    ours = [row for row in rows(answer) if _is_protective(row)]
    return [stop for stop in map(stop_state, ours) if stop.active]


def _is_protective(row: Json) -> bool:
    return text(row, "orderType") == PROTECTIVE_STOP and flag(row, "closePosition", absent=False)


def positions(answer: object) -> tuple[list[Position], list[str]]:
    """Returns the positions that are not flat, and the symbols of those that one-way mode does not know."""
    held = [row for row in rows(answer) if number(row, "positionAmt") != 0]
    hedged = [text(row, "symbol") for row in held if row.get("positionSide", ONE_WAY) != ONE_WAY]
    return [_position(row) for row in held], hedged


def _position(row: Json) -> Position:
    return Position(
        symbol=text(row, "symbol"),
        quantity=number(row, "positionAmt"),
        entry_price=number(row, "entryPrice"),
        mark_price=number(row, "markPrice"),
        unrealized_pnl=number(row, "unRealizedProfit"),
    )


def balance(answer: object, *, asset: str, at: datetime) -> Balance:
    """Returns the balance in the asset."""
    for row in rows(answer):
        if text(row, "asset") == asset:
            return Balance(
                wallet_balance=number(row, "balance"),
                unrealized_pnl=number(row, "crossUnPnl"),
                available=number(row, "availableBalance"),
                at=at,
            )
    raise Malformed(f"asset: no balance in {asset}")


def price(answer: object) -> Price:
    """Returns the newest price."""
    source = record(answer)
    return Price(symbol=text(source, "symbol"), price=number(source, "price"), at=instant(source, "time"))


def trade(source: Json, *, client_order_id: str, reduce_only: bool, asset: str) -> Fill:
    """Returns a fill of the account's trade list, which names neither the order's id of ours nor its flags."""
    quantity, price_ = number(source, "qty"), number(source, "price")
    return Fill(
        trade_id=text(source, "id"),
        order_id=text(source, "orderId"),
        client_order_id=client_order_id,
        symbol=text(source, "symbol"),
        side=to_side(source, "side"),
        quantity=quantity,
        price=price_,
        fee=fee(number(source, "commission"), source.get("commissionAsset"), asset=asset, notional=quantity * price_),
        realized_pnl=number(source, "realizedPnl"),
        reduce_only=reduce_only,
        at=instant(source, "time"),
    )


def fee(paid: Decimal, paid_in: object, *, asset: str, notional: Decimal) -> Decimal:
    """Returns the fee in the margin asset. One paid in another asset is taken for the dearest rate, never for nothing.

    Accounts that pay fees in another asset are refused at the start; this is for one that is switched over later.
    """
    return paid if paid == 0 or paid_in == asset else notional * ASSUMED_FEE_FRACTION


def candles(symbol: str, answer: object) -> list[Candle]:
    """Returns the bars of the candle list; the last one may still be running."""
    if not isinstance(answer, list):
        raise Malformed("klines: a list was expected")
    return [candle(symbol, row) for row in answer]


def candle(symbol: str, row: object) -> Candle:
    """Returns one bar of the candle list."""
    if not isinstance(row, list) or len(row) < _CANDLE_FIELDS:
        raise Malformed("kline: a row of at least seven fields was expected")
    return Candle(
        symbol=symbol,
        open_time=to_instant(int(to_number(row[0], "open time")), "open time"),
        open=to_number(row[1], "open"),
        high=to_number(row[2], "high"),
        low=to_number(row[3], "low"),
        close=to_number(row[4], "close"),
        volume=to_number(row[5], "volume"),
    )


def symbol_rows(exchange_info: Json) -> dict[str, Json]:
    """Returns what is told of each symbol, unread: one that cannot be read is nobody's trouble until it is traded."""
    return {text(row, "symbol"): row for row in rows(exchange_info.get("symbols"))}


def symbol_rules(row: Json) -> SymbolRules:
    """Returns the filters of a symbol."""
    filters = {text(item, "filterType"): item for item in rows(row.get("filters"))}
    prices, lots = _filter(filters, "PRICE_FILTER"), _filter(filters, "LOT_SIZE")
    market_lots, bounds = _filter(filters, "MARKET_LOT_SIZE"), _filter(filters, "PERCENT_PRICE")
    return SymbolRules(
        symbol=text(row, "symbol"),
        trading=text(row, "status") == "TRADING",
        # Not pricePrecision: that counts decimals, and a tick may be 0.05.
        tick_size=number(prices, "tickSize"),
        min_price=number(prices, "minPrice"),
        max_price=number(prices, "maxPrice"),
        step_size=number(lots, "stepSize"),
        min_quantity=number(lots, "minQty"),
        max_quantity=number(lots, "maxQty"),
        market_step_size=number(market_lots, "stepSize"),
        market_min_quantity=number(market_lots, "minQty"),
        market_max_quantity=number(market_lots, "maxQty"),
        min_notional=number(_filter(filters, "MIN_NOTIONAL"), "notional"),
        multiplier_up=number(bounds, "multiplierUp"),
        multiplier_down=number(bounds, "multiplierDown"),
    )


def _filter(filters: dict[str, Json], name: str) -> Json:
    if name not in filters:
        raise Malformed(f"filters: {name} is missing")
    return filters[name]


def is_hedged(answer: object) -> bool:
    """Returns whether the account holds longs and shorts side by side."""
    return flag(record(answer), "dualSidePosition")


def has_multi_assets(answer: object) -> bool:
    """Returns whether several assets are margin together."""
    return flag(record(answer), "multiAssetsMargin")


def burns_fees(answer: object) -> bool:
    """Returns whether fees are paid in the venue's own coin."""
    return flag(record(answer), "feeBurn")
