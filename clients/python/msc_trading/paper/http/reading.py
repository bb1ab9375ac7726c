"""Orders read from the parameters of a request."""

from __future__ import annotations

from collections.abc import Iterable

from msc_client import Side
from msc_trading.paper.engine import rejections as reason
from msc_trading.paper.engine.rejections import Rejected
from msc_trading.paper.engine.values import (
    CONDITIONAL_TYPES,
    NewAlgo,
    NewOrder,
    OrderType,
    SelfTrade,
    TimeInForce,
    WorkingType,
)
from msc_trading.paper.http.params import Params

POSITION_SIDES = frozenset({"BOTH", "LONG", "SHORT"})


def new_order(params: Params) -> NewOrder:
    """Returns the order that is asked for."""
    symbol = params.text("symbol")
    order_type = _order_type(params)
    if order_type in CONDITIONAL_TYPES:
        raise Rejected(reason.USE_ALGO_ENDPOINT)
    is_limit = order_type is OrderType.LIMIT
    _not_required(params, ("stopPrice", "callbackRate", "activationPrice"))
    if not is_limit:
        _not_required(params, ("price", "timeInForce"))
    if params.flag("closePosition"):
        raise Rejected(reason.WRONG_CLOSE_POSITION, order_type=order_type, close=True)
    _no_price_match(params)
    time_in_force = params.choice("timeInForce", TimeInForce, reason.BAD_TIME_IN_FORCE) if is_limit else TimeInForce.GTC
    good_till = params.optional_instant("goodTillDate") if time_in_force is TimeInForce.GTD else None
    if time_in_force is TimeInForce.GTD and good_till is None:
        raise Rejected(reason.MISSING_PARAMETER, name="goodTillDate")
    return NewOrder(
        symbol=symbol,
        side=params.choice("side", Side, reason.BAD_SIDE),
        order_type=order_type,
        quantity=params.decimal("quantity"),
        price=params.decimal("price") if is_limit else None,
        time_in_force=time_in_force,
        client_order_id=params.client_id("newClientOrderId"),
        reduce_only=params.flag("reduceOnly"),
        position_side=_position_side(params),
        self_trade=_self_trade(params),
        good_till=good_till,
    )


def new_algo(params: Params) -> NewAlgo:
    """Returns the conditional order that is asked for."""
    if params.text("algoType") != "CONDITIONAL":
        raise Rejected(reason.BAD_PARAMETER, name="algoType")
    symbol = params.text("symbol")
    order_type = _order_type(params)
    _no_price_match(params)
    return NewAlgo(
        symbol=symbol,
        side=params.choice("side", Side, reason.BAD_SIDE),
        order_type=order_type,
        trigger_price=params.optional_decimal("triggerPrice"),
        quantity=params.optional_decimal("quantity"),
        price=params.optional_decimal("price"),
        time_in_force=params.optional_choice("timeInForce", TimeInForce, reason.BAD_TIME_IN_FORCE, TimeInForce.GTC),
        client_algo_id=params.client_id("clientAlgoId"),
        reduce_only=params.flag("reduceOnly"),
        close_position=params.flag("closePosition"),
        position_side=_position_side(params),
        working_type=params.optional_choice(
            "workingType", WorkingType, reason.BAD_PARAMETER, WorkingType.CONTRACT_PRICE
        ),
        price_protect=params.flag("priceProtect"),
        activate_price=params.optional_decimal("activatePrice"),
        callback_rate=params.optional_decimal("callbackRate"),
        self_trade=_self_trade(params),
    )


def _order_type(params: Params) -> OrderType:
    order_type = params.choice("type", OrderType, reason.BAD_TYPE)
    if order_type is OrderType.LIQUIDATION:
        raise Rejected(reason.BAD_TYPE)
    return order_type


def _not_required(params: Params, names: Iterable[str]) -> None:
    for name in names:
        if params.has(name):
            raise Rejected(reason.NOT_REQUIRED, name=name)


def _no_price_match(params: Params) -> None:
    if (params.optional_text("priceMatch") or "NONE") != "NONE":
        raise Rejected(reason.UNSUPPORTED)


def _position_side(params: Params) -> str:
    side = params.optional_text("positionSide") or "BOTH"
    if side not in POSITION_SIDES:
        raise Rejected(reason.BAD_PARAMETER, name="positionSide")
    return side


def _self_trade(params: Params) -> SelfTrade:
    return params.optional_choice("selfTradePreventionMode", SelfTrade, reason.BAD_PARAMETER, SelfTrade.NONE)
