"""Orders, conditional orders and trades as REST answers them."""

from __future__ import annotations

from decimal import Decimal

from msc_client import Side
from msc_trading.paper.config import SymbolSpec
from msc_trading.paper.engine.values import Algo, Income, Order, Trade
from msc_trading.paper.http.text import fixed, instant, plain

Shape = dict[str, object]


def order_shape(spec: SymbolSpec, order: Order, *, with_sum: bool = False) -> Shape:
    """Returns an order; `with_sum` adds what only answers to placing and cancelling have."""
    price, quantity = spec.price_precision, spec.quantity_precision
    shape: Shape = {
        "orderId": order.order_id,
        "symbol": order.symbol,
        "status": order.status.value,
        "clientOrderId": order.client_order_id,
        "price": fixed(order.price, price),
        "avgPrice": fixed(order.average_price, price),
        "origQty": fixed(order.quantity, quantity),
        "executedQty": fixed(order.executed, quantity),
        "cumQuote": fixed(order.quote, price),
        "timeInForce": order.time_in_force.value,
        "type": order.order_type.value,
        "reduceOnly": order.reduce_only,
        "closePosition": order.close_position,
        "side": order.side.value,
        "positionSide": "BOTH",
        "stopPrice": fixed(order.stop_price, price),
        "workingType": order.working_type.value,
        "priceProtect": order.price_protect,
        "origType": order.original_type.value,
        "priceMatch": "NONE",
        "selfTradePreventionMode": order.self_trade.value,
        "goodTillDate": instant(order.good_till),
        "time": instant(order.created),
        "updateTime": instant(order.updated),
    }
    return shape | {"cumQty": fixed(order.executed, quantity)} if with_sum else shape


def algo_shape(spec: SymbolSpec, algo: Algo) -> Shape:
    """Returns a conditional order. Its type stands under both names that the venue has used."""
    asked, price = algo.asked, spec.price_precision
    return {
        "algoId": algo.algo_id,
        "clientAlgoId": algo.client_algo_id,
        "algoType": "CONDITIONAL",
        "orderType": asked.order_type.value,
        "type": asked.order_type.value,
        "symbol": asked.symbol,
        "side": asked.side.value,
        "positionSide": "BOTH",
        "timeInForce": asked.time_in_force.value,
        "quantity": fixed(asked.quantity or Decimal(0), spec.quantity_precision),
        "algoStatus": algo.status.value,
        "actualOrderId": "" if algo.order_id is None else str(algo.order_id),
        "actualPrice": fixed(algo.average_price, price),
        "triggerPrice": fixed(algo.trigger_price, price),
        "price": fixed(asked.price or Decimal(0), price),
        "icebergQuantity": None,
        "tpTriggerPrice": "0.000",
        "tpPrice": "0.000",
        "slTriggerPrice": "0.000",
        "slPrice": "0.000",
        "tpOrderType": "",
        "selfTradePreventionMode": asked.self_trade.value,
        "workingType": asked.working_type.value,
        "priceMatch": "NONE",
        "closePosition": asked.close_position,
        "priceProtect": asked.price_protect,
        "reduceOnly": asked.reduce_only,
        "activatePrice": "" if asked.activate_price is None else plain(asked.activate_price),
        "callbackRate": "" if asked.callback_rate is None else plain(asked.callback_rate),
        "createTime": instant(algo.created),
        "updateTime": instant(algo.updated),
        "triggerTime": instant(algo.triggered),
        "goodTillDate": 0,
    }


def trade_shape(spec: SymbolSpec, trade: Trade) -> Shape:
    """Returns a fill."""
    return {
        "symbol": trade.symbol,
        "id": trade.trade_id,
        "orderId": trade.order_id,
        "side": trade.side.value,
        "price": fixed(trade.price, spec.price_precision),
        "qty": fixed(trade.quantity, spec.quantity_precision),
        "realizedPnl": f"{trade.realized:.8f}",
        "quoteQty": fixed(trade.quote, spec.price_precision),
        "commission": f"{trade.fee:.8f}",
        "commissionAsset": spec.quote_asset,
        "time": instant(trade.at),
        "positionSide": "BOTH",
        "buyer": trade.side is Side.BUY,
        "maker": trade.maker,
    }


def income_shape(income: Income) -> Shape:
    """Returns a change of the wallet."""
    return {
        "symbol": income.symbol,
        "incomeType": income.kind.value,
        "income": f"{income.amount:.8f}",
        "asset": "USDT",
        "info": income.kind.value if income.trade_id is None else str(income.trade_id),
        "time": instant(income.at),
        "tranId": income.transaction_id,
        "tradeId": "" if income.trade_id is None else str(income.trade_id),
    }
