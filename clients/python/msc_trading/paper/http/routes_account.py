"""Routes about the account: balance, positions, history, settings, and tickets to its stream."""

from __future__ import annotations

from msc_trading.paper.engine import margin
from msc_trading.paper.engine import rejections as reason
from msc_trading.paper.engine.rejections import Rejected
from msc_trading.paper.engine.values import Income, Position, Trade
from msc_trading.paper.http import account_shapes as shapes
from msc_trading.paper.http.auth import Access
from msc_trading.paper.http.market_shapes import order_limit_shapes
from msc_trading.paper.http.order_shapes import income_shape, trade_shape
from msc_trading.paper.http.route import Call, Route
from msc_trading.paper.http.routes_trade import page, time_filter
from msc_trading.paper.http.text import plain

SUCCESS = {"code": 200, "msg": "success"}
MARGIN_TYPES = frozenset({"CROSSED", "ISOLATED"})


def balance(call: Call) -> object:
    """Answers the balance."""
    return shapes.balance_shapes(call.desk.engine.state)


def account(call: Call) -> object:
    """Answers the account with its assets and positions."""
    return shapes.account_shape(call.desk.engine.state)


def positions_in_use(call: Call) -> object:
    """Answers the positions that are not flat or have open orders."""
    state = call.desk.engine.state
    return [
        shapes.position_shape(state, position)
        for position in _positions(call)
        if position.quantity or state.open_orders[position.symbol]
    ]


def positions(call: Call) -> object:
    """Answers every position, flat ones too."""
    return [shapes.position_shape(call.desk.engine.state, position) for position in _positions(call)]


def _positions(call: Call) -> list[Position]:
    state = call.desk.engine.state
    if call.params.has("symbol"):
        return [state.positions[state.spec(call.params.text("symbol")).symbol]]
    return list(state.positions.values())


def user_trades(call: Call) -> object:
    """Answers fills of a symbol, oldest first: a week of them, or from an id on."""
    params, state = call.params, call.desk.engine.state
    spec, from_id = state.spec(params.text("symbol")), params.optional_integer("fromId")
    if from_id is not None and (params.has("startTime") or params.has("endTime")):
        raise Rejected(reason.BAD_COMBINATION)
    order_id, within = params.optional_integer("orderId"), time_filter(call)
    found: list[Trade] = [
        trade
        for trade in state.trades[spec.symbol]
        if (trade.trade_id >= from_id if from_id is not None else within(trade.at))
        and order_id in {None, trade.order_id}
    ]
    return [trade_shape(spec, trade) for trade in page(found, call, from_start=from_id is not None)]


def income(call: Call) -> object:
    """Answers changes of the wallet, oldest first, in pages."""
    params, within = call.params, time_filter(call)
    symbol, kind = params.optional_text("symbol"), params.optional_text("incomeType")
    limit, number = params.limit(100, 1000), params.optional_integer("page") or 1
    found: list[Income] = [
        change
        for change in call.desk.engine.state.incomes
        if symbol in {None, change.symbol} and kind in {None, change.kind.value} and within(change.at)
    ]
    if params.has("page") or params.has("startTime"):
        found = found[(number - 1) * limit : number * limit]
    return [income_shape(change) for change in found[-limit:]]


def commission_rate(call: Call) -> object:
    """Answers the fees of a symbol."""
    spec = call.desk.engine.state.spec(call.params.text("symbol"))
    maker, taker = plain(spec.maker_fee), plain(spec.taker_fee)
    return {"symbol": spec.symbol, "makerCommissionRate": maker, "takerCommissionRate": taker}


def leverage_bracket(call: Call) -> object:
    """Answers leverage tiers."""
    state = call.desk.engine.state
    if call.params.has("symbol"):
        return [shapes.bracket_shape(state.spec(call.params.text("symbol")))]
    return [shapes.bracket_shape(market.spec) for market in state.markets.values()]


def set_leverage(call: Call) -> object:
    """Sets the leverage of a symbol."""
    symbol, leverage = call.params.text("symbol"), call.params.integer("leverage")
    largest = call.desk.engine.set_leverage(symbol, leverage, call.desk.now())
    return {"symbol": symbol, "leverage": leverage, "maxNotionalValue": plain(largest)}


def set_margin_type(call: Call) -> object:
    """Refuses every change: this account is cross."""
    call.desk.engine.state.market(call.params.text("symbol"))
    margin_type = call.params.text("marginType")
    if margin_type not in MARGIN_TYPES:
        raise Rejected(reason.BAD_PARAMETER, name="marginType")
    raise Rejected(reason.SAME_MARGIN_TYPE if margin_type == "CROSSED" else reason.UNSUPPORTED)


def position_mode(call: Call) -> object:
    """Answers the position mode."""
    return {"dualSidePosition": call.desk.engine.state.hedge_mode}


def set_position_mode(call: Call) -> object:
    """Sets the position mode."""
    call.params.text("dualSidePosition")
    call.desk.engine.set_hedge_mode(call.params.flag("dualSidePosition"), call.desk.now())
    return SUCCESS


def multi_assets_mode(_: Call) -> object:
    """Answers that there is one asset."""
    return {"multiAssetsMargin": False}


def account_config(call: Call) -> object:
    """Answers the account's settings."""
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "dualSidePosition": call.desk.engine.state.hedge_mode,
        "updateTime": 0,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
    }


def symbol_config(call: Call) -> object:
    """Answers the account's settings for each symbol."""
    state = call.desk.engine.state
    return [
        {
            "symbol": position.symbol,
            "marginType": "CROSSED",
            "isAutoAddMargin": False,
            "leverage": state.leverage[position.symbol],
            "maxNotionalValue": plain(
                margin.max_notional(state.spec(position.symbol), state.leverage[position.symbol])
            ),
        }
        for position in _positions(call)
    ]


def order_limits(call: Call) -> object:
    """Answers the limits on orders."""
    return order_limit_shapes(call.desk.config.rate_limits)


def issue_listen_key(call: Call) -> object:
    """Answers a ticket to the private stream; the same one while it lives."""
    return {"listenKey": call.desk.listen_keys.issue(call.api_key, call.desk.clock.real_s())}


def renew_listen_key(call: Call) -> object:
    """Gives a ticket a new life."""
    return {"listenKey": call.desk.listen_keys.renew(call.api_key, call.desk.clock.real_s())}


def close_listen_key(call: Call) -> object:
    """Ends a ticket."""
    call.desk.listen_keys.close(call.api_key)
    return {}


ROUTES = (
    Route("GET", "/fapi/v2/balance", Access.SIGNED, balance, 5),
    Route("GET", "/fapi/v3/balance", Access.SIGNED, balance, 5),
    Route("GET", "/fapi/v2/account", Access.SIGNED, account, 5),
    Route("GET", "/fapi/v3/account", Access.SIGNED, account, 5),
    Route("GET", "/fapi/v2/positionRisk", Access.SIGNED, positions, 5),
    Route("GET", "/fapi/v3/positionRisk", Access.SIGNED, positions_in_use, 5),
    Route("GET", "/fapi/v1/userTrades", Access.SIGNED, user_trades, 5),
    Route("GET", "/fapi/v1/income", Access.SIGNED, income, 30),
    Route("GET", "/fapi/v1/commissionRate", Access.SIGNED, commission_rate, 20),
    Route("GET", "/fapi/v1/leverageBracket", Access.SIGNED, leverage_bracket),
    Route("POST", "/fapi/v1/leverage", Access.TRADE, set_leverage),
    Route("POST", "/fapi/v1/marginType", Access.TRADE, set_margin_type),
    Route("GET", "/fapi/v1/positionSide/dual", Access.SIGNED, position_mode, 30),
    Route("POST", "/fapi/v1/positionSide/dual", Access.TRADE, set_position_mode),
    Route("GET", "/fapi/v1/multiAssetsMargin", Access.SIGNED, multi_assets_mode, 30),
    Route("GET", "/fapi/v1/accountConfig", Access.SIGNED, account_config, 5),
    Route("GET", "/fapi/v1/symbolConfig", Access.SIGNED, symbol_config, 5),
    Route("GET", "/fapi/v1/rateLimit/order", Access.SIGNED, order_limits),
    Route("POST", "/fapi/v1/listenKey", Access.KEY, issue_listen_key),
    Route("PUT", "/fapi/v1/listenKey", Access.KEY, renew_listen_key),
    Route("DELETE", "/fapi/v1/listenKey", Access.KEY, close_listen_key),
)
