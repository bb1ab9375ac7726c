"""What the streams say, in our values. Everything raises Malformed for what cannot be read."""

from __future__ import annotations

from decimal import Decimal

from msc_trading.market.candle import Candle
from msc_trading.venue.mapping import ONE_WAY, fee, reduces, to_side, to_status
from msc_trading.venue.port import Fill, OrderState, OrderUpdate, PositionUpdate, Price, StreamLost, UserEvent
from msc_trading.venue.wire import Json, Malformed, flag, inner, instant, number, rows, text

# CALCULATED is how the venue reports the fills of liquidations.
_FILLING = {"TRADE", "CALCULATED"}
# Ends of a stop that may leave a position without its protection.
_STOP_FAILED = {"REJECTED", "EXPIRED"}


def user_events(message: Json, *, asset: str) -> list[UserEvent]:
    """Returns what a message of the account's stream means.

    TRADE_LITE is left out: ORDER_TRADE_UPDATE says the same with fee and PnL. So are changes of leverage, which
    nothing here depends on, and stops, whose orders come as ORDER_TRADE_UPDATE; only a stop that failed is told, as
    something to compare with the venue.
    """
    kind = message.get("e")
    if kind == "ORDER_TRADE_UPDATE":
        return [order_update(message, asset=asset)]
    if kind == "ACCOUNT_UPDATE":
        return list(position_updates(message, asset=asset))
    if kind == "ALGO_UPDATE":
        return _stop_failures(inner(message, "o"))
    return []


def order_update(message: Json, *, asset: str) -> OrderUpdate:
    """Returns an execution report, with its fill if it is one."""
    report = inner(message, "o")
    filled, average, client_order_id = number(report, "z"), number(report, "ap"), text(report, "c")
    order = OrderState(
        client_order_id=client_order_id,
        order_id=text(report, "i"),
        symbol=text(report, "s"),
        side=to_side(report, "S"),
        status=to_status(text(report, "X")),
        quantity=number(report, "q"),
        filled_quantity=filled,
        average_price=average if filled > 0 else None,
        reduce_only=reduces(
            client_order_id,
            reduce_only=flag(report, "R", absent=False),
            close_position=flag(report, "cp", absent=False),
        ),
        updated_at=instant(message, "T"),
    )
    is_fill = text(report, "x") in _FILLING and number(report, "l") > 0
    return OrderUpdate(order=order, fill=_fill(report, order, asset=asset) if is_fill else None)


def _fill(report: Json, order: OrderState, *, asset: str) -> Fill:
    quantity, price = number(report, "l"), number(report, "L")
    # Without a fee the venue leaves both fields out.
    paid = number(report, "n") if report.get("n") is not None else Decimal(0)
    return Fill(
        trade_id=text(report, "t"),
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        quantity=quantity,
        price=price,
        fee=fee(paid, report.get("N"), asset=asset, notional=quantity * price),
        realized_pnl=number(report, "rp"),
        reduce_only=order.reduce_only,
        at=instant(report, "T"),
    )


def position_updates(message: Json, *, asset: str) -> list[PositionUpdate]:
    """Returns one update for each position told, or one with the wallet alone."""
    told, at = inner(message, "a"), instant(message, "T")
    wallet = _wallet(told, asset)
    updates = [
        PositionUpdate(
            symbol=text(row, "s"),
            quantity=_one_way_quantity(row),
            entry_price=number(row, "ep"),
            wallet_balance=wallet,
            at=at,
        )
        for row in rows(told.get("P", []))
    ]
    only_wallet = PositionUpdate(symbol=None, quantity=None, entry_price=None, wallet_balance=wallet, at=at)
    return updates or [only_wallet]


def _one_way_quantity(row: Json) -> Decimal:
    if row.get("ps", ONE_WAY) != ONE_WAY:
        raise Malformed("ps: a position of hedge mode")
    return number(row, "pa")


def _wallet(told: Json, asset: str) -> Decimal | None:
    balances = [number(row, "wb") for row in rows(told.get("B", [])) if row.get("a") == asset]
    return balances[0] if balances else None


def _stop_failures(stop: Json) -> list[UserEvent]:
    status = text(stop, "X")
    return [StreamLost(why=f"stop {text(stop, 'caid')} is {status}")] if status in _STOP_FAILED else []


def trade_price(message: Json) -> Price:
    """Returns the price of an aggTrade message."""
    return Price(symbol=text(message, "s"), price=number(message, "p"), at=instant(message, "T"))


def closed_candle(message: Json) -> Candle | None:
    """Returns the candle of a kline message, None while its minute is not over."""
    bar = inner(message, "k")
    if not flag(bar, "x"):
        return None
    return Candle(
        symbol=text(bar, "s"),
        open_time=instant(bar, "t"),
        open=number(bar, "o"),
        high=number(bar, "h"),
        low=number(bar, "l"),
        close=number(bar, "c"),
        volume=number(bar, "v"),
    )
